/* SPDX-License-Identifier: MIT */
/*
 * inline.c - what <urctx.h> compiles into its users
 *
 * Linked to the libraries that are measured, and measured with them.
 */
#include <urctx.h>

#define HOUR	(3600 * INT64_C(1000000000))

static int done_is(int64_t timeout, bool soon)
{
	urctx_scoped struct urctx *ctx = NULL;

	if (urctx_with_timeout(NULL, timeout, &ctx) || (!soon && urctx_done(ctx)))
		return 1;
	if (!soon)
		urctx_cancel(ctx);
	while (!urctx_done(ctx))
		;
	return !urctx_done(ctx);
}

int main(void)
{
	return urctx_done(NULL) || done_is(URCTX_NEVER, false) || done_is(HOUR, false) ||
	       done_is(1000, true);
}
