/* SPDX-License-Identifier: MIT */
/*
 * s_life_fence.c - zombies where sys_membarrier() is refused: fences on both sides
 *
 *	G -> Z -> Y, W
 *
 * MC: -DRETIRE_BATCH=9 -DURCTX_MC_NO_MEMBARRIER
 */
#include "s_life.h"

static struct urctx *g, *z, *y, *w;

static void tree(int nr)
{
	threads(nr);
	housekeeper();
	g = node(NULL, "G");
	z = node(g, "Z");
	y = node(z, "Y");
}

static void init_one(void)
{
	tree(2);
}

static void init_two(void)
{
	tree(3);
	w = node(z, "W");
}

static void init_walk(void)
{
	tree(2);
	ended(g);
}

static void t_put_house(void)
{
	urctx_put(z);
	house_turn();
}

static void t_y(void)
{
	urctx_put(y);
}

static void t_w(void)
{
	urctx_put(w);
}

/* Walks, and then leaves. */
static void t_help_y(void)
{
	urctx_cancel_cause(g, ONE);
	urctx_put(y);
}

static void gone(void)
{
	while (house_turn())
		;
	childless_now(g);
	urctx_put(g);
	home();
}

static const struct mc_scenario one = {
	"fence_zombie", "G9", init_one, { t_put_house, t_y }, gone, LIFE | MC_QUICK,
};
static const struct mc_scenario two = {
	"fence_zombie_two", "G9", init_two, { t_put_house, t_y, t_w }, gone, LIFE,
};
static const struct mc_scenario walk = {
	"fence_walk", "G9", init_walk, { t_put_house, t_help_y }, gone, LIFE,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &one, &two, &walk, NULL);
}
