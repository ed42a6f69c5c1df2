/* SPDX-License-Identifier: MIT */
/*
 * s_tree.h - what the scenarios of the tree and of its slots share
 *
 * A thread's first use of the library takes a score of steps that have nothing to
 * do with the tree.  stock_up() in init() leaves it where it would be later: with an
 * id, and with free contexts and chunks of its own.
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

void mc_become(int thread);

/* In init(): as if @thread had used the library before, and has so much left. */
static inline void stock_up(int thread, int contexts, int chunks)
{
	struct thread *t;

	mc_become(thread);
	t = this_thread();
	if (!t->id)
		thread_register(t);
	t->contexts.room = t->chunks.room = 100;
	mc_become(0);
	while (contexts--) {
		struct urctx *n = context_alloc(this_thread());

		mc_become(thread);
		context_free(t, n);
		mc_become(0);
	}
	while (chunks--) {
		struct chunk *c = chunk_alloc(this_thread());

		mc_become(thread);
		chunk_free(t, c);
		mc_become(0);
	}
}

static inline void users(int threads)
{
	while (threads)
		stock_up(threads--, 0, 0);
}

/* In init(): where this thread's next child of @parent will be tried first. */
static inline void hint(int thread, const struct urctx *parent, struct slot *s)
{
	mc_become(thread);
	*thread_hint(this_thread(), parent) = s;
	mc_become(0);
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
