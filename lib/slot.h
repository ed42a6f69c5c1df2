/* SPDX-License-Identifier: MIT */
/*
 * slot.h - a context's list of slots: take one, give it up, read them all
 */
#ifndef URCTX_SLOT_H
#define URCTX_SLOT_H

#include "call.h"
#include "thread.h"

struct slot *slot_take_slow(struct thread *t, struct urctx *p, void *what,
			    uintptr_t tag, uintptr_t live);

/*
 * What is going to be in @s is told where it lives (I2).  A child's state says
 * @live, which is flags alone (STATE_BITS): they go with the address of its slot.
 */
static inline void slot_tell(struct slot *s, void *what, uintptr_t tag,
			     uintptr_t live)
{
	if (tag == TAG_CHILD || tag == TAG_GRACE) {
		struct urctx *n = (struct urctx *)what;

		if (__builtin_expect(live <= STATE_BITS, 1))
			live |= (uintptr_t)s;
		store_relaxed(&n->state, live);
		n->slot = s;
	} else if (tag == TAG_ARMED) {
		((struct call *)what)->slot = s;
	}
}

/* There was none: @n, which has HASCH, is put as a root. */
static inline void slot_untell(struct urctx *n)
{
	store_relaxed(&n->state, (uintptr_t)&no_slot | HASCH);
	n->slot = NULL;
}

/* Put @what into @s if it is empty. */
static inline bool slot_try(struct slot *s, void *what, uintptr_t tag,
			    uintptr_t live)
{
	uintptr_t empty = 0;

	slot_tell(s, what, tag, live);
	return cas(&s->v, &empty, (uintptr_t)what | tag, SLOT_PUBLISH);
}

/* The slot behind @s, round the chunk: the next to try. */
static inline struct slot *slot_after(struct slot *s)
{
	struct chunk *c = chunk_of(s);

	return ++s == &c->slot[CHUNK_SLOTS] ? &c->slot[0] : s;
}

/* Raise chunk.used so that walkers look at @s, before it is filled. */
static inline void chunk_raise(struct chunk *c, const struct slot *s)
{
	uint32_t used = load_relaxed(&c->used);
	uint32_t want = (uint32_t)(s - c->slot) / SLOT_STEP * SLOT_STEP + SLOT_STEP;

	while (__builtin_expect(used < want, 0))
		if (cas_relaxed(&c->used, &used, want))
			break;
}

static inline bool slot_hinted(const struct slot *s, const struct urctx *p)
{
	return load(&chunk_of(s)->owner, OWNER_READ) == p;
}

/*
 * A slot of @p for @what; the caller holds a reference to @p.  NULL: out of memory.
 * The thread's hint is right nearly always (I18).
 */
static inline struct slot *slot_take(struct thread *t, struct urctx *p,
				     void *what, uintptr_t tag,
				     uintptr_t live)
{
	struct slot **hint = thread_hint(t, p), *s = *hint;

	if (__builtin_expect(slot_hinted(s, p), 1)) {
		chunk_raise(chunk_of(s), s);
		if (__builtin_expect(slot_try(s, what, tag, live), 1)) {
			*hint = slot_after(s);
			return s;
		}
	}
	return slot_take_slow(t, p, what, tag, live);
}

/*
 * Behind slot_take(): the walk sees the slot, or this sees @p done (I8).  The
 * state word of @p.
 */
static inline uintptr_t slot_published(struct urctx *p)
{
	fence_after_rmw(ATTACH_SB);
	return load(&p->state, STATE_READ);
}

/*
 * Give @s up.  Whoever does then looks at the owner's watch: only the compiler
 * keeps the two in order here, sys_membarrier() does the rest (I15).
 */
static inline void slot_cleared(void)
{
	compiler_barrier();
	if (__builtin_expect(!sys_asymmetric(), 0))
		fence(LEAVE_SB);
}

static inline void slot_clear(struct slot *s)
{
	store(&s->v, (uintptr_t)0, SLOT_CLEAR);
	slot_cleared();
}

#endif
