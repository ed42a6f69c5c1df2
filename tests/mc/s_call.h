/* SPDX-License-Identifier: MIT */
/*
 * s_call.h - what the scenarios of callbacks share
 *
 * A callback's memory is the caller's, and goes as early as he may let it go.
 */
#ifndef S_CALL_H
#define S_CALL_H

#include "s_life.h"

struct job {
	struct urctx_callback cb;
	int body;			/* plain: written by fn, read by who knows it is over */
	int runs;
};

static inline struct job *job(void)
{
	struct job *j = (struct job *)mc_malloc(sizeof(*j));

	j->body = j->runs = 0;
	return j;
}

static inline void run_once(struct job *j)
{
	mc_assert(!__atomic_fetch_add(&j->runs, 1, __ATOMIC_RELAXED));
	j->body = 1;
}

static void fn_run(struct urctx_callback *cb)
{
	run_once((struct job *)cb);
}

static void fn_free(struct urctx_callback *cb)
{
	run_once((struct job *)cb);
	mc_free(cb);
}

/* In init(). */
static inline struct job *armed(struct urctx *ctx,
				void (*fn)(struct urctx_callback *))
{
	struct job *j = job();
	struct chunk *c;

	mc_assert(!urctx_after(ctx, &j->cb, fn));
	for (c = chunk_first(ctx); c; c = chunk_next(c))
		remember(chunks_, c);
	return j;
}

/* It will not run from here on, and if it has, that is over. */
static inline void stop_and_free(struct job *j)
{
	if (urctx_stop(&j->cb)) {
		mc_assert(!__atomic_load_n(&j->runs, __ATOMIC_RELAXED));
		mc_assert(!j->body);
		j->body = 2;
	} else {
		mc_assert(j->body == 1);
	}
	mc_free(j);
}

#endif
