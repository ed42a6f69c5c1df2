/* SPDX-License-Identifier: MIT */
/*
 * slot.c - find a slot when the hint is of no use
 *
 * A parent keeps a counter of its chunks and a credit in the first one.  Who has
 * no chunk of his own with room, and finds no credit, looks at up to half of the
 * chunks from where the last search ended, and takes the first with a quarter
 * free; if there is none, n/4 + 1 new chunks may be made before the next search.
 * A grant has seen n/2 chunks three quarters full, so that
 *	chunks <= peak of live children / 17 + threads + 17 (I19),
 * at no more than two chunks looked at for 14 slots taken, and none while growing.
 *
 * Two threads in one chunk share its lines: 27-100 ns instead of 16-18.  So a
 * chunk carries the mark of the thread that uses it; a search clears another's
 * mark and passes by the first time (the clock rule), for so many chunks a search:
 * one thread may have marked them all.
 */
#include "extra.h"
#include "slab.h"
#include "slot.h"

#define ROOM	((CHUNK_SLOTS + 3) / 4)
#define PASSES	8

static unsigned chunk_room(const struct chunk *c)
{
	unsigned used = load_relaxed(&c->used), room = CHUNK_SLOTS - used, i;

	for (i = 0; i < used; i++)
		room += !load_relaxed(&c->slot[i].v);
	return room;
}

static struct slot *chunk_try(struct chunk *c, struct slot *s, void *what,
			      uintptr_t tag, uintptr_t live)
{
	unsigned i;

	for (i = 0; i < CHUNK_SLOTS; i++, s = slot_after(s)) {
		if (load_relaxed(&s->v))
			continue;
		chunk_raise(c, s);
		if (slot_try(s, what, tag, live))
			return s;
	}
	return NULL;
}

/* @p has children from now on, whether it is live or done (I6, I18). */
static void chunk_announce(struct urctx *p, struct chunk *c)
{
	uintptr_t w = load_relaxed(&p->state);

	while (!(w & HASCH))
		if (cas(&p->state, &w, w | HASCH, HASCH_SET))
			break;
	if (load_relaxed(&c->owner) != p)
		store(&c->owner, p, OWNER_SET);
}

bool interior_make(struct thread *t, struct urctx *n)
{
	struct chunk *first = chunk_first(n), *c;

	if (!first) {
		c = chunk_alloc(t);
		if (!c)
			return false;
		store_relaxed(&c->next, (struct chunk __rcu *)NULL);
		store_relaxed(&c->count, 1);
		if (cas_or_read(&n->chunks, &first, (struct chunk __rcu *)c, CHUNK_LINK,
				CHUNK_READ))
			first = c;
		else
			chunk_free(t, c);
	}
	chunk_announce(n, first);
	return true;
}

/* Link @c to @p: as the first one, or behind it.  Returns the first one. */
static struct chunk *chunk_link(struct urctx *p, struct chunk *c)
{
	struct chunk __rcu *next, *link = (struct chunk __rcu *)c;
	struct chunk *first = chunk_first(p);

	store_relaxed(&c->next, (struct chunk __rcu *)NULL);
	if (!first && cas_or_read(&p->chunks, &first, link, CHUNK_LINK, CHUNK_READ))
		return c;
	next = load_relaxed(&first->next);
	do
		store_relaxed(&c->next, next);
	while (!cas(&first->next, &next, link, CHUNK_LINK));
	return first;
}

/* The next chunk with a quarter free, within half of all. */
static struct slot *sweep(struct thread *t, struct urctx *p, struct chunk *first,
			  void *what, uintptr_t tag, uintptr_t live)
{
	uint32_t n = load_relaxed(&first->count), looks = (n + 1) / 2;
	struct chunk *c = (struct chunk *)load(&first->scan, SCAN_READ);
	struct slot *s = NULL;
	unsigned passed = 0;

	while (!s && looks--) {
		uint32_t user;

		if (!c)
			c = first;
		user = load_relaxed(&c->user);
		if (user && user != t->id && passed++ < PASSES) {
			store_relaxed(&c->user, 0);
		} else if (chunk_room(c) >= ROOM) {
			chunk_announce(p, c);
			s = chunk_try(c, &c->slot[0], what, tag, live);
			if (s)
				store_relaxed(&c->user, t->id);
		}
		c = chunk_next(c);
	}
	store(&first->scan, (uintptr_t)c, SCAN_SET);
	if (!s)
		store_relaxed(&first->credit, (int32_t)(n / 4 + 1));
	return s;
}

/*
 * A new chunk, with @what in it.  The slot is filled before anybody can find the
 * chunk; a canceller that misses it was before HASCH, and is seen.
 */
static struct slot *grow(struct thread *t, struct urctx *p, void *what,
			 uintptr_t tag, uintptr_t live)
{
	struct chunk *c = chunk_alloc(t), *first;

	if (!c)
		return NULL;
	slot_tell(&c->slot[0], what, tag, live);
	store_relaxed(&c->slot[0].v, (uintptr_t)what | tag);
	store_relaxed(&c->used, SLOT_STEP);
	store_relaxed(&c->user, t->id);
	store_relaxed(&c->count, 1);
	first = chunk_link(p, c);
	if (first != c) {
		fetch_add_relaxed(&first->count, 1);
		fetch_sub_relaxed(&first->credit, 1);
	}
	chunk_announce(p, c);
	return &c->slot[0];
}

struct slot *slot_take_slow(struct thread *t, struct urctx *p, void *what,
			    uintptr_t tag, uintptr_t live)
{
	struct slot **hint = thread_hint(t, p), *s = NULL;
	struct chunk *mine = chunk_of(*hint), *first = chunk_first(p);

	if (!t->id)
		thread_register(t);
	if (slot_hinted(*hint, p) && chunk_room(mine) >= ROOM)
		s = chunk_try(mine, *hint, what, tag, live);
	if (!s && first && load_relaxed(&first->credit) <= 0)
		s = sweep(t, p, first, what, tag, live);
	if (!s)
		s = grow(t, p, what, tag, live);
	if (s)
		*hint = slot_after(s);
	return s;
}
