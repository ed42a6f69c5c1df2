/* SPDX-License-Identifier: MIT */
/*
 * timers.c - the timekeeper's heap: the housekeeper's alone
 */
#include "cancel.h"
#include "fork.h"
#include "heap.h"
#include "house.h"
#include "slab.h"
#include "timers.h"
#include "walk.h"

static struct heap heap;
static uint32_t room;		/* entries that heap.v holds */
static struct extra *homeless;	/* no memory for a larger heap */
static uint32_t live;		/* armed or expected, and not out */
static uint32_t dropped;	/* in the heap, of contexts that are DEAD */

void timers_add(uint32_t more)
{
	fetch_add_relaxed(&live, more);
}

bool timers_any(void)
{
	return load_relaxed(&live);
}

void timers_dropped(void)
{
	uint32_t nr = fetch_add_relaxed(&dropped, 1) + 1;

	if (nr % TIMERS_SWEEP == 0 && nr > load_relaxed(&heap.nr) / 2)
		house_until(INT64_MIN);
}

/* Twice as large; false: it stays as it is. */
static bool heap_grow(void)
{
	uint32_t more = room ? 2 * room : HEAP_FIRST;
	struct heap_entry *v;

	v = (struct heap_entry *)sys_pages(more * sizeof(*v));
	if (!v)
		return false;
	if (room) {
		__builtin_memcpy(v, heap.v, heap.nr * sizeof(*v));
		sys_pages_free(heap.v, room * sizeof(*v));
	}
	heap.v = v;
	room = more;
	return true;
}

static void add(struct extra *e)
{
	if (heap.nr == room && !heap_grow()) {
		store_relaxed(&e->next, homeless);
		homeless = e;
		return;
	}
	heap_add(&heap, e->when, &e->place);
}

/* @e is in the heap no more, and was dropped. */
static void throw_out(struct extra *e)
{
	uint32_t was = TIMER_DROPPED;

	fetch_sub_relaxed(&dropped, 1);
	timers_add(-1U);
	if (!cas(&e->timer, &was, TIMER_OUT, TIMER_STATE))
		extra_free(this_thread(), e);
}

/* It is time for @e.  Whoever drops it from here on leaves the rest to this. */
static void fire(struct extra *e)
{
	struct urctx *ctx = e->ctx;
	uintptr_t word = e->word;
	uint32_t armed = TIMER_ARMED;
	bool held;

	section_enter();	/* it cannot be reused in here if that comes true: */
	if (!cas(&e->timer, &armed, TIMER_OUT, TIMER_STATE)) {
		section_exit();
		throw_out(e);
		return;
	}
	held = pin(ctx);
	section_exit();
	timers_add(-1U);
	if (!held)
		return;
	tree_end(ctx, word);
	section_enter();
	unpin(ctx);
	section_exit();
}

static struct extra *extra_at(uint32_t *place)
{
	return (struct extra *)(void *)((char *)place -
					offsetof(struct extra, place));
}

/* What was dropped is more than half of all. */
static void sweep(void)
{
	uint32_t nr = heap.nr, i;

	heap.nr = 0;
	for (i = 0; i < nr; i++) {
		struct extra *e = extra_at(heap.v[i].place);

		if (load_relaxed(&e->timer) == TIMER_ARMED)
			heap_add(&heap, e->when, &e->place);
		else
			throw_out(e);
	}
}

static void take_new(void)
{
	struct extra *e, *next, *again = homeless;

	homeless = NULL;
	for (e = inbox_take(); e; e = next) {
		next = load_relaxed(&e->next);
		add(e);
	}
	for (e = again; e; e = next) {
		next = load_relaxed(&e->next);
		add(e);
	}
	if (load_relaxed(&dropped) >= TIMERS_SWEEP &&
	    load_relaxed(&dropped) > heap.nr / 2)
		sweep();
}

/* The earliest that is due, out of the heap, or NULL. */
static struct extra *due(int64_t now)
{
	struct extra **at, *e;

	fork_hold();
	take_new();
	e = NULL;
	if (heap.nr && heap.v[0].key <= now) {
		e = extra_at(heap.v[0].place);
		heap_del(&heap, heap.v[0].place);
	}
	for (at = &homeless; !e && *at; at = &(*at)->next)
		if ((*at)->when <= now) {
			e = *at;
			*at = e->next;
			break;
		}
	fork_release();
	return e;
}

void timers_turn(void)
{
	struct extra *e;

	if (!timers_any())
		return;
	while ((e = due(sys_now())))
		fire(e);
}

int64_t timers_next(void)
{
	int64_t when = heap.nr ? heap.v[0].key : URCTX_NEVER;
	struct extra *e;

	for (e = homeless; e; e = load_relaxed(&e->next))
		if (e->when < when)
			when = e->when;
	return when;
}

void timers_forked(bool torn)
{
	if (!torn)
		return;
	/* in the middle of a change: what it held is never told */
	heap.nr = 0;
	homeless = NULL;
	store_relaxed(&live, 0);
}
