/* SPDX-License-Identifier: MIT */
/**
 * DOC: urctx/sync.h, waits that a context ends
 *
 * Three ways for threads to wait for each other, each of which a context can
 * end: a futex, a counting semaphore, and a group of threads that end together.
 * Rules, results and NULL are those of <urctx.h>; read that first.
 *
 *   call                    back with 0 when             else
 *   urctx_futex_wait        somebody woke @addr          -EAGAIN, err, -EINTR
 *   urctx_sem_acquire       the tokens are yours         err, -EINTR
 *   urctx_group_go          the task has been started    err, -EINTR, -EAGAIN
 *   urctx_group_wait        all tasks said 0             the first error
 *
 *   "err" is urctx_err(ctx): -ECANCELED, or -ETIME at the deadline.
 *
 * What none of them means: 0 does not say that the context is still live when
 * you look; it may end right behind the call.  Whoever goes on for long asks it
 * again.  None of them runs callbacks, but for what urctx_group_wait() and a
 * task that fails say.
 *
 * Deadlines need no timer: a sleep ends by itself at the context's deadline.
 * Where the system call futex_waitv() is missing (kernels before 5.16, some
 * sandboxes, valgrind), which is found out once, a sleeper looks at its context
 * again after 0.1, 0.2, 0.4 ... 12.8 ms.  There a cancel is noticed as late as
 * the sleeper has slept already, 13 ms at most; wake-ups are not delayed.
 *
 * fork(): what other threads of the parent were about is lost.  In the child,
 * initialise semaphores and groups anew before you use them.
 */
#ifndef URCTX_SYNC_H
#define URCTX_SYNC_H

#include <urctx.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * urctx_futex_wait() - FUTEX_WAIT that a context ends
 * @ctx: a context that the caller has a reference to, or NULL: futex(2) alone
 * @addr: four bytes of this process (FUTEX_PRIVATE_FLAG), aligned to 4
 * @val: what they must hold for the caller to sleep
 *
 * Sleeps on @addr and on the end of @ctx, its deadline included, in one system
 * call: neither a wake-up nor the end is missed.  Whoever changes @addr calls
 * ``syscall(SYS_futex, addr, FUTEX_WAKE_PRIVATE, ...)`` as ever; there is
 * nothing of ours for wakers.  An event that threads wait for::
 *
 *	while (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE)) {
 *		int ret = urctx_futex_wait(ctx, &ready, 0);
 *
 *		if (ret && ret != -EAGAIN)
 *			return ret;	// cancelled, too late, or interrupted
 *	}
 *
 * A wake-up that was counted for this thread is never dropped: woken and done
 * at once it says 0, and the next call says that the context is done.
 *
 * Beware: 0 may be spurious, as with every futex: look at @addr, in a loop.  It
 * orders no memory; the load of @addr does.  Futexes shared between processes
 * are not reached.
 *
 * Context: any thread that may sleep; blocks; not async-signal-safe.
 * Return: 0: woken; -EAGAIN: @addr did not hold @val; urctx_err() of a context
 * that is done, also if it was before; -EINTR: a signal handler ran (with
 * SA_RESTART the wait may go on instead); -EINVAL: @addr is NULL or not aligned.
 */
int urctx_futex_wait(struct urctx *ctx, uint32_t *addr, uint32_t val);

/**
 * struct urctx_sem - a weighted semaphore, first come first served
 * @private_: the library's
 *
 * Embed it and give it to urctx_sem_init(); zeroed it is one of size 0.  There
 * is nothing to destroy.  Its memory may go when nobody is in a call on it: who
 * has acquired all of its size may free it, the calls that released that size
 * have no business with it any more.
 */
struct urctx_sem {
	uint64_t private_[8];
} __attribute__((aligned(8)));

