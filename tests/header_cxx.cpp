/* SPDX-License-Identifier: MIT */
/* header_cxx.cpp - the same in C++17 with -Wall -Wextra -pedantic */
#include <urctx.h>

static int everything()
{
	urctx_scoped struct urctx *ctx = nullptr;
	struct urctx_callback cb = {};
	const struct urctx_cause *why = URCTX_CAUSE(-5, "a reason");

	if (urctx_with_cancel(urctx_background(), &ctx))
		return 1;
	urctx_put(urctx_get(ctx));
	if (urctx_after(ctx, &cb, [](struct urctx_callback *) {}) ||
	    !urctx_stop(&cb) || urctx_try_stop(&cb))
		return 2;
	if (urctx_done(ctx) || urctx_err(ctx) || urctx_cause(ctx))
		return 3;
	if (!urctx_cancel_cause(ctx, why) || urctx_cancel(ctx) ||
	    (urctx_cancel)(ctx))
		return 4;
	if (!urctx_done(ctx) || urctx_cause(ctx) != why || why->code != -5)
		return 5;
	return urctx_wait(ctx, URCTX_NEVER) || urctx_now() <= 0 ||
	       urctx_cause_errno(5)->code != -5 || !urctx_canceled.reason;
}

int main()
{
	static_assert(sizeof(struct urctx_callback) == 6 * sizeof(void *));
	static_assert(alignof(struct urctx_cause) == 8);
	static_assert(alignof(struct urctx_callback) == 8);
	return everything();
}
