/* SPDX-License-Identifier: MIT */
/*
 * idle.c - sleep until nothing is left that was derived from a context
 *
 * The waiter goes through the slots, and sleeps at one that is taken until it is
 * left: one that leaves compares its slot with the one that is awaited, so that
 * a million children that leave cost a scan and not a million.  Two passes in a
 * row that find nothing to wait for are the end.
 *
 *   wait_idle				leave
 *     watch |= IDLE			  slot = NULL
 *     every thread passes a barrier	  (compiler barrier), watch & IDLE?
 *     awaited = slot			  fence		ZOMBIE_SB
 *     fence		IDLE_SB		  read awaited
 *     read slot
 */
#include <errno.h>

#include "extra.h"
#include "idle.h"
#include "readers.h"
#include "slot.h"

/* They look at the slots again. */
static void wake_all(struct extra *e)
{
	fetch_add_relaxed(&e->idle_seq, 1);
	sys_futex_wake(&e->idle_seq);
}

void idle_left(struct urctx *p, struct slot *s)
{
	struct extra *e = extra_if_any(p);

	if (!e)
		return;
	fence(LEFT_SB);
	if (load_relaxed(&e->awaited) != s)
		return;
	wake_all(e);
}

/* A context that was derived, or a callback that is under way. */
static bool taken(const struct slot *s)
{
	uintptr_t v = load(&s->v, IDLE_READ);

	return v && (v & TAG_BITS) != TAG_ARMED;
}

/* From @s on: the next that is taken, or NULL. */
static struct slot *next_taken(struct slot *s)
{
	struct chunk *c = chunk_of(s);

	for (; c; c = chunk_next(c), s = c ? &c->slot[0] : NULL)
		for (; s < chunk_end(c); s++)
			if (taken(s))
				return s;
	return NULL;
}

/* Which slot all waiters of @e sleep at: @s, unless another's is still taken. */
static struct slot *awaited(struct extra *e, struct slot *s)
{
	struct slot *now = load_relaxed(&e->awaited);

	do
		if (now && now != s && taken(now))
			return now;
	while (!cas_relaxed(&e->awaited, &now, s));
	if (now && now != s)
		wake_all(e);	/* whoever left it may find ours, and wake nobody */
	return s;
}

/* 0 once @s, or one that another waits for, was left. */
static int sleep_at(struct extra *e, struct slot *s, int64_t deadline)
{
	uint32_t seq = load_relaxed(&e->idle_seq);
	int ret;

	s = awaited(e, s);
	fence(IDLE_SB);
	if (!taken(s))
		return 0;
	ret = sys_futex_wait(&e->idle_seq, seq, deadline);
	if (ret == -ETIMEDOUT)
		return taken(s) ? -ETIME : 0;
	return ret == -EINTR ? ret : 0;
}

/*
 * Whoever leaves a slot from here on, or has left one and not looked yet, sees IDLE.
 * Each waiter for himself: who set it first may not have come to the barrier.
 */
static void announce(struct urctx *ctx)
{
	fetch_or_relaxed(&ctx->watch, IDLE);
	fence_after_rmw(IDLE_SB);
	sys_membarrier();
}

int urctx_wait_idle(struct urctx *ctx, int64_t deadline)
{
	struct thread *t = this_thread();
	struct chunk *first;
	struct extra *e;
	unsigned quiet = 0;
	struct slot *s;
	int ret;

	touch(ctx);
	if (!ctx)
		return -EINVAL;
	if (t->frame)
		return -EDEADLK;
	if (!chunk_first(ctx))
		return 0;
	e = extra_get(t, ctx);
	if (!e)
		return -ENOMEM;
	announce(ctx);
	first = chunk_first(ctx);
	for (s = &first->slot[0]; quiet < 2;) {
		s = next_taken(s);
		if (!s) {
			quiet++;
			s = &first->slot[0];
			continue;
		}
		quiet = 0;
		ret = sleep_at(e, s, deadline);
		if (ret)
			return ret;
	}
	return 0;
}
