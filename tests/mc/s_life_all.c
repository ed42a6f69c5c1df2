/* SPDX-License-Identifier: MIT */
/*
 * s_life_all.c - zombie, pin, list of the retired, clean marks and a callback, all at once
 *
 *	G -> Z -> Y, {callback}		Q
 *
 * Z was put while it had children, and is on the list.  G is cancelled, the walk
 * rests at Z and at its callback.  Y leaves, the callback runs or is stopped, the
 * list is taken; Z is reclaimed once, and its memory may be a child of Q, which is
 * live.
 *
 * MC: -DRETIRE_BATCH=9 -DWALK_BREATH=1
 */
#include "s_call.h"

static struct urctx *g, *z, *y, *q, *n;
static struct job *j;

static void tree(int nr)
{
	threads(nr);
	housekeeper();
	g = node(NULL, "G");
	z = node(g, "Z");
}

/* The callback is the last that keeps Z. */
static void init_called(void)
{
	tree(2);
	j = armed(z, fn_run);
	urctx_put(z);
	q = childless(NULL, "Q");
	give(2, 1, 0);
}

/* The callback runs or has run when Y leaves, or the other way round. */
static void init_both(void)
{
	tree(2);
	y = node(z, "Y");
	j = armed(z, fn_run);
	urctx_put(z);
	ended(g);
}

static void t_cancel(void)
{
	cancel_one(g);
}

static void t_help(void)
{
	urctx_cancel_cause(g, ONE);
}

static void t_house_reuse(void)
{
	house_turn();
	n = derive(q);
	mc_assert(!urctx_done(n));
}

static void t_y_house(void)
{
	urctx_put(y);
	house_turn();
}

static void t_stop(void)
{
	stop_and_free(j);
	j = NULL;
}

static void over(void)
{
	while (house_turn())
		;
	ended_by(g, ONE);
	if (j) {
		mc_assert(j->body == 1);
		mc_free(j);
	}
	if (n) {
		live(n);
		urctx_put(n);
	}
	if (q)
		urctx_put(q);
	childless_now(g);
	urctx_put(g);
	home();
}

static const struct mc_scenario walked = {
	"all_walked", "G2 G9", init_both, { t_help, t_y_house }, over, LIFE,
};
static const struct mc_scenario called = {
	"all_called", "G2 G6 G9", init_called, { t_cancel, t_house_reuse }, over, LIFE,
};
static const struct mc_scenario stopped = {
	"all_stopped", "G2 G6 G9", init_called, { t_cancel, t_stop }, over, LIFE,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &called, &stopped, &walked, NULL);
}
