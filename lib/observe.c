/* SPDX-License-Identifier: MIT */
/*
 * observe.c - ask whether a context is over, and why; and the causes of our own
 */
#include <errno.h>

#include "context.h"

const struct urctx_cause urctx_canceled = {
	.reason = "canceled",
	.code = -ECANCELED,
};

const struct urctx_cause urctx_deadline_exceeded = {
	.reason = "deadline exceeded",
	.code = -ETIME,
};

/* Acquire: who sees a context done sees its ancestors done (G12). */
static uintptr_t done_word(const struct urctx *ctx)
{
	uintptr_t w = ctx ? load(&ctx->state, STATE_READ) : 0;

	touch(ctx);
	return w & DONE ? w : 0;
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
