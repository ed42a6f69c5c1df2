/* SPDX-License-Identifier: MIT */
/*
 * retire.c - from the last put of a context that had children to its reuse
 *
 * Whatever ever had a chunk may still be read by a walker when it is put.  It is
 * pushed on a list here.  Who puts a batch of them takes the list, passes a
 * barrier through every thread, which decides zombies (put.c), and looks whether
 * anybody is in a section (readers.c): if not, the memory is his to reuse.  If
 * so, or if the batch never fills, it is the housekeeper's (house.c), who waits.
 */
#include "extra.h"
#include "fork.h"
#include "house.h"
#include "put.h"
#include "readers.h"
#include "retire.h"
#include "slab.h"
#include "slot.h"

static struct {
	struct urctx *head;
} __attribute__((aligned(64))) shard[RETIRE_SHARDS];

static struct urctx **shard_of(const struct thread *t)
{
	return &shard[t->id % RETIRE_SHARDS].head;
}

void retire(struct urctx *n)
{
	struct thread *t = this_thread();
	struct urctx **list = shard_of(t), *head = load_relaxed(list);

	do
		store_relaxed(&n->link, head);
	while (!cas(list, &head, n, RETIRE_PUSH));
	t->retired++;
	house_pushed();
}

bool retired_any(void)
{
	unsigned i;

	for (i = 0; i < RETIRE_SHARDS; i++)
		if (load_relaxed(&shard[i].head))
			return true;
	return false;
}

/* All of @list in front of @all. */
static struct urctx *take(struct urctx **list, struct urctx *all)
{
	struct urctx *n = NULL, *next;

	if (load_relaxed(list))
		n = xchg(list, NULL, RETIRE_TAKE);
	for (; n; n = next) {
		next = n->link;
		__builtin_prefetch(chunk_first(n), 1);
		store_relaxed(&n->link, all);
		all = n;
	}
	return all;
}

struct urctx *retired_take(void)
{
	struct urctx *all = NULL;
	unsigned i;

	for (i = 0; i < RETIRE_SHARDS; i++)
		all = take(&shard[i].head, all);
	return all;
}

/* Take @n off the list.  True: it is DEAD and unlinked, and ours. */
static bool retired_dead(struct urctx *n, struct leaving *l)
{
	uint32_t w = load_relaxed(&n->watch);

	if (w & ONLIST)
		w = fetch_and(&n->watch, ~ONLIST, WATCH_OFF);
	if (!(w & DEAD)) {
		/* a zombie: its last child retires it, unless that is us */
		if (!claim(n))
			return false;
		zombie_unlink(n, l);
		return true;
	}
	/* off the list before it is unlinked: who does that retires it */
	return !(w & ONLIST) || (w & GONE);
}

struct urctx *retired_sort(struct urctx *list)
{
	struct urctx *dead = NULL, *next;
	struct leaving l = { 0 };
	unsigned nr = 0;

	section_enter();
	for (; list; list = next) {
		next = list->link;
		if (!retired_dead(list, &l))
			continue;
		store_relaxed(&list->link, dead);
		dead = list;
		if (++nr % WALK_BREATH == 0) {
			section_exit();
			section_enter();
		}
	}
	section_exit();
	leaving_run(&l);
	return dead;
}

/* Nobody can see it any more: fresh for its next owner. */
static void chunk_reset(struct chunk *c)
{
	store_relaxed(&c->owner, (struct urctx *)NULL);
	store_relaxed(&c->used, 0);
	store_relaxed(&c->user, 0);
	store_relaxed(&c->queuer, 0);
	store_relaxed(&c->scan, (uintptr_t)0);
	store_relaxed(&c->count, 0);
	store_relaxed(&c->credit, 0);
	store_relaxed(&c->flags_clean, 0);
	store_relaxed(&c->calls_clean, 0);
	store_relaxed(&c->extra, (struct extra __rcu *)NULL);
	c->queue = NULL;
}

void retired_free(struct urctx *n)
{
	struct thread *t = this_thread();
	struct urctx *next;

	for (; n; n = next) {
		struct chunk *c = chunk_first(n), *more;
		struct extra *e = (struct extra __force *)load(&c->extra, EXTRA_READ);

		next = n->link;
		if (__builtin_expect(e != NULL, 0))
			extra_leave(t, e);
		for (; c; c = more) {
			more = chunk_next(c);
			chunk_reset(c);
			chunk_free(t, c);
		}
		context_free(t, n);
	}
}

void retired_back(struct urctx *n)
{
	struct urctx *next;

	for (; n; n = next) {
		next = n->link;
		retire(n);
	}
	house_needed();
}

void retire_settle(void)
{
	struct thread *t = this_thread();
	bool batch = t->retired >= RETIRE_BATCH;

	if (batch) {
		struct urctx *list = take(shard_of(t), NULL);
		bool ordered = sys_membarrier();

		if (ordered)
			list = retired_sort(list);
		/* zombies that were all left to their children need no more */
		if (list && ordered && readers_quiet())
			retired_free(list);
		else if (list)
			retired_back(list);	/* a reader is in the way */
		t->retired = 0;
	}
	if (__builtin_expect(leftovers_any(), 0))
		leftovers_take();
	house_ensure(batch);
}
