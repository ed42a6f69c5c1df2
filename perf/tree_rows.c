/* SPDX-License-Identifier: MIT */
/* What the cancel of a big tree costs: wide, deep, again, while being polled. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <urctx.h>
#include "bench.h"
#include "cxx.h"

/* One parent and n children, in the order in which they were derived. */
struct fan {
	struct urctx *root;
	struct urctx **child;
	unsigned long n;
};

static bool fan_derive(struct fan *f)
{
	for (unsigned long i = 0; i < f->n; i++)
		if (urctx_with_cancel(f->root, &f->child[i]))
			return false;
	return true;
}

static bool fan_new(struct fan *f, unsigned long n)
{
	f->n = n;
	f->child = calloc(n, sizeof(*f->child));
	return f->child && !urctx_with_cancel(NULL, &f->root) && fan_derive(f);
}

static bool fan_all_done(const struct fan *f)
{
	for (unsigned long i = 0; i < f->n; i++)
		if (!urctx_done(f->child[i]))
			return false;
	return true;
}

static void fan_put_children(struct fan *f)
{
	for (unsigned long i = 0; i < f->n; i++) {
		urctx_put(f->child[i]);
		f->child[i] = NULL;
	}
}

static void fan_free(struct fan *f)
{
	fan_put_children(f);
	urctx_put(f->root);
	free(f->child);
}

/* ------------------------------------------------------------ wide: a child */

struct wide {
	unsigned long n, trees;	/* trees a round */
};

static double side_fan(void *arg)
{
	struct wide *w = arg;
	int64_t ns = 0;

	for (unsigned long i = 0; i < w->trees; i++) {
		struct fan f;
		int64_t t0;

		if (!fan_new(&f, w->n))
			return NAN;
		t0 = now_ns();
		urctx_cancel(f.root);
		ns += now_ns() - t0;
		if (!fan_all_done(&f))
			return NAN;
		fan_free(&f);
	}
	return (double)ns / (double)(w->n * w->trees);
}

static double side_cxx_fan(void *arg)
{
	struct wide *w = arg;
	struct cxx_fan *f = cxx_fan_new(w->n);
	int64_t t0 = now_ns(), ns;
	bool ok;

	cxx_fan_cancel(f);
	ns = now_ns() - t0;
	ok = cxx_fan_done(f) == w->n;
	cxx_fan_free(f);
	return ok ? (double)ns / (double)w->n : NAN;
}

static void run_child_10k(const struct bench *b, struct result *r)
{
	struct wide w = { .n = 10000, .trees = b->quick ? 5 : 50 };

	bench_ab(b, r, side_fan, side_cxx_fan, &w);
}

static void run_child_1m(const struct bench *b, struct result *r)
{
	struct wide w = { .n = b->quick ? 100000 : 1000000, .trees = 1 };

	bench_ab(b, r, side_fan, side_cxx_fan, &w);
	if (b->quick)
		result_note(r, "--quick: 100,000 children");
}

/* -------------------------------------------------------- deep: a level each */

struct deep {
	unsigned long n;
	struct urctx **level;	/* made before: the stack stays small */
	double ns;
};

static void *deep_ours(void *arg)
{
	struct deep *d = arg;
	struct urctx *parent = NULL;
	int64_t t0;

	d->ns = NAN;
	for (unsigned long i = 0; i < d->n; i++) {
		if (urctx_with_cancel(parent, &d->level[i]))
			return NULL;
		parent = d->level[i];
	}
	t0 = now_ns();
	urctx_cancel(d->level[0]);
	d->ns = (double)(now_ns() - t0) / (double)d->n;
	for (unsigned long i = 0; i < d->n; i++)
		if (!urctx_done(d->level[i]))
			d->ns = NAN;
	/* From the root down: each is put while it has a child. */
	for (unsigned long i = 0; i < d->n; i++)
		urctx_put(d->level[i]);
	return NULL;
}

static void *deep_cxx(void *arg)
{
	struct deep *d = arg;
	struct cxx_chain *c = cxx_chain_new(d->n);
	int64_t t0 = now_ns();

	cxx_chain_cancel(c);
	d->ns = (double)(now_ns() - t0) / (double)d->n;
	if (!cxx_chain_done(c))
		d->ns = NAN;
	cxx_chain_free(c);
	return NULL;
}

