/* SPDX-License-Identifier: MIT */
/*
 * s_slot_sweep.c - the search for a slot, where another thread has just searched (G3)
 *
 * Thread 1's first chunk C was linked in front of D, in its cache and in the life
 * before; D is Q's now.  Who begins at C must not come upon D.
 */
#include "s_tree.h"

static struct urctx *p, *q, *z, *mine[3], *theirs;

static void init(void)
{
	int i;

	p = make(NULL, "P");
	q = make(NULL, "Q");
	for (i = 0; i < CHUNK_SLOTS; i++)
		make(p, "child");
	stock_up(1, 5, 4);
	stock_up(2, 1, 1);
}

static void t_fill(void)
{
	int i;

	mine[0] = derive(p);		/* C */
	z = derive(q);			/* D */
	for (i = 1; i < 3; i++)
		mine[i] = derive(p);	/* C is full: searches, which ends at C */
}

static void t_search(void)
{
	theirs = derive(p);
}

static void each_in_its_own(void)
{
	int i;

	mc_assert(chunk_of(z->slot)->owner == q);
	mc_assert(chunk_of(theirs->slot)->owner == p);
	cancel_one(p);
	for (i = 0; i < 3; i++)
		ended_by(mine[i], ONE);
	ended_by(theirs, ONE);
	live(z);
}

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
	/* the last search found nothing: one chunk may be added */
	store_relaxed(&chunk_first(p)->credit, 1);
	store_relaxed(&chunk_first(p)->user, 0);
}

static void t_derive(void)
{
	mine[mc_self() - 1] = derive(p);
}

static void all_in_p(void)
{
	int i;

	cancel_one(p);
	for (i = 0; i < 3; i++)
		ended_by(mine[i], ONE);
}

static const struct mc_scenario passed = {
	"sweep_passed", "G3", init_passed, { t_derive, t_derive, t_derive }, all_in_p, TREE,
};
static const struct mc_scenario scan = {
	"sweep_scan", "G3", init, { t_fill, t_search }, each_in_its_own, TREE,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &scan, &passed, NULL);
}
