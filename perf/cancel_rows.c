/* SPDX-License-Identifier: MIT */
/* From cancel to the CQE, on the ring's own thread and from another. */
#include <errno.h>
#include <string.h>
#include <urctx/ring.h>
#include "bench.h"
#include "cross.h"
#include "hist.h"
#include "target.h"

/* -------------------------------------------------------------- same thread */

struct same {
	const struct bench *b;
	struct target target;
	struct io_uring ours, bare;	/* a ring each */
	struct urctx_ring *r;
	unsigned n;
	struct hist all, round;
};

static void gone(struct urctx_op *op)
{
	op->complete = NULL;
}

/* The context of the operation, or it alone. */
static double cancel_once(struct same *s, bool alone)
{
	struct urctx_op op = { .complete = gone };
	struct io_uring_sqe *sqe = urctx_ring_sqe(s->r);
	struct urctx *ctx;
	int64_t t0, ns, e;

	if (!sqe || urctx_with_cancel(NULL, &ctx))
		return NAN;
	target_prep(&s->target, sqe, 0);
	if (urctx_ring_bind(s->r, sqe, ctx, &op))
		return NAN;
	e = io_uring_submit(&s->ours);
	if (e < 0)
		return NAN;
	t0 = now_ns();
	if (alone)
		urctx_op_cancel(&op, NULL);
	else
		urctx_cancel(ctx);
	while (op.complete && e >= 0)
		e = urctx_ring_wait(s->r, URCTX_NEVER);
	ns = now_ns() - t0;
	urctx_put(ctx);
	return e < 0 || op.res != -ECANCELED ? NAN : (double)ns;
}

static double ours_once(struct same *s)
{
	return cancel_once(s, false);
}

static double alone_once(struct same *s)
{
	return cancel_once(s, true);
}

static double bare_once(struct same *s)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&s->bare);
	struct io_uring_cqe *cqe;
	unsigned head, left = 1;
	int64_t t0, ns;
	int res = 0;

	target_prep(&s->target, sqe, 0);
	sqe->user_data = 1;
	if (io_uring_submit(&s->bare) < 0)
		return NAN;
	t0 = now_ns();
	sqe = io_uring_get_sqe(&s->bare);
	io_uring_prep_cancel64(sqe, 1, 0);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	sqe->user_data = 2;
	while (left) {
		unsigned seen = 0;

		if (io_uring_submit_and_wait(&s->bare, 1) < 0)
			return NAN;
		io_uring_for_each_cqe(&s->bare, head, cqe) {
			seen++;
			if (cqe->user_data == 1) {
				res = cqe->res;
				left = 0;
			}
		}
		io_uring_cq_advance(&s->bare, seen);
	}
	ns = now_ns() - t0;
	return res != -ECANCELED ? NAN : (double)ns;
}

static double same_round(struct same *s, double (*once)(struct same *s))
{
	hist_reset(&s->round);
	for (unsigned i = 0; i < s->n; i++) {
		double ns = once(s);

		if (isnan(ns))
			return NAN;
		hist_add(&s->round, (int64_t)ns);
	}
	return hist_percentile(&s->round, 50);
}

static double side_same(void *arg)
{
	struct same *s = arg;
	double p50 = same_round(s, ours_once);

	hist_merge(&s->all, &s->round);
	return p50;
}

static double side_same_alone(void *arg)
{
	return same_round(arg, alone_once);
}

static double side_same_bare(void *arg)
{
	return same_round(arg, bare_once);
}

static void run_same(const struct bench *b, struct result *r)
{
	static const side_fn side[] = { side_same, side_same_bare,
					side_same_alone };
	static struct series series[ARRAY_SIZE(side)];
	static struct same s;
	double alone;
	char why[160];

	if (!ring_usable(b, r))
		return;
	s.b = b;
	s.n = b->quick ? 200 : 10000;
	hist_reset(&s.all);
	if (!target_open(&s.target, "recv", NULL, why, sizeof(why))) {
		result_fail(r, "%s", why);
		return;
	}
	if (ring_open(b, &s.ours, 64, 0) || ring_open(b, &s.bare, 64, 0) ||
	    urctx_ring_attach(&s.ours, NULL, &s.r)) {
		result_fail(r, "no ring");
		return;
	}
	if (!rounds_run(b->rounds, WHOLE, side, ARRAY_SIZE(side), &s, series)) {
		result_fail(r, "a round failed");
		return;
	}
	series_to_result(r, &series[0], &series[1]);
	alone = series_median(&series[2]);
	result_extra(r, "p99", hist_percentile(&s.all, 99));
	result_extra(r, "p999", hist_percentile(&s.all, 99.9));
	result_extra(r, "op_cancel", alone);
	result_extra(r, "op_cancel_ratio", alone / r->base);
	result_note(r, "p50 of a pending recv; urctx_op_cancel() %.0f ns (%.2f); "
		    "ours p99 %.0f ns", alone, alone / r->base,
		    hist_percentile(&s.all, 99));
}

