/* SPDX-License-Identifier: MIT */
/**
 * DOC: contexts that end by themselves, and some that do not; part of <urctx.h>
 *
 * A context has the earliest deadline of its path, fixed when it is derived, with
 * the cause of whoever set it (G5).  Nearly all deadlines never come, so a context
 * holds its own as a number, and nobody watches it:
 *
 *   who                      looks                         at
 *   err, cause, remaining    at the clock                  each call
 *   wait, sync.h             at waking                     sleeps until then
 *   urctx_fd()               -                             the kernel's timerfd
 *   ring.h                   in its turn                   the ring's own heap
 *   urctx_done()             at the clock, and if polled   a few polls; then it is
 *                            on, has it watched            one load again; not on a
 *                                                          thread that only polls
 *   urctx_after()            has it watched                when armed
 *
 * To have it watched costs about 0.1 us and, until the last put, a block of slots
 * and 128 bytes.  The watcher is the library's one thread (timekeeper); callbacks
 * of an expiry run there, one after the other, on a stack of 1 MiB: one that sleeps
 * delays the others.
 *
 * Who notices an expiry ends the context that he looked at, no more: descendants
 * hold the same deadline.  From the deadline on urctx_err() is never 0; a cancel of
 * it that comes later finds it over, and changes nothing.  One of an ancestor may be
 * told first where nobody has looked (G4).
 */
#ifndef URCTX_DEADLINE_H
#define URCTX_DEADLINE_H

#include <urctx.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * urctx_with_deadline() - derive a context that ends at a time
 * @parent: a context the caller has a reference to; NULL makes a root
 * @deadline: absolute, CLOCK_MONOTONIC nanoseconds; URCTX_NEVER: none of its own;
 *            what is not after now, negative too: at once
 * @child: where the new context goes, with one reference, the caller's
 *
 * It ends with -ETIME and cause urctx_deadline_exceeded, unless something else
 * ends it before.
 *
 * Beware: a deadline that is not before the parent's has no effect, the parent's
 * and its cause are kept: the parent ends then, and with it this one.  If the
 * parent is over, the child ends with the parent's err and cause, even if
 * @deadline has passed, too.
 *
 * Context: any thread, inside callbacks too; lock-free but for mmap(); not
 * async-signal-safe.
 * Return: 0; -ENOMEM; -EINVAL if @child is NULL.
 */
URCTX_MUST_CHECK_ int urctx_with_deadline(struct urctx *parent,
					  int64_t deadline,
					  struct urctx **child);

/**
 * urctx_with_timeout() - the same, so long after now
 * @parent: as urctx_with_deadline()
 * @timeout: nanoseconds from now; 0 or less: at once; URCTX_NEVER, and what is too
 *           large to add to now: none
 * @child: as urctx_with_deadline()
 *
 * Beware: the time runs from here, not from when the work begins.
 *
 * Context, Return: as urctx_with_deadline().
 */
URCTX_MUST_CHECK_ int urctx_with_timeout(struct urctx *parent, int64_t timeout,
					 struct urctx **child);

/**
 * urctx_with_deadline_cause() - with a cause of yours, if it is the deadline
 * @parent: as urctx_with_deadline()
 * @deadline: as urctx_with_deadline()
 * @cause: what urctx_cause() is then; NULL: urctx_deadline_exceeded.  See struct
 *         urctx_cause for its lifetime.  err is -ETIME, whatever its code
 * @child: as urctx_with_deadline()
 *
 * Beware: a cancel before the deadline comes with a cause of its own.
 *
 * Context, Return: as urctx_with_deadline().
 */
URCTX_MUST_CHECK_ int
urctx_with_deadline_cause(struct urctx *parent, int64_t deadline,
			  const struct urctx_cause *cause,
			  struct urctx **child);

/**
 * urctx_with_timeout_cause() - urctx_with_deadline_cause(), so long after now
 * @parent: as urctx_with_deadline()
 * @timeout: as urctx_with_timeout()
 * @cause: as urctx_with_deadline_cause()
 * @child: as urctx_with_deadline()
 *
 * Context, Return: as urctx_with_deadline().
 */
URCTX_MUST_CHECK_ int
urctx_with_timeout_cause(struct urctx *parent, int64_t timeout,
			 const struct urctx_cause *cause, struct urctx **child);

/**
 * urctx_without_cancel() - derive a context that outlasts its parent
 * @parent: a context the caller has a reference to; NULL makes a root
 * @child: where the new context goes, with one reference, the caller's
 *
 * A shield, for clean-up and for work that others wait for: what ends @parent does
 * not end it, nor what is derived from it.  The values stay, the deadline goes.
 *
 * Beware: it is not the background: its own cancel ends it, as any other.  It
 * keeps @parent in memory, and urctx_wait_idle(@parent) waits for it.
 *
 * Context, Return: as urctx_with_deadline().
 */
URCTX_MUST_CHECK_ int urctx_without_cancel(struct urctx *parent,
					   struct urctx **child);

/**
 * urctx_with_grace() - a shield that gives way, some time after the parent's end
 * @parent: a context the caller has a reference to; NULL: as urctx_without_cancel()
 * @grace: nanoseconds; 0 or less: as soon as the timekeeper comes to it; URCTX_NEVER:
 *         as urctx_without_cancel()
 * @child: where the new context goes, with one reference, the caller's
 *
 * It ends @grace after @parent has, with the parent's err and cause: so much time
 * to write back, to say goodbye.  If @parent is over, the grace begins now.
 *
 * Beware: it has no deadline, not even while the grace runs: urctx_remaining() is
 * URCTX_NEVER, of it and of what is derived from it.  Who needs the time that is left
 * keeps it himself.  A deadline of the parent is watched from now on.
 *
 * Context: as urctx_with_deadline(); may start the timekeeper.
 * Return: 0; -ENOMEM; -EAGAIN: the timekeeper's thread cannot be started; -EINVAL if
 * @child is NULL.
 */
URCTX_MUST_CHECK_ int urctx_with_grace(struct urctx *parent, int64_t grace,
				       struct urctx **child);

/**
 * urctx_deadline() - when does it end by itself?
 * @ctx: a context, or NULL: false
 * @deadline: where the time goes, if there is one; may be NULL
 *
 * Its effective deadline; neither a cancel nor an expiry changes it.
 *
 * Context: any thread; wait-free; async-signal-safe.
 * Return: true and CLOCK_MONOTONIC nanoseconds in @deadline; false: none.
 */
bool urctx_deadline(const struct urctx *ctx, int64_t *deadline);

/**
 * urctx_remaining() - how much time is left
 * @ctx: a context, or NULL: URCTX_NEVER
 *
 * What to send along with a call to another process, whose clock is another.
 *
 * Context: any thread; lock-free, runs no callbacks; not async-signal-safe.
 * Return: nanoseconds; 0 once done; URCTX_NEVER where there is no deadline.
 */
int64_t urctx_remaining(const struct urctx *ctx);

#ifdef __cplusplus
}
#endif
#endif
