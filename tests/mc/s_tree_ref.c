/* SPDX-License-Identifier: MIT */
/*
 * s_tree_ref.c - the last reference, whoever has it (G9)
 */
#include "s_tree.h"

static struct urctx *p, *k;

/* Each of two threads has a reference to K. */
static void init_leaf(void)
{
	p = make(NULL, "P");
	k = make(p, "K");
	urctx_get(k);
	users(2);
}

static void init_root(void)
{
	k = make(NULL, "K");
	urctx_get(k);
	users(2);
}

/* What a derivation from it would read. */
static void use(void)
{
	mc_assert(((volatile struct urctx *)k)->deadline == URCTX_NEVER);
}

static void t_use_put(void)
{
	use();
	urctx_put(k);
}

static void t_get_put_put(void)
{
	mc_assert(urctx_get(k) == k);
	urctx_put(k);
	use();
	urctx_put(k);
}

/* The last one: the memory is used again at once. */
static void t_put_reuse(void)
{
	use();
	urctx_put(k);
	if (this_thread()->contexts.head)
		mc_assert(derive(NULL) == k);
}

/* It left its slot, once, and is in one cache. */
static void gone(void)
{
	struct slot *s = chunk_first(p)->slot;

	mc_assert(!s[0].v && !s[1].v);
	mc_assert(!k->ref);
}

static void cancel_put(void)
{
	cancel_one(k);
	urctx_put(k);
}

static void put_look(void)
{
	if (urctx_done(k))
		mc_assert(cause_of(k) == ONE);
	urctx_put(k);
}

static const struct mc_scenario two = {
	"ref_put_put", "G9", init_leaf, { t_use_put, t_use_put }, gone, TREE | MC_QUICK,
};
static const struct mc_scenario get = {
	"ref_get_put", "G9", init_leaf, { t_get_put_put, t_use_put }, gone, TREE | MC_QUICK,
};
static const struct mc_scenario reuse = {
	"ref_reuse", "G9", init_root, { t_get_put_put, t_put_reuse }, NULL, TREE | MC_QUICK,
};
static const struct mc_scenario cancel = {
	"ref_cancel_put", "G9", init_leaf, { cancel_put, put_look }, gone, TREE | MC_QUICK,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &two, &get, &reuse, &cancel, NULL);
}
