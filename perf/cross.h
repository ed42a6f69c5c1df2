/* SPDX-License-Identifier: MIT */
/*
 * Cancel on one thread, the operation's end on another: the owner of a ring
 * sleeps on it, pinned to its own CPU, and the canceller acts at moments fixed
 * beforehand.  A latency counts from that moment, so that a canceller who comes
 * late is charged for it.
 */
#ifndef URCTX_BENCH_CROSS_H
#define URCTX_BENCH_CROSS_H

#include "bench.h"
#include "hist.h"
#include "target.h"

struct cross {
	const struct bench *b;
	const struct target *target;
	unsigned n;		/* times a call below cancels */
	struct hist *hist;	/* gets the latency of each aborted operation */
	uint64_t aborted;	/* ended by the cancel */
	uint64_t completed;	/* had ended, or could not be aborted any more */
	int error;		/* -errno of what went wrong */
};

bool cross_ours(struct cross *x);	/* urctx_cancel() */
bool cross_hand(struct cross *x);	/* eventfd read, then ASYNC_CANCEL */
bool cross_io(struct cross *x);		/* a thread in urctx_recv(), no ring */
bool cross_wake(struct cross *x);	/* no ring: read() of an eventfd */

#endif
