/* SPDX-License-Identifier: MIT */
/*
 * exported.c - what the header has as macros and inlines, as functions: bindings
 * of other languages, function pointers and dlsym() see no macros
 *
 * Names of the header that are taken here by an inline are given to the symbol.
 */
#include "context.h"
#undef urctx_cancel

#pragma GCC visibility push(default)

bool exported_done(const struct urctx *ctx) __asm__("urctx_done");
void exported_end_scoped(struct urctx **p) __asm__("urctx_end_scoped_");

bool urctx_cancel(struct urctx *ctx)
{
	return urctx_cancel_cause(ctx, &urctx_canceled);
}

bool exported_done(const struct urctx *ctx)
{
	uintptr_t w = ctx ? load(&ctx->state, STATE_READ) : 0;

	touch(ctx);
	return w & (DONE | LAZY) ? (w & DONE) || urctx_done_slow_(ctx) : false;
}

void exported_end_scoped(struct urctx **p)
{
	urctx_end(*p);
}

#pragma GCC visibility pop
