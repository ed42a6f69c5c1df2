/* SPDX-License-Identifier: MIT */
/*
 * put.c - the last reference: unlink a context, or leave that to its children
 *
 * A leaf empties its slot and is reused at once.  A context that has children
 * stays as their link (a zombie) and goes with the last of them:
 *
 *   put(parent)                         put(child)
 *     watch |= ARMED                      slot = NULL
 *     ... sys_membarrier() ...            (compiler barrier)
 *     any slot taken? leave it            watch & ARMED? any slot taken?
 *
 * The barrier is the housekeeper's, one for many zombies.  A child that sees
 * ARMED does the rest at once; only the one that raced inside the window of a
 * store buffer waits for the housekeeper (I15).
 */
#include "idle.h"
#include "put.h"
#include "readers.h"
#include "retire.h"
#include "slab.h"
#include "slot.h"
#include "value.h"

/*
 * Looks from where a slot was last found taken: a zombie's slots only get emptier.
 * Who finds it empty releases what it owns, behind what holders of its descendants
 * did with that.
 */
static bool zombie_empty(struct urctx *p)
{
	struct chunk *first = chunk_first(p), *c;
	uintptr_t from = load(&first->scan, SCAN_READ);
	struct slot *s = (struct slot *)from;

	for (c = chunk_of(s); c; c = chunk_next(c), s = c ? &c->slot[0] : NULL)
		for (; s != chunk_end(c); s++)
			if (load(&s->v, IDLE_READ)) {
				if ((uintptr_t)s != from)
					cas(&first->scan, &from, (uintptr_t)s,
					    SCAN_SET);
				return false;
			}
	return true;
}

bool claim(struct urctx *p)
{
	uint32_t w = load_relaxed(&p->watch);

	/* somebody rests there: he looks when he goes on */
	if ((w & (ARMED | DEAD)) != ARMED || w >= PIN || !zombie_empty(p))
		return false;
	while ((w & (ARMED | DEAD)) == ARMED && w < PIN)
		if (cas_relaxed(&p->watch, &w, (w & ~(ARMED | IDLE)) | DEAD))
			return true;
	return false;
}

/* In a section.  @s, a slot of @p, was given up; see who waits for that. */
static void look(struct urctx *p, struct slot *s, struct leaving *l)
{
	uint32_t w = load_relaxed(&p->watch);

	if (w & IDLE)
		idle_left(p, s);
	if (!(w & ARMED))
		return;
	fence(ZOMBIE_SB);
	if (claim(p)) {
		p->todo = l->claimed;
		l->claimed = p;
	}
}

/* What a context is held by: read before it is retired. */
struct above {
	struct urctx *up;
	struct slot *slot;
	const struct link *links;
	uint32_t nr_links;
};

/* @p is DEAD by us: it leaves its slots, and what it owns is collected. */
static inline struct above unlink_dead(struct urctx *p, struct leaving *l)
{
	const struct extra *e = extra_of(p);
	struct above a = { .up = p->parent, .slot = p->slot };

	if (a.slot)
		slot_clear(a.slot);
	if (__builtin_expect(e || (load_relaxed(&p->watch) & OWNS), 0)) {
		a.links = e ? e->links : NULL;
		a.nr_links = e ? e->nr_links : 0;
		own_leave(p, l);
	}
	return a;
}

/* In a section.  What it was held by may be anything by now (I16). */
static void look_above(const struct above *a, struct leaving *l)
{
	uint32_t i;

	if (a->up)
		look(a->up, a->slot, l);
	for (i = 0; i < a->nr_links; i++)
		look(a->links[i].parent, a->links[i].slot, l);
}

/*
 * A zombie may be on the list of the retired already.  Whoever takes it off there
 * does not know whether it has left its slot: the second of the two retires it.
 */
static void unlink_zombie(struct urctx *p, struct leaving *l)
{
	struct above a = unlink_dead(p, l);

	if (!(fetch_or(&p->watch, GONE, WATCH_GONE) & ONLIST))
		retire(p);
	look_above(&a, l);
}

