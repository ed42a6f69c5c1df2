/* SPDX-License-Identifier: MIT */
/*
 * callback.c - arm a callback, and stop it
 *
 * A callback is claimed in its slot, which is ours, before its memory, which is
 * the caller's, is touched (I13):
 *
 *	cb | ARMED	waits		stop: -> 0, it will never run
 *	cb | RUNNING	fn is called	stop: -> AWAITED, sleep
 *	cb | AWAITED	the same, and whoever ends it wakes the sleepers
 *	0, or another's	it has run, or was stopped
 */
#include <errno.h>

#include "callback.h"
#include "put.h"
#include "timer.h"

static uint32_t *futex_half(struct slot *s)
{
	return (uint32_t *)&s->v + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ &&
				    sizeof(uintptr_t) == 8);
}

void run_callback(const struct urctx *root, struct urctx *x, struct slot *s,
		  uintptr_t v)
{
	struct urctx_callback *cb = (struct urctx_callback *)(v & ~TAG_BITS);
	struct thread *t = this_thread();
	struct frame f = { .slot = s, .root = root };

	if (!cas(&s->v, &v, (uintptr_t)cb | TAG_RUNNING, SLOT_READ))
		return;
	f.outer = t->frame;
	t->frame = &f;
	section_exit();
	((struct call *)cb)->fn(cb);
	section_enter();		/* before the slot lets go of @x (I11) */
	t->frame = f.outer;
	v = xchg(&s->v, (uintptr_t)0, RUN_END);
	if ((v & TAG_BITS) == TAG_AWAITED)
		sys_futex_wake(futex_half(s));
	slot_cleared();
	slot_left(x, s);
}

/* Chunks stay chunks: the slot of one that has run may be looked at. */
static inline __attribute__((unused)) bool is_armed(const struct call *c)
{
	if (!c->slot || is_foreign(c))
		return c->fn;		/* on the background, or by a ring */
	return load_relaxed(&c->slot->v) == ((uintptr_t)c | TAG_ARMED);
}

int urctx_after(struct urctx *ctx, struct urctx_callback *cb,
		void (*fn)(struct urctx_callback *cb))
{
	struct call *c = (struct call *)cb;
	struct thread *t = this_thread();
	struct slot *s;
	int ret;

	touch(ctx);
	if (!cb || !fn)
		return -EINVAL;
	urctx_assert(!((uintptr_t)cb & TAG_BITS),
		     "the callback is not aligned to 8 bytes: do not pack it");
	urctx_assert(!is_armed(c),
		     "the callback is armed already: stop it first, and zero it "
		     "before its first use");
	c->fn = fn;
	c->ctx = ctx;
	c->slot = NULL;
	if (!ctx)
		return 0;
	/* an expiry has to be told by somebody */
	if (__builtin_expect(load_relaxed(&ctx->state) & LAZY, 0) &&
	    c->kind != CALL_RING) {
		ret = timer_watch(ctx);
		if (ret) {
			c->fn = NULL;
			return ret;
		}
	}
	s = slot_take(t, ctx, cb, TAG_ARMED, 0);
	if (!s) {
		c->fn = NULL;
		return -ENOMEM;
	}
	/* nothing of @cb is read from here on: it may have run and be gone */
	if (slot_published(ctx) & DONE) {
		section_enter();
		run_callback(NULL, ctx, s, (uintptr_t)cb | TAG_ARMED);
		section_exit();
		if (!t->frame)
			run_queue(t);
	}
	return 0;
}

/* Stopped: true.  Else @v says what the slot holds now. */
static bool stop_once(struct urctx_callback *cb, struct slot *s, uintptr_t *v)
{
	struct urctx *ctx = ((struct call *)cb)->ctx;

	*v = (uintptr_t)cb | TAG_ARMED;
	if (!s) {
		/* the background's: it ends never, so this is its only end */
		((struct call *)cb)->ctx = NULL;
		*v = 0;
		return xchg_relaxed(&((struct call *)cb)->fn, NULL);
	}
	if (!cas_or_read(&s->v, v, (uintptr_t)0, SLOT_CLEAR, RUN_SEEN))
		return false;
	slot_cleared();
	slot_left_settle(ctx, s);
	*thread_hint(this_thread(), ctx) = s;
	return true;
}

bool urctx_try_stop(struct urctx_callback *cb)
{
	uintptr_t v;

	if (!cb)
		return false;
	if (__builtin_expect(is_foreign((struct call *)cb), 0))
		return foreign_stop(cb);
	return stop_once(cb, ((struct call *)cb)->slot, &v);
}

static bool runs_here(const struct slot *s)
{
	const struct frame *f;

	for (f = this_thread()->frame; f; f = f->outer)
		if (f->slot == s)
			return true;
	return false;
}

bool urctx_stop(struct urctx_callback *cb)
{
	uintptr_t running = (uintptr_t)cb | TAG_RUNNING;
	uintptr_t awaited = (uintptr_t)cb | TAG_AWAITED, v;
	struct slot *s;

	if (!cb)
		return false;
	if (__builtin_expect(is_foreign((struct call *)cb), 0))
		return foreign_stop(cb);
	s = ((struct call *)cb)->slot;
	for (;;) {
		if (stop_once(cb, s, &v))
			return true;
		if ((v != running && v != awaited) || runs_here(s))
			return false;
		if (v == running && !cas_relaxed(&s->v, &v, awaited))
			continue;
		sys_futex_wait(futex_half(s), (uint32_t)awaited, URCTX_NEVER);
	}
}
