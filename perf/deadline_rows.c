/* SPDX-License-Identifier: MIT */
/* What a deadline costs that never comes: nearly every timeout's fate. */
#include <stdlib.h>
#include <time.h>
#include <urctx.h>
#include "bench.h"

#define HOUR_NS (3600 * INT64_C(1000000000))

struct calls {
	unsigned long n;
	struct urctx *parent;
	int64_t far;
	clockid_t clock;	/* the read that is paid for */
	double clock_ns;	/* what it was, least */
};

static double side_timeout(void *arg)
{
	struct calls *s = arg;
	int64_t t0 = now_ns();

	for (unsigned long i = 0; i < s->n; i++) {
		struct urctx *c;

		if (urctx_with_timeout(s->parent, HOUR_NS, &c))
			return NAN;
		HIDE(c);
		urctx_put(c);
	}
	return (double)(now_ns() - t0) / (double)s->n;
}

static double side_deadline(void *arg)
{
	struct calls *s = arg;
	int64_t t0 = now_ns();

	for (unsigned long i = 0; i < s->n; i++) {
		struct urctx *c;

		if (urctx_with_deadline(s->parent, s->far, &c))
			return NAN;
		HIDE(c);
		urctx_put(c);
	}
	return (double)(now_ns() - t0) / (double)s->n;
}

/* A child without a deadline, and a clock read beside it. */
static double side_sum(void *arg)
{
	struct calls *s = arg;
	int64_t t0 = now_ns(), t1, t2;
	struct timespec ts;

	for (unsigned long i = 0; i < s->n; i++) {
		struct urctx *c;

		if (urctx_with_cancel(s->parent, &c))
			return NAN;
		HIDE(c);
		urctx_put(c);
	}
	t1 = now_ns();
	for (unsigned long i = 0; i < s->n; i++)
		clock_gettime(s->clock, &ts);
	t2 = now_ns();
	s->clock_ns = fmin(s->clock_ns, (double)(t2 - t1) / (double)s->n);
	return (double)(t2 - t0) / (double)s->n;
}

static void run_calls(const struct bench *b, struct result *r, side_fn ours,
		      clockid_t clock)
{
	struct calls s = { .n = b->quick ? 1000 : 20000, .clock = clock,
			   .clock_ns = INFINITY, .far = now_ns() + HOUR_NS };

	if (urctx_with_cancel(NULL, &s.parent)) {
		result_fail(r, "no context");
		return;
	}
	bench_ab(b, r, SLICES, ours, side_sum, &s);
	result_extra(r, "clock_read", s.clock_ns);
	result_note(r, "the clock read %.1f ns of the baseline", s.clock_ns);
	urctx_put(s.parent);
}

static void run_timeout(const struct bench *b, struct result *r)
{
	run_calls(b, r, side_timeout, CLOCK_MONOTONIC);
}

static void run_deadline(const struct bench *b, struct result *r)
{
	run_calls(b, r, side_deadline, CLOCK_MONOTONIC_COARSE);
}

/* --------------------------------------------------------------------- polls */

struct polls {
	unsigned long n;
	struct urctx *ctx;
};

static __attribute__((noinline, aligned(64)))
unsigned long poll_ours(struct urctx *ctx, unsigned long n)
{
	unsigned long found = 0;

	while (n--) {
		if (urctx_done(ctx))
			found++;
		BARRIER();
	}
	return found;
}

static __attribute__((noinline, aligned(64)))
unsigned long poll_bare(const uintptr_t *word, unsigned long n)
{
	unsigned long found = 0;

	while (n--) {
		if (__atomic_load_n(word, __ATOMIC_ACQUIRE) & 1)
			found++;
		BARRIER();
	}
	return found;
}

static double side_poll(void *arg)
{
	struct polls *p = arg;
	int64_t t0 = now_ns();

	if (poll_ours(p->ctx, p->n))
		return NAN;
	return (double)(now_ns() - t0) / (double)p->n;
}

static double side_poll_bare(void *arg)
{
	static _Alignas(64) uintptr_t word[8];
	struct polls *p = arg;
	int64_t t0 = now_ns();

	if (poll_bare(word, p->n))
		return NAN;
	return (double)(now_ns() - t0) / (double)p->n;
}

/* The poll that has somebody watch the deadline, ns, least of some. */
static double first_poll(struct urctx *parent)
{
	enum { TIMES = 1000 };
	double least = INFINITY;

	for (int i = 0; i < TIMES; i++) {
		struct urctx *c;
		int64_t t0;
		bool done;

		if (urctx_with_timeout(parent, HOUR_NS + i, &c))
			return NAN;
		t0 = now_ns();
		done = urctx_done(c);
		least = fmin(least, (double)(now_ns() - t0));
		urctx_put(c);
		if (done)
			return NAN;
	}
	return least;
}

static void run_poll(const struct bench *b, struct result *r)
{
	struct polls p = { .n = b->quick ? 50000 : 1000000 };
	struct urctx *parent;
	double first;

	if (urctx_with_cancel(NULL, &parent) ||
	    urctx_with_timeout(parent, HOUR_NS, &p.ctx)) {
		result_fail(r, "no context");
		return;
	}
	bench_ab(b, r, SLICES, side_poll, side_poll_bare, &p);
	first = first_poll(parent);
	result_extra(r, "first_poll", first);
	result_note(r, "the first poll of a context, which has its deadline "
		    "watched: %.0f ns with a clock read", first);
	urctx_put(p.ctx);
	urctx_put(parent);
}

