/* SPDX-License-Identifier: MIT */
/*
 * observe.c - ask whether a context is over, and why; and the causes of our own
 */
#include <errno.h>

#include "deadline.h"
#include "timer.h"

const struct urctx_cause urctx_canceled = {
	.reason = "canceled",
	.code = -ECANCELED,
};

const struct urctx_cause urctx_deadline_exceeded = {
	.reason = "deadline exceeded",
	.code = -ETIME,
};

/*
 * Acquire: who sees a context done sees its ancestors done (G12).  What a deadline
 * ends, ends here for who asks first; its fd is readable before he is told.
 */
static uintptr_t done_word(const struct urctx *ctx)
{
	uintptr_t w = ctx ? load(&ctx->state, STATE_READ) : 0;

	touch(ctx);
	if (!ctx || (!(w & DONE) && !expire(ctx)))
		return 0;
	w = load(&ctx->state, STATE_READ);
	if (__builtin_expect(load_relaxed(&ctx->watch) & HASFD, 0))
		fd_see(ctx);
	return w;
}

/* A deadline, and nobody watches it: the clock says; polled often, it is watched. */
bool urctx_done_slow_(const struct urctx *ctx)
{
	uintptr_t w = load(&ctx->state, STATE_READ);

	if (w & DONE)
		return true;
	if (!(w & LAZY))
		return false;
	if (expire(ctx))
		return true;
	timer_polled((struct urctx *)(uintptr_t)ctx);
	return false;
}

int urctx_err(const struct urctx *ctx)
{
	uintptr_t w = done_word(ctx);

	if (!w)
		return 0;
	return w & ETIME_KIND ? -ETIME : -ECANCELED;
}

const struct urctx_cause *urctx_cause(const struct urctx *ctx)
{
	return (const struct urctx_cause *)(done_word(ctx) & ~STATE_BITS);
}

int64_t urctx_now(void)
{
	return sys_now();
}
