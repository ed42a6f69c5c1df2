/* SPDX-License-Identifier: MIT */
/*
 * s_tree_help.c - several cancel one tree: whoever returns, all below is done (G2)
 *
 *	P -> K -> Y
 */
#include "s_tree.h"

static struct urctx *p, *k, *y, *late;

static void t_cancel_p(void)
{
	urctx_cancel_cause(p, ONE);
	mc_assert(urctx_done(p));
	mc_assert(urctx_done(k));
	mc_assert(urctx_done(y));
}

static void t_cancel_k(void)
{
	urctx_cancel_cause(k, TWO);
	mc_assert(urctx_done(k));
	mc_assert(urctx_done(y));
}

static void t_cancel_y(void)
{
	cancel_two(y);
}

/* G12: who is done by an ancestor's end finds that ancestor done. */
static void t_look(void)
{
	if (!urctx_err(y))
		return;
	mc_assert(urctx_err(k));
	mc_assert(urctx_cause(k) == urctx_cause(y));
	if (urctx_cause(y) == ONE)
		mc_assert(urctx_err(p));
}

static void chain(void)
{
	users(3);
	p = make(NULL, "P");
	k = make(p, "K");
	y = make(k, "Y");
}

static void same_end(void)
{
	ended_by(p, ONE);
	ended_by(y, urctx_cause(k));
	mc_assert(urctx_cause(k) == ONE || urctx_cause(k) == TWO);
}

/* K has a chunk, and nobody in it: Y comes while the others cancel. */
static void init_late(void)
{
	users(2);
	p = make(NULL, "P");
	k = make(p, "K");
	urctx_put(derive(k));
	stock_up(3, 1, 1);
	hint(3, k, &chunk_first(k)->slot[0]);
}

static void t_derive_k(void)
{
	y = derive(k);
	__atomic_store_n(&late, y, __ATOMIC_RELEASE);
}

static void t_cancel_p_late(void)
{
	struct urctx *n;

	urctx_cancel_cause(p, ONE);
	n = __atomic_load_n(&late, __ATOMIC_ACQUIRE);
	mc_assert(!n || urctx_done(n));
}

static void t_cancel_k_late(void)
{
	struct urctx *n;

	urctx_cancel_cause(k, TWO);
	n = __atomic_load_n(&late, __ATOMIC_ACQUIRE);
	mc_assert(!n || urctx_done(n));
}

static const struct mc_scenario two = {
	"help_two", "G2 G4", chain, { t_cancel_p, t_cancel_k }, same_end, TREE | MC_QUICK,
};
static const struct mc_scenario leaf = {
	"help_leaf", "G2", chain, { t_cancel_p, t_cancel_k, t_cancel_y }, NULL, TREE | MC_QUICK,
};
static const struct mc_scenario look = {
	"help_look", "G2 G12", chain, { t_cancel_p, t_cancel_k, t_look }, same_end, TREE,
};
static const struct mc_scenario three = {
	"help_three", "G2", chain, { t_cancel_k, t_cancel_k, t_cancel_y }, NULL, TREE,
};
static const struct mc_scenario derived = {
	"help_derive", "G2 G3", init_late, { t_cancel_p_late, t_cancel_k_late, t_derive_k },
	same_end, TREE,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &two, &leaf, &look, &three, &derived, NULL);
}
