/* SPDX-License-Identifier: MIT */
/*
 * ring_abort.c - ask the kernel to let go of an op, until it does
 *
 * One ASYNC_CANCEL for each op, by its user_data.  Success is silent, failure is
 * answered; neither says anything about the op, which is asked for again until
 * its own CQE is here.
 */
#include "ring.h"

bool op_told(const struct ring_op *op)
{
	return op->state != OP_LIVE || (op->link && op->link->told);
}

/*
 * @op has been told, or its link was: the ops of a link are not touched until they
 * must be.
 */
void op_told_by_link(struct urctx_ring *r, struct ring_op *op)
{
	if (op->cause)
		return;
	op->cause = op->link->cause;
	stat_add(r, told, 1);
}

void ring_tell(struct urctx_ring *r, struct ring_op *op,
	       const struct urctx_cause *cause)
{
	if (op_told(op))
		return;
	op->cause = cause;
	op->state = OP_TOLD;
	stat_add(r, told, 1);
	list_del(&op->node);
	/* One by one, in either order of binding: newest first. */
	if (!list_empty(&r->abort) &&
	    (int32_t)(op->seq - op_of(r->abort.next)->seq) > 0)
		list_add(&r->abort, &op->node);
	else
		list_add_tail(&r->abort, &op->node);
}

/* Ask again on the next turn, or when @op->when has come. */
static void ask_next(struct urctx_ring *r, struct ring_op *op)
{
	list_del(&op->node);
	list_add_tail(&r->abort, &op->node);
	op->state = OP_TOLD;
	r->asked_nr--;
}

static void ask_at(struct urctx_ring *r, struct ring_op *op, int64_t when)
{
	op->when = when;
	list_del_init(&op->node);
	op->state = OP_RETRY;
	r->asked_nr--;
	times_add(&r->times, op->when, &op->place);
}

static void ask_later(struct urctx_ring *r, struct ring_op *op)
{
	unsigned shift = op->tries < 9 ? op->tries - 2U : 7U;
	/* with drains it waits for others, that are told as well: one a retry */
	int64_t delay = ASK_FIRST << shift, most = r->sync ? ASK_DRAINED : ASK_AGAIN;

	ask_at(r, op, urctx_now() + (delay < most ? delay : most));
}

void ring_count_try(struct urctx_ring *r, struct ring_op *op)
{
	if (op->tries == UINT8_MAX) {
		op->tries--;	/* odd and even go on to take turns: ask_by_call() */
		return;
	}
	if (++op->tries == STUCK_TRIES && URCTX_RULE_50)
		stat_add(r, stuck, 1);
}

/* Told, and the kernel is not asked: it ends by itself. */
static void park(struct ring_op *op)
{
	list_del_init(&op->node);
	op->state = OP_PARKED;
}

/*
 * A ring that is restricted (IORING_REGISTER_RESTRICTIONS) to other opcodes; or only
 * to SQEs without flags, which makes cancels that answer.
 */
static void refused(struct urctx_ring *r, struct ring_op *op, int res)
{
	if (res == -EACCES && !r->drain) {
		r->drain = true;
		ask_next(r, op);
		return;
	}
	r->mute = true;
	ring_limit(r, URCTX_RING_NO_ABORT);
	r->asked_nr--;
	park(op);
}

/* A cancel was answered.  @op is in flight, whatever @res says. */
void ring_answer(struct urctx_ring *r, struct ring_op *op, int res)
{
	if (op->state != OP_ASKED || (URCTX_RULE_7 && res >= 0))
		return;
	if (res >= 0 ||		/* seldom: the rest without these rules alone */
	    (!URCTX_RULE_5 && res == -EALREADY) || (!URCTX_RULE_6 && res == -ENOENT)) {
		park(op);
		return;
	}
	if (URCTX_RULE_62 && unlikely(res == -EACCES || res == -EINVAL)) {
		refused(r, op, res);
		return;
	}
	ring_count_try(r, op);
	if (op->tries < 2)
		ask_next(r, op);
	else
		ask_later(r, op);
}

static void cancel_sqe(const struct urctx_ring *r, struct io_uring_sqe *sqe,
		       const struct ring_op *op)
{
	uint64_t ud = op_ud(r, op, KIND_OP);

	if (!URCTX_RULE_13)
		io_uring_prep_cancel64(sqe, ud, IORING_ASYNC_CANCEL_ANY |
				       IORING_ASYNC_CANCEL_ALL);
	else if (!URCTX_RULE_15)
		io_uring_prep_cancel_fd(sqe, (int)op->ts.tv_sec, 0);
	else
		io_uring_prep_cancel64(sqe, ud, 0);
	if (URCTX_RULE_19 && !r->drain)
		sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	sqe->user_data = op_ud(r, op, KIND_CANCEL);
}

