/* SPDX-License-Identifier: MIT */
/**
 * DOC: contexts that end with the first of several things; part of <urctx.h>
 */
#ifndef URCTX_JOIN_H
#define URCTX_JOIN_H

#include <sys/select.h>		/* sigset_t, in strict C11 too */
#include <urctx.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * urctx_with_any() - derive a context from several parents
 * @parents: contexts the caller has references to; NULL ones never end
 * @nr: how many; at least 1
 * @child: where the new context goes, with one reference, the caller's
 *
 * Done with the first of them, with its err and cause; its deadline is the earliest
 * of theirs.  Values are those of @parents[0].  G2, G3 and G12 hold for each parent:
 * it is a child of all of them.  @parents may be a local array.  If several have
 * ended by the time it is made, it has the err and cause of one of these.
 *
 * A parent that comes twice counts once; if one is left, this is
 * urctx_with_cancel().  Leaving, at the last put, costs a store a parent.
 *
 * Context: any thread, inside callbacks too; calls malloc(); not async-signal-safe.
 * Return: 0; -ENOMEM; -EINVAL if @parents or @child is NULL, @nr is 0 or more than
 * 1,048,576.
 */
URCTX_MUST_CHECK_ int urctx_with_any(struct urctx *const *parents, size_t nr,
				     struct urctx **child);

/**
 * urctx_with_signals() - derive a context that ends with a signal
 * @parent: a context the caller has a reference to; NULL makes a root
 * @set: signals, all of them blocked in every thread: block them in main(), before
 *       the first thread is made
 * @child: where the new context goes, with one reference, the caller's
 *
 * The first signal of @set that arrives ends it, and every other context that names
 * that signal; one that is pending, at once.  err is -ECANCELED; the cause names the
 * signal (reason "SIGINT") and its code is the signal's number.
 *
 * The timekeeper reads the signals, so callbacks run on its thread.  Until the
 * last context that names a signal is released, further ones are swallowed: a
 * second Ctrl-C does not kill a server that is shutting down.  Two descriptors are
 * open meanwhile, which the timekeeper closes some ms behind that last put.
 *
 * Beware: a signal to the process is meant (kill(2), a terminal); one to a thread,
 * as raise(3) sends it, is that thread's.  A thread that does not block a signal of
 * @set takes it, and its default action, instead.  SIGCHLD and others that are sent
 * once for several events are read once, too.
 *
 * Context: any thread, inside callbacks too; takes a lock of its own, under which
 * nothing of yours runs; may start the timekeeper; not async-signal-safe.
 * Return: 0; -ENOMEM; -EAGAIN: the timekeeper's thread cannot be started; -EINVAL if
 * @set is NULL, empty, holds SIGKILL, SIGSTOP or one that the calling thread does
 * not block, or if @child is NULL.
 */
URCTX_MUST_CHECK_ int urctx_with_signals(struct urctx *parent,
					 const sigset_t *set,
					 struct urctx **child);

#ifdef __cplusplus
}
#endif
#endif
