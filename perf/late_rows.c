/* SPDX-License-Identifier: MIT */
/* How late an operation with the kernel's own deadline ends. */
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <urctx/ring.h>
#include "bench.h"
#include "hist.h"
#include "target.h"

enum { LEAST_NS = 300000, STEP_NS = 7919, STEPS = 50 };

struct late {
	const struct bench *b;
	struct target target;
	struct io_uring ring;
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

static double side_link(void *arg)
{
	struct late *l = arg;

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
						     deadline,
						     URCTX_OP_LINK_TIMEOUT);
		while (!t.ended && e >= 0)
			e = urctx_ring_wait(l->r, URCTX_NEVER);
		if (e < 0)
			return NAN;
		hist_add(&l->round, t.ended - deadline);
	}
	hist_merge(&l->all, &l->round);
	return hist_percentile(&l->round, 50);
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

static void run_late(const struct bench *b, struct result *r)
{
	static struct late l;
	char why[160];

	if (!ring_usable(b, r))
		return;
	/* Both sides at their best: 50 us of slack would be all one sees. */
	prctl(PR_SET_TIMERSLACK, 1);
	l.b = b;
	l.n = b->quick ? 20 : 2 * STEPS;
	hist_reset(&l.all);
	if (!target_open(&l.target, "recv", NULL, why, sizeof(why))) {
		result_fail(r, "%s", why);
		return;
	}
	if (ring_open(b, &l.ring, 64, 0) ||
	    urctx_ring_attach(&l.ring, NULL, &l.r)) {
		result_fail(r, "no ring");
		return;
	}
	bench_ab(b, r, WHOLE, side_link, side_sleep, &l);
	if (r->failed[0] && l.error)
		snprintf(r->failed, sizeof(r->failed), "bind: %s",
			 strerror(-l.error));
	result_extra(r, "p99", hist_percentile(&l.all, 99));
	result_note(r, "p50 of a pending recv; ours p99 %.0f ns",
		    hist_percentile(&l.all, 99));
}

const struct row late_rows[] = {
	{ "link_timeout_late", "ring", "ns",
	  "lateness of an operation's end with URCTX_OP_LINK_TIMEOUT, p50",
	  "bare clock_nanosleep", 1.1, GOAL_RATIO_MAX, 0, run_late },
	{ NULL }
};
