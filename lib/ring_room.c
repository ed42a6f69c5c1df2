/* SPDX-License-Identifier: MIT */
/*
 * ring_room.c - memory for as many ops as are bound at once
 *
 * One block of pages holds all that an op may need while it is in flight.  A
 * bigger one takes its place; links stay where they are, for contexts know their
 * address, so old blocks that hold links are kept until the end.
 */
#include "ring.h"

#include <string.h>

/* An op has left, its complete() is not back, and binds one of another context. */
#define LINKS_SPARE	8U

static size_t aligned(size_t n)
{
	return (n + 63) & ~(size_t)63;
}

/* @links more; @ends_nr: all that there are then, any of which may have a deadline. */
static struct ring_room *room_alloc(uint32_t slots, uint32_t links, uint32_t ends_nr)
{
	size_t at = aligned(sizeof(struct ring_room));
	size_t slot = at, heap, ends, queue, link, table, bytes;
	struct ring_room *room;

	/* A node of the heap has its four children in one cache line. */
	at += aligned(slots * sizeof(struct ring_slot));
	heap = at + 3 * sizeof(struct heap_entry);
	at += aligned((slots + 3) * sizeof(struct heap_entry));
	ends = at + 3 * sizeof(struct heap_entry);
	at += aligned((ends_nr + 3) * sizeof(struct heap_entry));
	queue = at;
	at += (size_t)4 * slots * sizeof(struct heap_entry);
	link = at;
	at += aligned(links * sizeof(struct ring_link));
	table = at;
	bytes = at + (size_t)2 * slots * sizeof(struct ring_link *);

	room = sys_pages(bytes);
	if (!room)
		return NULL;
	room->bytes = bytes;
	room->slot = (void *)((char *)room + slot);
	room->heap = (void *)((char *)room + heap);
	room->ends = (void *)((char *)room + ends);
	room->queue = (void *)((char *)room + queue);
	room->queue_ends = room->queue + (size_t)2 * slots;
	room->link = (void *)((char *)room + link);
	room->table = (void *)((char *)room + table);
	return room;
}

static void take_slots(struct urctx_ring *r, struct ring_room *room, uint32_t slots)
{
	if (r->slots)
		memcpy(room->slot, r->slot, r->slots * sizeof(*r->slot));
	for (uint32_t i = slots; i-- > r->slots;) {
		room->slot[i].free = r->slot_free;
		r->slot_free = i + 1;
	}
	r->slot = room->slot;
}

static void take_links(struct urctx_ring *r, struct ring_room *room, uint32_t nr)
{
	for (uint32_t i = nr; i--;) {
		room->link[i].free = r->link_free;
		r->link_free = &room->link[i];
	}
}

static void take_table(struct urctx_ring *r, struct ring_room *room, uint32_t slots)
{
	struct ring_link **old = r->table;
	uint32_t nr = r->slots * 2;

	r->table = room->table;
	r->table_mask = slots * 2 - 1;
	r->links = 0;
	for (uint32_t i = 0; i < nr; i++)
		if (old[i])
			link_insert(r, old[i]);
}

int ring_grow(struct urctx_ring *r, uint32_t slots)
{
	const uint32_t links = slots - r->slots + LINKS_SPARE;
	struct ring_room *room;

	if (slots > SLOTS_MAX)	/* uncovered: 4,194,304 ops in flight, and one more */
		return -ENOMEM;	/* nor would there be memory */
	room = room_alloc(slots, links, r->links_room + links);
	if (!room)
		return -ENOMEM;
	take_slots(r, room, slots);
	take_links(r, room, links);
	r->links_room += links;
	take_table(r, room, slots);
	times_room(&r->times, room->heap, room->queue, 2 * slots);
	times_room(&r->ends, room->ends, room->queue_ends, 2 * slots);
	r->slots = slots;
	room->older = r->room;
	r->room = room;
	return 0;
}

void ring_room_free(struct urctx_ring *r)
{
	struct ring_room *room = r->room;

	while (room) {
		struct ring_room *older = room->older;

		sys_pages_free(room, room->bytes);
		room = older;
	}
}
