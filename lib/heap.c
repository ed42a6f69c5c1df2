/* SPDX-License-Identifier: MIT */
/* heap.c - a 4-ary heap whose members know their place */
#include "heap.h"

static inline void put(struct heap *h, uint32_t at, struct heap_entry e)
{
	h->v[at] = e;
	*e.place = at + 1;
}

static void up(struct heap *h, uint32_t at, struct heap_entry e)
{
	while (at) {
		uint32_t parent = (at - 1) / 4;

		if (h->v[parent].key <= e.key)
			break;
		put(h, at, h->v[parent]);
		at = parent;
	}
	put(h, at, e);
}

static inline uint32_t least_child(const struct heap *h, uint32_t first)
{
	uint32_t end = first + 4 < h->nr ? first + 4 : h->nr, least = first;

	for (uint32_t i = first + 1; i < end; i++)
		if (h->v[i].key < h->v[least].key)
			least = i;
	return least;
}

static void down(struct heap *h, uint32_t at, struct heap_entry e)
{
	for (;;) {
		uint32_t first = at * 4 + 1, least;

		if (first >= h->nr)
			break;
		least = least_child(h, first);
		if (h->v[least].key >= e.key)
			break;
		put(h, at, h->v[least]);
		at = least;
	}
	put(h, at, e);
}

static void settle(struct heap *h, uint32_t at, struct heap_entry e)
{
	if (at && h->v[(at - 1) / 4].key > e.key)
		up(h, at, e);
	else
		down(h, at, e);
}

void heap_add(struct heap *h, int64_t key, uint32_t *place)
{
	up(h, h->nr++, (struct heap_entry){ key, place });
}

void heap_del(struct heap *h, uint32_t *place)
{
	uint32_t at = *place;

	if (!at--)
		return;
	*place = 0;
	if (at != --h->nr)
		settle(h, at, h->v[h->nr]);
}

void heap_move(struct heap *h, int64_t key, uint32_t *place)
{
	settle(h, *place - 1, (struct heap_entry){ key, place });
}
