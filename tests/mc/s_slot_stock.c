/* SPDX-License-Identifier: MIT */
/*
 * s_slot_stock.c - what one thread frees another finds, and nobody else has it (G9)
 */
#include "s_tree.h"

static struct urctx *had[MC_THREADS + 1][3], *a;
static bool given_back;

/* Their caches are empty, and as small as they are. */
static void fresh(int threads)
{
	users(threads);
	for (; threads; threads--) {
		mc_become(threads);
		this_thread()->contexts.room = CACHE_CONTEXTS;
		this_thread()->chunks.room = CACHE_CHUNKS;
		mc_become(0);
	}
}

/* Three magazines of one context each. */
static void init_stock(void)
{
	struct urctx *n[3];
	int i;

	for (i = 0; i < 3; i++)
		n[i] = make(NULL, "context");
	for (i = 0; i < 3; i++) {
		urctx_put(n[i]);
		leave();
	}
	fresh(3);
}

static void t_take_two(void)
{
	struct urctx **n = had[mc_self()];

	n[0] = derive(NULL);
	n[1] = derive(NULL);
}

/* Takes two, and gives the first one back: the top is what it was. */
static void t_take_give(void)
{
	struct urctx **n = had[mc_self()], *first;

	first = derive(NULL);
	n[0] = derive(NULL);
	urctx_put(first);
	leave();
}

static void t_give_own(void)
{
	urctx_put(had[0][mc_self() - 1]);
	leave();
}

static void t_take(void)
{
	had[mc_self()][0] = derive(NULL);
}

/* No two have the same. */
static void all_different(void)
{
	struct urctx **n = &had[0][0];
	unsigned i, j;

	for (i = 0; i < 3 * (MC_THREADS + 1); i++)
		for (j = 0; n[i] && j < i; j++)
			mc_assert(n[i] != n[j]);
}

/* Two in the stock, and thread 3 has one. */
static void init_three(void)
{
	init_stock();
	had[0][2] = derive(NULL);
}

static void all_taken(void)
{
	had[0][2] = NULL;
	all_different();
}

/* Nothing was ever freed: the threads carve, the first one makes the slab. */
static void init_nothing(void)
{
	fresh(3);
}

static void init_given(void)
{
	a = make(NULL, "A");
	fresh(3);
}

static void t_give(void)
{
	urctx_put(a);
	leave();
	__atomic_store_n(&given_back, true, __ATOMIC_RELEASE);
}

/* Memory that was freed by others is found before there is new. */
static void t_find(void)
{
	bool there = __atomic_load_n(&given_back, __ATOMIC_ACQUIRE);

	if (derive(NULL) != a)
		mc_assert(!there);
}

static const struct mc_scenario aba = {
	"stock_aba", "G9", init_stock, { t_take_two, t_take_give }, all_different,
	TREE | MC_QUICK,
};
static const struct mc_scenario three = {
	"stock_three", "G9", init_three, { t_take, t_take, t_give_own }, all_taken,
	TREE | MC_QUICK,
};
static const struct mc_scenario carve = {
	"stock_carve", "G9", init_nothing, { t_take_two, t_take_two }, all_different,
	TREE | MC_QUICK,
};
static const struct mc_scenario given = {
	"stock_given", "G9", init_given, { t_give, t_find }, NULL, TREE | MC_QUICK,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &aba, &three, &carve, &given, NULL);
}
