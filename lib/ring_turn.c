/* SPDX-License-Identifier: MIT */
/*
 * ring_turn.c - what the owner does before he sleeps
 *
 * Contexts that ended on other threads, deadlines that have passed, cancels that
 * came to nothing: all of them end up on ring.abort, from which the kernel is
 * asked as fast as it takes it.
 */
#include "ring.h"

#define DEAF_NAP	(50 * MSEC)

/* A turn looks at no more than so many: the loop is not to stand still. */
#define HEAR_MOST	1024U
#define EXPIRE_MOST	8192U

/* The context of @link has ended, and @link's fn will not run any more. */
static void tell_link(struct urctx_ring *r, struct ring_link *link,
		      struct runs *runs)
{
	times_del(&r->ends, &link->place);
	link->cause = urctx_cause(link->ctx);
	link->told = true;
	r->told++;
	runs_add(runs, &link->ops);
	calls_due(r, link);
	ring_put(r, link_unused(r, link));
}

/* @link was taken from the wake list: its fn has run and knows it no more. */
static void hear_link(struct urctx_ring *r, struct ring_link *link,
		      struct runs *runs)
{
	if (link_idle(link)) {
		r->leaving--;
		ring_put(r, link_free(r, link));
		return;
	}
	tell_link(r, link, runs);
}

static void hear(struct urctx_ring *r, struct runs *runs)
{
	if (!r->heard)
		r->heard = wake_take(&r->wake);
	for (unsigned left = HEAR_MOST; r->heard && left; left--) {
		struct wake_node *n = r->heard;

		r->heard = wake_next(&r->wake, n);
		hear_link(r, container_of(n, struct ring_link, wake), runs);
	}
}

static void late(struct urctx_ring *r, int64_t by)
{
	unsigned i = by > 0 ? 63U - (unsigned)__builtin_clzll((uint64_t)by) : 0;

	stat_max(r, late_max, by);
	stat_add(r, late_sum, (uint64_t)by);
	stat_add(r, late[i < LATE_STEPS ? i : LATE_STEPS - 1], 1);
}

/* A deadline of its own, or the time to be asked for again. */
static void expire_op(struct urctx_ring *r, struct ring_op *op, struct runs *runs)
{
	times_del(&r->times, &op->place);
	if (op->state == OP_LIVE && !op_told(op)) {
		late(r, r->now - op->when);
		op->cause = &urctx_deadline_exceeded;
		stat_add(r, told, 1);
	} else if (op->state != OP_RETRY) {
		return;			/* on ring.abort already */
	}
	op->state = OP_TOLD;
	runs_add_op(runs, op);
}

/*
 * A context's: nobody else is asked to watch it.  False: its clock, a coarse one
 * that may be far behind on a machine that was held up, does not say so yet.
 */
static bool expire_link(struct urctx_ring *r, struct ring_link *link, struct runs *runs)
{
	int64_t end = times_first(&r->ends);

	/* it ends by being looked at; if it had ended before, we hear of it */
	if (!urctx_err(link->ctx))
		return false;
	times_del(&r->ends, &link->place);
	if (!urctx_try_stop(&link->cb))
		return true;
	late(r, r->now - end);
	tell_link(r, link, runs);
	return true;
}

/* In the order of their times, contexts before ops: the first is the cause. */
static void expire(struct urctx_ring *r, struct runs *runs)
{
	for (unsigned left = EXPIRE_MOST; left; left--) {
		int64_t op = times_first(&r->times), end = times_first(&r->ends);

		if ((op < end ? op : end) > r->now)
			break;
		if (op < end)
			expire_op(r, container_of(times_first_place(&r->times),
						  struct ring_op, place), runs);
		else if (!expire_link(r, container_of(times_first_place(&r->ends),
						      struct ring_link, place), runs))
			break;
	}
}

/* Those that were asked in turns that did not look at the clock. */
static void stamp(struct urctx_ring *r)
{
	struct ring_node *n = r->asked.prev;

	for (; n != &r->asked && op_of(n)->when == ASKED_NOW; n = n->prev)
		op_of(n)->when = r->now + ASK_SILENT;
}

/* The kernel has CQEs that it has no room for: it hands them out as others are taken. */
static bool overflown(const struct urctx_ring *r)
{
	return io_uring_smp_load_acquire(r->ring->sq.kflags) & IORING_SQ_CQ_OVERFLOW;
}

