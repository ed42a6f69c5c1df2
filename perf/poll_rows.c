/* SPDX-License-Identifier: MIT */
/* What a context costs that is never cancelled: the calls of every request. */
#include <pthread.h>
#include <stdatomic.h>
#include <urctx.h>
#include "bench.h"
#include "cxx.h"

struct basic {
	unsigned long n;	/* calls a slice */
	struct urctx *ctx;
	struct cxx_parent *cxx;
};

static void nothing(struct urctx_callback *cb)
{
	HIDE(cb);
}

/*
 * Both loops are asked for the same shape and alignment, as at a third of a ns
 * an iteration the place of a jump is most of what a comparison would show.
 */
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

static double side_poll_ours(void *arg)
{
	struct basic *s = arg;
	unsigned long found;
	int64_t t0 = now_ns();

	found = poll_ours(s->ctx, s->n);
	return found ? NAN : (double)(now_ns() - t0) / (double)s->n;
}

static double side_poll_bare(void *arg)
{
	static _Alignas(64) uintptr_t word[8];
	struct basic *s = arg;
	unsigned long found;
	int64_t t0 = now_ns();

	found = poll_bare(word, s->n);
	return found ? NAN : (double)(now_ns() - t0) / (double)s->n;
}

static bool derive_put(struct urctx *parent, unsigned long n)
{
	while (n--) {
		struct urctx *c;

		if (urctx_with_cancel(parent, &c))
			return false;
		HIDE(c);
		urctx_put(c);
	}
	return true;
}

static double side_derive_put(void *arg)
{
	struct basic *s = arg;
	int64_t t0 = now_ns();

	if (!derive_put(s->ctx, s->n))
		return NAN;
	return (double)(now_ns() - t0) / (double)s->n;
}

static double side_derive_cancel_put(void *arg)
{
	struct basic *s = arg;
	int64_t t0 = now_ns();

	for (unsigned long i = 0; i < s->n; i++) {
		struct urctx *c;

		if (urctx_with_cancel(s->ctx, &c))
			return NAN;
		HIDE(c);
		urctx_cancel(c);
		urctx_put(c);
	}
	return (double)(now_ns() - t0) / (double)s->n;
}

static double side_after_stop(void *arg)
{
	struct basic *s = arg;
	int64_t t0 = now_ns();

	for (unsigned long i = 0; i < s->n; i++) {
		struct urctx_callback cb = { { NULL } };

		if (urctx_after(s->ctx, &cb, nothing) || !urctx_stop(&cb))
			return NAN;
	}
	return (double)(now_ns() - t0) / (double)s->n;
}

static double cxx_side(struct basic *s,
		       void (*fn)(struct cxx_parent *p, unsigned long n))
{
	unsigned long n = s->n / 2;	/* it is the slower one */
	int64_t t0 = now_ns();

	fn(s->cxx, n);
	return (double)(now_ns() - t0) / (double)n;
}

static double side_cxx_derive_put(void *arg)
{
	return cxx_side(arg, cxx_derive_put);
}

static double side_cxx_derive_put_heap(void *arg)
{
	return cxx_side(arg, cxx_derive_put_heap);
}

static double side_cxx_derive_cancel_put(void *arg)
{
	return cxx_side(arg, cxx_derive_cancel_put);
}

static double side_cxx_after_stop(void *arg)
{
	return cxx_side(arg, cxx_after_stop);
}

/* heap: another baseline, for the note; or NULL. */
static void run_basic(const struct bench *b, struct result *r, unsigned long n,
		      side_fn ours, side_fn base, side_fn heap)
{
	side_fn side[] = { ours, base, heap };
	struct basic s = { .n = b->quick ? n / 20 : n };
	static struct series series[ARRAY_SIZE(side)];

	if (urctx_with_cancel(NULL, &s.ctx)) {
		result_fail(r, "no context");
		return;
	}
	s.cxx = cxx_parent_new();
	if (!rounds_run(b->rounds, SLICES, side, heap ? 3 : 2, &s, series)) {
		result_fail(r, "a round failed");
	} else {
		series_to_result(r, &series[0], &series[1]);
		if (heap) {
			result_extra(r, "baseline_heap",
				     series_median(&series[2]));
			result_note(r, "the baseline's child on the stack; on "
				    "the heap %.1f ns",
				    series_median(&series[2]));
		}
	}
	cxx_parent_free(s.cxx);
	urctx_put(s.ctx);
}

