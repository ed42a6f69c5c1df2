/* SPDX-License-Identifier: MIT */
/*
 * timer.h - times at which the housekeeper, as timekeeper, ends contexts
 */
#ifndef URCTX_TIMER_H
#define URCTX_TIMER_H

#include "extra.h"

/*
 * See that @ctx, which the caller holds, is ended at its deadline by somebody.
 * 0, -ENOMEM, -EAGAIN: no thread can be started.
 */
int timer_watch(struct urctx *ctx);

/* @ctx was polled, and its deadline is not near.  Allowed in a signal handler. */
void timer_polled(struct urctx *ctx);

/* In a section, or by a holder: @e's context ends at @when, as @word says. */
/* False: somebody else has, or it is not @from any more. */
bool timer_start(struct extra *e, uint32_t from, int64_t when, uintptr_t word);

/* A timer that is started some day: the housekeeper stays.  False: there is none. */
bool timer_expect(struct extra *e);

/* The context is DEAD; and behind its grace period, true: @e is the caller's. */
void timer_drop(struct extra *e);
bool timer_leave(struct extra *e);

/* Polls want a housekeeper, and none may start him. */
extern bool timer_wanted __attribute__((visibility("hidden")));

/* The housekeeper's: end what is due; when is the next; is he to stay; fork(). */
void timers_turn(void);
int64_t timers_next(void);
bool timers_new(void);
bool timers_any(void);
void timers_forked(bool held);

#endif
