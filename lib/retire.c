/* SPDX-License-Identifier: MIT */
/*
 * retire.c - grace periods, and the housekeeper thread that waits for them
 *
 * Whatever ever had a chunk may still be read by a walker when it is put.  It is
 * pushed on a list here; the housekeeper takes all there is, passes a barrier
 * through every thread (which decides zombies, see put.c), waits for the readers
 * of that moment, and gives the memory back.
 *
 * The thread is started when first needed, sleeps a little so that a batch comes
 * together, and goes after a second with nothing to do.  If it cannot be started
 * the list waits and nothing fails; the next batch tries again.
 */
#include <errno.h>

#include "fork.h"
#include "put.h"
#include "rcu.h"
#include "retire.h"
#include "slab.h"

#if defined(__SANITIZE_THREAD__) || defined(URCTX_TSAN)
char urctx_grace_period;
#endif

static struct {
	struct urctx *head;
} __attribute__((aligned(64))) shard[RETIRE_SHARDS];

/* What the housekeeper does; also the futex it sleeps on. */
enum { HOUSE_NONE, HOUSE_WORKS, HOUSE_NAPS, HOUSE_SLEEPS };
static uint32_t house;

static void house_wake(uint32_t from)
{
	if (cas_relaxed(&house, &from, HOUSE_WORKS))
		sys_futex_wake(&house);
}

void retire(struct urctx *n)
{
	struct thread *t = this_thread();
	struct urctx **list = &shard[t->id % RETIRE_SHARDS].head;
	struct urctx *head = load_relaxed(list);
	uint32_t now;

	do
		n->link = head;
	while (!cas(list, &head, n, RETIRE_PUSH));
	fence_after_rmw(HOUSE_PUSH_SB);
	now = load_relaxed(&house);
	if (now == HOUSE_SLEEPS ||
	    (++t->retired % RETIRE_BATCH == 0 && now == HOUSE_NAPS))
		house_wake(now);
}

static struct urctx *house_take(void)
{
	struct urctx *all = NULL, *n;
	unsigned i;

	for (i = 0; i < RETIRE_SHARDS; i++) {
		if (!load_relaxed(&shard[i].head))
			continue;
		n = xchg(&shard[i].head, NULL, RETIRE_TAKE);
		while (n) {
			struct urctx *next = n->link;

			__builtin_prefetch(chunk_first(n), 1);
			n->link = all;
			all = n;
			n = next;
		}
	}
	return all;
}

/* Those that are DEAD, unlinked; zombies with children left are left to them. */
static struct urctx *house_sort(struct urctx *list)
{
	struct urctx *dead = NULL, *next;
	unsigned nr = 0;

	rcu_enter();
	for (; list; list = next) {
		uint32_t w = load(&list->watch, WATCH_TAKE), old = 0;

		next = list->link;
		if (w & ONLIST)
			w = fetch_and(&list->watch, ~ONLIST, WATCH_TAKE);
		if (!(w & DEAD)) {
			/* its last child frees it, unless that is us */
			if (!claim(list, &old))
				continue;
			zombie_unlink(list);
		}
		list->link = dead;
		dead = list;
		if (++nr % WALK_BREATH == 0) {
			rcu_exit();
			rcu_enter();
		}
	}
	rcu_exit();
	return dead;
}

/* Nobody can see it any more: fresh for its next owner. */
static void chunk_reset(struct chunk *c)
{
	store_relaxed(&c->owner, (struct urctx *)NULL);
	c->queue = NULL;
	store_relaxed(&c->queuer, (struct thread *)NULL);
	store_relaxed(&c->scan, (uintptr_t)0);
	store_relaxed(&c->count, 0);
	store_relaxed(&c->credit, 0);
	store_relaxed(&c->user, 0);
	store_relaxed(&c->used, 0);
	store_relaxed(&c->flags_clean, 0);
	store_relaxed(&c->calls_clean, 0);
}

static void give_chunks(struct chunk *c)
{
	struct chunk *list = NULL, *next;
	uint32_t nr = 0;

	for (; c; c = next) {
		next = chunk_next(c);
		chunk_reset(c);
		store_relaxed(&c->next, list);
		list = c;
		if (++nr == CACHE_CHUNKS || !next) {
			stock_give_chunks(list, nr);
			list = NULL;
			nr = 0;
		}
	}
}

static void house_free(struct urctx *n)
{
	struct urctx *list = NULL, *next;
	uint32_t nr = 0;

	for (; n; n = next) {
		next = n->link;
		give_chunks(chunk_first(n));
		n->value = list;
		sys_poison((char *)n + POISON_FROM, POISON_BYTES);
		list = n;
		if (++nr == CACHE_CONTEXTS || !next) {
			stock_give_contexts(list, nr);
			list = NULL;
			nr = 0;
		}
	}
}

bool house_turn(void)
{
	struct urctx *list = house_take();

	if (!list)
		return false;
	sys_membarrier();
	list = house_sort(list);
	if (list) {
		fork_hold();
		rcu_wait_readers();
		fork_release();
		house_free(list);
	}
	return true;
}

static bool house_work_left(void)
{
	unsigned i;

	for (i = 0; i < RETIRE_SHARDS; i++)
		if (load_relaxed(&shard[i].head))
			return true;
	return false;
}

bool house_rest(bool worked)
{
	uint32_t state = worked ? HOUSE_NAPS : HOUSE_SLEEPS, was = state;

	store_relaxed(&house, state);
	/* whoever pushes from here on sees that; what was pushed before is seen */
	fence(HOUSE_REST_SB);
	if (worked || !house_work_left())
		sys_futex_wait(&house, state,
			       sys_now() + (worked ? HOUSE_NAP : HOUSE_IDLE));
	if (worked || house_work_left()) {
		store_relaxed(&house, HOUSE_WORKS);
		return true;
	}
	/* woken: WORKS.  Else go, unless someone pushed and saw us asleep */
	if (!cas_relaxed(&house, &was, HOUSE_NONE))
		return true;
	fence(HOUSE_REST_SB);
	was = HOUSE_NONE;
	return house_work_left() && cas_relaxed(&house, &was, HOUSE_WORKS);
}

void house_forked(void)
{
	store_relaxed(&house, HOUSE_NONE);
}

static void house_main(void)
{
	bool worked = false;

	do
		worked = house_turn();
	while (house_rest(worked));
}

void house_ensure(void)
{
	uint32_t none = HOUSE_NONE;

	if (load_relaxed(&house) != HOUSE_NONE || !house_work_left() ||
	    !cas_relaxed(&house, &none, HOUSE_WORKS))
		return;
	if (sys_thread_start(house_main))
		store_relaxed(&house, HOUSE_NONE);
}
