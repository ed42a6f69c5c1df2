/* SPDX-License-Identifier: MIT */
/*
 * s_life_zombie.c - a context that is put before its children goes with the last
 * of them, once (I15, G9)
 *
 *	G -> Z -> Y0, Y1
 *
 * MC: -DRETIRE_BATCH=9
 */
#include "s_life.h"

static struct urctx *g, *z, *y0, *y1, *y2;

static void tree(int nr, int children)
{
	threads(nr);
	housekeeper();
	g = node(NULL, "G");
	z = node(g, "Z");
	y0 = node(z, "Y0");
	y1 = children > 1 ? node(z, "Y1") : NULL;
	y2 = children > 2 ? node(z, "Y2") : NULL;
}

static void init_one(void)
{
	tree(2, 1);
}

static void init_one_full(void)
{
	tree(2, 1);
	batch_full(1);
}

static void init_two(void)
{
	tree(3, 2);
}

static void init_three(void)
{
	tree(3, 1);
}

/* Z was put before, and taken off the list: its children are all that keeps it. */
static void init_left(void)
{
	tree(2, 2);
	urctx_put(z);
	house_turn();
}

/* One of its children stays: in the middle, where the next look begins. */
static void init_kept(void)
{
	tree(2, 3);
	urctx_put(z);
	house_turn();
}

/* The same, and it is on the list still. */
static void init_listed(void)
{
	tree(3, 2);
	urctx_put(z);
}

static void t_z(void)
{
	urctx_put(z);
}

static void t_y0(void)
{
	urctx_put(y0);
}

static void t_y1(void)
{
	urctx_put(y1);
}

static void t_y2(void)
{
	urctx_put(y2);
}

static void t_cancel(void)
{
	cancel_one(g);
}

static void t_house(void)
{
	house_turn();
}

static void gone(void)
{
	while (house_turn())
		;
	childless_now(g);
	urctx_put(g);
	home();
}

static void kept(void)
{
	while (house_turn())
		;
	mc_assert(!(z->watch & DEAD) && z->slot->v == (uintptr_t)z);
	urctx_put(y1);
	gone();
}

static const struct mc_scenario one = {
	"zombie_one", "G9", init_one, { t_z, t_y0 }, gone, LIFE | MC_QUICK,
};
static const struct mc_scenario one_full = {
	"zombie_settled", "G9", init_one_full, { t_z, t_y0 }, gone, LIFE,
};
static const struct mc_scenario listed = {
	"zombie_listed", "G9", init_listed, { t_y0, t_y1, t_house }, gone, LIFE,
};
static const struct mc_scenario left = {
	"zombie_left", "G9", init_left, { t_y0, t_y1 }, gone, LIFE | MC_QUICK,
};
static const struct mc_scenario stays = {
	"zombie_kept", "G9", init_kept, { t_y0, t_y2 }, kept, LIFE | MC_QUICK,
};
static const struct mc_scenario house = {
	"zombie_house", "G9", init_three, { t_z, t_y0, t_house }, gone, LIFE,
};
static const struct mc_scenario cancel = {
	"zombie_cancel", "G9", init_three, { t_z, t_y0, t_cancel }, gone, LIFE,
};
static const struct mc_scenario two = {
	"zombie_two", "G9", init_two, { t_z, t_y0, t_y1 }, gone, LIFE,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &one, &left, &stays, &two, &house, &cancel,
		       &listed, &one_full, NULL);
}
