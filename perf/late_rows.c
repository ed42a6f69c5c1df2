/* SPDX-License-Identifier: MIT */
/*
 * How late an operation with a deadline of its own ends: the kernel's timer, or
 * the ring's heap, whose owner sleeps until the first.  Beside them, in the same
 * thread, a clock_nanosleep, and a wait on a ring on which nothing happens.
 */
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <urctx/ring.h>
#include "bench.h"
#include "busy.h"
#include "hist.h"
#include "target.h"

enum { LEAST_NS = 300000, STEP_NS = 7919, STEPS = 50 };

struct late {
	const struct bench *b;
	struct target target;
	struct io_uring ring, bare;
	struct urctx_ring *r;
	unsigned n;
	struct hist round, all;
	int error;
};

struct timed_op {
	struct urctx_op op;
	int64_t ended;
};

static void ended(struct urctx_op *op)
{
	((struct timed_op *)op)->ended = now_ns();
}

/* Deadlines that fall on no grid: a timer tick is nobody's advantage. */
static int64_t next_deadline(unsigned i)
{
	return now_ns() + LEAST_NS + (int64_t)(i % STEPS) * STEP_NS;
}

static double ops_late(struct late *l, unsigned flags)
{
	hist_reset(&l->round);
	for (unsigned i = 0; i < l->n; i++) {
		struct timed_op t = { .op.complete = ended };
		struct io_uring_sqe *sqe = urctx_ring_sqe(l->r);
		int64_t deadline, e;

		if (!sqe)
			return NAN;
		target_prep(&l->target, sqe, 0);
		deadline = next_deadline(i);
		e = l->error = urctx_ring_bind_flags(l->r, sqe, NULL, &t.op,
						     deadline, flags);
		while (!t.ended && e >= 0)
			e = urctx_ring_wait(l->r, URCTX_NEVER);
		if (e < 0)
			return NAN;
		hist_add(&l->round, t.ended - deadline);
	}
	hist_merge(&l->all, &l->round);
	return hist_percentile(&l->round, 50);
}

static double side_link(void *arg)
{
	return ops_late(arg, URCTX_OP_LINK_TIMEOUT);
}

static double side_heap(void *arg)
{
	return ops_late(arg, 0);
}

static double side_sleep(void *arg)
{
	struct late *l = arg;

	hist_reset(&l->round);
	for (unsigned i = 0; i < l->n; i++) {
		int64_t deadline = next_deadline(i);
		struct timespec ts = { deadline / 1000000000,
				       deadline % 1000000000 };

		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts,
				       NULL))
			;
		hist_add(&l->round, now_ns() - deadline);
	}
	return hist_percentile(&l->round, 50);
}

static int64_t ring_sleep(struct late *l, int64_t deadline)
{
	struct io_uring_cqe *cqe;
	int64_t now;

	while ((now = now_ns()) < deadline) {
		struct __kernel_timespec ts = { .tv_nsec = deadline - now };

		io_uring_wait_cqe_timeout(&l->bare, &cqe, &ts);
	}
	return now;
}

/* What urctx_ring_wait() sleeps in, without it. */
static double side_wait(void *arg)
{
	struct late *l = arg;

	hist_reset(&l->round);
	for (unsigned i = 0; i < l->n; i++) {
		int64_t deadline = next_deadline(i);

		hist_add(&l->round, ring_sleep(l, deadline) - deadline);
	}
	return hist_percentile(&l->round, 50);
}

/* And then the cancel, which is what ends an operation. */
static double side_hand(void *arg)
{
	struct late *l = arg;

	hist_reset(&l->round);
	for (unsigned i = 0; i < l->n; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&l->bare);
		struct io_uring_cqe *cqe;
		int64_t deadline;

		target_prep(&l->target, sqe, 0);
		sqe->user_data = 1;
		deadline = next_deadline(i);
		if (io_uring_submit(&l->bare) < 0)
			return NAN;
		ring_sleep(l, deadline);
		sqe = io_uring_get_sqe(&l->bare);
		io_uring_prep_cancel64(sqe, 1, 0);
		sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
		if (io_uring_submit_and_wait(&l->bare, 1) < 0 ||
		    io_uring_peek_cqe(&l->bare, &cqe))
			return NAN;
		io_uring_cqe_seen(&l->bare, cqe);
		hist_add(&l->round, now_ns() - deadline);
	}
	return hist_percentile(&l->round, 50);
}

