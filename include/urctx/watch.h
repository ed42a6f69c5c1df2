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
 * urctx_err() != 0, and the other way round: so who asks at the moment at which it
 * ends may have to wait for another thread's timerfd_settime(2).
 *
 * Beware: it is the context's own: do not read it, do not close it.  It is closed
 * when the context goes, with the last put of it and of all that was derived from it:
 * take it out of an epoll set before.  A child of fork() has to
 * ask again, and gets the same number.
 *
 * Context: any thread; lock-free but for mmap(), and in a child of fork() for who else
 * asks for the first time there; not async-signal-safe.
 * Return: a descriptor, close-on-exec; -EINVAL: @ctx is NULL; -ENOMEM; -EMFILE and
 * -ENFILE as timerfd_create(2), in a child of fork() others of dup3(2) as well;
 * -EAGAIN: a test holds the clock, and the timekeeper's thread cannot be started.
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
 * Beware: it says nothing of what is derived meanwhile: stop that first.  Values of
 * what has gone may be released a moment later, by whoever put it.
 *
 * Context: any thread that may sleep, not inside callbacks; blocks until then,
 * @deadline or a signal handler; not async-signal-safe.  In callbacks of a ring it is
 * not noticed, and holds up that ring.
 * Return: 0; -ETIME; -EINTR; -EDEADLK inside a callback; -ENOMEM; -EINVAL: @ctx is
 * NULL.
 */
URCTX_MUST_CHECK_ int urctx_wait_idle(struct urctx *ctx, int64_t deadline);

/**
 * urctx_dump() - print a context, and all that hangs on it
 * @root: a context that the caller has a reference to
 * @out: an open stream; not flushed
 *
 * To find out what a program waits for, and what it forgot to put.  A line for
 * each slot that is taken, two spaces deeper than that of its context, from the
 * 32nd level on with the level in brackets; words and key=value, in this order:
 *
 *   0x7fe1d634c000 live refs=1 left=1.204s value="user" fd=7
 *     0x7fe1d634c040 done -ECANCELED "nobody writes" code=5 at=io.c:31:run refs=1
 *     0x7fe1d634c080 live put any=2
 *       0x7fe1d634c0c0 expired refs=1 left=0.000s
 *     0x7fe1d634c100 live refs=1 shield
 *     0x7fe1d634c140 live refs=1 grace=5.000s left=4.310s
 *     0x7fe1d634c180 elsewhere parent=0x7fe1d634c1c0
 *     0x55b6dfc090a0 callback armed fn=server(conn_ended+0x0)
 *     0x7fe1d6c31018 ring armed ops=4
 *
 * live; expired: the deadline has passed, and nobody has looked yet; done, with
 * urctx_err() and the cause: its reason, its code if that is another, its place.
 * put in place of refs: the last reference is gone, and what is below it keeps
 * it.  left: until its deadline, or once its parent has ended until its grace is
 * over.  value: the name of the key that this context brought, or the key's
 * address.  fd: of urctx_fd().  any: so many parents, under the first of which it
 * is printed; the others say elsewhere.  A callback is armed or running; ring: the
 * ops of one ring that are bound to this context.  Builds configured with
 * --enable-debug add made, where the function that derived it was called, and age.
 * Places in code are as backtrace_symbols(3) prints them, for addr2line(1).
 *
 * Beware: no snapshot.  Others derive, cancel and put meanwhile and never wait for
 * a dump; each line was true at a moment of its own, what comes or goes may be
 * missing, what moved may be there twice.  A cause, a key or a callback whose
 * memory is gone by then is left out, or reads as what is there now.  A @root that
 * is big is long: its first lines are older than its last.
 *
 * Context: any thread, inside callbacks too; may block on @out, whose own functions
 * are called with nothing held; 64 KiB of stack do at any depth; not
 * async-signal-safe.
 * Return: how many contexts were printed, @root included; -EINVAL if @root or @out
 * is NULL; -EIO if the stream failed.
 */
URCTX_MUST_CHECK_ int urctx_dump(struct urctx *root, FILE *out);

#ifdef __cplusplus
}
#endif
#endif
