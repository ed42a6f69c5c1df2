/* SPDX-License-Identifier: MIT */
/*
 * times.h - deadlines of a ring: a heap, and a queue in front of it
 *
 * Timeouts of one length come in the order in which they would fire, and leave
 * before that: what a heap is worst at, and a queue best.  What is not earlier than
 * the last in the queue is appended to it, everything else goes into the heap.  Who
 * leaves from the middle of the queue leaves a gap; gaps go where they are at an
 * end.  A queue that is full of them, behind one that stays, leaves it to the heap.
 *
 * No memory is allocated here, as in heap.h: its owner has made room.
 */
#ifndef URCTX_TIMES_H
#define URCTX_TIMES_H

#include "heap.h"

#define TIMES_NEVER	INT64_MAX
#define TIMES_QUEUED	(1U << 31)	/* in *place, beside the index */

struct times {
	struct heap heap;
	struct heap_entry *queue;	/* place NULL: a gap, but at neither end */
	uint32_t mask;			/* of its size, a power of two */
	uint32_t head, tail;		/* the same: empty */
};

/* More room; @queue_size is a power of two.  What is in the queue moves into it. */
void times_room(struct times *t, struct heap_entry *heap, struct heap_entry *queue,
		uint32_t queue_size);

void times_add(struct times *t, int64_t key, uint32_t *place);	/* it is not in */
void times_del(struct times *t, uint32_t *place);	/* nothing if it is not in */
void times_move(struct times *t, int64_t key, uint32_t *place);

static inline const struct heap_entry *times_front(const struct times *t)
{
	return &t->queue[t->head & t->mask];
}

static inline bool times_any(const struct times *t)
{
	return t->heap.nr || t->head != t->tail;
}

/* The earliest, or TIMES_NEVER. */
static inline int64_t times_first(const struct times *t)
{
	int64_t heap = t->heap.nr ? t->heap.v[0].key : TIMES_NEVER;
	int64_t queue = t->head != t->tail ? times_front(t)->key : TIMES_NEVER;

	return queue < heap ? queue : heap;
}

/* Whose that is; there is one. */
static inline uint32_t *times_first_place(const struct times *t)
{
	if (t->head == t->tail ||
	    (t->heap.nr && t->heap.v[0].key < times_front(t)->key))
		return t->heap.v[0].place;
	return times_front(t)->place;
}

#endif