static void run_poll(const struct bench *b, struct result *r)
{
	run_basic(b, r, 1000000, side_poll_ours, side_poll_bare,
		  NULL);
}

static void run_derive_put(const struct bench *b, struct result *r)
{
	run_basic(b, r, 20000, side_derive_put, side_cxx_derive_put,
		  side_cxx_derive_put_heap);
}

static void run_derive_cancel_put(const struct bench *b, struct result *r)
{
	run_basic(b, r, 20000, side_derive_cancel_put,
		  side_cxx_derive_cancel_put, NULL);
}

static void run_after_stop(const struct bench *b, struct result *r)
{
	run_basic(b, r, 20000, side_after_stop, side_cxx_after_stop,
		  NULL);
}

/* ------------------------------------------------------------- two threads */

struct two {
	const struct bench *b;
	unsigned long n;
	struct urctx *parent[2];
};

struct worker {
	pthread_t thread;
	struct two *two;
	struct urctx *parent;
	int cpu;
	atomic_int *ready;
	int64_t ns;
	bool ok;
};

static void *work(void *arg)
{
	struct worker *w = arg;

	pin_to(w->cpu);
	w->ok = derive_put(w->parent, w->two->n / 20);	/* warm */
	atomic_fetch_add(w->ready, 1);
	while (atomic_load(w->ready) < 2)
		;
	w->ns = thread_ns();
	w->ok = w->ok && derive_put(w->parent, w->two->n);
	w->ns = thread_ns() - w->ns;
	return NULL;
}

/* Millions of derive + put a second, of both threads together. */
static double both(struct two *two, struct urctx *p0, struct urctx *p1)
{
	atomic_int ready = 0;
	struct worker w[2];

	for (int i = 0; i < 2; i++) {
		w[i] = (struct worker){ .two = two, .parent = i ? p1 : p0,
					.cpu = two->b->cpu[i],
					.ready = &ready };
		if (pthread_create(&w[i].thread, NULL, work, &w[i])) {
			if (i) {
				atomic_store(&ready, 2);
				pthread_join(w[0].thread, NULL);
			}
			return NAN;
		}
	}
	for (int i = 0; i < 2; i++)
		pthread_join(w[i].thread, NULL);
	if (!w[0].ok || !w[1].ok)
		return NAN;
	return ((double)two->n / (double)w[0].ns +
		(double)two->n / (double)w[1].ns) * 1e3;
}

static double side_shared(void *arg)
{
	struct two *two = arg;

	return both(two, two->parent[0], two->parent[0]);
}

static double side_apart(void *arg)
{
	struct two *two = arg;

	return both(two, two->parent[0], two->parent[1]);
}

static void run_derive_put_2t(const struct bench *b, struct result *r)
{
	struct two two = { .b = b, .n = b->quick ? 100000 : 2000000 };

	if (b->nr_cpus < 2) {
		result_skip(r, "needs two CPUs");
		return;
	}
	if (urctx_with_cancel(NULL, &two.parent[0]) ||
	    urctx_with_cancel(NULL, &two.parent[1])) {
		result_fail(r, "no context");
		return;
	}
	bench_ab(b, r, WHOLE, side_shared, side_apart, &two);
	result_note(r, "throughput: more is better, so is a ratio above 1");
	result_extra(r, "ns_per_thread", 2e3 / r->ours);
	urctx_put(two.parent[0]);
	urctx_put(two.parent[1]);
}

const struct row poll_rows[] = {
	{ "poll", "core", "ns", "urctx_done() of a live context, in a loop",
	  "bare acquire load", 1.05, GOAL_RATIO_MAX, 0, run_poll },
	{ "derive_put", "core", "ns", "derive a child of a live parent and put it",
	  "linked std::stop_source", 16, GOAL_OURS_MAX, 0.2, run_derive_put },
	{ "derive_cancel_put", "core", "ns", "derive, cancel, put",
	  "linked std::stop_source", NAN, GOAL_NONE, 0, run_derive_cancel_put },
	{ "derive_put_2t", "core", "M/s",
	  "two threads derive and put under one parent, both together",
	  "a parent each", 0.9, GOAL_RATIO_MIN, 0, run_derive_put_2t },
	{ "after_stop", "core", "ns", "urctx_after() and urctx_stop()",
	  "std::stop_callback", 20, GOAL_OURS_MAX, 0, run_after_stop },
	{ NULL }
};
