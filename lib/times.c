/* SPDX-License-Identifier: MIT */
/* times.c - deadlines of a ring: a heap, and a queue in front of it */
#include "times.h"

#include <string.h>

static inline struct heap_entry *at(const struct times *t, uint32_t i)
{
	return &t->queue[i & t->mask];
}

static inline void append(struct times *t, int64_t key, uint32_t *place)
{
	*place = TIMES_QUEUED | (t->tail & t->mask);
	*at(t, t->tail++) = (struct heap_entry){ key, place };
}

/* Not before the last, and there is a place behind it. */
static inline bool is_next(const struct times *t, int64_t key)
{
	return (t->head == t->tail || key >= at(t, t->tail - 1)->key) &&
	       t->tail - t->head <= t->mask;
}

void times_add(struct times *t, int64_t key, uint32_t *place)
{
	if (is_next(t, key))
		append(t, key, place);
	else
		heap_add(&t->heap, key, place);
}

void times_del(struct times *t, uint32_t *place)
{
	if (!(*place & TIMES_QUEUED)) {
		heap_del(&t->heap, place);
		return;
	}
	at(t, *place & ~TIMES_QUEUED)->place = NULL;
	*place = 0;
	while (t->head != t->tail && !at(t, t->head)->place)
		t->head++;
	while (t->head != t->tail && !at(t, t->tail - 1)->place)
		t->tail--;
}

/* Later, mostly: then the end of the queue is where it belongs. */
void times_move(struct times *t, int64_t key, uint32_t *place)
{
	if (*place && !(*place & TIMES_QUEUED) && !is_next(t, key)) {
		heap_move(&t->heap, key, place);
		return;
	}
	times_del(t, place);
	times_add(t, key, place);
}

void times_room(struct times *t, struct heap_entry *heap, struct heap_entry *queue,
		uint32_t queue_size)
{
	struct times old = *t;

	if (t->heap.nr)
		memcpy(heap, t->heap.v, t->heap.nr * sizeof(*heap));
	t->heap.v = heap;
	t->queue = queue;
	t->mask = queue_size - 1;
	t->head = t->tail = 0;
	for (uint32_t i = old.head; i != old.tail; i++)
		if (at(&old, i)->place)
			append(t, at(&old, i)->key, at(&old, i)->place);
}