/* ------------------------------------------------------------------ a million */

struct crowd {
	unsigned long n;
	struct urctx *parent, **child;
	struct result *r;
	double clock_ns;
};

static bool crowd_derive(struct crowd *c, bool deadlines)
{
	for (unsigned long i = 0; i < c->n; i++) {
		int e = deadlines ? urctx_with_timeout(c->parent,
						       HOUR_NS + (int64_t)i,
						       &c->child[i]) :
				    urctx_with_cancel(c->parent, &c->child[i]);

		if (e)
			return false;
	}
	return true;
}

/* ns to derive and put each, all of them being there at once. */
static double crowd_ns(struct crowd *c, bool deadlines)
{
	int64_t t0 = thread_ns();

	if (!crowd_derive(c, deadlines))
		return NAN;
	for (unsigned long i = 0; i < c->n; i++)
		urctx_put(c->child[i]);
	return (double)(thread_ns() - t0) / (double)c->n;
}

static double side_crowd_deadlines(void *arg)
{
	return crowd_ns(arg, true);
}

static double side_crowd_none(void *arg)
{
	struct crowd *c = arg;
	double ns = crowd_ns(c, false);
	int64_t t0 = thread_ns();
	struct timespec ts;

	for (unsigned long i = 0; i < c->n; i++)
		clock_gettime(CLOCK_MONOTONIC, &ts);
	c->clock_ns = (double)(thread_ns() - t0) / (double)c->n;
	return ns + c->clock_ns;
}

static bool crowd_open(struct crowd *c, const struct bench *b)
{
	c->n = b->quick ? 100000 : 1000000;
	c->child = malloc(c->n * sizeof(*c->child));
	if (!c->child || urctx_with_cancel(NULL, &c->parent))
		return false;
	for (unsigned long i = 0; i < c->n; i++)
		c->child[i] = c->parent;	/* its pages are there */
	return true;
}

static void run_crowd(const struct bench *b, struct result *r)
{
	struct crowd c = { .r = r };

	if (!crowd_open(&c, b)) {
		result_fail(r, "out of memory");
		return;
	}
	bench_ab(b, r, WHOLE, side_crowd_deadlines, side_crowd_none, &c);
	result_extra(r, "added", r->ours - r->base + c.clock_ns);
	result_note(r, "a deadline adds %.1f ns, of which a clock read is %.1f",
		    r->ours - r->base + c.clock_ns, c.clock_ns);
}

/* Resident bytes a child, in a process that has made no other. */
static void crowd_bytes(struct crowd *c, bool deadlines, double *bytes)
{
	long before = rss_bytes();

	*bytes = NAN;
	if (crowd_derive(c, deadlines))
		*bytes = (double)(rss_bytes() - before) / (double)c->n;
}

static void bytes_deadlines(void *arg, void *out)
{
	crowd_bytes(arg, true, out);
}

static void bytes_none(void *arg, void *out)
{
	crowd_bytes(arg, false, out);
}

static double side_bytes_deadlines(void *arg)
{
	struct crowd *c = arg;
	double v;

	return in_child(bytes_deadlines, c, &v, sizeof(v), ROW_SECONDS, c->r) ?
	       v : NAN;
}

static double side_bytes_none(void *arg)
{
	struct crowd *c = arg;
	double v;

	return in_child(bytes_none, c, &v, sizeof(v), ROW_SECONDS, c->r) ?
	       v : NAN;
}

static void run_crowd_bytes(const struct bench *b, struct result *r)
{
	struct crowd c = { .r = r };
	struct bench few = *b;

	if (!crowd_open(&c, b)) {
		result_fail(r, "out of memory");
		return;
	}
	few.rounds = 3;		/* it is the same each time */
	bench_ab(&few, r, WHOLE, side_bytes_deadlines, side_bytes_none, &c);
	result_note(r, "%+.1f %%", (result_ratio(r) - 1) * 100);
}

const struct row deadline_rows[] = {
	{ "with_timeout_put", "core", "ns",
	  "derive with a timeout of an hour, and put",
	  "derive_put + exact clock", 5, GOAL_OVER_MAX, 0, run_timeout },
	{ "with_deadline_put", "core", "ns",
	  "derive with a deadline in an hour, and put",
	  "derive_put + coarse clock", 5, GOAL_OVER_MAX, 0, run_deadline },
	{ "poll_deadline", "core", "ns",
	  "urctx_done() of a live context with a deadline, in a loop",
	  "bare acquire load", 1.05, GOAL_RATIO_MAX, 0, run_poll },
	{ "million_deadlines", "core", "ns",
	  "derive and put with a timeout, 1,000,000 at once, each",
	  "without, + exact clock", 5, GOAL_OVER_MAX, 0, run_crowd },
	{ "million_deadlines_mem", "core", "bytes",
	  "resident memory of one of 1,000,000 children with timeouts",
	  "without", 1.1, GOAL_RATIO_MAX, 0, run_crowd_bytes },
	{ NULL }
};
