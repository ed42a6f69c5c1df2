/* SPDX-License-Identifier: MIT */
/* Looking up a value a hundred contexts deep. */
#include <urctx.h>
#include "bench.h"

enum { DEPTH = 100, CALLS = 20000 };

/* What a lookup is where each context knows its parent only (Go's). */
struct node {
	struct node *parent;
	const void *key;
	void *value;
};

struct values {
	struct urctx_key key[DEPTH + 1];	/* the last is nowhere */
	struct urctx *ctx[DEPTH];
	struct node node[DEPTH];
	const struct urctx_key *wanted;
	void *expected;
	unsigned long n;
};

static __attribute__((noinline))
void *walk(const struct node *node, const void *key)
{
	for (; node; node = node->parent)
		if (node->key == key)
			return node->value;
	return NULL;
}

static double side_ours(void *arg)
{
	struct values *v = arg;
	struct urctx *leaf = v->ctx[DEPTH - 1];
	int64_t t0 = now_ns();

	for (unsigned long i = 0; i < v->n; i++) {
		HIDE(leaf);
		if (urctx_value(leaf, v->wanted) != v->expected)
			return NAN;
	}
	return (double)(now_ns() - t0) / (double)v->n;
}

static double side_walk(void *arg)
{
	struct values *v = arg;
	struct node *leaf = &v->node[DEPTH - 1];
	unsigned long n = v->n / 20;	/* it is the slower one */
	int64_t t0 = now_ns();

	for (unsigned long i = 0; i < n; i++) {
		HIDE(leaf);
		if (walk(leaf, v->wanted) != v->expected)
			return NAN;
	}
	return (double)(now_ns() - t0) / (double)n;
}

static bool values_open(struct values *v)
{
	for (int i = 0; i < DEPTH; i++) {
		v->node[i].parent = i ? &v->node[i - 1] : NULL;
		v->node[i].key = &v->key[i];
		v->node[i].value = &v->node[i];
		if (urctx_with_value(i ? v->ctx[i - 1] : NULL, &v->key[i],
				     v->node[i].value, &v->ctx[i]))
			return false;
	}
	return true;
}

static void run_value(const struct bench *b, struct result *r, bool hit)
{
	static struct values v;

	v.n = b->quick ? CALLS / 20 : CALLS;
	v.wanted = &v.key[hit ? 0 : DEPTH];
	v.expected = hit ? &v.node[0] : NULL;
	if (!values_open(&v)) {
		result_fail(r, "no context");
		return;
	}
	bench_ab(b, r, SLICES, side_ours, side_walk, &v);
	for (int i = 0; i < DEPTH; i++)
		urctx_put(v.ctx[i]);
}

static void run_hit(const struct bench *b, struct result *r)
{
	run_value(b, r, true);
}

static void run_miss(const struct bench *b, struct result *r)
{
	run_value(b, r, false);
}

const struct row value_rows[] = {
	{ "value_100_hit", "core", "ns",
	  "urctx_value() of the first of 100 values, one a level",
	  "walk of 100 nodes", 5, GOAL_OURS_MAX, 0, run_hit },
	{ "value_100_miss", "core", "ns",
	  "urctx_value() of a key that none of 100 levels has",
	  "walk of 100 nodes", 5, GOAL_OURS_MAX, 0, run_miss },
	{ NULL }
};
