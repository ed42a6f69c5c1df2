/* SPDX-License-Identifier: MIT */
/*
 * call.h - what a user's struct urctx_callback holds; liburctx-uring knows it, too
 */
#ifndef URCTX_CALL_H
#define URCTX_CALL_H

#include <urctx.h>

struct call {
	void (*fn)(struct urctx_callback *cb);
	struct slot *slot;
	struct urctx *ctx;
	/* 0, or what is there for a dump to say */
	uintptr_t kind;
	unsigned long ops;		/* CALL_RING: bound by this ring */
};

#define CALL_RING	0x676e6972UL	/* "ring"; its deadline is the ring's to keep */

/*
 * One that the core has never seen: liburctx-uring's, which runs it and takes it
 * back.  The slot is the address of this, odd.
 */
struct foreign {
	bool (*stop)(struct urctx_callback *cb);
} __attribute__((aligned(8)));

static inline struct slot *foreign_slot(const struct foreign *f)
{
	return (struct slot *)((uintptr_t)f | 1);
}

static inline bool is_foreign(const struct call *c)
{
	return (uintptr_t)c->slot & 1;
}

static inline bool foreign_stop(struct urctx_callback *cb)
{
	uintptr_t f = (uintptr_t)((struct call *)cb)->slot & ~(uintptr_t)1;

	return ((const struct foreign *)f)->stop(cb);
}

_Static_assert(sizeof(struct call) <= sizeof(struct urctx_callback), "");

#endif
