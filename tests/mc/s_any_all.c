/* SPDX-License-Identifier: MIT */
/*
 * s_any_all.c - a link, a zombie, a pin, the list of the retired, clean marks and a
 * callback, all at once
 *
 *	P -> N -> Y, {callback}
 *	Q ---'
 *
 * N was put while it had a child, and is on the list.  One walk comes to it by its
 * parent, another by the link, and both rest there; Y leaves, the list is taken.  N
 * leaves both slots, once, and its memory may be a child of another meanwhile.
 *
 * MC: -DRETIRE_BATCH=9 -DWALK_BREATH=1
 */
#include "s_call.h"

static struct urctx *p, *q, *n, *y, *o, *k;
static struct job *j;

static void join_put(int nr, bool call)
{
	struct urctx *both[2];

	threads(nr);
	housekeeper();
	both[0] = p = node(NULL, "P");
	both[1] = q = node(NULL, "Q");
	mc_assert(!urctx_with_any(both, 2, &n));
	mc_name(n, sizeof(*n), "N");
	remember(contexts_, n);
	with_extra(n);
	remember(chunks_, chunk_first(p));
	remember(chunks_, chunk_first(q));
	y = node(n, "Y");
	if (call)
		j = armed(n, fn_run);
	urctx_put(n);
}

static void init_two(void)
{
	join_put(2, false);
}

static void init_call(void)
{
	join_put(2, true);
}

/* Thread 2 makes a child of O of the first memory that comes back to it. */
static void init_reuse(void)
{
	join_put(2, true);
	o = childless(NULL, "O");
	give(2, 1, 0);
}

/* P has been ended, and walked: all there is is done, and said to be. */
static void init_clean(void)
{
	join_put(2, false);
	cancel_one(p);
}

/* P has been ended, by one who has yet to walk. */
static void init_ended(void)
{
	join_put(2, true);
	ended(p);
}

static void t_cancel_p(void)
{
	cancel_one(p);
}

static void t_help_p(void)
{
	urctx_cancel_cause(p, ONE);
}

static void t_cancel_q(void)
{
	cancel_two(q);
}

/* Who is told that it has ended knows that one of both has. */
static void look_put(void)
{
	if (urctx_err(y))
		mc_assert(urctx_err(p) || urctx_err(q));
	urctx_put(y);
}

static void t_look_put(void)
{
	look_put();
}

static void t_put_house(void)
{
	urctx_put(y);
	house_turn();
}

static void t_put_reuse(void)
{
	t_put_house();
	k = derive(o);
	live(k);
}

static void left(void)
{
	while (house_turn())
		;
	if (j) {
		mc_assert(j->runs == 1);
		mc_free(j);
	}
	childless_now(p);
	childless_now(q);
	if (o) {
		live(k);
		urctx_put(k);
		urctx_put(o);
	}
	urctx_put(p);
	urctx_put(q);
	home();
}

/* Y is what keeps N: it goes now. */
static void kept(void)
{
	mc_assert(urctx_err(y));
	urctx_put(y);
	left();
}

static const struct mc_scenario by_link = {
	"all_link", "G2 G9", init_two, { t_cancel_q, t_put_house }, left, LIFE,
};
static const struct mc_scenario by_parent = {
	"all_parent", "G2 G9", init_two, { t_cancel_p, t_put_house }, left, LIFE,
};
static const struct mc_scenario is_clean = {
	"all_clean", "G2 G9", init_clean, { t_cancel_q, t_put_house }, left, LIFE,
};
static const struct mc_scenario by_both = {
	"all_both", "G2 G9", init_two, { t_cancel_p, t_cancel_q }, kept, LIFE,
};
static const struct mc_scenario call = {
	"all_link_called", "G2 G6 G9", init_call, { t_cancel_q, t_look_put }, left, LIFE,
};
static const struct mc_scenario helped = {
	"all_link_helped", "G2 G6 G9 G12", init_ended, { t_help_p, t_look_put }, left, LIFE,
};
static const struct mc_scenario reuse = {
	"all_link_reuse", "G2 G3 G9", init_reuse, { t_cancel_q, t_put_reuse }, left, LIFE,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &by_link, &by_parent, &is_clean, &by_both, &call,
		       &helped, &reuse, NULL);
}
