/* SPDX-License-Identifier: MIT */
/*
 * sync_futex.c - sleep on a word of the caller's and on a context's end
 *
 * One system call compares and queues on both words:
 *
 *   urctx_futex_wait			cancel			waker
 *     watch |= WAIT			  state = done		  *addr = other
 *     fence		WAIT_SB		  fence	    WAKE_SB	  futex wake addr
 *     is it done?			  watch & WAIT?
 *     sleep on (state, addr)		  futex wake state
 *
 * Of the cancel either the question or the comparison of the state sees it, or
 * the canceller sees WAIT and finds the sleeper queued.  The waker's part is
 * that of any futex.  What is woken on both says addr: a waker that counted this
 * thread as woken has no second one.
 *
 * Without futex_waitv() the sleep is on addr alone, in slices.  Between two of
 * them the thread is not queued, as if it had not called yet: a wake-up goes to
 * somebody else, and what the waker changed is seen by the next comparison.  At
 * the end of each slice the context is asked.
 */
#include <errno.h>

#include "sys_futex.h"
#include "word.h"

#include <urctx/sync.h>

#define WOKEN		1			/* as sys_futex_wait2() has it */
#define SLICE_FIRST	(100 * 1000LL)		/* ns */
#define SLICE_LAST	(12800 * 1000LL)

static bool no_waitv;

/* Until when the sleep is good: the deadline of what ends by itself. */
static int64_t sleeps_until(const struct urctx *ctx)
{
	return load_relaxed(&ctx->deadline);
}

static int sleep_slice(const uint32_t *addr, uint32_t val, int64_t *slice,
		       int64_t deadline)
{
	int64_t ns = *slice, left;
	int ret;

	if (deadline != URCTX_NEVER && !sys_clock_held()) {	/* seldom: a race */
		left = deadline - sys_now();
		ns = left > ns ? ns : left > 0 ? left : 0;
	}
	ret = sys_futex_slice(addr, val, ns);
	if (*slice < SLICE_LAST)
		*slice *= 2;
	return ret ? ret : WOKEN;
}

/*
 * Every sleep of urctx/sync.h that a context ends is this one, but for what can
 * only end with the context.  @word is the context's as it was seen, live.
 */
static int sleep_on_both(const struct urctx *ctx, uintptr_t word,
			 const uint32_t *addr, uint32_t val, int64_t *slice)
{
	int64_t deadline = sleeps_until(ctx);
	int ret;

	if (!load_relaxed(&no_waitv) || sys_clock_held()) {
		ret = sys_futex_wait2(state_futex(ctx), (uint32_t)word, addr, val,
				      deadline);
		if (ret != -ENOSYS && ret != -EPERM)
			return ret;
		store_relaxed(&no_waitv, true);
	}
	return sleep_slice(addr, val, slice, deadline);
}

int urctx_futex_wait(struct urctx *ctx, uint32_t *addr, uint32_t val)
{
	int64_t slice = SLICE_FIRST;
	uintptr_t w;
	int ret;

	touch(ctx);
	if (!addr || (uintptr_t)addr % sizeof(*addr))
		return -EINVAL;
	if (!ctx)
		return sys_futex_wait(addr, val, URCTX_NEVER);
	fetch_or_relaxed(&ctx->watch, WAIT);
	fence_after_rmw(WAIT_SB);
	for (;;) {
		/* this one first: if it is live, the question below may find more */
		w = load_relaxed(&ctx->state);
		ret = urctx_err(ctx);
		if (ret)
			return ret;
		ret = sleep_on_both(ctx, w, addr, val, &slice);
		if (ret == WOKEN)
			return 0;
		if (ret == -EAGAIN && load_relaxed(addr) != val)
			return ret;
		/* woken by the context, its deadline, or its word changed: ask again */
		if (ret && ret != -EAGAIN && ret != -ETIMEDOUT)
			return ret;
	}
}
