/* SPDX-License-Identifier: MIT */
/*
 * s_slot_sweep.c - the search for a slot, where another thread has just searched (G3)
 */
#include "s_tree.h"

static struct urctx *p, *mine[3];
static struct chunk *added;

/*
 * Thread 1 adds a chunk, thread 2 finds a place in front of it and leaves the next
 * search to begin there, which is thread 3's: it has that from thread 2 alone.
 */
static void init_passed(void)
{
	int i;

	p = make(NULL, "P");
	for (i = 1; i < CHUNK_SLOTS; i++)
		make(p, "child");
	for (i = 1; i <= 3; i++)
		stock_up(i, 1, 1);
	mc_become(1);
	added = (struct chunk *)this_thread()->chunks.head;
	mc_become(0);
	/* the last search found nothing: one chunk may be added */
	store_relaxed(&chunk_first(p)->credit, 1);
	store_relaxed(&chunk_first(p)->user, 0);
}

static void t_derive(void)
{
	mine[mc_self() - 1] = derive(p);
}

/* All else is derive_two_second's and derive_two_chunks'. */
static void t_derive_there(void)
{
	if (load_relaxed(&chunk_first(p)->scan) == (uintptr_t)added)
		t_derive();
}

static void all_in_p(void)
{
	int i;

	cancel_one(p);
	for (i = 0; i < 3; i++)
		if (mine[i])
			ended_by(mine[i], ONE);
}

static const struct mc_scenario passed = {
	"sweep_passed", "G3", init_passed, { t_derive, t_derive, t_derive_there }, all_in_p,
	TREE | MC_QUICK,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &passed, NULL);
}
