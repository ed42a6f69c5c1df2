/* SPDX-License-Identifier: MIT */
/* tree_derive.c - all kinds of contexts, and what they carry */
#include "tree.h"

#include <sched.h>
#include <string.h>

#define PATIENCE 10000000

static const int64_t SPANS[] = {
	0, 1, 2, 3, 5, 8, 13, 21, 100, 1000, 1000000, -1, INT64_MIN, M_NEVER, M_NEVER - 1, 1
};

static int64_t span(struct bytes *b)
{
	return SPANS[take(b) % (sizeof(SPANS) / sizeof(SPANS[0]))];
}

static void release(void *value)
{
	struct m_node *n = value;

	expect(!n->released, "the value of %d twice", (int)(n - tree.m.node));
	expect(!m_held(&tree.m, n), "the value of %d can be looked up",
	       (int)(n - tree.m.node));
	__atomic_store_n(&n->released, true, __ATOMIC_RELEASE);
}

static const struct urctx_key key[M_KEYS] = {
	{ "a", release }, { "b", NULL }, { "c", release }, { NULL, release }
};

static bool releases(const struct m_node *n)
{
	return n->key >= 0 && !n->hides && key[n->key].release;
}

void t_values(const struct m_node *n)
{
	unsigned k;

	for (k = 0; k < M_KEYS; k++) {
		int from = n->value[k];
		const void *value = from < 0 || tree.m.node[from].hides ?
					    NULL : &tree.m.node[from];

		expect(urctx_value(t_ctx(n), &key[k]) == value, "key %u", k);
	}
}

/*
 * Behind the last put.  One that is hidden has no value to release.  The library's
 * thread may be about to, where it saw the last put before that was back.
 */
void t_released(void)
{
	unsigned i, looks;

	for (i = 0; i < tree.m.nr; i++) {
		const struct m_node *n = &tree.m.node[i];

		for (looks = 0; looks < PATIENCE && releases(n); looks++) {
			if (__atomic_load_n(&n->released, __ATOMIC_ACQUIRE))
				break;
			sched_yield();
		}
		expect(__atomic_load_n(&n->released, __ATOMIC_ACQUIRE) == releases(n),
		       "the value of %u", i);
	}
}

/* The table's addresses are the values, so that none is two contexts'. */
static int with_value(const struct m_node *p, struct m_node *n, unsigned how)
{
	n->key = (int)(how % M_KEYS);
	n->hides = how & 0x80 && !key[n->key].release;
	n->value[n->key] = (int)(n - tree.m.node);
	return urctx_with_value(t_ctx(p), &key[n->key], n->hides ? NULL : n, t_place(n));
}

static int with_deadline(const struct m_node *p, struct m_node *n, struct bytes *b)
{
	unsigned how = take(b);
	unsigned cause = how & 1 ? how >> 1 & (M_CAUSES - 1) : 1;
	const struct urctx_cause *given = cause == 1 ? NULL : t_cause[cause];
	int64_t by = span(b), when;

	when = by < M_NEVER - tree.m.now ? tree.m.now + by : M_NEVER;
	if (how & 0x40)			/* as they are written, not computed here */
		when = by;
	else if (how & 0x80 && by < 0)
		when = tree.m.now;
	m_deadline(&tree.m, n, when, cause);
	if (!(how & 0x40) && how & 0x80)
		return cause == 1 ? urctx_with_timeout(t_ctx(p), by, t_place(n)) :
				    urctx_with_timeout_cause(t_ctx(p), by, given,
							     t_place(n));
	return cause == 1 && how & 0x20 ?
		       urctx_with_deadline(t_ctx(p), when, t_place(n)) :
		       urctx_with_deadline_cause(t_ctx(p), when, given, t_place(n));
}

static void derive_any(struct bytes *b)
{
	unsigned nr = 1 + take(b) % M_PARENTS, i, used = 0, k, first = M_NODES;
	unsigned parent[M_PARENTS];
	struct urctx *ctx[M_PARENTS];
	struct m_node *n;

	for (i = 0; i < nr; i++) {
		n = t_node(take(b));
		ctx[i] = t_ctx(n);
		if (!n)
			continue;
		parent[used] = (unsigned)(n - tree.m.node);
		first = i ? first : parent[used];
		for (k = 0; parent[k] != parent[used]; k++)
			;
		used += k == used;
	}
	n = t_new(parent, used, M_PLAIN, 0);
	if (first == M_NODES)
		memset(n->value, -1, sizeof(n->value));
	expect(!urctx_with_any(ctx, nr, t_place(n)), "no memory");
}

void t_derive(unsigned op, struct bytes *b)
{
	const struct m_node *p;
	unsigned parent = 0;
	struct m_node *n;
	int64_t grace;
	int ret;

	if (tree.m.nr == M_NODES)
		return;
	if (op == 5) {
		derive_any(b);
		return;
	}
	p = t_node(take(b));
	if (p)
		parent = (unsigned)(p - tree.m.node);
	/* 0 or less is up to the library's thread: nothing to hold it against */
	grace = op == 4 ? span(b) : 0;
	if (op == 4 && grace <= 0)
		grace = 1;
	n = t_new(&parent, !!p, op == 4 && p && grace != M_NEVER ? M_GRACE :
		  op == 3 || op == 4 ? M_SHIELD : M_PLAIN, grace);
	if (op == 1 || op == 2)
		ret = with_deadline(p, n, b);
	else if (op == 3)
		ret = urctx_without_cancel(t_ctx(p), t_place(n));
	else if (op == 4)
		ret = urctx_with_grace(t_ctx(p), grace, t_place(n));
	else if (op == 6)
		ret = with_value(p, n, take(b));
	else
		ret = urctx_with_cancel(t_ctx(p), t_place(n));
	expect(!ret, "derivation %u: %d", op, ret);
}
