/* SPDX-License-Identifier: MIT */
/* What the cancel of a big tree costs: wide, deep, again. */
#include <pthread.h>
#include <stdlib.h>
#include <urctx.h>
#include "bench.h"
#include "cxx.h"
#include "fan.h"

/* ------------------------------------------------------------ wide: a child */

struct wide {
	unsigned long n;
};

static double side_fan(void *arg)
{
	struct wide *w = arg;
	struct fan f;
	int64_t t0, ns;

	if (!fan_new(&f, w->n))
		return NAN;
	t0 = thread_ns();
	urctx_cancel(f.root);
	ns = thread_ns() - t0;
	if (!fan_all_done(&f))
		return NAN;
	fan_free(&f);
	return (double)ns / (double)w->n;
}

static double side_cxx_fan(void *arg)
{
	struct wide *w = arg;
	struct cxx_fan *f = cxx_fan_new(w->n);
	int64_t t0 = thread_ns(), ns;
	bool ok;

	cxx_fan_cancel(f);
	ns = thread_ns() - t0;
	ok = cxx_fan_done(f) == w->n;
	cxx_fan_free(f);
	return ok ? (double)ns / (double)w->n : NAN;
}

static void run_child_10k(const struct bench *b, struct result *r)
{
	struct wide w = { .n = 10000 };

	bench_ab(b, r, b->quick ? 3 : SLICES, side_fan, side_cxx_fan, &w);
}

static void run_child_1m(const struct bench *b, struct result *r)
{
	struct wide w = { .n = b->quick ? 100000 : 1000000 };

	bench_ab(b, r, WHOLE, side_fan, side_cxx_fan, &w);
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
	t0 = thread_ns();
	urctx_cancel(d->level[0]);
	d->ns = (double)(thread_ns() - t0) / (double)d->n;
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
	int64_t t0 = thread_ns();

	cxx_chain_cancel(c);
	d->ns = (double)(thread_ns() - t0) / (double)d->n;
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
	struct bench fewer = bench_fewer(b, 2);
	struct deep d = { .n = b->quick ? 100000 : 1000000 };

	d.level = calloc(d.n, sizeof(*d.level));
	if (!d.level) {
		result_fail(r, "out of memory");
		return;
	}
	bench_ab(&fewer, r, WHOLE, side_deep, side_cxx_deep, &d);
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
	struct again a = { .n = b->quick ? 10000 : 100000 };

	if (!again_new(&a)) {
		result_fail(r, "no tree");
		return;
	}
	a.cxx = cxx_parent_new();
	urctx_cancel(a.root);
	cxx_cancel_again(a.cxx, 1);
	bench_ab(b, r, SLICES, side_again, side_cxx_again, &a);
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
	bench_ab(b, r, WHOLE, side_burst, side_no_burst, &s);
	free(s.crowd.child);
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
	{ NULL }
};
