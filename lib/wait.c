/* SPDX-License-Identifier: MIT */
/*
 * wait.c - sleep until a context is over: a futex on its state word
 */
#include <errno.h>

#include "deadline.h"

/* Nobody has to end @ctx at its deadline: who sleeps until then does. */
static int woke_late(struct urctx *ctx, int64_t deadline)
{
	if (ctx && ((load(&ctx->state, STATE_READ) & DONE) || expire(ctx)))
		return 0;
	return sys_now() >= deadline ? -ETIME : -EAGAIN;
}

static int64_t wait_until(const struct urctx *ctx, int64_t deadline)
{
	int64_t own = ctx ? load_relaxed(&ctx->deadline) : URCTX_NEVER;

	return own < deadline ? own : deadline;
}

int urctx_wait(struct urctx *ctx, int64_t deadline)
{
	static const uint32_t never;
	uintptr_t w;
	int ret;

	touch(ctx);
	if (ctx && !(load(&ctx->state, STATE_READ) & DONE))
		fetch_or_relaxed(&ctx->watch, WAIT);
	for (;;) {
		/* either this sees done, or the canceller sees WAIT */
		fence_after_rmw(WAIT_SB);
		w = ctx ? load(&ctx->state, STATE_READ) : 0;
		if (w & DONE)
			return 0;
		ret = sys_futex_wait(ctx ? state_futex(ctx) : &never,
				     (uint32_t)w, wait_until(ctx, deadline));
		if (ret == -ETIMEDOUT)
			ret = woke_late(ctx, deadline);
		if (ret == -EINTR || ret == -ETIME ||	/* uncovered: nobody wakes @never */
		    (!ret && ctx && (load(&ctx->state, STATE_READ) & DONE)))
			return ret;
	}
}
