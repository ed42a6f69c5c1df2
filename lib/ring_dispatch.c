/* SPDX-License-Identifier: MIT */
/*
 * ring_dispatch.c - what a CQE means
 *
 * The only thing that ends an op is its own last CQE.
 */
#include "ring.h"
#include "ring_valgrind.h"

/* The kernel's internal codes for "start me again after the signal". */
#define ERESTART_FIRST	(-516)
#define ERESTART_LAST	(-512)

static int32_t result(const struct ring_op *op, int32_t res)
{
	if (unlikely(op->flags & OP_UNISSUED))
		return -ECANCELED;
	if (!URCTX_RULE_2 && op->cause && res >= 0)
		return -ECANCELED;
	if (!URCTX_RULE_3 && op->cause && res > 0)
		return -EINTR;
	if (URCTX_RULE_4 && unlikely(res <= ERESTART_LAST && res >= ERESTART_FIRST))
		return -EINTR;
	return res;
}

/* The op's memory is the caller's again when this returns. */
static void op_leave(struct urctx_ring *r, struct ring_op *op)
{
	struct ring_slot *slot = &r->slot[op->slot];

	if (op->place)
		times_del(&r->times, &op->place);
	list_del(&op->node);
	if (op->state == OP_ASKED)
		r->asked_nr--;
	if (op->tries >= STUCK_TRIES)
		stat_sub(r, stuck, 1);
	slot->op = NULL;
	if (URCTX_RULE_12)
		slot->gen = (slot->gen + 1) & UD_GEN_MASK;
	slot->free = r->slot_free;
	r->slot_free = op->slot + 1;
	op->ring = NULL;
	stat_sub(r, in_flight, 1);
}

/*
 * The link loses its op when complete() is back: it may bind the next one to the
 * same context, which it may also be that keeps its memory.
 */
static void op_complete(struct urctx_ring *r, struct ring_op *op, int32_t res,
			uint32_t flags)
{
	void (*complete)(struct urctx_op *op) = op->complete;
	bool last = !URCTX_RULE_32 || !(flags & IORING_CQE_F_MORE);
	struct ring_link *link = op->link;

	if (link && unlikely(link->told))
		op_told_by_link(r, op);
	if (unlikely(op->flags & OP_TIMED) && last)
		ring_timer_check(r, op);
	op->res = result(op, res);
	ring_wrote(op, res);
	op->cqe_flags = flags;
	if (likely(last))
		op_leave(r, op);
	r->completed++;
	r->calls++;
	complete((struct urctx_op *)op);
	r->calls--;
	if (link && likely(last))
		ring_put(r, link_drop(r, link));
}

/* Its link, and so its context, stays until complete() is back. */
int urctx_op_result(const struct urctx_op *user_op)
{
	const struct ring_op *op = (const struct ring_op *)user_op;

	if (!op->cause || (op->res != -ECANCELED && op->res != -EINTR))
		return op->res;
	if (op->cause == &urctx_deadline_exceeded)
		return -ETIME;
	if (op->link && op->cause == urctx_cause(op->link->ctx))
		return urctx_err(op->link->ctx);
	return -ECANCELED;
}

static bool stale(struct urctx_ring *r)
{
	stat_add(r, stale, 1);
	return true;
}

static void woken(struct urctx_ring *r, const struct io_uring_cqe *cqe)
{
	if (r->armed != ARM_DONE || cqe->user_data != wake_ud(r)) {
		(void)stale(r);
		return;
	}
	if (cqe->flags & IORING_CQE_F_MORE)
		return;
	/* Overflow ends it, or somebody's cancel of everything. */
	if (URCTX_RULE_37)
		r->armed = ARM_WANTED;
	if (cqe->res < 0 && cqe->res != -ECANCELED) {
		r->deaf = true;
		ring_limit(r, URCTX_RING_NO_WAKE);
	}
}

/*
 * What stays in a ring that may not cancel says nothing any more when nobody writes
 * to the eventfd, or fires once: the end of the ring takes it.
 */
static void not_disarmed(struct urctx_ring *r)
{
	if (r->armed == ARM_DONE)
		r->armed = ARM_WANTED;
	else
		r->alarm_at = URCTX_NEVER;
}

static bool deliver_rest(struct urctx_ring *r, const struct io_uring_cqe *cqe,
			 struct ring_op *op)
{
	switch (cqe->user_data & 7) {
	case KIND_CANCEL:
		/* The op may have left in the meantime. */
		if (op && !URCTX_RULE_1)
			op_complete(r, op, -ECANCELED, 0);
		else if (op)
			ring_answer(r, op, cqe->res);
		return true;
	case KIND_OWED:
		if (!r->owed)
			return stale(r);
		r->owed--;
		return true;
	case KIND_TIMER:
		if (op && !URCTX_RULE_21 &&	/* seldom: without that rule alone */
		    cqe->res != -ECANCELED)
			op_complete(r, op, cqe->res, 0);
		return true;
	case KIND_NOP:
		return true;
	case KIND_UNWAKE:
		if (!r->closing)
			return stale(r);	/* only detach asks for that */
		if (cqe->user_data == SETTLED_UD)
			r->settled = true;
		else if (cqe->res == -EACCES && !r->drain)
			r->drain = true;
		else if (cqe->res == -EACCES || cqe->res == -EINVAL)
			not_disarmed(r);
		return true;
	case KIND_ALARM:
		if (!ring_alarm_answer(r, cqe))
			(void)stale(r);
		return true;
	default:	/* KIND_WAKE */
		woken(r, cqe);
		return true;
	}
}

bool ring_deliver(struct urctx_ring *r, const struct io_uring_cqe *cqe)
{
	uint64_t ud = cqe->user_data;
	struct ring_op *op;

	r->awake = true;
	if (URCTX_RULE_56 && (ud & URCTX_UDATA_MASK) != URCTX_UDATA_TAG)
		return false;
	op = op_by_ud(r, ud);
	if (unlikely((ud & 7) != KIND_OP))
		return deliver_rest(r, cqe, op);
	if (unlikely(!op))
		return stale(r);
	if (!URCTX_RULE_9 &&	/* seldom: without that rule alone */
	    op->state == OP_ASKED)
		return true;
	if (!URCTX_RULE_38 && cqe->res == -EINTR)
		ring_tell(r, op, &urctx_canceled);
	op_complete(r, op, cqe->res, cqe->flags);
	return true;
}

bool urctx_ring_dispatch(struct urctx_ring *r, const struct io_uring_cqe *cqe)
{
	if (unlikely(!r || !cqe))
		return false;
	if (!ring_mine(r)) {
		(void)ring_not_mine(__func__);
		return false;
	}
	return ring_deliver(r, cqe);
}
