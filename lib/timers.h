/* SPDX-License-Identifier: MIT */
/*
 * timers.h - what timer.c and timers.c share
 */
#ifndef URCTX_TIMERS_H
#define URCTX_TIMERS_H

#include "timer.h"

/* All that was armed since it was last taken. */
struct extra *inbox_take(void);

/* So many more, or less, for whom the housekeeper stays. */
void timers_add(uint32_t more);

/* One more that waits in vain. */
void timers_dropped(void);

#endif
