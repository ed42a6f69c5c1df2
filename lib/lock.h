/* SPDX-License-Identifier: MIT */
/*
 * lock.h - a lock of four bytes, for what is rare: 0 free, 1 held, 2 somebody sleeps
 *
 * No user's code is called while it is held.
 */
#ifndef URCTX_LOCK_H
#define URCTX_LOCK_H

#include "sys.h"

static inline void lock_take(uint32_t *l)
{
	uint32_t free = 0;

	if (cas(l, &free, 1U, LOCK_TAKE))
		return;
	/* who has slept cannot know whether others do */
	while (xchg(l, 2U, LOCK_TAKE))
		sys_futex_wait_real(l, 2U, URCTX_NEVER);
}

static inline void lock_drop(uint32_t *l)
{
	if (xchg(l, 0U, LOCK_DROP) == 2U)
		sys_futex_wake(l);
}

#endif