static void unlink_claimed(struct leaving *l)
{
	unsigned nr = 0;
	struct urctx *p;

	while ((p = l->claimed)) {
		l->claimed = p->todo;
		unlink_zombie(p, l);
		if (++nr % WALK_BREATH == 0) {
			section_exit();
			section_enter();
		}
	}
}

void child_left(struct urctx *p, struct slot *s, bool later)
{
	struct leaving l = { 0 };

	section_enter();
	look(p, s, &l);
	unlink_claimed(&l);
	section_exit();
	if (later)
		leaving_later(&l);
	else
		leaving_run(&l);
}

void zombie_unlink(struct urctx *p, struct leaving *l)
{
	struct above a = unlink_dead(p, l);

	look_above(&a, l);
	unlink_claimed(l);
}

static bool put_empty(const struct urctx *n)
{
	struct chunk *c;
	struct slot *s;

	for (c = chunk_first(n); c; c = chunk_next(c))
		for (s = &c->slot[0]; s != chunk_end(c); s++)
			if (load(&s->v, IDLE_READ))
				return false;
	return true;
}

/* Nothing is left below @n. */
static void put_dead(struct urctx *n)
{
	struct leaving l = { 0 };
	struct above a = unlink_dead(n, &l);
	bool outermost = l.first && leftovers_hold(l.first, l.last);
	uint32_t i;

	retire(n);
	if (a.up)
		slot_left_settle(a.up, a.slot);
	for (i = 0; i < a.nr_links; i++)
		slot_left_settle(a.links[i].parent, a.links[i].slot);
	if (outermost)
		leftovers_drain();
	retire_settle();
}

/* It has, or had, children. */
static void put_interior(struct urctx *n)
{
	struct chunk *first = chunk_first(n);
	uint32_t w = load_relaxed(&n->watch);

	if (put_empty(n))
		while (w < PIN)
			if (cas_relaxed(&n->watch, &w, (w & ~IDLE) | DEAD)) {
				put_dead(n);
				return;
			}
	store(&first->scan, (uintptr_t)&first->slot[0], SCAN_SET);
	fetch_or(&n->watch, ARMED | ONLIST, WATCH_ARM);
	retire(n);
	retire_settle();
}

/* True: that was the last one. */
static inline bool ref_drop(struct urctx *n)
{
	uint32_t had = load(&n->ref, REF_LAST);

	if (had != 1) {
		/* who holds the only reference cannot be overtaken: no RMW (I17) */
		had = fetch_sub(&n->ref, 1, REF_DROP);
		if (had == 0)
			urctx_misuse("urctx_put",
				     "the context was put more often than it "
				     "was made and got: each holder puts once");
		if (had != 1)
			return false;
	}
	store_relaxed(&n->ref, 0);
	return true;
}

void urctx_put(struct urctx *n)
{
	struct thread *t = this_thread();
	struct leftover *left;
	bool outermost = false;
	struct urctx *p;

	touch(n);
	if (!n || !ref_drop(n))
		return;
	if (__builtin_expect(load_relaxed(&n->state) & HASCH, 0)) {
		put_interior(n);
		return;
	}
	if (__builtin_expect(load_relaxed(&n->watch) & OWNS, 0)) {
		left = value_leave(n);
		left->next = NULL;
		outermost = leftovers_hold(left, left);
	}
	p = n->parent;
	if (p) {
		struct slot *s = n->slot;

		slot_clear(s);
		slot_left_settle(p, s);
		*thread_hint(t, p) = s;
	}
	context_free(t, n);
	if (__builtin_expect(outermost, 0))
		leftovers_drain();
	if (__builtin_expect(leftovers_any(), 0))
		leftovers_take();
}

void urctx_end(struct urctx *ctx)
{
	urctx_cancel_cause(ctx, &urctx_canceled);
	urctx_put(ctx);
}
