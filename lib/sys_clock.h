/* SPDX-License-Identifier: MIT */
/*
 * sys_clock.h - the clock that a test holds, and who sleeps by it: part of the
 * seam, see sys.h.  All but clock_sleep() under clock_lock().
 */
#ifndef URCTX_SYS_CLOCK_H
#define URCTX_SYS_CLOCK_H

#include "sys.h"

#define CLOCK_FREE	(-1)			/* it is the kernel's */
#define CLOCK_LAST	(INT64_MAX / 2)		/* sums with it do not overflow */
#define CLOCK_LOOK	2			/* no sleep's result: look again */

/*
 * While the clock is held: sleep on one word, or two (@b is not NULL), until the
 * clock is set to @deadline.  0: woken on @a; 1: on @b; CLOCK_LOOK: it was let
 * go, or is to look again; -EAGAIN, -EINTR, -ETIMEDOUT as sys_futex_wait().
 */
int clock_sleep(const uint32_t *a, uint32_t val_a, const uint32_t *b,
		uint32_t val_b, int64_t deadline);

void clock_lock(void);
void clock_unlock(void);
/* Wakes whose time has come; all of them if @now is CLOCK_FREE. */
void clock_set(int64_t now);
/* The earliest time that somebody sleeps for, and how many sleep at all. */
int64_t clock_sleepers_next(void);
unsigned clock_sleepers(void);
/* Unlocked for a sleep: until one more sleeps, or the clock is let go. */
void clock_sleepers_wait(void);
/* In a child of fork() nobody does. */
void clock_sleepers_forked(void);

#endif
