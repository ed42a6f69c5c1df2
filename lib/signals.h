/* SPDX-License-Identifier: MIT */
/*
 * signals.h - contexts that end with a signal, and how the housekeeper hears of one
 *
 * The model checker has no signals: there, whatever the housekeeper asks is constant.
 */
#ifndef URCTX_SIGNALS_H
#define URCTX_SIGNALS_H

#include <urctx.h>

#include "sys_signal.h"

/* For whom the housekeeper stays: contexts of signals, and his open descriptors. */
extern uint32_t signals_kept __attribute__((visibility("hidden")));
/* There is something to open or to close. */
extern bool signals_moved __attribute__((visibility("hidden")));

static inline bool signals_any(void)
{
#ifdef URCTX_MC
	return false;
#else
	return load_relaxed(&signals_kept);
#endif
}

static inline bool signals_new(void)
{
#ifdef URCTX_MC
	return false;
#else
	return load_relaxed(&signals_moved);
#endif
}

/* The cause that names @sig; NULL: no context may name that one. */
const struct urctx_cause *signal_cause(int sig);

/*
 * The housekeeper's, while signals_any().  One turn: read what has arrived, and end
 * the contexts that named it; when to look again, if nothing will wake him.
 */
void signals_turn(void);
int64_t signals_until(void);

/*
 * Sleep on the descriptors instead of a futex.  What can be rung to wake him, set to
 * ring at @until; -1: a futex it is.  Who is the one to wake him rings, from any
 * context; and he says that it was announced, so that he waits for it to be over
 * before he closes what is rung.
 */
int signals_bell(int64_t until);
void signals_sleep(void);
void signals_ring(int bell);
void signals_ring_due(void);

/* Around fork(); the child opens its own. */
void signals_fork_hold(void);
void signals_fork_release(void);
void signals_forked(void);

#endif
