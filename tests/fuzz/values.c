/* SPDX-License-Identifier: MIT */
/*
 * values.c - chains of values, against arrays
 *
 * A tree of contexts in which each brings a value of one of many keys: what a
 * look-up says is compared with an array that is copied from parent to child.  A
 * value is released once, and not before nobody can look it up.
 */
#include <sched.h>
#include <string.h>

#include <urctx.h>

#include "fuzz.h"

#define KEYS	24
#define NODES	48
#define PATIENCE 10000000

const char fuzz_name[] = "values";

struct node {
	struct urctx *ctx;		/* NULL: put */
	int parent;			/* -1: a root */
	int own;			/* the key it brings; -1: none */
	void *value[KEYS];		/* as seen from here */
	char tag;			/* its value's address is unique */
	bool released;
};

static struct node node[NODES];
static unsigned nr;

/* Whoever is put and has nobody left below. */
static bool reachable(const struct node *n)
{
	bool held[NODES];
	unsigned i;

	for (i = 0; i < nr; i++)
		held[i] = node[i].ctx;
	for (i = nr; i--;)
		if (held[i] && node[i].parent >= 0)
			held[node[i].parent] = true;
	return held[n - node];
}

static void release(void *value)
{
	struct node *n = value ? (struct node *)((char *)value -
						 offsetof(struct node, tag)) : NULL;

	if (!n)
		return;
	expect(!n->released, "node %d twice", (int)(n - node));
	expect(!reachable(n), "node %d can be looked up", (int)(n - node));
	__atomic_store_n(&n->released, true, __ATOMIC_RELEASE);
}

/* Every third is not released; equal names are different keys. */
#define K(i)	{ #i, i % 3 ? release : NULL }
static const struct urctx_key key[KEYS] = {
	K(0), K(1), K(2), K(3), K(4), K(5), K(6), K(7), K(8), K(9), K(10), K(11),
	K(0), K(1), K(2), K(3), K(4), K(5), K(6), K(7), K(8), K(9), K(10), K(11),
};
#undef K

static struct node *pick(struct bytes *b)
{
	unsigned i = take(b) % NODES;

	return i < nr && node[i].ctx ? &node[i] : NULL;
}

static void derive(struct bytes *b, bool valued)
{
	struct node *p = pick(b), *n = &node[nr];
	unsigned k = take(b);
	int ret;

	if (nr == NODES)
		return;
	memset(n, 0, sizeof(*n));
	n->parent = p ? (int)(p - node) : -1;
	n->own = -1;
	if (p)
		memcpy(n->value, p->value, sizeof(n->value));
	if (valued) {
		void *value = k & 0x80 ? NULL : &n->tag;

		n->own = (int)(k % KEYS);
		n->value[n->own] = value;
		nr++;		/* from here on it can be released */
		ret = urctx_with_value(p ? p->ctx : NULL, &key[n->own], value, &n->ctx);
	} else {
		nr++;
		ret = k & 1 ? urctx_with_cancel(p ? p->ctx : NULL, &n->ctx) :
			      urctx_without_cancel(p ? p->ctx : NULL, &n->ctx);
	}
	expect(!ret, "%d", ret);
}

static void look(const struct node *n)
{
	unsigned k;

	if (!n)
		return;
	for (k = 0; k < KEYS; k++)
		expect(urctx_value(n->ctx, &key[k]) == n->value[k],
		       "node %d, key %u", (int)(n - node), k);
}

static void put(struct node *n, bool end)
{
	struct urctx *ctx;

	if (!n)
		return;
	ctx = n->ctx;
	n->ctx = NULL;
	if (end)
		urctx_end(ctx);
	else
		urctx_put(ctx);
}

static void step(struct bytes *b)
{
	unsigned op = take(b);

	switch (op % 8) {
	case 0:
		derive(b, false);
		break;
	case 1:
	case 2:
	case 3:
		derive(b, true);
		break;
	case 4:
		look(pick(b));
		break;
	case 5:
	case 6:
		put(pick(b), op & 8);
		break;
	case 7: {
		struct node *n = pick(b);

		if (n)
			(void)urctx_cancel(n->ctx);
		break;
	}
	}
}

/* By the library's thread perhaps, that saw the last put before it was back. */
static void released(const struct node *n)
{
	bool due = n->own >= 0 && key[n->own].release && n->value[n->own];
	unsigned looks;

	for (looks = 0; looks < PATIENCE && due; looks++) {
		if (__atomic_load_n(&n->released, __ATOMIC_ACQUIRE))
			break;
		sched_yield();
	}
	expect(__atomic_load_n(&n->released, __ATOMIC_ACQUIRE) == due, "node %d, key %d",
	       (int)(n - node), n->own);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes b = { data, data + size };
	unsigned i;

	nr = 0;
	while (more(&b))
		step(&b);
	for (i = 0; i < nr; i++)
		look(node[i].ctx ? &node[i] : NULL);
	for (i = 0; i < nr; i++)
		put(node[i].ctx ? &node[i] : NULL, false);
	for (i = 0; i < nr; i++)
		released(&node[i]);
	return 0;
}
