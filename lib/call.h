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

#define CALL_RING	0x676e6972UL	/* "ring" */

_Static_assert(sizeof(struct call) <= sizeof(struct urctx_callback), "");

#endif
