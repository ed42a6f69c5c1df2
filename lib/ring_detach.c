/* SPDX-License-Identifier: MIT */
/*
 * ring_detach.c - wait for ops, and take leave of a ring
 *
 * The memory of an op is the kernel's until its CQE, whatever was cancelled or
 * closed.  So nothing here gives up an op: what is left is counted.
 */
#include "extra.h"
#include "ring.h"

#include <errno.h>

#define LEAST	(1000 * MSEC)	/* what the caller holds up is waited for */
#define JOINS	1024U	/* further parents that are looked at, for one op */

static bool below(const struct urctx *ctx, const struct urctx *from,
		  unsigned *looks);

/* By a further parent of @ctx, if it has some. */
static bool below_link(const struct urctx *ctx, const struct urctx *from,
		       unsigned *looks)
{
	const struct extra *e = extra_if_any(ctx);
	uint32_t nr = e ? load_relaxed(&e->nr_links) : 0;

	while (nr-- && *looks) {
		(*looks)--;
		if (below(e->links[nr].parent, from, looks))
			return true;
	}
	return false;
}

/* Held by an op, so all above it is there.  Joins of joins of joins are too much. */
static bool below(const struct urctx *ctx, const struct urctx *from, unsigned *looks)
{
	for (; ctx && ctx != from; ctx = ctx->parent)
		if (below_link(ctx, from, looks))
			return true;
	return ctx;
}

static bool concerns(const struct ring_op *op, const struct urctx *ctx)
{
	unsigned looks = JOINS;

	if (!op || !ctx)
		return op;
	return op->link && below(op->link->ctx, ctx, &looks);
}

/* The first slot from @slot on with an op of @ctx; r->slots: none. */
static uint32_t next_of(const struct urctx_ring *r, const struct urctx *ctx,
			uint32_t slot)
{
	while (slot < r->slots && !concerns(r->slot[slot].op, ctx))
		slot++;
	return slot;
}

static int count(const struct urctx_ring *r, const struct urctx *ctx)
{
	uint32_t slot = 0;
	int nr = 0;

	while ((slot = next_of(r, ctx, slot)) < r->slots) {
		nr++;
		slot++;
	}
	return nr;
}

/*
 * Nothing is left when a whole round has found nothing: while we waited for one
 * op, others may have been bound to slots behind us.
 */
static int drain(struct urctx_ring *r, const struct urctx *ctx, int64_t deadline)
{
	uint32_t slot = 0, clean = 0;
	int ret;

	while (!clean) {
		clean = 1;
		for (slot = next_of(r, ctx, 0); slot < r->slots;
		     slot = next_of(r, ctx, slot)) {
			clean = 0;
			ret = ring_wait(r, deadline);
			if (ret < 0)
				return ret;
			if (deadline != URCTX_NEVER && urctx_now() >= deadline)
				return URCTX_RULE_46 ? count(r, ctx) : 0;
		}
	}
	return 0;
}

int urctx_ring_drain(struct urctx_ring *r, struct urctx *ctx, int64_t deadline)
{
	int ret;

	if (!r)
		return -EINVAL;
	if (!ring_mine(r))
		return ring_not_mine(__func__);
	if (r->calls)
		return -EDEADLK;
	r->draining = ctx;
	ret = drain(r, ctx, deadline);
	r->draining = NULL;
	return ret;
}

static void tell_all(struct urctx_ring *r)
{
	for (uint32_t i = 0; i < r->slots; i++)
		if (r->slot[i].op)
			ring_tell(r, r->slot[i].op, &urctx_canceled);
}

/* A drain of the caller's holds up what is ours: until when, and his clock and ours. */
struct patience {
	int64_t deadline;
	int64_t least;		/* ring_now_coarse(): a test may hold the clock */
};

static bool is_over(const struct patience *p)
{
	return ring_now_coarse() >= p->least && urctx_now() >= p->deadline;
}

/* Not behind an open chain, which may wait for ever: the next wait submits that. */
static struct io_uring_sqe *take_alone(struct urctx_ring *r)
{
	return ring_chain_open(r) ? NULL : ring_sqe_take(r);
}

static bool is_armed(const struct urctx_ring *r)
{
	return r->armed == ARM_DONE || r->alarm_at != URCTX_NEVER;
}

