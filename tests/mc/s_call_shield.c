/* SPDX-License-Identifier: MIT */
/*
 * s_call_shield.c - a shield that ends between the two walks of its parent's end
 *
 * The first walk passes a live shield.  Its own canceller ends it, and is only about to
 * mark what is below, when the second walk comes there: what that leaves behind must
 * not be said to be clean.
 */
#include "s_call.h"

static struct urctx *p, *s, *k, *g;
static struct job *on_p, *on_below;

static void below_done(struct urctx_callback *cb)
{
	mc_assert(urctx_err(k));
	run_once((struct job *)cb);
}

static void init_shield(void)
{
	threads(2);
	p = node(NULL, "P");
	mc_assert(!urctx_without_cancel(p, &s));
	mc_name(s, sizeof(*s), "S");
	remember(contexts_, s);
	k = node(s, "K");
	on_p = armed(p, fn_run);
}

static void init(void)
{
	init_shield();
	g = node(k, "G");
	on_below = armed(g, fn_run);
}

/* What runs at the end of the shield finds all below it done. */
static void init_order(void)
{
	init_shield();
	on_below = armed(s, below_done);
}

static void t_cancel(void)
{
	cancel_one(p);
}

static void t_cancel_shield(void)
{
	cancel_two(s);
	mc_assert(urctx_err(g ? g : k));
}

static void fini(void)
{
	mc_assert(on_p->runs == 1 && on_below->runs == 1);
	mc_free(on_p);
	mc_free(on_below);
}

static const struct mc_scenario all = {
	"call_shield", "G2 G6", init, { t_cancel, t_cancel_shield }, fini, TREE,
};
static const struct mc_scenario order = {
	"call_shield_order", "G2 G6", init_order, { t_cancel, t_cancel_shield }, fini, TREE,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &all, &order, NULL);
}
