/* SPDX-License-Identifier: MIT */
/**
 * DOC: urctx/clock.h, a clock that tests hold still and advance by hand
 *
 * A program that waits is tested badly by waiting: such tests are slow, and fail
 * when the machine is.  While the clock is held the time of the whole library is
 * a number, and moves when urctx_clock_advance() says so.  An hour of backoff
 * takes microseconds, and happens at the same nanosecond in every run.
 *
 * Rules, results and NULL are those of <urctx.h>; read that first.
 *
 *   follows the clock                     keeps to the kernel's
 *   urctx_now, with_timeout, remaining    fds made before it was held
 *   done, err, cause of a deadline        sleeps of a ring (urctx_ring_wait)
 *   callbacks of an expiry, with_grace    URCTX_OP_LINK_TIMEOUT
 *   urctx_wait, wait_idle, futex_wait     sleep(2), poll(2), select(2) and
 *   sem_acquire, group_go                 whatever else is not this library
 *   urctx_fd: readable when it expires
 *
 * A retry loop, and its test.  The code under test knows nothing of it, but has
 * its pauses by urctx_wait() and its time by urctx_now()::
 *
 *	int fetch_patiently(struct urctx *ctx)	// 100 ms, 200 ms, 400 ms ...
 *	{
 *		int64_t pause = 100 * MSEC;
 *		int ret;
 *
 *		while ((ret = fetch(ctx)) == -EAGAIN) {
 *			int64_t until = urctx_now() + pause;
 *
 *			while (urctx_wait(ctx, until) == -EINTR)
 *				;
 *			if (urctx_err(ctx))
 *				return urctx_err(ctx);
 *			pause *= 2;
 *		}
 *		return ret;
 *	}
 *
 *	urctx_clock_hold(0);
 *	urctx_with_timeout(NULL, 500 * MSEC, &ctx);
 *	pthread_create(&thread, NULL, run, ctx);  // ret = fetch_patiently(ctx)
 *
 *	urctx_clock_await(1);			// it has asked, and pauses
 *	assert(fetched == 1);
 *	urctx_clock_advance(100 * MSEC - 1);	// nothing happens
 *	urctx_clock_advance(1);			// it is woken
 *	urctx_clock_await(1);			// it has asked again
 *	assert(fetched == 2);
 *	urctx_clock_advance(400 * MSEC);	// the second pause, the deadline
 *	pthread_join(thread, NULL);
 *	urctx_clock_release();
 *
 * So a test goes in three steps: await, which is the proof that the code under
 * test has come to rest; look; advance, by no more than to the next thing that
 * is to be seen.  examples/testing.c is a longer one, with a server.
 *
 * Beware of what no clock can do: an advance does not wait until the threads
 * that it wakes have acted.  One that sleeps for 1 s three times in a row may
 * find after an advance of 3 s that all of it has passed, and sleep on from
 * there, or have been quick and slept three times: let await and advance(1 s)
 * take turns, and it acts each time.  Callbacks are different: they have run,
 * and what they armed for a time in between too.
 *
 * Hold it before the code under test makes contexts or threads: nothing is
 * translated.  A deadline that was computed before keeps its number and is
 * compared with the clock that is held; what slept already is not counted by
 * await, and looks at the clock when its time has come by the kernel's.
 *
 * It is one clock for the process: tests that hold it do not run side by side
 * in one.  A child of fork() inherits it as it stands, and moves it alone.
 * Programs that never call this pay one load for it where they read a clock.
 */
#ifndef URCTX_CLOCK_H
#define URCTX_CLOCK_H

#include <urctx.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * urctx_clock_hold() - from now on the time stands still
 * @now: what urctx_now() says then, 0 to half of URCTX_NEVER.  0 gives handy
 *       numbers; urctx_now() keeps deadlines that were made before in the future
 *
 * What is armed for a time that is not after @now is due, and expires soon.
 *
 * Context: any thread, inside callbacks too; not async-signal-safe.
 * Return: 0; -EBUSY: it is held already; -EINVAL: @now is out of range.
 */
URCTX_MUST_CHECK_ int urctx_clock_hold(int64_t now);

/**
 * urctx_clock_advance() - move the clock on, from expiry to expiry
 * @ns: by so much; 0 tells only what is due already
 *
 * Stands still at each time that somebody waits for, in order: there it wakes
 * the threads whose time has come and ends the contexts that expire, in the
 * order in which their deadlines were armed, and runs their callbacks, on the
 * housekeeper's thread as ever.  A callback sees the time of its own expiry.
 * What it arms for a time before the end of this advance is told as well.
 *
 * When it returns urctx_now() is @ns later, and every context whose deadline is
 * not after that is done, its callbacks have returned (but one that a thread runs
 * which was woken here, and cancelled), its fd is readable and the threads that
 * waited for it, or for a time, have been woken.
 *
 * Beware: a callback that sleeps until a later time sleeps for ever, and this
 * call with it.  Woken is not run: see above.
 *
 * Context: any thread that may sleep; blocks; starts the housekeeper; not
 * async-signal-safe.
 * Return: 0; -EINVAL: the clock is not held, @ns is negative, or the time would
 * pass half of URCTX_NEVER; -EBUSY: another thread is advancing it; -EDEADLK:
 * called in a callback; -EAGAIN: no thread for the housekeeper; nothing has
 * moved then.  -ECANCELED: released meanwhile; it may have moved; or, in the child,
 * a handler of this thread has forked.
 */
URCTX_MUST_CHECK_ int urctx_clock_advance(int64_t ns);

/**
 * urctx_clock_await() - sleep until threads sleep
 * @threads: so many
 *
 * Counts the threads in a call of this library that waits for a time, a context,
 * tokens, tasks or a callback, with a deadline or without, and have nothing to
 * wake up for: whoever was woken by an advance, a cancel, a release or a change of
 * its futex counts no more, even if it has not run yet.  So after an advance this
 * waits for what the threads do, not for what they did.
 *
 * It does not poll.  Returns at once while the clock is not held, and when it is
 * released.
 *
 * Beware: more threads than ever come to sleep, and it does not return.  Sleeps
 * that began before the clock was held are not counted, nor are threads that
 * wait in other libraries, for a lock, in urctx_ring_wait(), or in a call of
 * <urctx/io.h> but urctx_sleep().  A wake-up by futex(2) that does not change the
 * word is not noticed.
 *
 * Context: any thread that may sleep; blocks; not async-signal-safe.
 */
void urctx_clock_await(unsigned threads);

/**
 * urctx_clock_release() - back to CLOCK_MONOTONIC
 *
 * Those who sleep look again, at what the kernel says the time is; contexts that
 * are live still expire by that.  What has expired stays so.  An advance that is
 * under way returns -ECANCELED.  While the clock is not held nothing happens.
 *
 * Beware: a deadline in small numbers, counted from a hold at 0, is long past
 * then: put the contexts first.  An fd made while the clock was held becomes
 * readable all the same.
 *
 * Context: any thread, inside callbacks too; not async-signal-safe.
 */
void urctx_clock_release(void);

#ifdef __cplusplus
}
#endif
#endif
