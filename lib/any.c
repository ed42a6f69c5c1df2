/* SPDX-License-Identifier: MIT */
/*
 * any.c - a context with several parents: done with the first of them
 *
 * It is a child of the first, and each other has a link to it in one of its slots
 * (I20).  Equal parents, and those that never end because they are none, are left
 * out; so most joins of two are a plain child.
 */
#include <errno.h>

#include "any.h"
#include "derive.h"
#include "leave.h"

/* What goes with the context: its links, and what depends on its end. */
struct join {
	struct leftover left;
	void (*ended)(void *arg);
	void *arg;
	struct link links[];
};

static void join_run(struct leftover *left)
{
	struct join *j = (struct join *)left;

	if (j->ended)
		j->ended(j->arg);
	sys_free(j);
}

/* Among the nearest before: a parent that comes twice costs a slot, no more. */
static bool seen(struct urctx *const *parents, size_t nr, const struct urctx *p)
{
	size_t back;

	for (back = 1; back <= nr && back <= 32; back++)
		if (parents[nr - back] == p)
			return true;
	return false;
}

/* The earliest deadline, with its cause. */
static void earliest(struct urctx *n, const struct urctx *p)
{
	int64_t when = load_relaxed(&p->deadline);

	if (when >= load_relaxed(&n->deadline))
		return;
	store_relaxed(&n->deadline, when);
	store_relaxed(&n->deadline_cause, load_relaxed(&p->deadline_cause));
}

/* Links to @n in all but its first parent.  Those that came about say so. */
static int link_all(struct thread *t, struct urctx *n, struct extra *e,
		    struct urctx *const *parents, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++) {	/* the first gets none */
		struct urctx *p = parents[i];
		struct slot *s;
		uintptr_t w;

		if (!p || p == n->parent || seen(parents, i, p))
			continue;
		s = slot_take(t, p, n, TAG_ANY, 0);
		if (!s)
			return -ENOMEM;
		e->links[e->nr_links] = (struct link){ p, s };
		store_relaxed(&e->nr_links, e->nr_links + 1);
		w = slot_published(p);
		if (w & DONE)
			word_end(n, inherit(w));
	}
	return 0;
}

static int join(struct thread *t, struct urctx *n, struct join *j,
		struct urctx *const *parents, size_t nr)
{
	struct urctx *first = n->parent;
	uintptr_t lazy = load_relaxed(&n->deadline) == URCTX_NEVER ? 0 : LAZY;
	struct extra *e;

	/* until it is published it has no parent: a failure puts a root */
	n->parent = NULL;
	store_relaxed(&n->state, (uintptr_t)&no_slot);
	e = extra_get(t, n);
	if (!e)
		return -ENOMEM;
	e->links = j->links;
	n->parent = first;	/* a walker that finds it climbs by that (I10) */
	if (!slot_take(t, first, n, TAG_CHILD, HASCH | lazy)) {
		n->parent = NULL;
		slot_untell(n);
		return -ENOMEM;
	}
	e->left = &j->left;
	if (slot_published(first) & DONE)
		word_end(n, inherit(load(&first->state, STATE_READ)));
	return link_all(t, n, e, parents, nr);
}

int any_derive(struct urctx *const *parents, size_t nr, void (*ended)(void *arg),
	       void *arg, struct urctx **child)
{
	struct thread *t = this_thread();
	struct urctx *n, *first = NULL;
	struct join *j;
	size_t i;
	int ret;

	for (i = 0; i < nr && !first; i++)
		first = parents[i];
	j = (struct join *)sys_alloc(sizeof(*j) + nr * sizeof(struct link));
	if (!j)
		return -ENOMEM;
	*j = (struct join){ .left.run = join_run };
	n = child_make(t, first);
	if (!n) {
		sys_free(j);
		return -ENOMEM;
	}
	store_relaxed(&n->value, parents[0] ? load_relaxed(&parents[0]->value) : NULL);
	for (i = 0; i < nr; i++)
		if (parents[i])
			earliest(n, parents[i]);
	ret = join(t, n, j, parents, nr);
	if (!ret) {
		j->arg = arg;
		j->ended = ended;
		*child = n;
		return 0;
	}
	if (!n->parent)
		sys_free(j);	/* it does not go with the context */
	urctx_put(n);
	return ret;
}

int urctx_with_any(struct urctx *const *parents, size_t nr, struct urctx **child)
{
	struct urctx *first = NULL;
	size_t i, distinct = 0;

	if (!parents || !nr || !child || nr > ANY_MOST)
		return -EINVAL;
	for (i = 0; i < nr; i++) {
		touch(parents[i]);
		urctx_assert(!parents[i] || load_relaxed(&parents[i]->ref),
			     "a parent was put for the last time: hold a "
			     "reference to each while you derive from them");
		if (parents[i] && !seen(parents, i, parents[i])) {
			distinct++;
			first = first ? first : parents[i];
		}
	}
	if (distinct < 2 && (!first || first == parents[0]))
		return derived(urctx_with_cancel(first, child), child);
	return derived(any_derive(parents, nr, NULL, NULL, child), child);
}
