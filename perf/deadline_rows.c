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

/*
 * Polls until it is one load.  They may be a signal handler's, so they start no
 * thread: where there is no housekeeper yet, the next derivation with a deadline
 * does.  False: it did not come to that.
 */
static bool poll_until_watched(struct polls *p, struct urctx *parent)
{
	int64_t give_up = now_ns() + 100000000;

	do {
		struct urctx *c;

		if (urctx_with_timeout(parent, HOUR_NS, &c))
			return false;
		urctx_put(c);
		if (poll_ours(p->ctx, 1000))
			return false;
	} while ((*(uintptr_t *)p->ctx & 2) && now_ns() < give_up);
	return !(*(uintptr_t *)p->ctx & 2);
}

/* The polls up to then, each; what is asked in between is not in it. */
static double first_polls(struct urctx *parent, double *polls)
{
	enum { TIMES = 200 };
	double ns = 0, nr = 0;

	for (int i = 0; i < TIMES; i++) {
		struct urctx *c;
		int64_t t0;

		if (urctx_with_timeout(parent, HOUR_NS + i, &c))
			return NAN;
		t0 = now_ns();
		do {
			if (urctx_done(c))
				return NAN;
			nr++;
		} while (*(uintptr_t *)c & 2);
		ns += (double)(now_ns() - t0);
		urctx_put(c);
	}
	*polls = nr / TIMES;
	return ns / TIMES;
}

static void run_poll(const struct bench *b, struct result *r)
{
	struct polls p = { .n = b->quick ? 50000 : 1000000 };
	struct urctx *parent;
	double first, nr = 0;

	if (urctx_with_cancel(NULL, &parent) ||
	    urctx_with_timeout(parent, HOUR_NS, &p.ctx)) {
		result_fail(r, "no context");
		return;
	}
	if (!poll_until_watched(&p, parent))
		result_note(r, "nobody came to watch the deadline");
	bench_ab(b, r, SLICES, side_poll, side_poll_bare, &p);
	if (!r->note[0]) {
		first = first_polls(parent, &nr);
		result_extra(r, "first_polls", first);
		result_note(r, "before: %.0f polls that read the clock; the last "
			    "has it watched: %.0f ns together", nr, first);
	}
	urctx_put(p.ctx);
	urctx_put(parent);
}

/* ------------------------------------------------------------------ a million */

struct crowd {
	unsigned long n;
	struct urctx *parent, **child;
	struct result *r;
	bool bytes;		/* it is they that are asked for */
};

/* What a child is derived with; the second reads the clock beside it. */
enum kind { NONE, NONE_AND_CLOCK, TIMEOUT };

static inline int crowd_child(struct crowd *c, unsigned long i, enum kind kind)
{
	struct timespec ts;

	if (kind == TIMEOUT)
		return urctx_with_timeout(c->parent, HOUR_NS + (int64_t)i,
					  &c->child[i]);
	if (kind == NONE_AND_CLOCK)
		clock_gettime(CLOCK_MONOTONIC, &ts);
	return urctx_with_cancel(c->parent, &c->child[i]);
}

static bool crowd_derive(struct crowd *c, enum kind kind)
{
	for (unsigned long i = 0; i < c->n; i++)
		if (crowd_child(c, i, kind))
			return false;
	return true;
}

/* What a process that has made no other context says. */
struct crowd_out {
	double ns;	/* to derive and put each, all of them being there at once */
	double bytes;	/* resident, of each */
};

static void crowd_run(struct crowd *c, enum kind kind, struct crowd_out *out)
{
	int64_t t0 = thread_ns();
	long before = rss_bytes();

	*out = (struct crowd_out){ NAN, NAN };
	if (!crowd_derive(c, kind))
		return;
	out->bytes = (double)(rss_bytes() - before) / (double)c->n;
	for (unsigned long i = 0; i < c->n; i++)
		urctx_put(c->child[i]);
	out->ns = (double)(thread_ns() - t0) / (double)c->n;
}

static void crowd_timeout(void *arg, void *out)
{
	crowd_run(arg, TIMEOUT, out);
}

/*
 * The clock is read where a timeout reads it: between two misses of the cache,
 * which overlap where nothing stands between them, and there do not.
 */
static void crowd_clock(void *arg, void *out)
{
	crowd_run(arg, NONE_AND_CLOCK, out);
}

static void crowd_none(void *arg, void *out)
{
	crowd_run(arg, NONE, out);
}

/* By turns on memory of its own each: what another has given back is nobody's. */
static double crowd_fresh(struct crowd *c, void (*fn)(void *arg, void *out))
{
	struct crowd_out out;

	if (!in_child(fn, c, &out, sizeof(out), ROW_SECONDS, c->r))
		return NAN;
	return c->bytes ? out.bytes : out.ns;
}

static double side_crowd_timeout(void *arg)
{
	return crowd_fresh(arg, crowd_timeout);
}

static double side_crowd_clock(void *arg)
{
	return crowd_fresh(arg, crowd_clock);
}

static double side_crowd_none(void *arg)
{
	return crowd_fresh(arg, crowd_none);
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
	static const side_fn side[] = { side_crowd_timeout,
					side_crowd_clock, side_crowd_none };
	static struct series series[ARRAY_SIZE(side)];
	struct bench fewer = bench_fewer(b, 2);
	struct crowd c = { .r = r };
	double none;

	if (!crowd_open(&c, b)) {
		result_fail(r, "out of memory");
		return;
	}
	if (!rounds_run(fewer.rounds, WHOLE, side, ARRAY_SIZE(side), &c, series)) {
		result_fail(r, "a round failed");
		return;
	}
	series_to_result(r, &series[0], &series[1]);
	none = series_median(&series[2]);
	result_extra(r, "without", none);
	result_note(r, "without either %.1f ns: a timeout adds %.1f", none,
		    r->ours - none);
}

static void run_crowd_bytes(const struct bench *b, struct result *r)
{
	struct crowd c = { .r = r, .bytes = true };
	struct bench fewer = bench_fewer(b, 4);

	if (!crowd_open(&c, b)) {
		result_fail(r, "out of memory");
		return;
	}
	bench_ab(&fewer, r, WHOLE, side_crowd_timeout,
		 side_crowd_none, &c);
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
