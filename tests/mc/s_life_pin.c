/* SPDX-License-Identifier: MIT */
/*
 * s_life_pin.c - a long walk leaves its section, and rests at a context (I11)
 *
 *	P -> X, K	Q
 *
 * It rests at X, after one chunk; X is put meanwhile.
 *
 * MC: -DRETIRE_BATCH=9 -DWALK_BREATH=1
 */
#include "s_life.h"

static struct urctx *p, *x, *k, *q, *n, *y;

static void tree(int nr)
{
	threads(nr);
	housekeeper();
	p = node(NULL, "P");
	x = node(p, "X");
	ended(p);
}

/* X is empty when it is put. */
static void init_empty(void)
{
	tree(2);
	k = node(p, "K");
	q = childless(NULL, "Q");
	give(2, 2, 1);
	urctx_put(node(x, "left"));
	batch_full(2);
}

/* X has a child when it is put: Y. */
static void init_zombie(void)
{
	tree(2);
	y = node(x, "Y");
}

static void t_cancel(void)
{
	cancel_one(p);
	mc_assert(!k || urctx_done(k));
}

static void t_put_x(void)
{
	urctx_put(x);
	n = derive(q);
	mc_assert(!urctx_done(n));
}

static void t_put_x_house(void)
{
	urctx_put(x);
	house_turn();
	n = derive(q);
	mc_assert(!urctx_done(n));
}

static void t_put_both(void)
{
	urctx_put(x);
	urctx_put(y);
	house_turn();
}

static void over(void)
{
	while (house_turn())
		;
	ended_by(p, ONE);
	if (k) {
		ended_by(k, ONE);
		live(q);
		live(n);
		mc_assert(n->slot->v == (uintptr_t)n);
		urctx_put(n);
		urctx_put(q);
		urctx_put(k);
	}
	childless_now(p);
	urctx_put(p);
	home();
}

static const struct mc_scenario empty = {
	"pin_empty", "G2 G9", init_empty, { t_cancel, t_put_x }, over, LIFE,
};
static const struct mc_scenario empty_house = {
	"pin_house", "G2 G9", init_empty, { t_cancel, t_put_x_house }, over, LIFE,
};
static const struct mc_scenario zombie = {
	"pin_zombie", "G2 G9", init_zombie, { t_cancel, t_put_both }, over, LIFE,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &empty, &empty_house, &zombie, NULL);
}