static double on_stack(void *(*fn)(void *), struct deep *d, size_t stack)
{
	pthread_attr_t attr;
	pthread_t t;
	int e;

	pthread_attr_init(&attr);
	e = pthread_attr_setstacksize(&attr, stack);
	if (!e)
		e = pthread_create(&t, &attr, fn, d);
	pthread_attr_destroy(&attr);
	if (e)
		return NAN;
	pthread_join(t, NULL);
	return d->ns;
}

static double side_deep(void *arg)
{
	return on_stack(deep_ours, arg, 64 << 10);
}

/* It recurses: 8 MiB, the usual stack, end between 100,000 and 150,000. */
static double side_cxx_deep(void *arg)
{
	return on_stack(deep_cxx, arg, (size_t)1 << 30);
}

static void run_deep(const struct bench *b, struct result *r)
{
	struct deep d = { .n = b->quick ? 100000 : 1000000 };

	d.level = calloc(d.n, sizeof(*d.level));
	if (!d.level) {
		result_fail(r, "out of memory");
		return;
	}
	bench_ab(b, r, side_deep, side_cxx_deep, &d);
	free(d.level);
	result_note(r, "%sours on a stack of 64 KiB, the baseline on 1 GiB",
		    b->quick ? "--quick: 100,000 levels; " : "");
}

/* ------------------------------------------------------------- cancel again */

struct again {
	unsigned long n;
	struct fan *branch;
	struct urctx *root;
	struct cxx_parent *cxx;
};

enum { BRANCHES = 1000, LEAVES = 1000 };

static double side_again(void *arg)
{
	struct again *a = arg;
	int64_t t0 = now_ns();

	for (unsigned long i = 0; i < a->n; i++)
		if (urctx_cancel(a->root))
			return NAN;
	return (double)(now_ns() - t0) / (double)a->n;
}

static double side_cxx_again(void *arg)
{
	struct again *a = arg;
	int64_t t0 = now_ns();

	cxx_cancel_again(a->cxx, a->n);
	return (double)(now_ns() - t0) / (double)a->n;
}

static bool again_new(struct again *a)
{
	a->branch = calloc(BRANCHES, sizeof(*a->branch));
	if (!a->branch || urctx_with_cancel(NULL, &a->root))
		return false;
	for (int i = 0; i < BRANCHES; i++) {
		struct fan *f = &a->branch[i];

		f->n = LEAVES;
		f->child = calloc(LEAVES, sizeof(*f->child));
		if (!f->child || urctx_with_cancel(a->root, &f->root) ||
		    !fan_derive(f))
			return false;
	}
	return true;
}

static void run_again(const struct bench *b, struct result *r)
{
	struct again a = { .n = b->quick ? 100000 : 2000000 };
	struct cxx_fan *fan;

	if (!again_new(&a)) {
		result_fail(r, "no tree");
		return;
	}
	a.cxx = cxx_parent_new();
	fan = cxx_fan_new(1);
	urctx_cancel(a.root);
	cxx_cancel_again(a.cxx, 1);
	bench_ab(b, r, side_again, side_cxx_again, &a);
	cxx_fan_free(fan);
	cxx_parent_free(a.cxx);
	for (int i = 0; i < BRANCHES; i++)
		fan_free(&a.branch[i]);
	urctx_put(a.root);
	free(a.branch);
}

/* -------------------------------------------------------------- after a burst */

enum { LEFT = 10 };

struct burst {
	unsigned long n;
	struct fan crowd;
};

/* ns of the cancel of a parent with ten children, after a crowd or without. */
static double cancel_ten(struct burst *s, bool crowd)
{
	struct urctx *left[LEFT], *root;
	int64_t t0, ns;

	if (urctx_with_cancel(NULL, &root))
		return NAN;
	if (crowd) {
		s->crowd.root = root;
		if (!fan_derive(&s->crowd))
			return NAN;
	}
	for (int i = 0; i < LEFT; i++)
		if (urctx_with_cancel(root, &left[i]))
			return NAN;
	if (crowd)
		fan_put_children(&s->crowd);
	t0 = now_ns();
	urctx_cancel(root);
	ns = now_ns() - t0;
	for (int i = 0; i < LEFT; i++) {
		if (!urctx_done(left[i]))
			return NAN;
		urctx_put(left[i]);
	}
	urctx_put(root);
	return (double)ns;
}

static double side_burst(void *arg)
{
	return cancel_ten(arg, true);
}

