/* SPDX-License-Identifier: MIT */
/*
 * deadline.h - has it passed, and what does a context become then
 */
#ifndef URCTX_DEADLINE_PRIVATE_H
#define URCTX_DEADLINE_PRIVATE_H

#include "word.h"

/* The coarse clock is late by its tick; by more where a machine was held up. */
#define COARSE_LATE	(100LL * 1000 * 1000)	/* ns */

/* Coarse first: exact, which costs three times as much, only when it is near. */
static inline bool passed(int64_t deadline)
{
	if (__builtin_expect(deadline == URCTX_NEVER, 1))
		return false;
	if (__builtin_expect(sys_now_coarse() + COARSE_LATE < deadline, 1))
		return false;
	return sys_now() >= deadline;
}

static inline uintptr_t expiry_word(const struct urctx *n)
{
	return (uintptr_t)load_relaxed(&n->deadline_cause) | ETIME_KIND | DONE;
}

/* @n, which the caller holds, ends by its deadline if that has passed (I21). */
static inline bool expire(const struct urctx *n)
{
	if (!passed(load_relaxed(&n->deadline)))
		return false;
	word_end((struct urctx *)(uintptr_t)n, expiry_word(n));
	return true;
}

#endif
