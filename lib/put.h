/* SPDX-License-Identifier: MIT */
#ifndef URCTX_PUT_H
#define URCTX_PUT_H

#include "retire.h"

/*
 * Behind slot_clear(): the context may be a zombie whose last slot that was.
 * Only a look at its watch when it is not.
 */
void child_left(struct urctx *p);

/*
 * In a section, or on the housekeeper's list: make @p DEAD if it is a zombie with
 * nothing left.  True: it is the caller's to unlink.
 */
bool claim(struct urctx *p);

/* @p was claimed by who has taken it off the list: unlink it, and no more. */
void zombie_unlink(struct urctx *p);

static inline void slot_left(struct urctx *p)
{
	if (__builtin_expect(load_relaxed(&p->watch) & ARMED, 0))
		child_left(p);
}

/* The same where no signal handler can be. */
static inline void slot_left_settle(struct urctx *p)
{
	if (__builtin_expect(load_relaxed(&p->watch) & ARMED, 0)) {
		child_left(p);
		retire_settle();
	}
}

#endif