/* As cold as after the crowd, which has been through all of the cache. */
static double side_no_burst(void *arg)
{
	static volatile char wash[32 << 20];

	for (size_t i = 0; i < sizeof(wash); i += 64)
		wash[i]++;
	return cancel_ten(arg, false);
}

static void run_burst(const struct bench *b, struct result *r)
{
	struct burst s = { .n = b->quick ? 100000 : 1000000 };

	s.crowd.n = s.n;
	s.crowd.child = calloc(s.n, sizeof(*s.crowd.child));
	if (!s.crowd.child) {
		result_fail(r, "out of memory");
		return;
	}
	bench_ab(b, r, side_burst, side_no_burst, &s);
	free(s.crowd.child);
}

/* ------------------------------------------- the polls of another thread */

/*
 * On any machine the slowest poll of all is the longest interrupt.  So the time
 * of the cancel is cut into slices, each with the slowest poll that touches it
 * (a poll that lasts for many slices counts in all of them, as it would for
 * whoever came then), and the figure is what nine slices of ten stay below.
 */
enum { WATCHED = 64, SLICE_NS = 100000, MAX_SLICES = 4096 };

struct stall {
	const struct bench *b;
	unsigned long n;
	struct urctx *watched[WATCHED];
	int64_t usual_ns;	/* how long a cancel takes */
	atomic_int state;	/* 0 wait, 1 poll, 2 stop */
	double slice[MAX_SLICES];
	unsigned slices;
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

static void *poller(void *arg)
{
	struct stall *s = arg;
	unsigned long found = 0, polls = 0;
	int64_t start, last;

	pin_to(s->b->cpu[1]);
	while (!atomic_load(&s->state))
		;
	start = last = now_ns();
	s->slices = 0;
	while (atomic_load_explicit(&s->state, memory_order_relaxed) == 1) {
		int64_t t;

		found += urctx_done(s->watched[polls++ % WATCHED]);
		HIDE(found);
		t = now_ns();
		slice_note(s, last - start, t - start, (double)(t - last));
		last = now_ns();
	}
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
	spin_until(now_ns() + 200000);	/* it is pinned and spins */
	atomic_store(&s->state, 1);
	t0 = now_ns();
	if (cancel) {
		urctx_cancel(f.root);
		s->usual_ns = now_ns() - t0;
	} else {
		spin_until(t0 + s->usual_ns);
	}
	atomic_store(&s->state, 2);
	pthread_join(t, NULL);
	fan_free(&f);
	if (!s->slices)
		return NAN;
	qsort(s->slice, s->slices, sizeof(*s->slice), compare);
	*slowest = fmin(*slowest, s->slice[s->slices - 1]);
	return s->slice[s->slices * 9 / 10];
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
	bench_ab(b, r, side_stall, side_no_stall, &s);
	result_extra(r, "slowest", s.slowest);
	result_extra(r, "baseline_slowest", s.slowest_base);
	result_extra(r, "cancel_ms", (double)s.usual_ns / 1e6);
	result_note(r, "in 9 of 10 slices of 0.1 ms; the slowest of all, in "
		    "the best round: %.0f, %.0f", s.slowest, s.slowest_base);
}

const struct row tree_rows[] = {
	{ "cancel_child_10k", "core", "ns",
	  "cancel of a parent with 10,000 children, a child",
	  "linked std::stop_source", 7, GOAL_OURS_MAX, 0, run_child_10k },
	{ "cancel_child_1m", "core", "ns",
	  "cancel of a parent with 1,000,000 children, a child",
	  "linked std::stop_source", 11, GOAL_OURS_MAX, 0, run_child_1m },
	{ "cancel_again", "core", "ns",
	  "cancel of a tree of 1,000,000 that is cancelled already",
	  "request_stop() again", NAN, GOAL_NONE, 0, run_again },
	{ "cancel_after_burst", "core", "ns",
	  "cancel with 10 children left of 1,000,000", "10 without a burst",
	  NAN, GOAL_NONE, 0, run_burst },
	{ "deep_1m", "core", "ns",
	  "cancel of a chain of 1,000,000 levels, a level",
	  "linked std::stop_source", NAN, GOAL_NONE, 0, run_deep },
	{ "poll_stall_1m", "core", "ns",
	  "slowest urctx_done() on another thread while 1,000,000 are cancelled",
	  "the same without a cancel", 1000, GOAL_OURS_MAX, 0, run_stall },
	{ NULL }
};
