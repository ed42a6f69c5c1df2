/* SPDX-License-Identifier: MIT */
/*
 * retire.h - contexts that had children, between their last put and their reuse
 */
#ifndef URCTX_RETIRE_H
#define URCTX_RETIRE_H

#include "context.h"

/*
 * @n is DEAD and unlinked, or a zombie (ARMED, ONLIST): the housekeeper's from
 * here.  Lock-free, safe in a signal handler.
 */
void retire(struct urctx *n);

/* See that there is a housekeeper; not from a signal handler. */
void house_ensure(void);

/* One turn: barrier, grace period, free.  False: there was nothing. */
bool house_turn(void);

/* Nothing to do: sleep.  False: idle long enough, and nobody needs us: go. */
bool house_rest(bool worked);

/* In a child of fork() there is no housekeeper. */
void house_forked(void);

#endif
