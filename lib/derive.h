/* SPDX-License-Identifier: MIT */
/*
 * derive.h - make a child: fields, then slot, then a look at the parent
 */
#ifndef URCTX_DERIVE_H
#define URCTX_DERIVE_H

#include "slab.h"
#include "slot.h"
#include "trace.h"
#include "word.h"

/* Fields as of a child that differs in nothing; NULL: no memory. */
static inline struct urctx *child_make(struct thread *t, struct urctx *parent)
{
	struct urctx *n = context_alloc(t);

	if (!n)
		return NULL;
	trace_born(n);
	store_relaxed(&n->ref, 1);
	store_relaxed(&n->watch, 0);
	store_relaxed(&n->chunks, (struct chunk __rcu *)NULL);
	store_relaxed(&n->parent, parent);
	n->slot = NULL;
	store_relaxed(&n->deadline, parent ? parent->deadline : URCTX_NEVER);
	store_relaxed(&n->deadline_cause, parent ? parent->deadline_cause : NULL);
	store_relaxed(&n->value, parent ? parent->value : NULL);
	return n;
}

/* What a child's state says beside its slot: watched if its parent is. */
static inline uintptr_t child_lazy(struct urctx *parent)
{
	return parent ? load_relaxed(&parent->state) & LAZY : 0;
}

/*
 * Publish @n: in a slot of @parent, as @tag, its state saying @live (slot_tell()).
 * A parent that is over ends it.  -ENOMEM: @n is freed.
 */
int child_publish_root(struct urctx *n, uintptr_t live);
int child_refused(struct thread *t, struct urctx *n)
	__attribute__((cold, noinline));

static inline int child_publish(struct thread *t, struct urctx *parent,
				struct urctx *n, uintptr_t live)
{
	uintptr_t w;

	if (!parent)
		return child_publish_root(n, live);
	if (!slot_take(t, parent, n, TAG_CHILD, live))
		return child_refused(t, n);
	w = slot_published(parent);
	if (__builtin_expect(w & DONE, 0))
		word_end(n, inherit(w));
	return 0;
}

/* The checks that every derivation begins with. */
#define derive_check(parent, child)                                            \
	do {                                                                   \
		touch(parent);                                                 \
		if (!(child))                                                  \
			return -EINVAL;                                        \
		urctx_assert(!(parent) || load_relaxed(&(parent)->ref),        \
			     "the parent was put for the last time: hold a "   \
			     "reference to it while you derive from it");      \
	} while (0)

#endif
