/* SPDX-License-Identifier: MIT */
/*
 * s_slot_memory.c - no memory for a derivation: nothing is half made, and the next
 * one that gets some works (G2, G3)
 */
#include "s_tree.h"

static struct urctx *p, *k;
static struct urctx *const untouched = (struct urctx *)&p;

/* No slab of contexts has room: they hold two, four, ... */
static void contexts(int nr, int all)
{
	while (nr++ < all)
		make(NULL, "fills the slab");
}

/* And there is none of chunks. */
static void init_leaf(void)
{
	p = make(NULL, "P");
	contexts(1, 2);
}

/* The chunk is full, and so is the slab that it is from. */
static void init_full(void)
{
	int i;

	p = make(NULL, "P");
	for (i = 0; i < CHUNK_SLOTS; i++)
		make(p, "child");
	contexts(1 + CHUNK_SLOTS, 6);
	mc_assert(chunk_alloc(this_thread()));
}

static void t_derive(void)
{
	struct urctx *n = untouched;
	int ret;

	do {
		ret = urctx_with_cancel(p, &n);
		mc_assert(!ret || ret == -ENOMEM);
		mc_assert(!ret == (n != untouched));
	} while (ret);
	k = n;
}

/* Whoever cannot have it goes on without: no slot, no chunk, no context is lost. */
static void t_derive_once(void)
{
	struct urctx *n = untouched;

	if (!urctx_with_cancel(p, &n)) {
		k = n;
		return;
	}
	mc_assert(n == untouched);
	mc_assert(!this_thread()->chunks.head);
}

/* There is a context, and no chunk: the context is there for the next one. */
static void init_chunk(void)
{
	p = make(NULL, "P");
	stock_up(1, 1, 0);
}

static void t_no_chunk(void)
{
	void *head = this_thread()->contexts.head;

	t_derive_once();
	if (!k)
		mc_assert(this_thread()->contexts.head == head);
}

static void t_cancel(void)
{
	cancel_one(p);
	mc_assert(urctx_done(p));
}

static void ended(void)
{
	ended_by(p, ONE);
	if (k)
		ended_by(k, ONE);
	else
		mc_assert(!chunk_first(p) || !chunk_next(chunk_first(p)));
}

static const struct mc_scenario again = {
	"memory_again", "G3", init_leaf, { t_derive, t_cancel }, ended,
	TREE | MC_QUICK | MC_FAIL_MALLOC, 2,
};
static const struct mc_scenario once = {
	"memory_once", "G3", init_leaf, { t_derive_once, t_cancel }, ended,
	TREE | MC_QUICK | MC_FAIL_MALLOC, 1,
};
static const struct mc_scenario chunk = {
	"memory_chunk", "G9", init_chunk, { t_no_chunk, t_cancel }, ended,
	TREE | MC_QUICK | MC_FAIL_MALLOC, 1,
};
static const struct mc_scenario full = {
	"memory_full", "G3", init_full, { t_derive, t_cancel }, ended,
	TREE | MC_QUICK | MC_FAIL_MALLOC, 2,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &again, &once, &chunk, &full, NULL);
}
