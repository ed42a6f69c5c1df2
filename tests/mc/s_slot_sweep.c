/* SPDX-License-Identifier: MIT */
/*
 * s_slot_sweep.c - the search for a slot, where another thread has just searched (G3),
 * or makes the same chunk
 */
#include "s_tree.h"
#include "extra.h"

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

/* A chunk that holds nothing yet: what it is made for is not in its slots. */
static void init_raised(void)
{
	int i;

	p = make(NULL, "P");
	mc_assert(interior_make(this_thread(), p));
	for (i = 1; i <= 2; i++)
		stock_up(i, 1, 1);
}

/* Each has a chunk and an extra: whoever is second keeps his. */
static void init_made(void)
{
	int i;

	p = make(NULL, "P");
	for (i = 1; i <= 2; i++) {
		struct extra *e;

		stock_up(i, 1, 1);
		mc_become(i);
		this_thread()->extras.room = 100;
		e = cache_take(this_thread(), &this_thread()->extras,
			       offsetof(struct extra, next));
		extra_free(this_thread(), e);
		mc_become(0);
	}
}

static void t_extra(void)
{
	mc_assert(extra_get(this_thread(), p));
}

static void one_left(void)
{
	int i, chunks = 0, extras = 0;

	for (i = 1; i <= 2; i++) {
		mc_become(i);
		chunks += !!this_thread()->chunks.head;
		extras += !!this_thread()->extras.head;
		mc_become(0);
	}
	mc_assert(chunks == 1);
	mc_assert(extras == 1);
	all_in_p();
}

static void t_cancel(void)
{
	cancel_one(p);
}

/* Whoever puts it has to know that there is a chunk, ended or not. */
static void announced(void)
{
	mc_assert(load_relaxed(&p->state) & HASCH);
	all_in_p();
}

static void init_bare(void)
{
	p = make(NULL, "P");
	stock_up(1, 1, 1);
	stock_up(2, 1, 1);
}

static const struct mc_scenario passed = {
	"sweep_passed", "G3", init_passed, { t_derive, t_derive, t_derive_there }, all_in_p,
	TREE | MC_QUICK,
};

static const struct mc_scenario raised = {
	"sweep_raised", "G3", init_raised, { t_derive, t_derive }, all_in_p,
	TREE | MC_QUICK,
};

static const struct mc_scenario made = {
	"sweep_made", "G9", init_made, { t_extra, t_extra }, one_left,
	TREE | MC_QUICK,
};
static const struct mc_scenario said = {
	"sweep_announced", "G9", init_bare, { t_derive, t_cancel }, announced,
	TREE | MC_QUICK,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &passed, &raised, &made, &said, NULL);
}
