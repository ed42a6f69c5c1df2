/* SPDX-License-Identifier: MIT */
/*
 * urctx/clock.h - a clock that tests hold still and advance by hand
 *
 * While it is held, urctx_now() stands still in the whole process, and whatever
 * waits for a time (wait, deadlines of contexts, callbacks of an expiry) waits for
 * urctx_clock_advance().  Tests of timeouts then need no sleep and are exact.
 */
#ifndef URCTX_CLOCK_H
#define URCTX_CLOCK_H

#include <urctx.h>

#ifdef __cplusplus
extern "C" {
#endif

/* 0; -EBUSY: it is held already; -EINVAL: now is not between 0 and URCTX_NEVER. */
URCTX_MUST_CHECK_ int urctx_clock_hold(int64_t now);
/* Steps from expiry to expiry, in order; when it returns their callbacks have run.
 * 0; -EINVAL: not held, or ns is negative. */
URCTX_MUST_CHECK_ int urctx_clock_advance(int64_t ns);
/* Sleeps until so many threads sleep in the library for a time, or for ever. */
void urctx_clock_await(unsigned threads);
/* Back to CLOCK_MONOTONIC. */
void urctx_clock_release(void);

#ifdef __cplusplus
}
#endif
#endif
