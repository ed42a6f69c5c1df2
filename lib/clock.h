/* SPDX-License-Identifier: MIT */
/*
 * clock.h - the housekeeper's part in moving a clock that a test holds
 */
#ifndef URCTX_CLOCK_PRIVATE_H
#define URCTX_CLOCK_PRIVATE_H

#include "sys.h"

#ifdef URCTX_MC

#define clock_asked()		0U
#define clock_step(nr, next)	((void)(nr), (void)(next))

#else

/* The number of the request to move the clock, or 0. */
uint32_t clock_asked(void);
/*
 * For request @nr, and for no other, which may know of more timers: move it as far as
 * @next, when the next timer is due, or the next sleeper, or to where it was asked to
 * go: then who asked is told.
 */
void clock_step(uint32_t nr, int64_t next);
/* In a child of fork(). */
void clock_forked(void);

#endif

#endif
