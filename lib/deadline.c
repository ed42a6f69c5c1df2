/* SPDX-License-Identifier: MIT */
/*
 * deadline.c - contexts with a deadline: data, until somebody has to be told
 *
 * A child's deadline is the earliest on its path, with the cause of whoever set
 * it, computed once.  Nobody is told of it here: who asks, looks at the clock; who
 * waits, sleeps until then; callbacks and polls have the timekeeper (timer.c).
 */
#include <errno.h>

#include "deadline.h"
#include "derive.h"
#include "house.h"
#include "timer.h"

static int derive_until(struct urctx *parent, int64_t deadline, bool past,
			const struct urctx_cause *cause, struct urctx **child)
{
	struct thread *t = this_thread();
	uintptr_t lazy = child_lazy(parent);
	struct urctx *n;
	int ret;

	urctx_assert(!((uintptr_t)cause & STATE_BITS),
		     "the cause is not aligned to 8 bytes: do not pack it");
	n = child_make(t, parent);
	if (!n)
		return -ENOMEM;
	if (deadline < load_relaxed(&n->deadline)) {
		store_relaxed(&n->deadline, deadline);
		store_relaxed(&n->deadline_cause, cause);
		lazy = LAZY;
	}
	ret = child_publish(t, parent, n, lazy);
	if (ret)
		return ret;
	/* its parent's deadline may have passed, too, and is earlier then */
	if (__builtin_expect(past, 0))
		word_end(n, expiry_word(n));
	if (__builtin_expect(load_relaxed(&timer_wanted), 0))
		house_ensure(false);
	if (__builtin_expect(sys_clock_held(), 0))
		(void)timer_watch(n);	/* expiries come in order then */
	*child = n;
	return 0;
}

int urctx_with_deadline_cause(struct urctx *parent, int64_t deadline,
			      const struct urctx_cause *cause,
			      struct urctx **child)
{
	derive_check(parent, child);
	return derived(derive_until(parent, deadline, passed(deadline),
				    cause ? cause : &urctx_deadline_exceeded,
				    child), child);
}

int urctx_with_deadline(struct urctx *parent, int64_t deadline,
			struct urctx **child)
{
	derive_check(parent, child);
	return derived(derive_until(parent, deadline, passed(deadline),
				    &urctx_deadline_exceeded, child), child);
}

int urctx_with_timeout_cause(struct urctx *parent, int64_t timeout,
			     const struct urctx_cause *cause,
			     struct urctx **child)
{
	int64_t now, deadline = URCTX_NEVER;

	derive_check(parent, child);
	if (timeout != URCTX_NEVER) {
		now = sys_now();
		if (timeout < 0)
			timeout = 0;
		if (timeout < URCTX_NEVER - now)
			deadline = now + timeout;
	}
	return derived(derive_until(parent, deadline, timeout <= 0,
				    cause ? cause : &urctx_deadline_exceeded,
				    child), child);
}

int urctx_with_timeout(struct urctx *parent, int64_t timeout,
		       struct urctx **child)
{
	return derived(urctx_with_timeout_cause(parent, timeout, NULL, child),
		       child);
}

bool urctx_deadline(const struct urctx *ctx, int64_t *deadline)
{
	int64_t when;

	touch(ctx);
	when = ctx ? load_relaxed(&ctx->deadline) : URCTX_NEVER;
	if (when == URCTX_NEVER)
		return false;
	if (deadline)
		*deadline = when;
	return true;
}

int64_t urctx_remaining(const struct urctx *ctx)
{
	int64_t when, now;

	touch(ctx);
	if (!ctx)
		return URCTX_NEVER;
	if (load(&ctx->state, STATE_READ) & DONE)
		return 0;
	when = load_relaxed(&ctx->deadline);
	if (when == URCTX_NEVER)
		return URCTX_NEVER;
	now = sys_now();
	if (now < when)
		return when - now;
	expire(ctx);
	return 0;
}
