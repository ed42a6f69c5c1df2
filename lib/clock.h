/* SPDX-License-Identifier: MIT */
/*
 * clock.h - the housekeeper's part in moving a clock that a test holds
 */
#ifndef URCTX_CLOCK_PRIVATE_H
#define URCTX_CLOCK_PRIVATE_H

#include "sys.h"

#ifdef URCTX_MC

#define clock_asked()		false
#define clock_step(next)	((void)(next))

#else

/* Somebody waits for the clock to be moved. */
bool clock_asked(void);
/*
 * Move it as far as @next, when the next timer is due, or the next sleeper, or to
 * where it was asked to go: then who asked is told.
 */
void clock_step(int64_t next);
/* In a child of fork(). */
void clock_forked(void);

#endif

#endif
