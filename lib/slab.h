/* SPDX-License-Identifier: MIT */
/*
 * slab.h - memory that stays what it is: contexts and chunks, never given another
 * type, so that a late look at one of them is harmless (I5)
 */
#ifndef URCTX_SLAB_H
#define URCTX_SLAB_H

#include "thread.h"

/* NULL: out of memory.  A new chunk is empty; a new context is not initialised. */
void *cache_refill(struct thread *t, struct cache *cache);
void cache_spill(struct thread *t, struct cache *cache);
void cache_flush(struct thread *t);

static inline struct urctx *context_alloc(struct thread *t)
{
	struct urctx *n = (struct urctx *)t->contexts.head;

	if (__builtin_expect(!n, 0)) {
		n = (struct urctx *)cache_refill(t, &t->contexts);
		if (!n)
			return NULL;
	}
	sys_unpoison((char *)n + POISON_FROM, POISON_BYTES);
	t->contexts.head = n->value;
	t->contexts.room++;
	return n;
}

/* @n has left its slot and never had a chunk, or a grace period has passed. */
static inline void context_free(struct thread *t, struct urctx *n)
{
	if (__builtin_expect(!t->contexts.room, 0))
		cache_spill(t, &t->contexts);
	sys_poison((char *)n + POISON_FROM, POISON_BYTES);
	store_relaxed(&n->value, t->contexts.head);
	t->contexts.head = n;
	t->contexts.room--;
}

/*
 * Chunks and extras are also taken by a poll, which may be in a signal handler:
 * it looks at `busy` first.
 */
static inline void *cache_take(struct thread *t, struct cache *cache, size_t link)
{
	void *obj;

	t->busy++;
	compiler_barrier();
	obj = cache->head;
	if (!obj)
		obj = cache_refill(t, cache);
	if (obj) {
		cache->head = load_relaxed((void **)(void *)((char *)obj + link));
		cache->room++;
	}
	compiler_barrier();
	t->busy--;
	return obj;
}

static inline void cache_give(struct thread *t, struct cache *cache, void *obj,
			      size_t link)
{
	t->busy++;
	compiler_barrier();
	if (!cache->room)
		cache_spill(t, cache);
	store_relaxed((void **)(void *)((char *)obj + link), cache->head);
	cache->head = obj;
	cache->room--;
	compiler_barrier();
	t->busy--;
}

static inline struct chunk *chunk_alloc(struct thread *t)
{
	return (struct chunk *)cache_take(t, &t->chunks,
					  offsetof(struct chunk, next));
}

/* @c was not linked, or a grace period has passed. */
static inline void chunk_free(struct thread *t, struct chunk *c)
{
	cache_give(t, &t->chunks, c, offsetof(struct chunk, next));
}

#endif
