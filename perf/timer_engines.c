/* SPDX-License-Identifier: MIT */
/* A heap, a hierarchical wheel, a pairing heap, and nothing at all. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "timers.h"
#include "times.h"

/* -------------------------------------------------------------------- the heap */

static struct heap heap;

static void h_init(uint32_t n)
{
	struct heap_entry *v = aligned_alloc(64, (n + 67) * sizeof(*v) / 64 * 64);

	if (!v)
		abort();
	free(heap.v ? heap.v - 3 : NULL);
	heap = (struct heap){ v + 3, 0 };	/* children in one cache line */
}

static void h_add(struct timer *t)
{
	heap_add(&heap, t->key, &t->place);
}

static void h_del(struct timer *t)
{
	heap_del(&heap, &t->place);
}

static void h_move(struct timer *t, int64_t key)
{
	t->key = key;
	heap_move(&heap, key, &t->place);
}

static struct timer *h_pop(int64_t now)
{
	uint32_t *place;

	if (!heap.nr || heap.v[0].key > now)
		return NULL;
	place = heap.v[0].place;
	heap_del(&heap, place);
	return (void *)((char *)place - offsetof(struct timer, place));
}

static int64_t h_next(void)
{
	return heap.nr ? heap.v[0].key : INT64_MAX;
}

/* ------------------------------------------------- a queue in front of the heap */

static struct times times;

static void q_init(uint32_t n)
{
	struct heap_entry *queue;
	uint32_t size = 64;

	while (size < 2 * n)
		size *= 2;
	h_init(n);
	free(times.queue);
	queue = calloc(size, sizeof(*queue));
	if (!queue)
		abort();
	times = (struct times){ .queue = NULL };
	times_room(&times, heap.v, queue, size);
}

static void q_add(struct timer *t)
{
	times_add(&times, t->key, &t->place);
}

static void q_del(struct timer *t)
{
	times_del(&times, &t->place);
}

static void q_move(struct timer *t, int64_t key)
{
	t->key = key;
	times_move(&times, key, &t->place);
}

static int64_t q_next(void)
{
	return times_first(&times);
}

static struct timer *q_pop(int64_t now)
{
	uint32_t *place;

	if (!times_any(&times) || times_first(&times) > now)
		return NULL;
	place = times_first_place(&times);
	times_del(&times, place);
	return (void *)((char *)place - offsetof(struct timer, place));
}

/* ------------------------------------------------------------------- the wheel */

/*
 * One of level l differs from `at` in its bits from 6 l on and not above 6 l + 6:
 * so a level is never behind `at`, its first slot is its lowest bit, and all of a
 * level is earlier than any of the next.
 */
enum { TICK_BITS = 16, LEVELS = 8 };

static struct {
	uint64_t at;			/* a tick */
	uint64_t busy[LEVELS];		/* slots that have some */
	struct timer *slot[LEVELS][64];
} wheel;

static void w_init(uint32_t n)
{
	(void)n;
	memset(&wheel, 0, sizeof(wheel));
}

static void w_add(struct timer *t)
{
	uint64_t tick = (uint64_t)t->key >> TICK_BITS;
	struct timer **at;

	if (tick < wheel.at)
		tick = wheel.at;
	t->level = tick == wheel.at ? 0 :
		   (uint8_t)((63 - __builtin_clzll(tick ^ wheel.at)) / 6);
	t->slot = tick >> 6 * t->level & 63;
	at = &wheel.slot[t->level][t->slot];
	t->next = *at;
	if (t->next)
		t->next->at = &t->next;
	*at = t;
	t->at = at;
	wheel.busy[t->level] |= UINT64_C(1) << t->slot;
}

static void w_del(struct timer *t)
{
	if (!t->at)
		return;
	*t->at = t->next;
	if (t->next)
		t->next->at = t->at;
	else if (!wheel.slot[t->level][t->slot])
		wheel.busy[t->level] &= ~(UINT64_C(1) << t->slot);
	t->at = NULL;
}

static void w_move(struct timer *t, int64_t key)
{
	w_del(t);
	t->key = key;
	w_add(t);
}

/* The first tick that has some, or that a level must be taken apart at. */
static bool w_first(uint64_t *tick, unsigned *level)
{
	for (unsigned l = 0; l < LEVELS; l++) {
		unsigned slot, shift = 6 * l;

		if (!wheel.busy[l])
			continue;
		slot = (unsigned)__builtin_ctzll(wheel.busy[l]);
		*tick = (wheel.at >> shift >> 6 << 6 | slot) << shift;
		*level = l;
		return true;
	}
	return false;
}

