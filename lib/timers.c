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
static uint32_t kept;		/* heap.nr, for other threads */
static struct extra *homeless;	/* no memory for a larger heap */
static struct extra *equals;	/* due at one time of a test's clock, in turn */
static uint32_t live;		/* armed or expected, and not out */
static uint32_t dropped;	/* in the heap, of contexts that are DEAD */
static bool changing;		/* what a fork in the middle of it finds torn */

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

	if (nr % TIMERS_SWEEP == 0 && nr > load_relaxed(&kept) / 2)
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

/* As they were armed: the inbox has the last one first. */
static struct extra *in_turn(struct extra *e)
{
	static uint64_t turns;
	struct extra *list = NULL, *next;

	for (; e; e = next) {
		next = e->next;
		e->next = list;
		list = e;
	}
	for (e = list; e; e = e->next)
		e->turn = ++turns;
	return list;
}

static struct extra *merge(struct extra *a, struct extra *b)
{
	struct extra *list = NULL, **at = &list;

	while (a && b) {
		struct extra **least = a->turn < b->turn ? &a : &b;

		*at = *least;
		at = &(*at)->next;
		*least = *at;
	}
	*at = a ? a : b;
	return list;
}

/* By turn.  It goes as deep as the length has bits. */
static struct extra *sorted(struct extra *list)
{
	struct extra *half[2] = { NULL, NULL }, *next;
	unsigned i;

	if (!list || !list->next)
		return list;
	for (i = 0; list; list = next, i ^= 1) {
		next = list->next;
		list->next = half[i];
		half[i] = list;
	}
	return merge(sorted(half[0]), sorted(half[1]));
}

/* Out of the heap with all that are due next, if they are by @now. */
static struct extra *take_equals(int64_t now)
{
	struct extra *list = NULL;
	int64_t key = heap.nr ? heap.v[0].key : URCTX_NEVER;

	while (key <= now && heap.nr && heap.v[0].key == key) {
		struct extra *e = extra_at(heap.v[0].place);

		heap_del(&heap, heap.v[0].place);
		e->next = list;
		list = e;
	}
	return sorted(list);
}

static void take_new(void)
{
	struct extra *e, *next, *again = homeless;

	homeless = NULL;
	e = inbox_take();
	if (sys_clock_held())
		e = in_turn(e);
	for (; e; e = next) {
		next = load_relaxed(&e->next);
		add(e);
	}
	for (e = again; e; e = next) {
		next = load_relaxed(&e->next);
		add(e);
	}
	if ((load_relaxed(&dropped) >= TIMERS_SWEEP &&
	     load_relaxed(&dropped) > heap.nr / 2) ||
	    (heap.nr && load_relaxed(&dropped) >= load_relaxed(&live)))
		sweep();
	store_relaxed(&kept, heap.nr);
}

/* The earliest that is due, out of the heap, or NULL. */
static struct extra *due(void)
{
	struct extra **at, *e;
	int64_t now;

	store_relaxed(&changing, true);
	fork_hold();
	take_new();
	now = sys_now();	/* behind it: a clock may go back when it is held */
	if (sys_clock_held() && !equals)
		equals = take_equals(now);
	e = equals;
	if (e) {
		equals = e->next;
	} else if (heap.nr && heap.v[0].key <= now) {
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
	store_relaxed(&changing, false);
	return e;
}

void timers_turn(void)
{
	struct extra *e;

	if (!timers_any())
		return;
	while ((e = due()))
		fire(e);
}

int64_t timers_next(void)
{
	int64_t when = heap.nr ? heap.v[0].key : URCTX_NEVER;
	struct extra *e;

	for (e = homeless; e; e = load_relaxed(&e->next))
		if (e->when < when)	/* seldom: no memory for a heap, for two */
			when = e->when;
	return when;
}

void timers_forked(bool held)
{
	bool torn = !held && load_relaxed(&changing);

	store_relaxed(&changing, false);
	if (torn) {
		/* what it held is never told; who counted on it is not known */
		heap.nr = 0;
		homeless = equals = NULL;
	}
	/* nobody keeps time here until a derivation sees to it */
	store_relaxed(&timer_wanted, timers_any());
}