/*
 * Asked, and neither answered nor gone.  What has overflown is no silence: it may be
 * among that, behind the answers to those that were asked once too often.
 */
static void ask_again(struct urctx_ring *r, struct runs *runs)
{
	while (!list_empty(&r->asked) && !overflown(r)) {
		struct ring_op *op = op_of(r->asked.next);

		if (op->when > r->now)
			break;
		ring_count_try(r, op);
		op->state = OP_TOLD;
		r->asked_nr--;
		runs_add_op(runs, op);
	}
}

/*
 * A poll of the eventfd that stays: whoever writes to it wakes us.  Armed when
 * the eventfd has been written to, it fires at once, so nothing is lost between
 * two of them.
 */
static bool arm(struct urctx_ring *r)
{
	struct io_uring_sqe *sqe;

	if (r->armed != ARM_WANTED || r->deaf)
		return true;
	if (ring_chain_open(r))
		return false;
	sqe = ring_sqe_take(r);
	if (!sqe)
		return false;
	io_uring_prep_poll_multishot(sqe, r->wake.fd, POLLIN);
	r->wake_gen++;
	sqe->user_data = wake_ud(r);
	r->armed = ARM_DONE;
	return true;
}

/* For how long there is nothing to do but to listen. */
static int64_t next_time(const struct urctx_ring *r)
{
	int64_t op = times_first(&r->times), end = times_first(&r->ends), ns = op < end ? op : end;

	if (ns != URCTX_NEVER)
		ns -= r->now;
	if (!list_empty(&r->asked)) {
		int64_t when = op_of(r->asked.next)->when;
		int64_t again = when == ASKED_NOW ? ASK_SILENT : when - r->now;

		ns = again < ns ? again : ns;
	}
	if (r->deaf &&		/* uncovered: leaving, and not on the list yet */
	    (r->links != r->told || r->leaving) && ns > DEAF_NAP)
		ns = DEAF_NAP;
	return ns > 0 ? ns : 0;
}

/* Only what waits for a time needs to know it. */
static void look(struct urctx_ring *r, struct runs *runs)
{
	int64_t now = urctx_now();

	if (URCTX_RULE_66 && r->looked)
		stat_max(r, turn_gap_max, now - r->now);
	r->now = now;
	stamp(r);
	expire(r, runs);
	ask_again(r, runs);
}

static int64_t turn(struct urctx_ring *r)
{
	struct runs runs;
	bool armed, asked, ran;
	int64_t ns;
	bool looks;

	runs_init(&runs);
	hear(r, &runs);
	/* behind it: what a context releases may bind */
	looks = times_any(&r->times) || times_any(&r->ends) || !list_empty(&r->asked);
	if (looks)
		look(r, &runs);
	runs_end(&runs, &r->abort);
	ran = calls_run(r);
	ran |= idles_run(r);
	armed = arm(r);
	asked = ring_ask(r);
	r->looked = looks && times_any(&r->times);
	r->awake = false;	/* if something was bound in here: */
	compiler_barrier();
	/*
	 * What the last put of a context has ended, or a busy ring, has to wait; who
	 * waits for a callback is to see that it has run; and what is due or vacant
	 * again is so because one has.
	 */
	if (ran || !armed || !asked || r->heard || wake_any(&r->wake))
		return 0;
	ns = next_time(r);
	if (unlikely(r->alarm) && ns != URCTX_NEVER) {
		if (!looks)
			r->now = urctx_now();
		if (!ring_alarm_set(r, r->now + ns))
			return 0;
	}
	return ns;
}

int64_t ring_turn(struct urctx_ring *r)
{
	/* A handler before this is heard below, one after it wakes us. */
	r->awake = false;
	r->coarse = 0;
	compiler_barrier();
	if (likely(!wake_any(&r->wake) && !r->heard &&
		   !times_any(&r->times) && !times_any(&r->ends) &&
		   list_empty(&r->due) && list_empty(&r->vacant) &&
		   r->armed != ARM_WANTED && list_empty(&r->abort) &&
		   list_empty(&r->asked) && !r->deaf))
		return URCTX_NEVER;
	return turn(r);
}

int64_t urctx_ring_turn(struct urctx_ring *r)
{
	if (unlikely(!r))
		return -EINVAL;
	if (!ring_mine(r))
		return ring_not_mine(__func__);
	return ring_turn(r);
}
