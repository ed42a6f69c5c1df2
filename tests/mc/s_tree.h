/* SPDX-License-Identifier: MIT */
/*
 * s_tree.h - what the scenarios of the tree and of its slots share
 *
 * A thread's first use of the library takes a score of steps that have nothing to
 * do with the tree.  stock_up() in init() and warm() in the thread leave it where
 * it would be later: with an id, and with free contexts and chunks of its own.
 */
#ifndef S_TREE_H
#define S_TREE_H

#include <errno.h>

#include "mc.h"
#include "slab.h"
#include "slot.h"

#define TREE	(MC_TYPE_STABLE | MC_NO_THREADS)

/* A cause, and what its giver wrote before he gave it. */
static struct {
	struct urctx_cause cause;
	int payload;
} one_ = { { .reason = "one", .code = 1 }, 0 },
  two_ = { { .reason = "two", .code = 2 }, 0 };

#define ONE (&one_.cause)
#define TWO (&two_.cause)

static struct {
	struct urctx *contexts;
	struct chunk *chunks;
	struct slot *hint;
	const struct urctx *parent;	/* of the hint */
} kit[MC_THREADS + 1];

/* In init(): free contexts and chunks for a thread. */
static inline void stock_up(int thread, int contexts, int chunks)
{
	while (contexts--) {
		struct urctx *n = context_alloc(this_thread());

		n->value = kit[thread].contexts;
		kit[thread].contexts = n;
	}
	while (chunks--) {
		struct chunk *c = chunk_alloc(this_thread());

		store_relaxed(&c->next, kit[thread].chunks);
		kit[thread].chunks = c;
	}
}

/* In init(): where this thread's next child of @parent will be tried first. */
static inline void hint(int thread, const struct urctx *parent, struct slot *s)
{
	kit[thread].parent = parent;
	kit[thread].hint = s;
}

/* At the start of a thread: as if it had used the library before. */
static inline void warm(void)
{
	struct thread *t = this_thread();
	int i = mc_self();

	t->id = (uint32_t)i + 100;
	t->contexts = (struct cache){ kit[i].contexts, 4 };
	t->chunks = (struct cache){ kit[i].chunks, 4 };
	if (kit[i].hint)
		*thread_hint(t, kit[i].parent) = kit[i].hint;
}

/* As at the exit of a thread: what it has is for the others. */
static inline void leave(void)
{
	cache_flush(this_thread());
	this_thread()->id = 0;
}

static inline struct urctx *derive(struct urctx *parent)
{
	struct urctx *n = NULL;

	mc_assert(!urctx_with_cancel(parent, &n));
	return n;
}

/* In init(): a context, and its name in the execution that is printed. */
static inline struct urctx *make(struct urctx *parent, const char *name)
{
	struct urctx *n = derive(parent);

	mc_name(n, sizeof(*n), name);
	return n;
}

static inline bool cancel_one(struct urctx *ctx)
{
	one_.payload = 1;
	return urctx_cancel_cause(ctx, ONE);
}

static inline bool cancel_two(struct urctx *ctx)
{
	two_.payload = 1;
	return urctx_cancel_cause(ctx, TWO);
}

/* Who sees a cause sees what its giver wrote. */
static inline const struct urctx_cause *cause_of(const struct urctx *ctx)
{
	const struct urctx_cause *c = urctx_cause(ctx);

	if (c == ONE)
		mc_assert(one_.payload);
	if (c == TWO)
		mc_assert(two_.payload);
	return c;
}

/* fini(): over, by this cause. */
static inline void ended_by(const struct urctx *ctx, const struct urctx_cause *cause)
{
	mc_assert(urctx_done(ctx));
	mc_assert(urctx_err(ctx) == -ECANCELED);
	mc_assert(urctx_cause(ctx) == cause);
}

static inline void live(const struct urctx *ctx)
{
	mc_assert(!urctx_done(ctx));
	mc_assert(!urctx_err(ctx));
	mc_assert(!urctx_cause(ctx));
}

#endif
