/* SPDX-License-Identifier: MIT */
/*
 * urctx/watch.h - a file descriptor that says done, the end of all that was
 * derived, and a look at the live tree; part of <urctx.h>
 */
#ifndef URCTX_WATCH_H
#define URCTX_WATCH_H

#include <stdio.h>
#include <urctx.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * urctx_fd() - a descriptor that is readable once a context is done
 * @ctx: a context that the caller has a reference to
 *
 * For loops that poll: POLLIN from the end of @ctx on, be it a cancel, an ancestor's
 * or the deadline; the same descriptor each time it is asked for.  Readable implies
 * urctx_err() != 0, and the other way round.
 *
 * Beware: it is the context's own: do not read it, do not close it.  It is closed
 * in the last put, so take it out of an epoll set before.  A child of fork() has to
 * ask again, and gets the same number.
 *
 * Context: any thread; lock-free but for mmap(); not async-signal-safe.
 * Return: a descriptor, close-on-exec; -EINVAL: @ctx is NULL; -ENOMEM; -EMFILE and
 * -ENFILE as timerfd_create(2).
 */
URCTX_MUST_CHECK_ int urctx_fd(struct urctx *ctx);

/**
 * urctx_wait_idle() - sleep until nothing is left of what was derived
 * @ctx: a context that the caller has a reference to
 * @deadline: absolute, nanoseconds, or URCTX_NEVER; in the past: just looks
 *
 * For the end of a server: cancel its context, or stop deriving from it, then wait
 * until the last request has been put.  Counts whatever was derived, shields too,
 * from it or below it, and callbacks of @ctx that are running; not those that are
 * armed.  Who returns from here sees all that was done before those puts.
 *
 * Beware: it says nothing of what is derived meanwhile: stop that first.
 *
 * Context: any thread that may sleep, not inside callbacks; blocks until then,
 * @deadline or a signal handler; not async-signal-safe.
 * Return: 0; -ETIME; -EINTR; -EDEADLK inside a callback; -ENOMEM; -EINVAL: @ctx is
 * NULL.
 */
URCTX_MUST_CHECK_ int urctx_wait_idle(struct urctx *ctx, int64_t deadline);
URCTX_MUST_CHECK_ int urctx_dump(struct urctx *root, FILE *out);

#ifdef __cplusplus
}
#endif
#endif