/* The kernel's timer behind it. */
static double side_hand_link(void *arg)
{
	struct late *l = arg;

	hist_reset(&l->round);
	for (unsigned i = 0; i < l->n; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&l->bare);
		struct __kernel_timespec ts;
		struct io_uring_cqe *cqe;
		int64_t deadline;

		target_prep(&l->target, sqe, 0);
		sqe->flags |= IOSQE_IO_LINK;
		deadline = next_deadline(i);
		ts.tv_sec = deadline / 1000000000;
		ts.tv_nsec = deadline % 1000000000;
		sqe = io_uring_get_sqe(&l->bare);
		io_uring_prep_link_timeout(sqe, &ts, IORING_TIMEOUT_ABS);
		sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
		if (io_uring_submit_and_wait(&l->bare, 1) < 0 ||
		    io_uring_peek_cqe(&l->bare, &cqe))
			return NAN;
		io_uring_cqe_seen(&l->bare, cqe);
		hist_add(&l->round, now_ns() - deadline);
	}
	return hist_percentile(&l->round, 50);
}

static bool late_open(struct late *l, const struct bench *b, struct result *r)
{
	char why[160];

	if (!ring_usable(b, r))
		return false;
	/* All sides at their best: 50 us of slack would be all one sees. */
	prctl(PR_SET_TIMERSLACK, 1);
	l->b = b;
	l->n = b->quick ? 20 : 2 * STEPS;
	hist_reset(&l->all);
	if (!target_open(&l->target, "recv", NULL, why, sizeof(why))) {
		result_fail(r, "%s", why);
		return false;
	}
	if (ring_open(b, &l->ring, 64, 0) || ring_open(b, &l->bare, 64, 0) ||
	    urctx_ring_attach(&l->ring, NULL, &l->r)) {
		result_fail(r, "no ring");
		return false;
	}
	return true;
}

static void run_late(const struct bench *b, struct result *r, side_fn ours,
		     side_fn by_hand)
{
	const side_fn side[] = { ours, side_sleep, side_wait, by_hand };
	static struct series s[ARRAY_SIZE(side)];
	static struct late l;
	double wait, hand;

	if (!late_open(&l, b, r))
		return;
	if (!rounds_run(b->rounds, WHOLE, side, ARRAY_SIZE(side), &l, s)) {
		result_fail(r, "%s", l.error ? strerror(-l.error) :
					       "a round failed");
		return;
	}
	series_to_result(r, &s[0], &s[1]);
	wait = series_median(&s[2]);
	hand = series_median(&s[3]);
	result_extra(r, "p99", hist_percentile(&l.all, 99));
	result_extra(r, "ring_wait", wait);
	result_extra(r, "by_hand", hand);
	result_extra(r, "by_hand_ratio", hand / r->base);
	result_note(r, "p50 of a pending recv; its end by hand %.0f ns (%.2f), "
		    "a bare ring's wait %.0f; ours p99 %.0f", hand,
		    hand / r->base, wait, hist_percentile(&l.all, 99));
}

static void run_link(const struct bench *b, struct result *r)
{
	run_late(b, r, side_link, side_hand_link);
}

static void run_idle(const struct bench *b, struct result *r)
{
	run_late(b, r, side_heap, side_hand);
}

static void run_busy(const struct bench *b, struct result *r)
{
	if (busy_start(b, r))
		run_late(b, r, side_heap, side_hand);
	busy_stop();
}

const struct row late_rows[] = {
	{ "link_timeout_late", "ring", "ns",
	  "lateness of an operation's end with URCTX_OP_LINK_TIMEOUT, p50",
	  "bare clock_nanosleep", 1.1, GOAL_RATIO_MAX, 0, run_link },
	{ "deadline_op_late_idle", "ring", "ns",
	  "the same with a deadline in the ring's heap",
	  "bare clock_nanosleep", 1.1, GOAL_RATIO_MAX, 0, run_idle },
	{ "deadline_op_late_busy", "ring", "ns",
	  "the same while all CPUs that it may use are spinning",
	  "bare clock_nanosleep", 1.1, GOAL_RATIO_MAX, 0, run_busy },
	{ NULL }
};
