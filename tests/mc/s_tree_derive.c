/* SPDX-License-Identifier: MIT */
/*
 * s_tree_derive.c - no child is lost: derive against cancel, on one parent (G3)
 */
#include "s_tree.h"

static struct urctx *p, *made[MC_THREADS + 1];

/* For the canceller: what is derived when it returns is done by then. */
static struct urctx *seen_made;

static void t_derive(void)
{
	made[mc_self()] = derive(p);
}

static void t_derive_say(void)
{
	t_derive();
	__atomic_store_n(&seen_made, made[mc_self()], __ATOMIC_RELEASE);
}

static void cancelled(void)
{
	struct urctx *n = __atomic_load_n(&seen_made, __ATOMIC_ACQUIRE);

	mc_assert(urctx_done(p));
	mc_assert(!n || urctx_done(n));
}

static void t_cancel(void)
{
	cancel_one(p);
	mc_assert(urctx_done(p));
}

/* One that finds it done helps. */
static void t_help(void)
{
	urctx_cancel_cause(p, ONE);
	cancelled();
}

static void all_ended(void)
{
	int i;

	ended_by(p, ONE);
	for (i = 1; i <= MC_THREADS; i++)
		if (made[i])
			ended_by(made[i], ONE);
}

static void parent(int children)
{
	users(3);
	p = make(NULL, "P");
	while (children--)
		make(p, "child");
}

static void init_first(void)
{
	parent(0);
	stock_up(1, 1, 1);
	stock_up(2, 1, 1);
}

static void init_second(void)
{
	parent(1);
	stock_up(1, 1, 1);
	stock_up(2, 1, 1);
}

/* The way that nearly every derive goes; a child was there and has left. */
static void init_hinted(void)
{
	parent(0);
	urctx_put(derive(p));
	stock_up(1, 1, 1);
	stock_up(2, 1, 1);
	hint(1, p, &chunk_first(p)->slot[0]);
	hint(2, p, &chunk_first(p)->slot[0]);
}

static void init_chunk(void)
{
	parent(CHUNK_SLOTS);
	stock_up(1, 1, 1);
	stock_up(2, 1, 1);
}

/*
 * Two make the first chunk, or the second: neither is lost, and the next search
 * knows how many there are.
 */
static void both_found(void)
{
	unsigned n = 0, i;
	struct chunk *c;

	for (c = chunk_first(p); c; c = chunk_next(c), n++)
		mc_assert(c->owner == p);
	mc_assert(chunk_first(p)->count == n);
	cancel_one(p);
	for (i = 1; i <= 2; i++)
		ended_by(made[i], ONE);
}

/*
 * Thread 2 remembers a slot of a chunk that was another parent's, and that thread
 * 1 is just giving to this one.
 */
static struct chunk *old;

static void init_given(void)
{
	parent(0);
	stock_up(1, 1, 1);
	stock_up(2, 1, 1);
	mc_become(1);
	old = (struct chunk *)this_thread()->chunks.head;
	mc_become(0);
	hint(2, p, &old->slot[1]);
}

/* Its way when the chunk is not there yet is derive_two_first's. */
static void t_derive_hinted(void)
{
	if (load_relaxed(&old->owner) == p)
		t_derive();
}

static const struct mc_scenario first = {
	"derive_first", "G3", init_first, { t_derive, t_cancel }, all_ended, TREE | MC_QUICK,
};
static const struct mc_scenario second = {
	"derive_second", "G3", init_second, { t_derive, t_cancel }, all_ended, TREE | MC_QUICK,
};
static const struct mc_scenario hinted = {
	"derive_hinted", "G3", init_hinted, { t_derive, t_cancel }, all_ended, TREE | MC_QUICK,
};
static const struct mc_scenario chunk = {
	"derive_chunk", "G3", init_chunk, { t_derive, t_cancel }, all_ended, TREE | MC_QUICK,
};
static const struct mc_scenario two_first = {
	"derive_two_first", "G3", init_first, { t_derive, t_derive }, both_found,
	TREE | MC_QUICK,
};
static const struct mc_scenario two_second = {
	"derive_two_second", "G3", init_second, { t_derive, t_derive }, both_found,
	TREE | MC_QUICK,
};
static const struct mc_scenario two_chunks = {
	"derive_two_chunks", "G3", init_chunk, { t_derive, t_derive }, both_found,
	TREE | MC_QUICK,
};
static const struct mc_scenario two_hinted = {
	"derive_two_hinted", "G3", init_hinted, { t_derive, t_derive, t_cancel }, all_ended,
	TREE | MC_QUICK,
};
static const struct mc_scenario given = {
	"derive_given_chunk", "G3", init_given, { t_derive, t_derive_hinted, t_cancel },
	all_ended, TREE,
};
static const struct mc_scenario help = {
	"derive_helped", "G2 G3", init_hinted, { t_derive_say, t_help, t_help }, all_ended, TREE,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &first, &second, &hinted, &chunk, &two_first, &two_second,
		       &two_chunks, &two_hinted, &given, &help, NULL);
}
