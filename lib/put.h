/* SPDX-License-Identifier: MIT */
#ifndef URCTX_PUT_H
#define URCTX_PUT_H

#include "leave.h"
#include "retire.h"

/*
 * Behind slot_clear() of @s: its owner may be a zombie whose last slot that was,
 * or somebody may wait for it.  Only a look at its watch when neither is.
 * What else went is given back by the housekeeper: @later, or here.
 */
void child_left(struct urctx *p, struct slot *s, bool later);

/*
 * In a section, or on the housekeeper's list: make @p DEAD if it is a zombie with
 * nothing left.  True: it is the caller's to unlink.
 */
bool claim(struct urctx *p);

/* In a section: @p was claimed by who has taken it off the list. */
void zombie_unlink(struct urctx *p, struct leaving *l);

/* In a section, or where a signal handler may be. */
static inline void slot_left(struct urctx *p, struct slot *s)
{
	if (__builtin_expect(load_relaxed(&p->watch) & (ARMED | IDLE), 0))
		child_left(p, s, true);
}

/* Where neither is. */
static inline void slot_left_settle(struct urctx *p, struct slot *s)
{
	if (__builtin_expect(load_relaxed(&p->watch) & (ARMED | IDLE), 0)) {
		child_left(p, s, false);
		retire_settle();
	}
}

#endif
