/* SPDX-License-Identifier: MIT */
/*
 * s_life_chain.c - zombies of zombies; and one with a chunk that is new
 *
 *	R -> G -> Z -> Y
 *
 * MC: -DRETIRE_BATCH=9 -DCHUNK_SLOTS=1
 */
#include "s_life.h"

static struct urctx *r, *g, *z, *y, *late;

static void tree(int nr)
{
	threads(nr);
	housekeeper();
	r = node(NULL, "R");
	g = node(r, "G");
	z = node(g, "Z");
	y = node(z, "Y");
}

static void init_chain(void)
{
	tree(3);
}

static void init_two(void)
{
	tree(2);
	urctx_put(g);
	house_turn();
}

static void init_house(void)
{
	tree(3);
	urctx_put(g);
	urctx_put(z);
}

static void init_late(void)
{
	tree(2);
	give(1, 1, 1);
}

static void t_g(void)
{
	urctx_put(g);
}

static void t_z(void)
{
	urctx_put(z);
}

static void t_y(void)
{
	urctx_put(y);
}

static void t_house(void)
{
	house_turn();
}

/* Its next child needs another chunk: who helps the zombie has to know that. */
static void t_derive_put(void)
{
	late = derive(z);
	urctx_put(z);
}

static void gone(void)
{
	while (house_turn())
		;
	childless_now(r);
	urctx_put(r);
	home();
}

static void kept(void)
{
	while (house_turn())
		;
	mc_assert(!(z->watch & DEAD) && z->slot->v == (uintptr_t)z);
	urctx_put(late);
	urctx_put(g);
	gone();
}

static const struct mc_scenario two = {
	"chain_two", "G9", init_two, { t_z, t_y }, gone, LIFE | MC_QUICK,
};
static const struct mc_scenario chain = {
	"chain_three", "G9", init_chain, { t_g, t_z, t_y }, gone, LIFE,
};
static const struct mc_scenario house = {
	"chain_house", "G9", init_house, { t_y, t_house }, gone, LIFE,
};
static const struct mc_scenario new_chunk = {
	"chain_new_chunk", "G9", init_late, { t_derive_put, t_y }, kept, LIFE | MC_QUICK,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &two, &house, &new_chunk, &chain, NULL);
}
