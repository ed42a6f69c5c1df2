/* SPDX-License-Identifier: MIT */
/*
 * leave.h - what a context takes along when it goes
 *
 * Unlinking one context may be the end of its parents, and of what they own: the
 * one is a list, not a recursion, and the other is collected and given back where
 * no section is held and no signal handler can be.
 */
#ifndef URCTX_LEAVE_H
#define URCTX_LEAVE_H

#include "extra.h"

/* Collected while contexts are unlinked. */
struct leaving {
	struct urctx *claimed;		/* zombies that are DEAD by us */
	struct leftover *first, *last;
};

static inline void leaving_add(struct leaving *l, struct leftover *left)
{
	left->next = NULL;
	if (l->last)
		l->last->next = left;
	else
		l->first = left;
	l->last = left;
}

/*
 * @n is DEAD by us: all that hangs on it lets go.  Its links in further parents
 * are cleared; what else depended on those is the caller's to look at, later.
 */
void own_leave(struct urctx *n, struct leaving *l);

/* Behind a grace period: @e goes, unless the timekeeper has it. */
void extra_leave(struct thread *t, struct extra *e);

/*
 * Give back what was left: user's code runs.  Not in a section, not in a signal
 * handler.  From inside of it, more of them queue up for the outermost.
 */
void leftovers_run(struct leftover *first, struct leftover *last);

/*
 * Around a put that goes on to its parents: what is left of it comes first, theirs
 * behind it.  True: this is the outermost, and leftovers_drain() is to follow.
 */
bool leftovers_hold(struct leftover *first, struct leftover *last);
void leftovers_drain(void);

/* The same, by the housekeeper or the next put that may: anywhere. */
void leftovers_later(struct leftover *first, struct leftover *last);
void leftovers_take(void);

extern struct leftover *leftovers __attribute__((visibility("hidden")));
static inline bool leftovers_any(void)
{
	return load_relaxed(&leftovers);
}

static inline void leaving_run(struct leaving *l)
{
	if (__builtin_expect(l->first != NULL, 0))
		leftovers_run(l->first, l->last);
}

static inline void leaving_later(struct leaving *l)
{
	if (__builtin_expect(l->first != NULL, 0))
		leftovers_later(l->first, l->last);
}

#endif
