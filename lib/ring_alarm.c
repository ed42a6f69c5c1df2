/* SPDX-License-Identifier: MIT */
/*
 * ring_alarm.c - one IORING_OP_TIMEOUT, at the time of the next turn
 *
 * For owners who wait by themselves, without a timeout: its CQE ends their wait.
 * The kernel looks for timeouts one by one, so there is one a ring.  It is moved when
 * something is due earlier; later, it fires for nothing, once, and the turn behind
 * that sets the next.
 */
#include "ring.h"

#define UD_MOVE	1U			/* in the place of a slot: the answer to a move */

uint64_t alarm_ud(const struct urctx_ring *r)
{
	return ud_make(0, r->alarm_gen & UD_GEN_MASK, KIND_ALARM);
}

static uint64_t move_ud(const struct urctx_ring *r)
{
	return ud_make(UD_MOVE, r->alarm_gen & UD_GEN_MASK, KIND_ALARM);
}

static void begin(struct urctx_ring *r, struct io_uring_sqe *sqe)
{
	r->alarm_gen++;
	io_uring_prep_timeout(sqe, &r->alarm_ts, 0, IORING_TIMEOUT_ABS);
	sqe->user_data = alarm_ud(r);
}

static void move(struct urctx_ring *r, struct io_uring_sqe *sqe)
{
	io_uring_prep_timeout_update(sqe, &r->alarm_ts, alarm_ud(r),
				     IORING_TIMEOUT_ABS);
	if (!r->drain)
		sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	sqe->user_data = move_ud(r);
}

/* False: not yet, turn again. */
bool ring_alarm_set(struct urctx_ring *r, int64_t when)
{
	struct io_uring_sqe *sqe;

	if (when >= r->alarm_at)
		return true;
	/* a thread of the kernel may still have to read the last time */
	if (r->ring->flags & IORING_SETUP_SQPOLL && io_uring_sq_ready(r->ring))
		return false;
	if (ring_chain_open(r))
		return false;
	sqe = ring_sqe_take(r);
	if (!sqe)
		return false;
	r->alarm_ts.tv_sec = when / 1000000000;
	r->alarm_ts.tv_nsec = when % 1000000000;
	if (r->alarm_at == URCTX_NEVER || !URCTX_RULE_17)
		begin(r, sqe);
	else
		move(r, sqe);
	r->alarm_at = when;
	return true;
}

/* It was refused, and would be the next time. */
static void refused(struct urctx_ring *r)
{
	r->alarm = false;
	ring_limit(r, URCTX_RING_NO_TIMEOUT);
}

bool ring_alarm_answer(struct urctx_ring *r, const struct io_uring_cqe *cqe)
{
	if (cqe->user_data == alarm_ud(r)) {
		r->alarm_at = URCTX_NEVER;
		if (cqe->res != -ETIME && cqe->res != -ECANCELED)
			refused(r);
		return true;
	}
	/* a move that came too late says one of these two */
	if (cqe->user_data == move_ud(r) && cqe->res < 0 && cqe->res != -ENOENT &&
	    cqe->res != -EALREADY)
		refused(r);
	/* the alarm that it would move may have been followed by another */
	return ((cqe->user_data >> 3) & UD_SLOT_MASK) == UD_MOVE;
}
