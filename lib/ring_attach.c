/* SPDX-License-Identifier: MIT */
/* ring_attach.c - which rings can be driven, and how a ring begins */
#include "ring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BIT(n)	(1U << (n))

/*
 * Setup flags under which SQEs and CQEs look as liburing's inline functions
 * believe: those up to NO_SQARRAY.  Above are mixed sizes and more.
 */
#define SETUP_KNOWN	(BIT(17) - 1)
#define FLAGS		(URCTX_RING_DRAIN | URCTX_RING_LINK_TIMEOUT | URCTX_RING_TIMER)

/* A CQ that loses nothing, SQEs copied when submitted, waits with a timeout. */
#define FEATURES	(IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE |      \
			 IORING_FEAT_FAST_POLL | IORING_FEAT_EXT_ARG)

#ifndef OPS_LEAST
#define OPS_LEAST	64U
#endif

static const struct urctx_ring_params no_params;

static int check(const struct io_uring *ring, const struct urctx_ring_params *p)
{
	if (!ring || p->flags & ~FLAGS || p->ops > SLOTS_MAX)
		return -EINVAL;
	for (unsigned i = 0; i < 4; i++)
		if (p->reserved[i])
			return -EINVAL;
	if (URCTX_RULE_55 && ring->flags & ~SETUP_KNOWN)
		return -EOPNOTSUPP;
	if (URCTX_RULE_63 && ~ring->features & FEATURES)
		return -EOPNOTSUPP;
	/* a polled ring has no timers; a drain waits for ours, and would for ever */
	if (ring->flags & IORING_SETUP_IOPOLL &&
	    p->flags & (URCTX_RING_LINK_TIMEOUT | URCTX_RING_TIMER))
		return -EOPNOTSUPP;
	if (p->flags & URCTX_RING_DRAIN && p->flags & URCTX_RING_TIMER)
		return -EOPNOTSUPP;
	return 0;
}

static uint32_t power_of_two(uint32_t n)
{
	uint32_t p = OPS_LEAST;

	while (p < n)
		p *= 2;
	return p;
}

/*
 * A drain waits for all that is in front of it, and the poll that wakes us stays
 * for ever.  On a polled ring nothing runs but polled I/O, neither cancel nor poll.
 */
static void attach_limits(struct urctx_ring *r, unsigned flags)
{
	bool polled = URCTX_RULE_49 && r->ring->flags & IORING_SETUP_IOPOLL;

	r->mute = polled;
	r->deaf = polled || flags & URCTX_RING_DRAIN;
	if (r->mute)
		ring_limit(r, URCTX_RING_NO_ABORT);
	if (r->deaf)
		ring_limit(r, URCTX_RING_NO_WAKE);
}

int urctx_ring_attach(struct io_uring *ring,
		      const struct urctx_ring_params *params,
		      struct urctx_ring **out)
{
	const struct urctx_ring_params *p = params ? params : &no_params;
	struct urctx_ring *r;
	int ret = out ? check(ring, p) : -EINVAL;

	if (ret)
		return ret;
	r = sys_pages(sizeof(*r));
	if (!r)
		return -ENOMEM;
	ret = ring_grow(r, power_of_two(p->ops));
	if (ret)
		goto no_room;
	ret = wake_open(&r->wake);
	if (ret)
		goto no_wake;
	r->ring = ring;
	if (!URCTX_RULE_65)		/* uncovered: liburing 2.3 has no such function */
		(void)io_uring_enable_rings(ring);
	r->owner = ring_thread();
	r->process = ring_process();
	r->foreign = p->foreign;
	r->arg = p->arg;
	r->drain = (URCTX_RULE_24 && p->flags & URCTX_RING_DRAIN) ||
		   !(ring->features & IORING_FEAT_CQE_SKIP);
	r->sync = URCTX_RULE_59 && p->flags & URCTX_RING_DRAIN;
	r->timers = p->flags & URCTX_RING_LINK_TIMEOUT;
	r->alarm = p->flags & URCTX_RING_TIMER;
	r->alarm_at = URCTX_NEVER;
	r->now = urctx_now();
	attach_limits(r, p->flags);
	list_init(&r->abort);
	list_init(&r->asked);
	list_init(&r->due);
	list_init(&r->vacant);
	list_init(&r->never);
	*out = r;
	return 0;

no_wake:
	ring_room_free(r);
no_room:
	sys_pages_free(r, sizeof(*r));
	return ret;
}

int ring_not_mine(const char *func)
{
#ifdef URCTX_DEBUG
	fprintf(stderr, "liburctx: %s: a ring is used on the thread that has "
			"attached it, and on no other\n", func);
	abort();
#else
	(void)func;
	return -EPERM;
#endif
}

/* Each word is whole; together they are of no one moment. */
void urctx_ring_stats(const struct urctx_ring *r, struct urctx_ring_stats *stats,
		      size_t size)
{
	struct urctx_ring_stats now;

	if (!r || !stats)
		return;
	now.in_flight = load_relaxed(&r->stats.in_flight);
	now.stuck = load_relaxed(&r->stats.stuck);
	now.told = load_relaxed(&r->stats.told);
	now.cancels = load_relaxed(&r->stats.cancels);
	now.retries = load_relaxed(&r->stats.retries);
	now.stale = load_relaxed(&r->stats.stale);
	now.late_max = load_relaxed(&r->stats.late_max);
	now.late_sum = load_relaxed(&r->stats.late_sum);
	now.turn_gap_max = load_relaxed(&r->stats.turn_gap_max);
	now.limits = load_relaxed(&r->stats.limits);
	for (unsigned i = 0; i < LATE_STEPS; i++)
		now.late[i] = load_relaxed(&r->stats.late[i]);
	memset(stats, 0, size);
	memcpy(stats, &now, size < sizeof(now) ? size : sizeof(now));
}
