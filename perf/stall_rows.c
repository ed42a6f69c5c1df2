/* SPDX-License-Identifier: MIT */
/* The polls of another thread while a big tree is cancelled. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <urctx.h>
#include "bench.h"
#include "fan.h"

/*
 * On any machine the slowest poll of all is the longest interrupt.  So the time
 * of the cancel is cut into slices, each with the slowest poll that touches it
 * (a poll that lasts for many slices counts in all of them, as it would for
 * whoever came then), and the figure is what nine slices of ten stay below.
 * While another program had the CPU there was no poll.
 */
enum { WATCHED = 64, SLICE_NS = 100000, MAX_SLICES = 4096, MAYBE_NS = 5000 };

struct stall {
	const struct bench *b;
	unsigned long n;
	struct urctx *watched[WATCHED];
	int64_t usual_ns;	/* how long a cancel takes */
	atomic_int state;	/* 0 come, 1 here, 2 poll, 3 stop */
	double slice[MAX_SLICES];
	unsigned slices;	/* 0 in one: no poll touched it */
	double slowest, slowest_base;	/* least of all rounds */
};

static void slice_note(struct stall *s, int64_t from, int64_t to, double took)
{
	int64_t i = from / SLICE_NS, last = to / SLICE_NS;

	for (; i <= last && i < MAX_SLICES; i++) {
		while (s->slices <= i)
			s->slice[s->slices++] = 0;
		if (took > s->slice[i])
			s->slice[i] = took;
	}
}

/* How often a scheduler has taken this thread's CPU away. */
static long preempted(void)
{
	struct rusage u;

	return getrusage(RUSAGE_THREAD, &u) ? 0 : u.ru_nivcsw;
}

static void *poller(void *arg)
{
	struct stall *s = arg;
	unsigned long found = 0, polls = 0;
	int64_t start, last;
	long before = 0, after;

	pin_to(s->b->cpu[1]);
	atomic_store(&s->state, 1);
	while (atomic_load(&s->state) == 1)
		;
	before = preempted();
	start = last = now_ns();
	s->slices = 0;
	do {
		int64_t t;

		found += urctx_done(s->watched[polls++ % WATCHED]);
		HIDE(found);
		t = now_ns();
		after = t - last < MAYBE_NS ? before : preempted();
		if (after == before)
			slice_note(s, last - start, t - start,
				   (double)(t - last));
		before = after;
		last = now_ns();
	} while (atomic_load_explicit(&s->state, memory_order_relaxed) == 2);
	return NULL;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* In ns, a clock read included. */
static double slow_poll(struct stall *s, bool cancel, double *slowest)
{
	unsigned unseen = 0;
	pthread_t t;
	struct fan f;
	int64_t t0;

	if (!fan_new(&f, s->n))
		return NAN;
	for (unsigned long i = 0; i < WATCHED; i++)
		s->watched[i] = f.child[s->n / WATCHED * i];
	atomic_store(&s->state, 0);
	if (pthread_create(&t, NULL, poller, s))
		return NAN;
	while (!atomic_load(&s->state))
		;
	atomic_store(&s->state, 2);
	t0 = now_ns();
	if (cancel) {
		urctx_cancel(f.root);
		s->usual_ns = now_ns() - t0;
	} else {
		spin_until(t0 + s->usual_ns);
	}
	atomic_store(&s->state, 3);
	pthread_join(t, NULL);
	fan_free(&f);
	qsort(s->slice, s->slices, sizeof(*s->slice), compare);
	while (unseen < s->slices && !(s->slice[unseen] > 0))
		unseen++;
	if (unseen == s->slices)
		return INFINITY;
	*slowest = fmin(*slowest, s->slice[s->slices - 1]);
	return s->slice[unseen + (s->slices - unseen) * 9 / 10];
}

static double side_stall(void *arg)
{
	struct stall *s = arg;

	return slow_poll(s, true, &s->slowest);
}

static double side_no_stall(void *arg)
{
	struct stall *s = arg;

	return slow_poll(s, false, &s->slowest_base);
}

static void run_stall(const struct bench *b, struct result *r)
{
	static struct stall s;

	if (b->nr_cpus < 2) {
		result_skip(r, "needs two CPUs");
		return;
	}
	s.b = b;
	s.n = b->quick ? 100000 : 1000000;
	s.slowest = s.slowest_base = INFINITY;
	bench_ab(b, r, WHOLE, side_stall, side_no_stall, &s);
	result_extra(r, "slowest", s.slowest);
	result_extra(r, "baseline_slowest", s.slowest_base);
	result_extra(r, "cancel_ms", (double)s.usual_ns / 1e6);
	result_note(r, "in 9 of 10 slices of 0.1 ms; the slowest of all, in "
		    "the best round: %.0f, %.0f", s.slowest, s.slowest_base);
}

const struct row stall_rows[] = {
	{ "poll_stall_1m", "core", "ns",
	  "slowest urctx_done() on another thread while 1,000,000 are cancelled",
	  "the same without a cancel", 1000, GOAL_OURS_MAX, 0, run_stall },
	{ NULL }
};
