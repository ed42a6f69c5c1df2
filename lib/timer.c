/* SPDX-License-Identifier: MIT */
/*
 * timer.c - hand a context to the timekeeper, and take it back
 *
 * Arming is a push on a list, and a wake-up if the timekeeper would sleep too
 * long.  Dropping is a word: he throws out what was dropped when he meets it, or
 * when there is too much of it.  So both cost the same however many there are.
 *
 *	NONE -> ARMED		armed, by one
 *	NONE -> GRACE		expected: the parent has not ended
 *	GRACE -> ARMED		the parent has ended (walk.c)
 *	ARMED -> OUT		it is time, by the timekeeper, who pins the context
 *	ARMED -> DROPPED	the context is DEAD
 *	DROPPED -> OUT		he has thrown it out
 *	any -> GONE		the context is no more: of the two the second frees it
 */
#include <errno.h>

#include "deadline.h"
#include "house.h"
#include "timer.h"
#include "timers.h"

bool timer_wanted;

static struct extra *inbox;

struct extra *inbox_take(void)
{
	return load_relaxed(&inbox) ? xchg(&inbox, NULL, TIMER_TAKE) : NULL;
}

bool timers_new(void)
{
	return load_relaxed(&inbox);
}

static void push(struct extra *e)
{
	struct extra *head = load_relaxed(&inbox);

	do
		store_relaxed(&e->next, head);
	while (!cas(&inbox, &head, e, TIMER_PUSH));
}

bool timer_start(struct extra *e, uint32_t from, int64_t when, uintptr_t word)
{
	if (!cas_relaxed(&e->timer, &from, TIMER_ARMED))
		return false;
	store_relaxed(&e->when, when);
	e->word = word;
	push(e);
	house_until(when);
	return true;
}

bool timer_expect(struct extra *e)
{
	store_relaxed(&e->timer, TIMER_GRACE);
	timers_add(1);
	return house_rely();
}

/* It is armed: a poll is one load again. */
static void not_lazy(struct urctx *ctx)
{
	uintptr_t w = load_relaxed(&ctx->state);

	while (!(w & DONE) && (w & LAZY))
		if (cas_relaxed(&ctx->state, &w, w & ~LAZY))
			break;
}

static bool lazy(const struct urctx *ctx)
{
	return (load_relaxed(&ctx->state) & (DONE | LAZY)) == LAZY;
}

static int arm(struct thread *t, struct urctx *ctx)
{
	struct extra *e = extra_get(t, ctx);

	if (!e)
		return -ENOMEM;
	if (load_relaxed(&e->timer) == TIMER_NONE) {
		timers_add(1);
		if (!timer_start(e, TIMER_NONE, load_relaxed(&ctx->deadline),
				 expiry_word(ctx)))
			timers_add(-1U);	/* another thread's */
	}
	return 0;
}

int timer_watch(struct urctx *ctx)
{
	int ret;

	if (!lazy(ctx))
		return 0;
	ret = arm(this_thread(), ctx);
	if (ret)
		return ret;
	if (!house_rely())
		return -EAGAIN;
	not_lazy(ctx);
	return 0;
}

void timer_polled(struct urctx *ctx)
{
	struct thread *t = this_thread();

	if (t->polled != ctx) {
		t->polled = ctx;
		t->polls = 0;
	}
	if (++t->polls < POLLS || t->busy || !t->id)	/* seldom: a signal handler */
		return;
	t->polls = 0;
	if (!house_there()) {
		store_relaxed(&timer_wanted, true);
		return;
	}
	if (!arm(t, ctx) && house_there())	/* seldom: gone since */
		not_lazy(ctx);
}

void timer_drop(struct extra *e)
{
	uint32_t now = load_relaxed(&e->timer);

	if (now == TIMER_GRACE &&
	    cas_relaxed(&e->timer, &now, TIMER_NONE)) {
		timers_add(-1U);
		return;
	}
	if (now == TIMER_ARMED &&
	    cas(&e->timer, &now, TIMER_DROPPED, TIMER_STATE))
		timers_dropped();
}

bool timer_leave(struct extra *e)
{
	return xchg(&e->timer, TIMER_GONE, TIMER_STATE) != TIMER_DROPPED;
}
