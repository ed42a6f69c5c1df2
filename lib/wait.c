/* SPDX-License-Identifier: MIT */
/*
 * wait.c - sleep until a context is over: a futex on its state word
 */
#include <errno.h>

#include "word.h"

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
				     (uint32_t)w, deadline);
		if (ret == -ETIMEDOUT)
			return ctx && (load(&ctx->state, STATE_READ) & DONE) ?
				       0 : -ETIME;
		if (ret == -EINTR)
			return ret;
	}
}
