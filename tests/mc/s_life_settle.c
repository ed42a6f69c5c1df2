/* SPDX-License-Identifier: MIT */
/*
 * s_life_settle.c - who puts looks after what is retired, and reuses it (I5, G9)
 *
 *	P -> X	Q
 *
 * One cancels P, and walks into X.  Another puts X, which has no children, and makes
 * a child of Q, of the same memory if he can.  Q is live: so must its children be.
 *
 * MC: -DRETIRE_BATCH=9
 */
#include "s_life.h"

static struct urctx *p, *x, *q, *n, *a, *b;

static void walk_and_reuse(int nr)
{
	threads(nr);
	housekeeper();
	p = node(NULL, "P");
	q = childless(NULL, "Q");
	x = childless(p, "X");
	give(2, 1, 1);
}

static void init_reuse(void)
{
	walk_and_reuse(2);
	batch_full(2);
}

/* The canceller was never in a section before: he enters the readers' table. */
static void init_first(void)
{
	init_reuse();
	mc_become(1);
	readers_left(this_thread());
	mc_become(0);
}

/* And finds it full, and perhaps no memory for another block of it. */
static void init_no_room(void)
{
	walk_and_reuse(2);
	batch_full(2);
	mc_become(1);
	readers_left(this_thread());
	mc_become(3);
	readers_join(this_thread());
	mc_become(0);
}

static void t_cancel(void)
{
	cancel_one(p);
}

/* Its own cache is the first that X's memory comes to, and goes from. */
static void reuse(void)
{
	n = derive(q);
	mc_assert(!urctx_done(n));
}

static void t_put_reuse(void)
{
	urctx_put(x);
	reuse();
}

/* He is in a section himself: it is the housekeeper's then, who waits. */
static void t_house_reuse(void)
{
	section_enter();
	urctx_put(x);
	section_exit();
	house_turn();
	reuse();
}

static void live_all(void)
{
	ended_by(p, ONE);
	live(q);
	live(n);
	cancel_two(q);
	ended_by(n, TWO);
	urctx_put(n);
	urctx_put(q);
	urctx_put(p);
	home();
}

static void init_two(void)
{
	threads(2);
	housekeeper();
	a = childless(NULL, "A");
	b = childless(NULL, "B");
	batch_full(1);
}

static void t_put_a(void)
{
	urctx_put(a);
}

static void t_put_b(void)
{
	urctx_put(b);
}

static void t_put_b_inside(void)
{
	section_enter();
	urctx_put(b);
	section_exit();
}

static const struct mc_scenario put_reuse = {
	"settle_reuse", "G9", init_reuse, { t_cancel, t_put_reuse }, live_all, LIFE | MC_QUICK,
};
static const struct mc_scenario house_reuse = {
	"settle_house", "G9", init_reuse, { t_cancel, t_house_reuse }, live_all,
	LIFE | MC_QUICK,
};
static const struct mc_scenario first_reuse = {
	"settle_first", "G9", init_first, { t_cancel, t_put_reuse }, live_all, LIFE | MC_QUICK,
};
static const struct mc_scenario first_house = {
	"settle_house_first", "G9", init_first, { t_cancel, t_house_reuse }, live_all, LIFE,
};
static const struct mc_scenario no_room = {
	"settle_no_room", "G9", init_no_room, { t_cancel, t_put_reuse }, live_all,
	LIFE | MC_FAIL_MALLOC, .faults = 1,
};
static const struct mc_scenario two = {
	"settle_two", "G9", init_two, { t_put_a, t_put_b }, home, LIFE | MC_QUICK,
};
static const struct mc_scenario in_the_way = {
	"settle_in_the_way", "G9", init_two, { t_put_a, t_put_b_inside }, home, LIFE,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &put_reuse, &house_reuse, &first_reuse, &first_house, &no_room,
		       &two, &in_the_way, NULL);
}
