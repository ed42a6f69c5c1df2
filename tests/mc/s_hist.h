/* SPDX-License-Identifier: MIT */
/*
 * s_hist.h - calls of the library that say so: for scenarios whose histories are checked
 *
 * Contexts, callbacks and causes go by numbers; a thread uses what init() made, what
 * it made itself, and what it got from another by hand_over().
 */
#ifndef S_HIST_H
#define S_HIST_H

#include "calls.h"
#include "s_life.h"

#define CONTEXTS	8
#define CALLBACKS	4

static struct urctx *ctx_[CONTEXTS];
static struct urctx_callback cb_[CALLBACKS];
static struct urctx_cause causes_[4] = {
	{ .reason = "none", .code = 9 }, { .reason = "one", .code = 1 },
	{ .reason = "two", .code = 2 }, { .reason = "deadline", .code = 3 },
};
static void (*inside_[CALLBACKS])(void);	/* what a callback calls */

#define call_(...) mc_invoke(&(struct spec_call){ __VA_ARGS__ })

static inline int number_(const struct urctx_cause *c)
{
	return c ? c->code : 0;
}

static inline void derive_(int child, int p, int q, int64_t when, bool shield)
{
	struct urctx *some[2] = { ctx_[p & 7], ctx_[q & 7] };
	struct urctx *n = NULL;
	int ret, i = call_(.kind = shield ? SPEC_SHIELD : SPEC_DERIVE, .ctx = (uint8_t)child,
			   .parent = { (uint8_t)p, (uint8_t)q },
			   .nr_parents = q != SPEC_NONE ? 2 : p != SPEC_NONE, .when = when);

	if (p == SPEC_NONE)
		some[0] = NULL;
	if (q != SPEC_NONE)
		ret = urctx_with_any(some, 2, &n);
	else if (shield)
		ret = urctx_without_cancel(some[0], &n);
	else if (when != SPEC_NEVER)
		ret = urctx_with_deadline_cause(some[0], when, &causes_[3], &n);
	else
		ret = urctx_with_cancel(some[0], &n);
	ctx_[child] = n;
	mc_returned(i, ret, 3);
}

static inline void root(int child)
{
	derive_(child, SPEC_NONE, SPEC_NONE, SPEC_NEVER, false);
}

static inline void child(int child, int p)
{
	derive_(child, p, SPEC_NONE, SPEC_NEVER, false);
}

static inline void any(int child, int p, int q)
{
	derive_(child, p, q, SPEC_NEVER, false);
}

static inline void shield(int child, int p)
{
	derive_(child, p, SPEC_NONE, SPEC_NEVER, true);
}

static inline void until(int child, int p, int64_t when)
{
	derive_(child, p, SPEC_NONE, when, false);
}

static inline void cancel(int ctx, int cause)
{
	int i = call_(.kind = SPEC_CANCEL, .ctx = (uint8_t)ctx);

	mc_returned(i, urctx_cancel_cause(ctx_[ctx], &causes_[cause]), cause);
}

static inline int err(int ctx)
{
	int i = call_(.kind = SPEC_ERR, .ctx = (uint8_t)ctx);
	int ret = urctx_err(ctx_[ctx]);

	mc_returned(i, ret, 0);
	return ret;
}

static inline void cause(int ctx)
{
	int i = call_(.kind = SPEC_CAUSE, .ctx = (uint8_t)ctx);

	mc_returned(i, 0, number_(urctx_cause(ctx_[ctx])));
}

static inline bool done(int ctx)
{
	int i = call_(.kind = SPEC_DONE, .ctx = (uint8_t)ctx);
	bool ret = urctx_done(ctx_[ctx]);

	mc_returned(i, ret, 0);
	return ret;
}

static inline void put(int ctx)
{
	int i = call_(.kind = SPEC_PUT, .ctx = (uint8_t)ctx);

	urctx_put(ctx_[ctx]);
	mc_returned(i, 0, 0);
}

static inline void get(int ctx)
{
	int i = call_(.kind = SPEC_GET, .ctx = (uint8_t)ctx);

	urctx_get(ctx_[ctx]);
	mc_returned(i, 0, 0);
}

static void fn_(struct urctx_callback *cb)
{
	int nr = (int)(cb - cb_);

	mc_claimed(nr);
	if (inside_[nr])
		inside_[nr]();
	mc_over(nr);
}

static inline void after(int ctx, int cb)
{
	int i = call_(.kind = SPEC_AFTER, .ctx = (uint8_t)ctx, .cb = (uint8_t)cb);

	mc_returned(i, urctx_after(ctx_[ctx], &cb_[cb], fn_), 0);
}

static inline void stop(int cb)
{
	int i = call_(.kind = SPEC_STOP, .cb = (uint8_t)cb);

	mc_returned(i, urctx_stop(&cb_[cb]), 0);
}

static inline void try_stop(int cb)
{
	int i = call_(.kind = SPEC_TRY_STOP, .cb = (uint8_t)cb);

	mc_returned(i, urctx_try_stop(&cb_[cb]), 0);
}

static inline void time_is(int64_t when)
{
	int i = call_(.kind = SPEC_TIME, .when = when);

	mc_time_is(when);
	mc_returned(i, 0, 0);
}

/* In fini(): what they all have come to. */
static inline void outcome(int first, int last)
{
	for (; first <= last; first++) {
		err(first);
		cause(first);
	}
}

#endif
