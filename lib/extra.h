/* SPDX-License-Identifier: MIT */
/*
 * extra.h - what few contexts have: a timer, an fd, several parents, who waits
 * until it is idle
 *
 * It hangs on the first chunk of its context (I24), so a context that has one is
 * retired by a grace period: who finds it in a section may use it there.
 */
#ifndef URCTX_EXTRA_H
#define URCTX_EXTRA_H

#include "thread.h"

/* Something of a user's, or malloc()ed, to be given back after the last put. */
struct leftover {
	struct leftover *next;
	void (*run)(struct leftover *left);
};

/* The timer's state; @owner is whoever holds the context. */
enum timer_state {
	TIMER_NONE,		/* the owner's */
	TIMER_GRACE,		/* waits for the parent's end */
	TIMER_ARMED,		/* on its way to the timekeeper, or with him */
	TIMER_DROPPED,		/* the same; the context is DEAD */
	TIMER_OUT,		/* he has done with it: the owner's */
	TIMER_GONE,		/* the context is no more: he frees it */
};

struct extra {
	struct urctx *ctx;
	struct extra *next;		/* free, in the inbox, in no heap for want of room */
	int64_t when, grace;		/* ns; grace: so long after the parent */
	uintptr_t word;			/* what the context becomes then */
	uint32_t timer;			/* enum timer_state */
	uint32_t place;			/* in the timekeeper's heap */
	uint64_t turn;			/* among equal times; where a test holds the clock */

	uint32_t fd;			/* + 1; 0: none */
	uint32_t fd_uses;		/* FD_* of fd.c */

	uint32_t idle_seq;		/* futex: `awaited` was emptied */
	struct slot *awaited;		/* by urctx_wait_idle() */

	struct link *links;		/* in further parents */
	uint32_t nr_links;
	struct leftover *left;		/* goes with the context */
} __attribute__((aligned(128)));

/* A slot in a further parent. */
struct link {
	struct urctx *parent;
	struct slot *slot;
};

_Static_assert(sizeof(struct extra) == 128, "divides a page");

/* That of @n, made if it has none; the caller holds a reference.  NULL: no memory. */
struct extra *extra_get(struct thread *t, struct urctx *n);
void extra_free(struct thread *t, struct extra *e);

/* Give @n a chunk, and so HASCH.  False: no memory. */
bool interior_make(struct thread *t, struct urctx *n);

/* That of @n, which has HASCH, or NULL. */
static inline struct extra *extra_of(const struct urctx *n)
{
	return (struct extra __force *)load(&chunk_first(n)->extra, EXTRA_READ);
}

/* The same, of one that may have no chunk yet. */
static inline struct extra *extra_if_any(const struct urctx *n)
{
	const struct chunk *first = chunk_first(n);

	return first ? (struct extra __force *)load(&first->extra, EXTRA_READ) : NULL;
}

#endif
