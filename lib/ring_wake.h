/* SPDX-License-Identifier: MIT */
/*
 * ring_wake.h - what other threads may do to a ring: hand its owner a node, wake him
 *
 * A lock-free list that many push on and the owner takes whole, and an eventfd.
 * Who finds the list empty wakes the owner, the others need not: he takes the
 * list after he is awake.
 *
 * The push is the last time that a pusher touches a node or this structure: from
 * then on the owner may free both.  What is left to him, if he was the first, is
 * a write to the eventfd, which therefore must not be closed too soon.  Nobody
 * reads that eventfd while it is in use, so that it counts the writes; the owner
 * counts the lists that he took.  When the two are the same, nobody is on his
 * way to it any more (wake_close).
 */
#ifndef URCTX_RING_WAKE_H
#define URCTX_RING_WAKE_H

#include "atomic.h"
#include "ring_sys.h"

struct wake_node {
	struct wake_node *next;
	bool quiet;			/* pushed by the owner: he is awake */
};

struct wake {
	struct wake_node *head;		/* newest first */
	int fd;				/* eventfd; constant while it is open */
	unsigned process;		/* a forked child wakes nobody */
	uint64_t owed;			/* owner: writes that were, or will be, made */
};

int wake_open(struct wake *w);
void wake_close(struct wake *w);	/* nothing may be pushed any more */

/* Each node once, until it was taken.  Async-signal-safe. */
void wake_push(struct wake *w, struct wake_node *n, bool quiet);

static inline bool wake_any(const struct wake *w)
{
	return load_relaxed(&w->head) != NULL;
}

/* Owner only: all there is, newest first, or NULL; and the way through it. */
struct wake_node *wake_take(struct wake *w);

static inline struct wake_node *wake_next(struct wake *w,
					  const struct wake_node *n)
{
	/* The last of a list was its first, and writes unless he was quiet. */
	if (!n->next && !n->quiet)
		w->owed++;
	return n->next;
}

#endif