/*
 * The poll goes before its eventfd is closed, and so does the alarm.  Cancels are
 * carried out in the order of their submission: whatever the kernel had to say to
 * earlier ones is in the CQ when this one has done its work.
 */
static int disarm(struct urctx_ring *r, const struct patience *patience)
{
	struct io_uring_sqe *sqe;
	int ret;

	r->deaf = true;
	r->alarm = false;
	while (is_armed(r)) {
		sqe = take_alone(r);
		if (sqe) {
			io_uring_prep_cancel64(sqe, r->armed == ARM_DONE ?
					       wake_ud(r) : alarm_ud(r), 0);
			if (!r->drain)
				sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
			sqe->user_data = ud_make(0, 0, KIND_UNWAKE);
		}
		ret = ring_wait(r, urctx_now() + ASK_AGAIN);
		if (ret < 0 && ret != -EINTR)	/* settle() waits, too */
			return ret;
		if (is_armed(r) && is_over(patience))
			return -ETIME;
	}
	return 0;
}

/*
 * Whatever else we have queued, a cancel whose op was faster, an SQE that was
 * refused, is carried out before a nop behind it, and its CQE is in front.  Not what
 * the caller has left at the end of an open chain, bound or not: the kernel gives that
 * to a worker, who comes when he likes.  And a drain of his holds up the nop.
 */
static int settle(struct urctx_ring *r, const struct patience *patience)
{
	struct io_uring_sqe *sqe;
	int ret;

	if (r->armed == ARM_NO && !r->seq && !io_uring_sq_ready(r->ring))
		return 0;
	while (!r->settled) {
		sqe = r->settling ? NULL : take_alone(r);
		if (sqe) {
			sqe->user_data = SETTLED_UD;
			r->settling = true;
		}
		ret = ring_wait(r, urctx_now() + (r->settling ? ASK_AGAIN : 0));
		/* whatever there is of the caller's behind it */
		if (r->settled && ret != -EPERM)	/* seldom: its handler forked */
			break;
		if (ret < 0 && ret != -EINTR)
			return ret;
		if (is_over(patience))
			return -ETIME;
	}
	return 0;
}

/*
 * Callbacks that could not be stopped: their threads are about to tell us.  The
 * last of them may be heard in the turn: no one wakes us from a sleep behind it.
 */
static int wait_leaving(struct urctx_ring *r)
{
	int64_t ns;
	int ret;

	while (r->leaving) {	/* uncovered: one who has not pushed yet, and no ring */
		ns = ring_turn(r);
		if (!r->leaving)
			break;
		ret = ring_sleep(r, ns, URCTX_NEVER);
		if (ret < 0 && ret != -EINTR)	/* he has not pushed yet */
			return ret;
	}
	return 0;
}

/*
 * Some come a little behind that: timers of a chain, and what was refused in one.
 * Not for ever, nor anew in each call: the caller may have made something else of an
 * SQE that was refused.
 */
static int settle_owed(struct urctx_ring *r)
{
	int ret;

	if (!r->owed_until)
		r->owed_until = ring_now_coarse() + 2 * ASK_AGAIN;
	while (r->owed && ring_now_coarse() < r->owed_until) {
		ret = ring_wait(r, urctx_now() + ASK_AGAIN);
		if (ret < 0 && ret != -EINTR)
			return ret;
	}
	/* in the time between two calls they may have come */
	return r->owed && ring_wait(r, 0) == -EPERM ? -EPERM : 0;
}

int urctx_ring_detach(struct urctx_ring *r, int64_t deadline)
{
	struct patience patience = { .deadline = deadline };
	int ret;

	if (!r)
		return -EINVAL;
	if (!ring_mine(r))
		return ring_not_mine(__func__);
	if (r->calls)
		return -EDEADLK;
	r->closing = true;
	tell_all(r);
	ret = drain(r, NULL, deadline);
	if (!URCTX_RULE_45 && ret > 0)
		ret = 0;
	if (!ret) {
		calls_drop(r);
		ret = wait_leaving(r);
	}
	patience.least = ring_now_coarse() + LEAST;
	if (!ret)
		ret = disarm(r, &patience);
	if (!ret)
		ret = settle(r, &patience);
	if (!ret)
		ret = settle_owed(r);
	if (ret)
		return ret;
	wake_close(&r->wake);
	ring_room_free(r);
	sys_pages_free(r, sizeof(*r));
	return 0;
}