/**
 * urctx_sem_init() - a semaphore with all of its tokens free
 * @sem: nobody uses it
 * @size: tokens; 1 makes a mutex that a context can end.  Negative is 0, more
 *        than 2^60 is 2^60
 *
 * Go's semaphore.NewWeighted.  At most four threads at the disk::
 *
 *	urctx_sem_init(&disk, 4);
 *	...
 *	ret = urctx_sem_acquire(&disk, ctx, 1);
 *	if (ret)
 *		return ret;		// nobody waits for it any more
 *	n = pread(fd, buf, len, off);
 *	urctx_sem_release(&disk, 1);
 *
 * Context: any; wait-free.
 */
void urctx_sem_init(struct urctx_sem *sem, int64_t size);

/**
 * urctx_sem_acquire() - take tokens, wait for them until the context ends
 * @sem: the semaphore
 * @ctx: a context that the caller has a reference to, or NULL: waits for ever
 * @nr: how many, in one piece; 0 takes none and only looks at @ctx
 *
 * In order of arrival: who asks for many is not overtaken by those who ask for
 * few, and waits no longer than what was taken before takes.  One that gives up
 * lets those behind it through.  More than the size cannot come: that call
 * waits for the end of @ctx, without standing in anyone's way.
 *
 * With tokens free and nobody waiting it is one compare-and-swap.  Otherwise it
 * queues, under a lock of a few instructions, and sleeps.
 *
 * Beware: it is no recursive lock, and knows no owner: any thread may release.
 * An error says that you hold nothing of this call's; never release then.
 *
 * Context: any thread that may sleep; blocks; not async-signal-safe.
 * Return: 0: yours; urctx_err() of @ctx: done before, meanwhile, or at the very
 * moment the tokens came, which then go to the next; -EINTR: a signal handler
 * ran while it slept; -EINVAL if @nr is negative.
 */
URCTX_MUST_CHECK_ int urctx_sem_acquire(struct urctx_sem *sem,
					struct urctx *ctx, int64_t nr);

/**
 * urctx_sem_try_acquire() - take tokens if they are there
 * @sem: the semaphore
 * @nr: how many; 0 is always there, a negative number never
 *
 * Beware: false too while others wait, whatever is free: it is their turn.
 *
 * Context: any thread, inside callbacks too; lock-free; not async-signal-safe.
 * Return: true: yours.
 */
bool urctx_sem_try_acquire(struct urctx_sem *sem, int64_t nr);

/**
 * urctx_sem_release() - give tokens back
 * @sem: the semaphore
 * @nr: how many of those that were acquired, by whomever; 0: nothing happens
 *
 * Wakes those whose turn it is.  Never fails, never allocates.
 *
 * Beware: more than is out, or a negative number, is a mistake.  Builds with
 * --enable-debug say so and abort; others take what makes the semaphore full
 * and drop the rest, and take a negative number for 0: no token is lost, and
 * nobody waits for ever, but more than its size may be held for a while.
 *
 * Context: any thread, inside callbacks too; lock-free while nobody waits, else
 * it takes the lock of the queue, which is never held over a sleep; not
 * async-signal-safe.
 */
void urctx_sem_release(struct urctx_sem *sem, int64_t nr);

/**
 * struct urctx_group - threads that do one thing together, and end together
 * @private_: the library's
 *
 * Go's errgroup.  Embed it, urctx_group_init() it, and see that
 * urctx_group_wait() is called: that gives back what it holds.  One that is
 * zeroed and not initialised works, too: without a context (tasks get NULL),
 * without a limit, for any number of rounds of go and wait, of which each says the
 * first error of all so far.
 *
 * Two pages fetched at once, neither when the other fails::
 *
 *	struct urctx_group g;
 *	int ret = urctx_group_init(&g, parent, 0, NULL), first;
 *
 *	if (ret)
 *		return ret;
 *	ret = urctx_group_go(&g, fetch, &left);	// int fetch(ctx, arg)
 *	if (!ret)
 *		ret = urctx_group_go(&g, fetch, &right);
 *	first = urctx_group_wait(&g);
 *	return first ? first : ret;
 */
struct urctx_group {
	uint64_t private_[16];
} __attribute__((aligned(8)));

/**
 * URCTX_GROUP_START_ANYWAY - tasks start though the context is done
 *
 * Or it into the limit of urctx_group_init().  Go's rule: every task that was
 * given to the group runs, and finds out by itself that nobody wants it; a go
 * that waits for a place waits on.  Ours, without it: what has not been started
 * when the context ends is skipped.
 */
