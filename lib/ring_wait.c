/* SPDX-License-Identifier: MIT */
/*
 * ring_wait.c - a loop's body, for who has no loop of his own
 */
#include "ring.h"
#include "ring_valgrind.h"

static bool others(const struct urctx_ring *r, uint64_t ud)
{
	const struct ring_op *op = op_by_ud(r, ud);

	return r->draining &&	/* seldom: without rule 10 alone */
	       op && op->link && op->link->ctx != r->draining;
}

/*
 * Give every CQE that is there now to its owner.  Whatever complete() does to
 * the ring, it finds this CQE consumed.
 */
static int reap(struct urctx_ring *r)
{
	struct io_uring *ring = r->ring;
	unsigned left = io_uring_cq_ready(ring);
	unsigned shift = io_uring_cqe_shift(ring);

	for (; left && io_uring_cq_ready(ring); left--) {
		unsigned at = *ring->cq.khead & ring->cq.ring_mask;
		const struct io_uring_cqe *cqe = &ring->cq.cqes[at << shift];
		struct io_uring_cqe copy;

		if ((cqe->user_data & URCTX_UDATA_MASK) != URCTX_UDATA_TAG) {
			if (!r->foreign)
				return -EBADMSG;
			r->calls++;
			r->foreign(r->arg, cqe);
			r->calls--;
			if (!ring_mine(r))
				return -EPERM;
			io_uring_cq_advance(ring, 1);
			continue;
		}
		copy = *cqe;
		io_uring_cq_advance(ring, 1);
		if (!URCTX_RULE_10 && others(r, copy.user_data))
			continue;
		(void)ring_deliver(r, &copy);
		if (!ring_mine(r))	/* it forked: the CQ is the parent's */
			return -EPERM;
	}
	return 0;
}

/*
 * Submit, and sleep for @ns at most until there are @nr CQEs; even for 0 the kernel
 * completes what it can.  Of a ring with an SQ thread, who has submitted before.
 */
static int enter(struct urctx_ring *r, unsigned nr, int64_t ns)
{
	struct __kernel_timespec ts = { ns / 1000000000, ns % 1000000000 };
	struct __kernel_timespec *limit = ns == URCTX_NEVER ? NULL : &ts;
	struct io_uring_cqe *cqe;
	int saved = errno, ret;

	if (!URCTX_RULE_34 && !ns)
		return ring_submit(r);
	/* What its thread has not taken yet is counted as submitted, again and again. */
	if (ns && r->ring->flags & IORING_SETUP_SQPOLL)
		ret = io_uring_wait_cqes(r->ring, &cqe, nr, limit, NULL);
	else
		ret = io_uring_submit_and_wait_timeout(r->ring, &cqe, nr, limit, NULL);
	errno = saved;
	return ret;
}

/* What a deferred ring has put off is done in here, too. */
static int submit_and_look(struct urctx_ring *r)
{
	int saved = errno, ret = io_uring_submit_and_get_events(r->ring);

	errno = saved;
	return ret;
}

/*
 * What was asked for is mostly there at once, and a wait with a timeout costs
 * more than one without.  A deferred ring completes some 20 ops in a wait for
 * nothing, else as many as are waited for.
 */
static int collect(struct urctx_ring *r)
{
	return r->asked_nr > 1 ? enter(r, r->asked_nr, 0) : submit_and_look(r);
}

/*
 * The kernel counts @ns from behind what it submits, which for many SQEs is long; and
 * a call that has submitted says so, not that a signal ended its sleep.
 * 0: and now wait, for what is left of it.
 */
static int submit_first(struct urctx_ring *r, int64_t *ns)
{
	int64_t until = *ns == URCTX_NEVER ? URCTX_NEVER : urctx_now() + *ns;
	int ret = submit_and_look(r);

	if (io_uring_cq_ready(r->ring) || !ring_mine(r))
		return 1;
	/* who is only busy as well: an SQ thread that was not told of it is slept for */
	if (ret < 0)
		return ret;
	if (until == URCTX_NEVER)
		return 0;
	*ns = until - urctx_now();
	if (*ns < 0)
		*ns = 0;
	return 0;
}

static int submit_and_wait(struct urctx_ring *r, int64_t ns)
{
	if (ring_is_watched() && ns) {	/* uncovered: valgrind */
		int ret = submit_and_look(r);

		if (!io_uring_cq_ready(r->ring) && (ret >= 0 || ret == -EBUSY) &&
		    ring_mine(r))
			ret = ring_sleep_apart(r->ring, ns);
		return ret < 0 || !ring_mine(r) ? ret : submit_and_look(r);
	}
	if (r->asked_nr) {
		int ret = collect(r);

		if (!ns || (ret < 0 && ret != -ETIME) || io_uring_cq_ready(r->ring) ||
		    !ring_mine(r))
			return ret;
	}
	if (ns && io_uring_sq_ready(r->ring)) {
		int ret = submit_first(r, &ns);

		if (ret)
			return ret < 0 ? ret : 0;
	}
	return enter(r, URCTX_RULE_35 ? 1 : 4, ns);
}

/* Behind ring_turn(), which said @ns. */
int ring_sleep(struct urctx_ring *r, int64_t ns, int64_t deadline)
{
	uint64_t before = r->completed;
	int ret, reaped;

	if (!ring_mine(r))	/* what it called in the turn has forked */
		return -EPERM;
	if (deadline != URCTX_NEVER && ns) {
		int64_t now = urctx_now();

		if (deadline <= now)
			ns = 0;
		else if (deadline - now < ns)
			ns = deadline - now;
	}
	ret = submit_and_wait(r, ns);
	if (!ring_mine(r))	/* a handler forked: in the child nothing of it is ours */
		return -EPERM;
	r->awake = true;
	if (!URCTX_RULE_48 && ret < 0 && ret != -ETIME)
		return ret;
	reaped = reap(r);
	if (reaped == -EPERM)
		return reaped;
	if (r->completed != before)
		return (int)(r->completed - before);
	if (reaped)
		return reaped;
	if (ret >= 0 || (URCTX_RULE_64 && ret == -ETIME) || ret == -EBUSY || ret == -EAGAIN)
		return 0;
	return ret;
}

int ring_wait(struct urctx_ring *r, int64_t deadline)
{
	int64_t ns = ring_turn(r);

	return ring_sleep(r, ns, deadline);
}

int urctx_ring_wait(struct urctx_ring *r, int64_t deadline)
{
	if (!r)
		return -EINVAL;
	if (!ring_mine(r))
		return ring_not_mine(__func__);
	if (r->calls)
		return -EDEADLK;
	return ring_wait(r, deadline);
}
