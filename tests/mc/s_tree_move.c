/* SPDX-License-Identifier: MIT */
/*
 * s_tree_move.c - memory moves to another tree under a walker that has seen it
 *
 * A leaf's is used again as soon as its slot is empty, a chunk's after a grace
 * period.  What the walker finds there then was never cancelled, and stays live.
 *
 *	P -> K		Q -> Z
 */
#include "house.h"
#include "s_tree.h"

static struct urctx *g, *p, *k, *q, *z, *moved, *below;

static void t_cancel_p(void)
{
	cancel_one(p);
}

static bool before;	/* K has a sibling that has, or had, children */

static void two_trees(void)
{
	p = make(NULL, "P");
	if (before)
		urctx_put(derive(make(p, "H")));
	k = make(p, "K");
	q = make(NULL, "Q");
	urctx_put(derive(q));
	z = make(q, "Z");
	users(1);
	stock_up(2, 1, 1);
}

/* K's memory comes first: what is freed last is used first. */
static void init_move(void)
{
	struct slot *s;

	two_trees();
	/* K's place in Q is before Z, so that who climbs there comes upon Z */
	s = z->slot;
	hint(2, q, s);
	urctx_put(z);
	moved = derive(q);
	z = make(q, "Z");
	mc_assert(moved->slot == s && z->slot != s);
	urctx_put(moved);
}

/* The walker comes to K in a section. */
static void init_move_section(void)
{
	before = true;
	init_move();
}

static void t_move(void)
{
	urctx_put(k);
	moved = derive(q);
	mc_assert(moved == k);
}

static void t_move_grow(void)
{
	t_move();
	below = derive(moved);
}

static void t_move_grow_cancel(void)
{
	t_move_grow();
	cancel_two(moved);
}

/* Back into the same slot of the same parent: then it is due. */
static void t_return(void)
{
	urctx_put(k);
	moved = derive(p);
	mc_assert(moved == k);
}

static void init_return(void)
{
	two_trees();
	hint(2, p, k->slot);
}

static void others_live(void)
{
	ended_by(p, ONE);
	live(q);
	live(z);
	live(moved);
	if (below)
		live(below);
}

static void others_own_end(void)
{
	ended_by(p, ONE);
	live(q);
	live(z);
	ended_by(moved, TWO);
	ended_by(below, TWO);
	cancel_one(q);
	ended_by(z, ONE);
}

static void returned_ended(void)
{
	ended_by(p, ONE);
	ended_by(moved, ONE);
	live(z);
}

/* G -> P -> K; K goes, P goes, and P's chunk becomes that of Q. */
static void init_chunk(void)
{
	g = make(NULL, "G");
	p = make(g, "P");
	k = make(p, "K");
	q = make(NULL, "Q");
	users(2);
	/* his batch is not full: all is left to the housekeeper */
	mc_become(2);
	this_thread()->retired = -1U;
	mc_become(0);
}

static void t_cancel_g(void)
{
	cancel_one(g);
}

static void t_move_chunk(void)
{
	struct slot *s = k->slot;

	urctx_put(k);
	urctx_put(p);
	house_turn();
	if (derive(NULL) != p)
		return;			/* the walker rests there */
	moved = derive(q);
	mc_assert(moved == k && moved->slot == s);
}

static void chunk_live(void)
{
	ended_by(g, ONE);
	live(q);
	if (moved)
		live(moved);
}

/*
 * A hint outlives its chunk: P is put, its chunk becomes Q's and its memory
 * another parent's.  What is derived there is not given to Q.
 */
static void init_hint(void)
{
	struct slot *s;

	stock_up(0, 0, 0);
	p = make(NULL, "P");
	k = derive(p);
	s = &chunk_first(p)->slot[1];
	urctx_put(k);
	urctx_put(p);
	mc_assert(derive(NULL) == p);
	q = make(NULL, "Q");
	z = make(q, "Z");
	mc_assert(chunk_of(z->slot) == chunk_of(s));
	stock_up(1, 1, 1);
	users(2);
	hint(1, p, s);
}

static void t_derive(void)
{
	moved = derive(p);
}

static void t_cancel_q(void)
{
	cancel_two(q);
}

static void each_its_own(void)
{
	ended_by(q, TWO);
	ended_by(z, TWO);
	live(moved);
	cancel_one(p);
	ended_by(moved, ONE);
	ended_by(z, TWO);
}

static const struct mc_scenario leaf = {
	"move_leaf", "G2 G3", init_move, { t_cancel_p, t_move }, others_live, TREE | MC_QUICK,
};
static const struct mc_scenario grow = {
	"move_leaf_grows", "G2 G3", init_move, { t_cancel_p, t_move_grow }, others_live,
	TREE | MC_QUICK,
};
static const struct mc_scenario ended = {
	"move_leaf_ended", "G2 G4", init_move, { t_cancel_p, t_move_grow_cancel },
	others_own_end, TREE | MC_QUICK,
};
static const struct mc_scenario section = {
	"move_in_section", "G2 G4", init_move_section, { t_cancel_p, t_move_grow_cancel },
	others_own_end, TREE | MC_QUICK,
};
static const struct mc_scenario returns = {
	"move_leaf_returns", "G2 G3", init_return, { t_cancel_p, t_return }, returned_ended,
	TREE | MC_QUICK,
};
static const struct mc_scenario chunk = {
	"move_chunk", "G2 G9", init_chunk, { t_cancel_g, t_move_chunk }, chunk_live,
	TREE | MC_QUICK,
};
static const struct mc_scenario stale = {
	"move_hint", "G3", init_hint, { t_derive, t_cancel_q }, each_its_own, TREE | MC_QUICK,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &leaf, &grow, &ended, &section, &returns, &chunk, &stale, NULL);
}
