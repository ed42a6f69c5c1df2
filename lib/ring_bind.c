/* SPDX-License-Identifier: MIT */
/*
 * ring_bind.c - from here on an op ends when its context does
 *
 * Look, publish, look again: a context that ends while its op is bound is seen
 * by urctx_after() at the latest, in link_make().
 */
#include "ring.h"
#include "ring_valgrind.h"

#define NEAR	(10 * MSEC)
#define FLAGS (URCTX_OP_LINK_TIMEOUT | URCTX_OP_NO_ABORT)

/* An op whose success is silent would never be seen to end. */
static int check(const struct urctx_ring *r, const struct io_uring_sqe *sqe,
		 const struct ring_op *op, unsigned flags)
{
	if (unlikely(!op || !op->complete || flags & ~FLAGS ||
		     sqe->flags & IOSQE_CQE_SKIP_SUCCESS))
		return -EINVAL;
	if (unlikely(ring_chained(r, sqe)) && ring_chain_silent(r, sqe))
		return -EINVAL;
	if (unlikely(op->ring))
		return -EBUSY;
	if (unlikely(r->closing))
		return -ESHUTDOWN;
	return 0;
}

/*
 * The clock is read when it is near, by a coarse one that is read once between two
 * turns; behind by more than that, and the deadline is noticed in the turn.
 */
static inline bool late(struct urctx_ring *r, int64_t deadline)
{
	if (!URCTX_RULE_61)
		return false;
	if (!r->coarse)
		r->coarse = ring_now_coarse();
	if (likely(deadline > r->now && r->coarse + NEAR < deadline))
		return false;
	return deadline <= urctx_now();
}

/* Why an op of @ctx is not to be issued, or NULL. */
static inline const struct urctx_cause *
ended(struct urctx_ring *r, const struct urctx *ctx, int64_t deadline)
{
	if (URCTX_RULE_40 && unlikely(ring_over(ctx)))
		return urctx_cause(ctx);
	if (unlikely(deadline != URCTX_NEVER) && late(r, deadline))
		return &urctx_deadline_exceeded;
	return NULL;
}

static void op_begin(struct urctx_ring *r, struct ring_op *op,
		     struct ring_link *link, unsigned flags)
{
	uint32_t slot = r->slot_free - 1;

	r->slot_free = r->slot[slot].free;
	r->slot[slot].op = op;
	op->cause = NULL;
	op->ring = r;
	op->link = link;
	op->slot = slot;
	op->place = 0;
	op->seq = r->seq++;
	op->flags = (uint16_t)flags;
	op->state = OP_LIVE;
	op->tries = 0;
	stat_add(r, in_flight, 1);
	if (link)
		link_ops_add(link, 1);
}

/* It never starts: its SQE fails, and so does what is linked behind it. */
static void begin_ended(struct urctx_ring *r, struct io_uring_sqe *sqe,
			struct ring_op *op, struct ring_link *link,
			const struct urctx_cause *cause)
{
	op_begin(r, op, link, OP_UNISSUED);
	op->state = OP_PARKED;
	op->cause = cause;
	list_init(&op->node);
	stat_add(r, told, 1);
	sqe_fail(r, sqe, op_ud(r, op, KIND_OP));
}

static inline void begin(struct urctx_ring *r, struct io_uring_sqe *sqe,
			 struct ring_op *op, struct ring_link *link, int64_t deadline,
			 unsigned flags, int64_t timer)
{
	op_begin(r, op, link, flags);
	if (link)
		list_add(&link->ops, &op->node);
	else
		list_init(&op->node);
	op->when = deadline;
	if (deadline != URCTX_NEVER &&
	    (URCTX_RULE_22 || !(flags & URCTX_OP_LINK_TIMEOUT)))
		times_add(&r->times, deadline, &op->place);
	if (!URCTX_RULE_15)
		op->ts.tv_sec = sqe->fd;
	if (!URCTX_RULE_57)
		sqe->flags = 0;
	if (unlikely(timer != URCTX_NEVER))
		ring_timer_add(r, sqe, op, timer);
	ring_will_write(op, sqe);
	sqe->user_data = op_ud(r, op, KIND_OP);
}

static inline int bind_op(struct urctx_ring *r, struct io_uring_sqe *sqe,
			  struct urctx *ctx, struct ring_op *op, int64_t deadline,
			  unsigned flags)
{
	const struct urctx_cause *cause;
	struct ring_link *link = NULL;
	int64_t timer = URCTX_NEVER;
	int ret = check(r, sqe, op, flags);

	if (unlikely(ret))
		return ret;
	if (unlikely(!r->slot_free)) {
		ret = ring_grow(r, r->slots * 2);
		if (ret)
			return ret;
	}
	cause = ended(r, ctx, deadline);
	if (!URCTX_RULE_18 && deadline != URCTX_NEVER)
		flags |= URCTX_OP_LINK_TIMEOUT;
	if (unlikely(flags & URCTX_OP_LINK_TIMEOUT || r->timers) && !cause) {
		ret = ring_timer_room(r, sqe, ctx, deadline, flags, &timer);
		if (ret)
			return ret;
	}
	if (ctx) {
		link = link_find(r, ctx);
		if (!link) {
			ret = link_make(r, ctx, &link);
			if (unlikely(ret))
				return ret;
		}
	}

	/* Nothing fails from here on. */
	r->awake = true;
	if (unlikely(cause != NULL))
		begin_ended(r, sqe, op, link, cause);
	else
		begin(r, sqe, op, link, deadline, flags, timer);
	return 0;
}

static inline int bind_or_fail(struct urctx_ring *r, struct io_uring_sqe *sqe,
			       struct urctx *ctx, struct urctx_op *op,
			       int64_t deadline, unsigned flags,
			       const char *func)
{
	int ret;

	if (unlikely(!r || !sqe))
		return -EINVAL;
	if (!ring_mine(r))
		return ring_not_mine(func);
	if (unlikely(r->owed) && sqe->user_data == sqe_owed_ud(r, sqe))
		r->owed--;	/* once refused, it is tried again */
	ret = bind_op(r, sqe, ctx, (struct ring_op *)op, deadline, flags);
	if (unlikely(ret)) {
		r->owed++;
		sqe_fail(r, sqe, sqe_owed_ud(r, sqe));
		r->seq++;	/* detach takes its CQE as well */
	}
	return ret;
}

int urctx_ring_bind(struct urctx_ring *r, struct io_uring_sqe *sqe,
		    struct urctx *ctx, struct urctx_op *op)
{
	return bind_or_fail(r, sqe, ctx, op, URCTX_NEVER, 0, __func__);
}

int urctx_ring_bind_flags(struct urctx_ring *r, struct io_uring_sqe *sqe,
			  struct urctx *ctx, struct urctx_op *op,
			  int64_t deadline, unsigned flags)
{
	return bind_or_fail(r, sqe, ctx, op, deadline, flags, __func__);
}