static void asked(struct urctx_ring *r, struct ring_op *op)
{
	list_del(&op->node);
	list_add_tail(&r->asked, &op->node);
	op->state = OP_ASKED;
	op->when = ASKED_NOW;
	r->asked_nr++;
	stat_add(r, cancels, 1);
	if (op->tries)
		stat_add(r, retries, 1);
}

/* Finds it or not, and does not wait for it to end. */
static int sync_cancel(struct urctx_ring *r, const struct ring_op *op)
{
	struct io_uring_sync_cancel_reg reg = {
		.addr = op_ud(r, op, KIND_OP),
		.fd = -1,
		.timeout = { URCTX_RULE_39 ? 0 : -1, 0 },
	};
	int saved = errno, ret = io_uring_register_sync_cancel(r->ring, &reg);

	errno = saved;
	return ret;
}

/*
 * A drain holds up what is queued behind it, cancels too; this is not queued.  An
 * op that is not submitted yet is not found: the turn after that will.
 */
static void ask_sync(struct urctx_ring *r, struct ring_op *op)
{
	int ret = sync_cancel(r, op);

	asked(r, op);
	if (ret >= 0)
		return;
	if (ret != -ENOENT && ret != -EALREADY && ret != -ETIME && ret != -EINTR)
		r->sync = false;	/* before 6.0, or restricted */
	else
		ring_count_try(r, op);
	if (op->tries < 2)
		ask_at(r, op, 0);	/* at once, by whatever clock */
	else
		ask_later(r, op);
}

/*
 * What a worker does for an SQ thread is found by that thread alone: it is asked
 * every second time.
 */
static bool ask_by_call(const struct urctx_ring *r, const struct ring_op *op)
{
	return !(op->tries & 1 && r->ring->flags & IORING_SETUP_SQPOLL);
}

/* @op leaves the abort list; asked for, or only told. */
static bool ask(struct urctx_ring *r, struct ring_op *op)
{
	struct io_uring_sqe *sqe;

	op_told_by_link(r, op);
	op->state = OP_TOLD;
	if (op->place)
		times_del(&r->times, &op->place);
	if (unlikely((URCTX_RULE_8 && op->flags & URCTX_OP_NO_ABORT) || r->mute)) {
		park(op);
		return true;
	}
	if (unlikely(r->sync) && ask_by_call(r, op)) {
		ask_sync(r, op);
		return true;
	}
	if (!io_uring_sq_space_left(r->ring) &&
	    (!URCTX_RULE_47 || !ring_sqe_room(r, 1, 0))) {
		if (!URCTX_RULE_47)
			park(op);
		return false;
	}
	sqe = io_uring_get_sqe(r->ring);
	cancel_sqe(r, sqe, op);
	asked(r, op);
	return true;
}

/*
 * A cancelled op stays in the kernel's hash, in front of those that are next,
 * until its completion has been run, which on a deferred ring is when the owner
 * waits: so a few at a time.  50,000 at once take 30 times as long.
 */
static unsigned budget(const struct urctx_ring *r)
{
	if (r->asked_nr + ASK_LEAST > ASK_AHEAD)
		return ASK_LEAST;
	return ASK_AHEAD - r->asked_nr;
}

/* False: there is more to ask. */
bool ring_ask(struct urctx_ring *r)
{
	unsigned left;

	if (list_empty(&r->abort))
		return true;
	if (ring_chain_open(r))
		return false;
	for (left = budget(r); left && !list_empty(&r->abort); left--) {
		struct ring_node *n = URCTX_RULE_14 ? r->abort.next :
						      r->abort.prev;

		__builtin_prefetch(n->next->next);
		if (!ask(r, op_of(n)))
			return false;
	}
	return list_empty(&r->abort);
}

void urctx_op_cancel(struct urctx_op *user_op, const struct urctx_cause *cause)
{
	struct ring_op *op = (struct ring_op *)user_op;

	if (!op || !op->ring)
		return;
	if (!ring_mine(op->ring)) {
		(void)ring_not_mine(__func__);
		return;
	}
	ring_tell(op->ring, op, cause ? cause : &urctx_canceled);
}

/* One that has been told to end keeps to that. */
void urctx_op_deadline(struct urctx_op *user_op, int64_t deadline)
{
	struct ring_op *op = (struct ring_op *)user_op;

	if (!op || !op->ring)
		return;
	if (!ring_mine(op->ring)) {
		(void)ring_not_mine(__func__);
		return;
	}
	if (op_told(op))
		return;
	if (deadline <= op->ring->now) {	/* not late: it is told to end now */
		int64_t now = urctx_now();

		deadline = deadline > now ? deadline : now;
	}
	op->when = deadline;
	if (!URCTX_RULE_29 && op->flags & OP_TIMED)
		return;
	if (deadline == URCTX_NEVER)
		times_del(&op->ring->times, &op->place);
	else
		times_move(&op->ring->times, deadline, &op->place);
}