/* ------------------------------------------------------------ other thread */

struct other {
	struct cross x;
	struct hist round, all;
};

static double other_round(struct other *o, bool (*cross)(struct cross *x))
{
	hist_reset(&o->round);
	o->x.completed = 0;
	if (!cross(&o->x) || o->x.completed)
		return NAN;
	return hist_percentile(&o->round, 50);
}

static double side_cross(void *arg)
{
	struct other *o = arg;
	double p50 = other_round(o, cross_ours);

	hist_merge(&o->all, &o->round);
	return p50;
}

static double side_wake(void *arg)
{
	return other_round(arg, cross_wake);
}

static double side_hand(void *arg)
{
	return other_round(arg, cross_hand);
}

static void run_cross(const struct bench *b, struct result *r)
{
	static const side_fn side[] = { side_cross, side_wake, side_hand };
	static struct series s[ARRAY_SIZE(side)];
	static struct other o;
	struct target target;
	double hand;
	char why[160];

	if (!ring_usable(b, r))
		return;
	if (b->nr_cpus < 2) {
		result_skip(r, "needs two CPUs");
		return;
	}
	if (!target_open(&target, "recv", NULL, why, sizeof(why))) {
		result_fail(r, "%s", why);
		return;
	}
	hist_reset(&o.all);
	o.x = (struct cross){ .b = b, .target = &target, .hist = &o.round,
			      .n = b->quick ? 200 : 1500 };
	if (!rounds_run(b->rounds, WHOLE, side, ARRAY_SIZE(side), &o, s)) {
		result_fail(r, "a round failed: %s",
			    o.x.error ? strerror(-o.x.error) :
					"a recv was not aborted");
		return;
	}
	series_to_result(r, &s[0], &s[1]);
	hand = series_median(&s[2]);
	result_extra(r, "by_hand", hand);
	result_extra(r, "by_hand_ratio", hand / r->base);
	result_extra(r, "p99", hist_percentile(&o.all, 99));
	result_extra(r, "p999", hist_percentile(&o.all, 99.9));
	result_note(r, "p50 of a pending recv; by hand %.0f ns (%.2f); "
		    "ours p99 %.0f ns%s", hand, hand / r->base,
		    hist_percentile(&o.all, 99),
		    b->ring_flags & IORING_SETUP_SQPOLL && b->nr_cpus < 3 ?
		    "; the kernel's thread has no CPU of its own" : "");
	target_close(&target);
}

/* cancel_cqe_cross is of the ring that --ring says, these are of theirs. */
static void run_cross_on(const struct bench *b, struct result *r,
			 const char *name, unsigned flags)
{
	struct bench kind = bench_fewer(b, 2);

	kind.ring_flags = flags;
	kind.ring_name = name;
	run_cross(&kind, r);
}

static void run_cross_default(const struct bench *b, struct result *r)
{
	run_cross_on(b, r, "default", 0);
}

static void run_cross_coop(const struct bench *b, struct result *r)
{
	run_cross_on(b, r, "coop", IORING_SETUP_COOP_TASKRUN);
}

static void run_cross_sqpoll(const struct bench *b, struct result *r)
{
	run_cross_on(b, r, "sqpoll", IORING_SETUP_SQPOLL);
}

#define CROSS(kind)                                                            \
	{ "cancel_cqe_cross_" #kind, "ring", "ns",                             \
	  "the same on a ring that is " #kind, "bare eventfd wake", 1.2,       \
	  GOAL_RATIO_MAX, 0, run_cross_##kind }

const struct row cancel_rows[] = {
	{ "cancel_cqe_same", "ring", "ns",
	  "urctx_cancel() to the operation's CQE, on the ring's thread, p50",
	  "ASYNC_CANCEL by hand", 1.15, GOAL_RATIO_MAX, 0, run_same },
	{ "cancel_cqe_cross", "ring", "ns",
	  "urctx_cancel() on another thread to the CQE, owner asleep, p50",
	  "bare eventfd wake", 1.2, GOAL_RATIO_MAX, 0, run_cross },
	CROSS(default),
	CROSS(coop),
	CROSS(sqpoll),
	{ NULL }
};
