/* SPDX-License-Identifier: MIT */
/*
 * s_life.h - what the scenarios of puts, reuse and callbacks share
 *
 * Threads start as if they had used the library before: with an id, an entry in
 * the readers' table, room in their caches.  There is a housekeeper (or so it is
 * said), who takes part where a scenario has a thread that calls house_turn().
 * The scenarios are built with a RETIRE_BATCH that no thread fills, unless init()
 * says batch_full(): each sys_membarrier() less is a tenth of the states.
 * All memory is accounted for: home() finds each context and each chunk once.
 */
#ifndef S_LIFE_H
#define S_LIFE_H

#include "s_tree.h"
#include "callback.h"
#include "extra.h"
#include "house.h"
#include "leave.h"
#include "put.h"
#include "readers.h"
#include "retire.h"
#include "timer.h"
#include "word.h"

#define LIFE	MC_TYPE_STABLE
#define OBJECTS	24

void mc_become(int thread);

static int threads_;
static struct object {
	const void *p;
	bool home;
} contexts_[OBJECTS], chunks_[OBJECTS], extras_[OBJECTS];

static inline void remember(struct object *list, const void *p)
{
	while (list->p && list->p != p)
		list++;
	list->p = p;
}

/* The caches never spill: that is the stock's own scenarios' subject. */
static inline void roomy(struct thread *t)
{
	t->contexts.room = 100;
	t->chunks.room = 100;
	t->extras.room = 100;
}

/* At the start of init(). */
static inline void threads(int nr)
{
	int i;

	thread_register(this_thread());
	roomy(this_thread());
	threads_ = nr;
	for (i = 1; i <= nr; i++) {
		mc_become(i);
		thread_register(this_thread());
		roomy(this_thread());
		mc_become(0);
	}
}

/* The next that this thread retires fills a batch. */
static inline void batch_full(int thread)
{
	mc_become(thread);
	this_thread()->retired = RETIRE_BATCH - 1;
	mc_become(0);
}

/* In init(): a context, which must be home at the end. */
static inline struct urctx *node(struct urctx *parent, const char *name)
{
	struct urctx *n = make(parent, name);
	struct chunk *c;

	remember(contexts_, n);
	for (c = parent ? chunk_first(parent) : NULL; c; c = chunk_next(c))
		remember(chunks_, c);
	return n;
}

/* In init(): free memory for a thread. */
static inline void give(int thread, int contexts, int chunks)
{
	while (contexts--) {
		struct urctx *n = context_alloc(this_thread());

		remember(contexts_, n);
		mc_become(thread);
		context_free(this_thread(), n);
		mc_become(0);
	}
	while (chunks--) {
		struct chunk *c = chunk_alloc(this_thread());

		remember(chunks_, c);
		mc_become(thread);
		chunk_free(this_thread(), c);
		mc_become(0);
	}
}

static inline void used_before(int thread, const struct urctx *parent, struct slot *s)
{
	mc_become(thread);
	*thread_hint(this_thread(), parent) = s;
	mc_become(0);
}

/* In init(): it has an extra, which must be home at the end. */
static inline struct urctx *with_extra(struct urctx *n)
{
	struct chunk *c;

	remember(extras_, extra_get(this_thread(), n));
	for (c = chunk_first(n); c; c = chunk_next(c))
		remember(chunks_, c);
	return n;
}

/* It had children: they have left. */
static inline struct urctx *childless(struct urctx *parent, const char *name)
{
	struct urctx *n = node(parent, name);

	urctx_put(node(n, "left"));
	return n;
}

/* In init(): somebody has ended it, and still has to walk.  Who cancels it helps. */
static inline void ended(struct urctx *n)
{
	one_.payload = 1;
	word_end(n, (uintptr_t)ONE | DONE);
}

/* A put that finds a reader has the housekeeper started; he works from now on. */
static inline void housekeeper(void)
{
	struct urctx *n = childless(NULL, "first");

	section_enter();
	urctx_put(n);
	section_exit();
	mc_assert(mc_started());
	while (house_turn())
		;
}

static inline void came_home(struct object *list, const void *p)
{
	while (list->p && list->p != p)
		list++;
	mc_assert(!list->home);		/* given back twice */
	list->home = true;
}

static inline bool known(const struct object *list, const void *p)
{
	while (list->p && list->p != p)
		list++;
	return list->p;
}

static inline void cached(struct thread *t)
{
	struct urctx *n;
	struct extra *e;
	struct chunk *c;

	for (e = (struct extra *)t->extras.head; e; e = load_relaxed(&e->next))
		came_home(extras_, e);
	t->extras.head = NULL;
	for (n = (struct urctx *)t->contexts.head; n; n = (struct urctx *)n->value)
		came_home(contexts_, n);
	for (c = (struct chunk *)t->chunks.head; c; c = load_relaxed(&c->next))
		came_home(chunks_, c);
	t->contexts.head = t->chunks.head = NULL;
}

/*
 * At the end of fini(), when every reference has been put: each context and each
 * chunk is in one cache, or in the stock, once.
 */
static inline void home(void)
{
	struct object *o;
	struct urctx *n;
	struct chunk *c;
	int i;

	do
		timers_turn();
	while (house_turn());
	mc_assert(!retired_any() && !leftovers_any());
	for (i = 0; i <= threads_; i++) {
		mc_become(i);
		mc_assert(!this_thread()->frame && !this_thread()->queue);
		cached(this_thread());
		mc_become(0);
	}
	while (known(contexts_, n = context_alloc(this_thread())))
		came_home(contexts_, n);
	while (known(chunks_, c = chunk_alloc(this_thread())))
		came_home(chunks_, c);
	for (o = extras_; o->p; o++)
		mc_assert(o->home);	/* an extra is lost */
	for (o = contexts_; o->p; o++)
		mc_assert(o->home);	/* a context is lost */
	for (o = chunks_; o->p; o++)
		mc_assert(o->home);	/* a chunk is lost */
}

/* fini(): nobody is in a slot of @n. */
static inline void childless_now(const struct urctx *n)
{
	struct chunk *c;
	unsigned i;

	for (c = chunk_first(n); c; c = chunk_next(c))
		for (i = 0; i < CHUNK_SLOTS; i++)
			mc_assert(!c->slot[i].v);
}

#endif