#define URCTX_GROUP_START_ANYWAY (1U << 31)

/**
 * urctx_group_init() - a group, with a context of its own
 * @g: nobody uses it
 * @parent: a context the caller has a reference to, or NULL
 * @limit: so many tasks at a time, by one thread more at most; 0: no limit.
 *         URCTX_GROUP_START_ANYWAY
 * @ctx: where the group's context goes, borrowed until urctx_group_wait();
 *       may be NULL
 *
 * The context ends with @parent, with the first task that does not return 0,
 * when you cancel it, and in any case with urctx_group_wait().
 *
 * Context: any thread; lock-free but for mmap(); not async-signal-safe.
 * Return: 0; -ENOMEM; -EINVAL if @g is NULL.
 */
URCTX_MUST_CHECK_ int urctx_group_init(struct urctx_group *g,
				       struct urctx *parent, unsigned limit,
				       struct urctx **ctx);

/**
 * urctx_group_go() - have a task done by a thread of the group
 * @g: the group
 * @fn: the task; gets the group's context, borrowed until it returns, and @arg
 * @arg: is handed through
 *
 * At the limit it waits for a place, in order of arrival, until the context
 * ends.  Each task is a thread with default attributes and all signals blocked.
 * What @fn returns, if it is not 0, and if it is the first, is the group's
 * error and ends the context, with the cause urctx_cause_errno() has for it;
 * callbacks run on the task's thread then.  Return -errno; any other number but
 * 0 is handed through as well.
 *
 * Tasks may call it, too, and groups nest: pass the task's context as parent.  To say
 * more than an errno does, a task cancels the context with a cause, then returns.
 * Who must stop waiting for another reason than the group's context (an acceptor that
 * is to stop while the tasks go on) takes a urctx_sem under that one first.
 *
 * Beware: a task that waits for a place keeps its own: if all do, they wait
 * until the context ends.  From outside the group's tasks, calls have to be back
 * before urctx_group_wait() is called.  @fn returns: no longjmp(), exception or
 * pthread_exit() out of it.  A detached thread is never left: see wait.
 *
 * Context: any thread that may sleep; allocates; starts a thread; not
 * async-signal-safe.
 * Return: 0: @fn runs, once; else it does not: urctx_err() of the group's
 * context (-ECANCELED behind urctx_group_wait()), -EINTR by a signal handler
 * while it waited, -EAGAIN no thread, -ENOMEM, -EINVAL if @g or @fn is NULL.
 */
URCTX_MUST_CHECK_ int urctx_group_go(struct urctx_group *g,
				     int (*fn)(struct urctx *ctx, void *arg),
				     void *arg);

/**
 * urctx_group_try_go() - the same, if there is a place now
 * @g: the group
 * @fn: the task, see urctx_group_go()
 * @arg: is handed through
 *
 * Context: any thread; allocates; starts a thread; not async-signal-safe.
 * Return: true: @fn runs, once; false: it does not, because the limit is
 * reached, the context done, or no thread could be had.
 */
bool urctx_group_try_go(struct urctx_group *g,
			int (*fn)(struct urctx *ctx, void *arg), void *arg);

/**
 * urctx_group_wait() - wait until all tasks are back, and end the context
 * @g: the group
 *
 * Does not end them: cancel the context first if they are to stop.  When it
 * returns every thread of the group has exited and was joined, and the context
 * has ended (cause urctx_canceled, if nothing ended it before) and been put.
 * The group is over then, its memory yours; urctx_group_init() makes it new.
 * Called again it says the same again.
 *
 * Beware: signals do not interrupt it.  A task of the group that calls it waits
 * for itself.
 *
 * Context: any thread that may sleep; runs the callbacks of the context;
 * blocks; not async-signal-safe.
 * Return: what the first task returned that did not return 0, or 0; -EINVAL if
 * @g is NULL.
 */
int urctx_group_wait(struct urctx_group *g);

#ifdef __cplusplus
}
#endif
#endif
