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
#include "put.h"
#include "readers.h"
#include "retire.h"
#include "slab.h"
#include "slot.h"

/*
 * Looks from where a slot was last found taken: a zombie's slots only get emptier.
 * What is read here orders nothing; every thread passes a barrier before @p is
 * reused.
 */
static bool zombie_empty(struct urctx *p)
{
	struct chunk *first = chunk_first(p), *c;
	uintptr_t from = load(&first->scan, SCAN_READ);
	struct slot *s = (struct slot *)from;

	for (c = chunk_of(s); c; c = chunk_next(c), s = c ? &c->slot[0] : NULL)
		for (; s != chunk_end(c); s++)
			if (load_relaxed(&s->v)) {
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
		if (cas_relaxed(&p->watch, &w, (w & ~ARMED) | DEAD))
			return true;
	return false;
}

/* @p is DEAD by us.  Returns its parent, the slot of which it has left. */
static struct urctx *unlink_dead(struct urctx *p)
{
	if (p->slot)
		slot_clear(p->slot);
	return p->parent;
}

/*
 * A zombie may be on the list of the retired already.  Whoever takes it off there
 * does not know whether it has left its slot: the second of the two retires it.
 */
static struct urctx *unlink_zombie(struct urctx *p)
{
	struct urctx *up = unlink_dead(p);

	if (!(fetch_or(&p->watch, GONE, WATCH_GONE) & ONLIST))
		retire(p);
	return up;	/* anything by the time it is looked at (I16) */
}

void child_left(struct urctx *p)
{
	unsigned levels = 0;

	section_enter();
	while (p && (load_relaxed(&p->watch) & ARMED)) {
		fence(ZOMBIE_SB);
		if (!claim(p))
			break;
		p = unlink_zombie(p);
		if (++levels % WALK_BREATH == 0) {
			section_exit();
			section_enter();
		}
	}
	section_exit();
}

void zombie_unlink(struct urctx *p)
{
	struct urctx *up = unlink_dead(p);

	if (up)
		slot_left(up);
}

static bool put_empty(const struct urctx *n)
{
	struct chunk *c;
	struct slot *s;

	for (c = chunk_first(n); c; c = chunk_next(c))
		for (s = &c->slot[0]; s != chunk_end(c); s++)
			if (load_relaxed(&s->v))
				return false;
	return true;
}

/* It has, or had, children. */
static void put_interior(struct urctx *n)
{
	struct chunk *first = chunk_first(n);
	uint32_t w = load_relaxed(&n->watch);
	struct urctx *up;

	if (put_empty(n))
		while (w < PIN)
			if (cas_relaxed(&n->watch, &w, w | DEAD)) {
				up = unlink_dead(n);
				retire(n);
				if (up)
					slot_left(up);
				retire_settle();
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
	struct urctx *p;

	touch(n);
	if (!n || !ref_drop(n))
		return;
	if (__builtin_expect(load_relaxed(&n->state) & HASCH, 0)) {
		put_interior(n);
		return;
	}
	p = n->parent;
	if (p) {
		struct slot *s = n->slot;

		slot_clear(s);
		slot_left_settle(p);
		*thread_hint(t, p) = s;
	}
	context_free(t, n);
}

void urctx_end(struct urctx *ctx)
{
	urctx_cancel_cause(ctx, &urctx_canceled);
	urctx_put(ctx);
}
