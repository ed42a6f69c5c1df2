/* SPDX-License-Identifier: MIT */
/*
 * ring_runs.c - put ops into the order of their binding, newest first
 *
 * The kernel finds an op by a walk from the newest: 50,000 ops cancelled oldest
 * first take 1.2 s, newest first 50 ms.  What comes in is in order for long
 * stretches (a link's ops always are), and mostly in one of the two directions
 * altogether, so: a natural merge sort.
 */
#include "ring.h"

/* Newer than; numbers wrap. */
static bool before(struct ring_node *a, struct ring_node *b)
{
	return (int32_t)(op_of(a)->seq - op_of(b)->seq) > 0;
}

/* @from is merged into @into: both in order. */
static void merge(struct ring_node *into, struct ring_node *from)
{
	struct ring_node *at = into->next;

	while (!list_empty(from)) {
		struct ring_node *n = from->next;

		while (at != into && before(at, n))
			at = at->next;
		if (at == into) {
			list_splice(into->prev, from);
			return;
		}
		list_del(n);
		list_add_tail(at, n);
	}
}

/* A list of ops that are in order, put behind or in front of the last run. */
static bool join(struct ring_node *run, struct ring_node *list)
{
	if (before(run->prev, list->next)) {
		list_splice(run->prev, list);
		return true;
	}
	if (before(list->prev, run->next)) {
		list_splice(run, list);
		return true;
	}
	return false;
}

void runs_init(struct runs *runs)
{
	list_init(&runs->last);
	runs->used = 0;
}

/* run[i] holds 2^i runs where bit i is set, and nothing elsewhere. */
static void carry(struct runs *runs)
{
	unsigned i;

	for (i = 0; runs->used & 1U << i; i++)
		merge(&runs->last, &runs->run[i]);
	list_init(&runs->run[i]);
	list_splice(&runs->run[i], &runs->last);
	runs->used++;
}

void runs_add(struct runs *runs, struct ring_node *list)
{
	if (list_empty(list))
		return;
	if (!list_empty(&runs->last)) {
		if (join(&runs->last, list))
			return;
		carry(runs);
	}
	list_splice(&runs->last, list);
}

void runs_add_op(struct runs *runs, struct ring_op *op)
{
	list_del(&op->node);
	list_init(&runs->one);
	list_add(&runs->one, &op->node);
	runs_add(runs, &runs->one);
}

void runs_end(struct runs *runs, struct ring_node *into)
{
	for (unsigned i = 0; runs->used >> i; i++)
		if (runs->used & 1U << i)
			merge(&runs->last, &runs->run[i]);
	if (list_empty(&runs->last))
		return;
	if (list_empty(into) || !join(into, &runs->last))
		merge(into, &runs->last);
}
