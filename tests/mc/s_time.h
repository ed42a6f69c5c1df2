/* SPDX-License-Identifier: MIT */
/*
 * s_time.h - what the scenarios of deadlines share: time passes as a thread does it
 */
#ifndef S_TIME_H
#define S_TIME_H

#include "s_call.h"

#define WHEN	1000

/* In init(): a context that ends at WHEN, watched by nobody. */
static inline struct urctx *until(struct urctx *parent, const char *name)
{
	struct urctx *n = NULL;
	struct chunk *c;

	mc_assert(!urctx_with_deadline_cause(parent, WHEN, TWO, &n));
	mc_name(n, sizeof(*n), name);
	remember(contexts_, n);
	for (c = parent ? chunk_first(parent) : NULL; c; c = chunk_next(c))
		remember(chunks_, c);
	two_.payload = 1;
	return n;
}

/* The same, and the timekeeper has been told. */
static inline struct urctx *watched(struct urctx *parent, const char *name)
{
	struct urctx *n = with_extra(until(parent, name));

	mc_assert(!timer_watch(n));
	mc_assert(!(load_relaxed(&n->state) & LAZY));
	return n;
}

static void t_time(void)
{
	mc_time_is(WHEN);
}

/* G5: never early, and the cause of whoever set it; else the canceller's. */
static inline void ended_in_time(const struct urctx *n)
{
	int err = urctx_err(n);

	if (err == -ETIME) {
		mc_assert(mc_time() >= WHEN);
		mc_assert(urctx_cause(n) == TWO);
	} else if (err) {
		mc_assert(err == -ECANCELED && urctx_cause(n) == ONE);
	} else if (urctx_cause(n) == TWO) {
		mc_assert(mc_time() >= WHEN);
	}
}

#endif