static void w_take_apart(unsigned level)
{
	unsigned slot = (unsigned)__builtin_ctzll(wheel.busy[level]);
	struct timer *t = wheel.slot[level][slot], *next;

	wheel.slot[level][slot] = NULL;
	wheel.busy[level] &= wheel.busy[level] - 1;
	for (; t; t = next) {
		next = t->next;
		w_add(t);
	}
}

static struct timer *w_pop(int64_t now)
{
	uint64_t here = (uint64_t)now >> TICK_BITS, tick;
	unsigned level;

	while (w_first(&tick, &level) && tick <= here) {
		wheel.at = tick;
		if (level) {
			w_take_apart(level);
			continue;
		}
		for (struct timer *t = wheel.slot[0][tick & 63]; t; t = t->next)
			if (t->key <= now) {
				w_del(t);
				return t;
			}
		return NULL;
	}
	wheel.at = here;
	return NULL;
}

static int64_t w_next(void)
{
	int64_t least = INT64_MAX;
	unsigned level;
	uint64_t tick;

	if (!w_first(&tick, &level))
		return least;
	if (level)
		return (int64_t)(tick << TICK_BITS);
	for (struct timer *t = wheel.slot[0][tick & 63]; t; t = t->next)
		least = t->key < least ? t->key : least;
	return least;
}

/* ------------------------------------------------------------ the pairing heap */

static struct timer *root;

static void p_init(uint32_t n)
{
	(void)n;
	root = NULL;
}

/* Both are roots: no prev, no sibling. */
static struct timer *meld(struct timer *a, struct timer *b)
{
	if (!a || !b)
		return a ? a : b;
	if (b->key < a->key) {
		struct timer *t = a;

		a = b;
		b = t;
	}
	b->prev = a;
	b->sibling = a->child;
	if (b->sibling)
		b->sibling->prev = b;
	a->child = b;
	return a;
}

static struct timer *pairs(struct timer *list)
{
	struct timer *done = NULL, *all = NULL;

	while (list) {
		struct timer *a = list, *b = a->sibling;

		list = b ? b->sibling : NULL;
		a->sibling = a->prev = NULL;
		if (b)
			b->sibling = b->prev = NULL;
		a = meld(a, b);
		a->sibling = done;
		done = a;
	}
	while (done) {
		struct timer *next = done->sibling;

		done->sibling = NULL;
		all = meld(all, done);
		done = next;
	}
	return all;
}

static void p_add(struct timer *t)
{
	t->child = t->sibling = t->prev = NULL;
	t->in = true;
	root = meld(root, t);
}

static void p_del(struct timer *t)
{
	struct timer *below;

	if (!t->in)
		return;
	t->in = false;
	below = pairs(t->child);
	if (t == root) {
		root = below;
		return;
	}
	if (t->prev->child == t)
		t->prev->child = t->sibling;
	else
		t->prev->sibling = t->sibling;
	if (t->sibling)
		t->sibling->prev = t->prev;
	root = meld(root, below);
}

static void p_move(struct timer *t, int64_t key)
{
	p_del(t);
	t->key = key;
	p_add(t);
}

static struct timer *p_pop(int64_t now)
{
	struct timer *t = root;

	if (!t || t->key > now)
		return NULL;
	p_del(t);
	return t;
}

static int64_t p_next(void)
{
	return root ? root->key : INT64_MAX;
}

/* ------------------------------------------------------------------------ none */

static void n_init(uint32_t n)
{
	(void)n;
}

static void n_touch(struct timer *t)
{
	t->place++;
}

static void n_move(struct timer *t, int64_t key)
{
	t->key = key;
}

static struct timer *n_pop(int64_t now)
{
	(void)now;
	return NULL;
}

static int64_t n_next(void)
{
	return INT64_MAX;
}

const struct engine engines[ENGINES] = {
	{ "heap", h_init, h_add, h_del, h_move, h_pop, h_next },
	{ "queue", q_init, q_add, q_del, q_move, q_pop, q_next },
	{ "wheel", w_init, w_add, w_del, w_move, w_pop, w_next },
	{ "pairing", p_init, p_add, p_del, p_move, p_pop, p_next },
	{ "none", n_init, n_touch, n_touch, n_move, n_pop, n_next },
};
