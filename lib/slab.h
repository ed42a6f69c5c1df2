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
	n->value = t->contexts.head;
	t->contexts.head = n;
	t->contexts.room--;
}

static inline struct chunk *chunk_alloc(struct thread *t)
{
	struct chunk *c = (struct chunk *)t->chunks.head;

	if (!c) {
		c = (struct chunk *)cache_refill(t, &t->chunks);
		if (!c)
			return NULL;
	}
	t->chunks.head = load_relaxed(&c->next);
	t->chunks.room++;
	return c;
}

/* @c was not linked. */
static inline void chunk_free(struct thread *t, struct chunk *c)
{
	if (!t->chunks.room)
		cache_spill(t, &t->chunks);
	store_relaxed(&c->next, (struct chunk *)t->chunks.head);
	t->chunks.head = c;
	t->chunks.room--;
}

#endif
