/* SPDX-License-Identifier: MIT */
/*
 * What a context occupies, and what is in flight while interior ones come and
 * go.  Each figure is a fresh process's: only there is growth what was asked.
 */
#include <stdlib.h>
#include <urctx.h>
#include "bench.h"
#include "cxx.h"

struct memory {
	const struct bench *b;
	unsigned long n;
	struct result *r;
};

/* Resident bytes a child; the array of pointers is there before. */
static void leaf_ours(void *arg, void *out)
{
	struct memory *m = arg;
	struct urctx **child = malloc(m->n * sizeof(*child)), *root;
	double *bytes = out;
	long before;

	*bytes = NAN;
	if (!child || urctx_with_cancel(NULL, &root))
		return;
	for (unsigned long i = 0; i < m->n; i++)
		child[i] = root;
	before = rss_bytes();
	for (unsigned long i = 0; i < m->n; i++)
		if (urctx_with_cancel(root, &child[i]))
			return;
	*bytes = (double)(rss_bytes() - before) / (double)m->n;
}

static void leaf_cxx(void *arg, void *out)
{
	struct memory *m = arg;
	long before = rss_bytes();

	cxx_fan_new(m->n);
	*(double *)out = (double)(rss_bytes() - before) / (double)m->n;
}

static double in_fresh(void (*fn)(void *arg, void *out), struct memory *m)
{
	double v;

	return in_child(fn, m, &v, sizeof(v), ROW_SECONDS, m->r) ? v : NAN;
}

static double side_leaf(void *arg)
{
	return in_fresh(leaf_ours, arg);
}

static double side_cxx_leaf(void *arg)
{
	return in_fresh(leaf_cxx, arg);
}

static int compare_address(const void *a, const void *b)
{
	uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;

	return (x > y) - (x < y);
}

/* The least distance of two contexts: what one occupies by itself. */
static void leaf_size(void *arg, void *out)
{
	enum { N = 4096 };
	static struct urctx *child[N];
	uintptr_t least = UINTPTR_MAX;

	(void)arg;
	*(double *)out = NAN;
	for (int i = 0; i < N; i++)
		if (urctx_with_cancel(NULL, &child[i]))
			return;
	qsort(child, N, sizeof(*child), compare_address);
	for (int i = 1; i < N; i++)
		if ((uintptr_t)child[i] - (uintptr_t)child[i - 1] < least)
			least = (uintptr_t)child[i] - (uintptr_t)child[i - 1];
	*(double *)out = (double)least;
}

static void run_leaf(const struct bench *b, struct result *r)
{
	struct memory m = { .b = b, .r = r,
			    .n = b->quick ? 100000 : 1000000 };
	double size;

	bench_ab(b, r, WHOLE, side_leaf, side_cxx_leaf, &m);
	size = in_fresh(leaf_size, &m);
	result_extra(r, "context", size);
	result_note(r, "by RSS: %.0f the context, %.1f its slot in the parent",
		    size, r->ours - size);
}

/* ----------------------------------------------------------------- interior */

struct interior_out {
	double ns, mib;
};

/*
 * A under a root, B under A, put B, put A: the shape of a request's middle.  CPU
 * time of the process: what the housekeeper does for it counts.
 */
static void interior_ours(void *arg, void *out)
{
	struct memory *m = arg;
	struct interior_out *o = out;
	struct urctx *root, *a, *c;
	long before, rss, most = 0;
	int64_t t0, ns = 0;

	o->ns = o->mib = NAN;
	if (urctx_with_cancel(NULL, &root))
		return;
	before = rss_bytes();
	for (int part = 0; part < 10; part++) {
		t0 = process_ns();
		for (unsigned long i = 0; i < m->n / 10; i++) {
			if (urctx_with_cancel(root, &a))
				return;
			if (urctx_with_cancel(a, &c))
				return;
			urctx_put(c);
			urctx_put(a);
		}
		ns += process_ns() - t0;
		rss = rss_bytes();
		if (rss - before > most)
			most = rss - before;
	}
	o->ns = (double)ns / (double)(m->n / 10 * 10);
	o->mib = (double)most / (1 << 20);
}

static double side_interior(void *arg)
{
	struct memory *m = arg;
	struct interior_out o;

	if (!in_child(interior_ours, m, &o, sizeof(o), ROW_SECONDS, m->r))
		return NAN;
	result_extra(m->r, "mib_in_flight", o.mib);
	return o.ns;
}

static double side_cxx_interior(void *arg)
{
	struct memory *m = arg;
	struct cxx_parent *p = cxx_parent_new();
	unsigned long n = m->n / 4;
	int64_t t0 = process_ns(), ns;

	cxx_interior(p, n);
	ns = process_ns() - t0;
	cxx_parent_free(p);
	return (double)ns / (double)n;
}

static void run_interior(const struct bench *b, struct result *r)
{
	struct memory m = { .b = b, .r = r,
			    .n = b->quick ? 50000 : 1000000 };
	double most = 0;

	bench_ab(b, r, WHOLE, side_interior, side_cxx_interior, &m);
	for (unsigned i = 0; i < r->nr_extra; i++)
		most = fmax(most, r->extra[i].value);
	r->nr_extra = 0;
	result_extra(r, "mib_in_flight", most);
	result_note(r, "%.1f MiB in flight at most", most);
}

const struct row memory_rows[] = {
	{ "interior", "core", "ns",
	  "derive A, derive B under A, put B, put A",
	  "linked std::stop_source", 67, GOAL_OURS_MAX, 0, run_interior },
	{ "bytes_per_leaf", "core", "bytes",
	  "resident memory a child of 1,000,000, its place in the parent too",
	  "linked std::stop_source", 64, GOAL_OURS_MAX, 0, run_leaf },
	{ NULL }
};
