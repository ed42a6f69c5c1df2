/* SPDX-License-Identifier: MIT */
/*
 * ring_timer.c - the kernel's own deadline for one op: IORING_OP_LINK_TIMEOUT
 *
 * It fires where the owner is stuck, and costs a request and a timer.  It is
 * armed behind the first attempt of its op, so it never fires for those that
 * are carried out by a worker from the start; it fires once, and what it reports
 * says little.  Therefore the op is in the heap as well.
 */
#include "ring.h"

/* Opcodes that wait by polling, on a file that can be polled. */
static bool pollable(const struct io_uring_sqe *sqe)
{
	if (!URCTX_RULE_20)
		return true;
	switch (sqe->opcode) {
	case IORING_OP_READ:
	case IORING_OP_READV:
	case IORING_OP_READ_FIXED:
	case IORING_OP_WRITE:
	case IORING_OP_WRITEV:
	case IORING_OP_WRITE_FIXED:
	case IORING_OP_RECV:
	case IORING_OP_RECVMSG:
	case IORING_OP_SEND:
	case IORING_OP_SENDMSG:
	case IORING_OP_ACCEPT:
	case IORING_OP_CONNECT:
	case IORING_OP_POLL_ADD:
		return !(sqe->flags & IOSQE_ASYNC);
	default:
		return false;
	}
}

/* 0: there is room behind @sqe, which is the last taken. */
static int room(struct urctx_ring *r, const struct io_uring_sqe *sqe, int64_t when)
{
	const struct io_uring_sq *sq = &r->ring->sq;
	unsigned shift = !!(r->ring->flags & IORING_SETUP_SQE128);

	if (when == URCTX_NEVER ||
	    sqe != &sq->sqes[((sq->sqe_tail - 1) & sq->ring_mask) << shift])
		return -EINVAL;
	if (!pollable(sqe) || r->ring->flags & IORING_SETUP_IOPOLL)
		return -EOPNOTSUPP;
	return ring_sqe_room(r, 1, URCTX_RULE_28) ? 0 : -EBUSY;
}

/*
 * @when the kernel's timer is to fire; or it stays URCTX_NEVER: there will be none,
 * and as @flags did not ask for one the heap does.
 */
int ring_timer_room(struct urctx_ring *r, const struct io_uring_sqe *sqe,
		    const struct urctx *ctx, int64_t deadline, unsigned flags,
		    int64_t *when)
{
	int64_t first = deadline, end;
	int ret;

	if (urctx_deadline(ctx, &end) && end < first)
		first = end;
	ret = room(r, sqe, first);
	if (!ret)
		*when = first;
	return flags & URCTX_OP_LINK_TIMEOUT ? ret : 0;
}

/* The kernel refuses one that is no time, and drops the op with it. */
static void set_time(struct ring_op *op, int64_t when)
{
	const int64_t sec = URCTX_RULE_26 ? 1000000000 : INT64_MAX;

	op->ts.tv_sec = when / sec;
	op->ts.tv_nsec = when % sec;
}

/*
 * The timer's SQE takes the op's place in the caller's chain.  Silent only at its
 * end: where the kernel cuts a chain between the two (the round of a shared SQ
 * thread is over, or there is no memory) the timer fails, and its silence would go
 * on to all that is behind it.
 */
void ring_timer_add(struct urctx_ring *r, struct io_uring_sqe *op_sqe,
		    struct ring_op *op, int64_t when)
{
	const unsigned chain = IOSQE_IO_LINK | IOSQE_IO_HARDLINK;
	const unsigned kind = (URCTX_RULE_25 ? IORING_TIMEOUT_ABS : 0) |
			      (URCTX_RULE_60 ? 0 : IORING_TIMEOUT_REALTIME);
	struct io_uring_sqe *sqe = io_uring_get_sqe(r->ring);
	struct __kernel_timespec here = { 0, 0 };

	op->flags |= OP_TIMED;
	set_time(op, when);
	io_uring_prep_link_timeout(sqe, URCTX_RULE_30 ? &op->ts : &here, kind);
	sqe->flags = URCTX_RULE_27 ? op_sqe->flags & chain : 0;
	if (r->drain || op_sqe->flags & chain) {
		sqe->user_data = op_ud(r, op, KIND_OWED);
		r->owed++;
	} else {
		sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
		sqe->user_data = op_ud(r, op, KIND_TIMER);
	}
	op_sqe->flags |= IOSQE_IO_LINK;
}

/*
 * Whether the kernel told @op, which has ended, is for the clock to say: its timer
 * stays where it was when the deadline is moved, and may be the context's.
 */
void ring_timer_check(struct urctx_ring *r, struct ring_op *op)
{
	int64_t when = op->ts.tv_sec * 1000000000 + op->ts.tv_nsec, now;

	if (!URCTX_RULE_23 || op->cause)
		return;
	now = urctx_now();
	if (op->when > now && when > now)
		return;
	op->cause = &urctx_deadline_exceeded;
	if (op->when > now && op->link && urctx_err(op->link->ctx))
		op->cause = urctx_cause(op->link->ctx);
	stat_add(r, told, 1);
}
