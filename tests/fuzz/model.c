/* SPDX-License-Identifier: MIT */
/* model.c - what a tree of contexts is, one call after the other */
#include "model.h"

#include <string.h>

static unsigned index_of(const struct model *m, const struct m_node *n)
{
	return (unsigned)(n - m->node);
}

void m_init(struct model *m, int64_t now)
{
	m->now = now;
	m->nr = 0;
}

static int64_t later(int64_t now, int64_t by)
{
	return by < M_NEVER - now ? now + by : M_NEVER;
}

/* @p is over: so is @n, or it begins to give way. */
static void inherit(const struct model *m, struct m_node *n, const struct m_node *p)
{
	if (n->kind == M_GRACE) {
		n->until = n->until == M_NEVER ? later(m->now, n->grace) : n->until;
		n->until_ends |= p->ends;	/* nobody says which was first */
	}
	if (n->kind != M_PLAIN)
		return;
	if (!n->over) {
		n->ends = p->ends;
		n->fixed = p->fixed;
		n->loose = p->loose;
	} else if (!n->fixed) {
		n->ends |= p->ends;
	}
	n->over = true;
}

/* What hangs on those that have @hit, in this moment. */
static void spread(struct model *m, bool hit[M_NODES])
{
	unsigned i, k;

	for (i = 0; i < m->nr; i++) {
		struct m_node *n = &m->node[i];
		bool may = !n->over || !n->fixed;

		for (k = 0; k < n->nr_parents; k++) {
			if (!hit[n->parent[k]] || !may)
				continue;
			inherit(m, n, &m->node[n->parent[k]]);
			hit[i] |= n->kind == M_PLAIN;
		}
	}
}

struct m_node *m_derive(struct model *m, const unsigned *parent, unsigned nr_parents,
			enum m_kind kind, int64_t grace)
{
	struct m_node *n = &m->node[m->nr++];
	unsigned i;

	memset(n, 0, sizeof(*n));
	n->kind = kind;
	n->nr_parents = nr_parents;
	n->deadline = n->until = M_NEVER;
	n->grace = grace;
	n->refs = 1;
	n->key = -1;
	memset(n->value, -1, sizeof(n->value));
	if (nr_parents)
		memcpy(n->value, m->node[parent[0]].value, sizeof(n->value));
	for (i = 0; i < nr_parents; i++) {
		const struct m_node *p = &m->node[parent[i]];

		n->parent[i] = parent[i];
		if (kind == M_PLAIN && p->deadline < n->deadline) {
			n->deadline = p->deadline;
			n->deadline_ends = 0;
		}
		if (kind == M_PLAIN && p->deadline == n->deadline)
			n->deadline_ends |= p->deadline_ends;
	}
	for (i = 0; i < nr_parents; i++) {
		const struct m_node *p = &m->node[parent[i]];

		if (!p->over)
			continue;
		inherit(m, n, p);
		if (kind == M_PLAIN)
			n->ends |= p->ends;	/* which was first nobody says */
	}
	return n;
}

void m_deadline(struct model *m, struct m_node *n, int64_t deadline, unsigned cause)
{
	if (deadline >= n->deadline)
		return;
	n->deadline = deadline;
	n->deadline_ends = M_END(cause, true);
	if (deadline > m->now || n->over)
		return;
	n->over = n->fixed = true;
	n->ends = n->deadline_ends;
}

bool m_cancel(struct model *m, struct m_node *n, unsigned cause)
{
	bool hit[M_NODES] = { false };

	if (n->over)
		return false;
	n->over = n->fixed = true;
	n->ends = M_END(cause, false);
	hit[index_of(m, n)] = true;
	spread(m, hit);
	return true;
}

static int64_t next_end(const struct model *m)
{
	int64_t next = M_NEVER;
	unsigned i;

	for (i = 0; i < m->nr; i++) {
		const struct m_node *n = &m->node[i];

		if (!n->over && n->deadline < next)
			next = n->deadline;
		if (!n->over && n->until < next)
			next = n->until;
	}
	return next;
}

/* What ends now does so in an order that nobody promises. */
static void ends_now(struct model *m)
{
	bool hit[M_NODES] = { false };
	unsigned i;

	for (i = 0; i < m->nr; i++) {
		struct m_node *n = &m->node[i];

		if (n->over || (n->deadline > m->now && n->until > m->now))
			continue;
		hit[i] = n->over = true;
		n->fixed = false;
		n->loose = n->deadline > m->now;
		n->ends = n->loose ? n->until_ends : n->deadline_ends;
	}
	spread(m, hit);
}

void m_time(struct model *m, int64_t now)
{
	int64_t next;

	while ((next = next_end(m)) <= now && next != M_NEVER) {
		if (next > m->now) {
			m_settle(m);
			m->now = next;
		}
		ends_now(m);
	}
	if (now > m->now) {
		m_settle(m);
		m->now = now;
	}
}

void m_settle(struct model *m)
{
	unsigned i;

	for (i = 0; i < m->nr; i++) {
		m->node[i].fixed = m->node[i].over;
		m->node[i].loose = false;
	}
}

bool m_seen(struct m_node *n, unsigned cause, bool late)
{
	if (!n->over || !(n->ends & M_END(cause, late)))
		return false;
	n->ends = M_END(cause, late);
	n->fixed = true;
	return true;
}

static void held(const struct model *m, const struct m_node *but, bool is[M_NODES])
{
	unsigned i, k;

	for (i = m->nr; i--;) {
		const struct m_node *n = &m->node[i];

		is[i] |= n != but && (n->refs || n->calls);
		for (k = 0; is[i] && n != but && k < n->nr_parents; k++)
			is[n->parent[k]] = true;
	}
}

bool m_held(const struct model *m, const struct m_node *n)
{
	bool is[M_NODES] = { false };

	held(m, NULL, is);
	return is[index_of(m, n)];
}

bool m_idle(const struct model *m, const struct m_node *n)
{
	bool is[M_NODES] = { false };

	held(m, n, is);
	return !is[index_of(m, n)];
}
