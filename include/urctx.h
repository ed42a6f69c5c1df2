/* SPDX-License-Identifier: MIT */
/**
 * DOC: liburctx, contexts for C on Linux
 *
 * A context says whether some piece of work is still wanted.  Contexts form a
 * tree: ending one ends everything derived from it, with the cause that was
 * given.  A function that may take long takes a context and asks it
 * (urctx_done), sleeps on it (urctx_wait) or leaves a callback (urctx_after).
 * The model and its words are Go's package context; references, results and
 * progress are stated the way the kernel states them.  Operations of an
 * io_uring are bound to contexts by <urctx/ring.h>.  Read once from top to
 * bottom, this file is the manual.
 *
 *        root                  urctx_cancel(B), on the thread that calls it:
 *       /    \                  1. B's word goes from live to done, cause and
 *      A      B  <-- cancel        all: B has ended, and whoever polls it sees
 *     /      / \                2. so do C, D, then E: a parent before its
 *    F      C   D                  children, each with a copy of B's cause
 *           |   |               3. the callbacks below B run, cb among them
 *           E   cb              4. it returns.  root, A and F never noticed
 *
 *   state   its word                 who moves it                       to
 *   live    the address of its slot  a cancel of it, or of an ancestor  done
 *   done    its cause, and its kind  nobody                             -
 *
 * Of that word a caller knows two bits: bit 0, done; bit 1 of a live one, ask
 * slowly (a function in the library has to look).
 *
 * Who may call what together, on one context:
 *
 *             cancel  derive  observe  wait  after  stop  put
 *   cancel      -       -        -      -      -     -     R
 *   derive              -        -      -      -     -     R
 *   observe                      -      -      -     -     R
 *   wait                                -      -     -     R
 *   after                                      C     C     R
 *   stop                                             -     -
 *   put                                                    -
 *
 *   "-"  any number of threads at once; of two stops, one at most gets true
 *   "R"  the others each rely on a reference which that put does not give up
 *   "C"  not on the same callback; on two callbacks, as "-"
 *   derive: urctx_with_*() and get; observe: done, err, cause; cancel and put
 *   have end in them.  stop needs no reference: an armed callback is one.
 *
 * Guarantees.  The numbers are the project's, tests cite them.  G10 and G11 are
 * ring.h's.
 *
 * G1  one word.  A context goes from live to done once.  Done, err and cause
 *     are one atomic word: nobody ever sees one without the others.
 * G2  synchronous.  When urctx_cancel(c) returns, whoever won, c and every
 *     descendant are done, and each callback has run or is running on another
 *     thread.  Called inside a callback it may leave the callbacks to the
 *     outermost cancel of this thread: they run before that returns.  Who
 *     finds another's cancel under way helps to finish it; nobody waits.
 * G3  no child is lost.  A derivation that races with its parent's cancel
 *     yields a child that is done when both calls have returned; one that
 *     starts later yields a child already done, with the parent's err, cause.
 * G4  first wins.  The first cancel, expiry or ancestor's end to reach a context
 *     fixes its cause for good.  An expiry reaches it when somebody looks, or
 *     the timekeeper does.
 * G5  deadlines.  Never early.  The effective deadline is the earliest of the
 *     path, fixed at derivation (urctx_with_grace() ends without one), with the
 *     cause of whoever set it.  From the deadline on, urctx_err() is never 0.
 * G6  callbacks.  Exactly once if the context ends and nobody stopped it, else
 *     never.  urctx_stop() returned: it is not running and will not run.  Any
 *     call of the library is allowed inside a callback, its own stop included;
 *     stop(A) inside B and stop(B) inside A wait for each other: use try_stop.
 * G7  polls.  urctx_done() is one load.  A cancel of a million children does
 *     not delay it; it never blocks, never fails, never runs foreign code.
 * G8  nothing is held while your code is called: no lock, no RCU read section.
 *     A callback may sleep or wait for a grace period, and delays its caller.
 * G9  no leaks by forgetting.  The last urctx_put() unlinks a context from its
 *     parent; a parent that lives for years does not grow by its past children.
 * G12 order.  A parent is done before its children: who sees a child done by an
 *     ancestor's end sees that ancestor done from then on.  Siblings, and
 *     callbacks, are in no order.
 *
 * Progress.  done, value: wait-free.  err, cause, get, put, derive, cancel,
 *     after, try_stop: lock-free; where derive and after need memory, as good
 *     as mmap() or malloc().  stop: waits for its own callback alone.  One
 *     exception: err and cause of a context that has a urctx_fd() and has just
 *     ended wait while another thread makes that readable, one system call.
 * NULL is the background everywhere: never done, never freed, parent of all
 *     roots.  A function that takes a context takes NULL, and is then never
 *     cancelled.  That is how existing code adopts contexts (GLib's lesson).
 *
 * Rules that hold everywhere:
 *
 *  - int is 0 or more, or -errno.  errno is never written.  Out-parameters are
 *    untouched on failure.
 *  - A deadline is absolute: CLOCK_MONOTONIC in nanoseconds (urctx_now), or
 *    URCTX_NEVER; one that is not after now has passed.
 *  - What ends things (cancel, put, end, stop) cannot fail and does not
 *    allocate.  Derivation fails for want of memory only, and where it needs
 *    the timekeeper (grace, signals) if his thread is refused.  In a thread's
 *    first call liburcu aborts if there is no page for what it keeps of it.
 *  - A context passed to you is borrowed for the call.  Keep it longer, or hand
 *    it to another thread: urctx_get() first.  Only who has a reference, or
 *    borrows one, may make another, derive, wait or arm a callback.
 *  - Structures that you embed start zeroed, and are the library's from the
 *    call that takes them until its description says otherwise.  So are, at
 *    all times, names that end in an underscore.
 *  - Async-signal-safe: urctx_done(), urctx_deadline(), urctx_background(); and, on
 *    a thread that has derived or armed before and does not run destructors of its
 *    end, urctx_cancel() where all callbacks it may run are, those included that a
 *    cancel which it interrupts has left for later.  Nothing else.  Threads need no
 *    registration.
 *  - pthread_cancel(), deferred: no call but urctx_dump(), and io.h's with NULL for a
 *    context, is a point of cancellation.  In a callback there must be none either.
 *  - fork(): the child may use, cancel and put what it inherited and derive
 *    anew; nothing of that reaches the parent process.  Callbacks of deadlines
 *    that it inherited wait for its first derivation with a deadline.  A callback
 *    that another thread was running at the fork counts as running in the child
 *    for ever: urctx_stop() of it does not return there, urctx_try_stop() does.
 *    A cancel, a deadline or a signal that another thread was carrying out at the
 *    fork goes no further in the child: cancel there what is to end there.
 *    fork() waits for a grace period of the housekeeper, and for a thread's
 *    first use, 100 ms at most; where that was not enough (liburcu's own hooks
 *    around fork() are installed as well), deadlines it inherited may never come.
 *    It cannot wait for a thread's end: a child that was forked in the 100 ns of
 *    liburcu's own destructor finds liburcu locked.  A hook around fork() that
 *    is older than the library names no signals, and waits for no thread that
 *    does, or that uses the library for the first time: these wait for the fork.
 *    It runs with all signals blocked.
 *  - Memory: 64 bytes for a context that never had a child or a callback, a
 *    block of slots more for one that had.  A long-lived parent keeps the slots
 *    of its peak: its cancel and its last put scan them.  What is put serves
 *    later contexts, on any thread; after a burst the system gets most of it back
 *    (where transparent huge pages are `always', khugepaged may take it again).
 *  - One thread is ours, the housekeeper.  What had slots is reused after a
 *    grace period; puts see to that in batches, and the housekeeper waits where
 *    they cannot.  He is the timekeeper, too: of deadlines that have a callback
 *    or are polled, of grace and of signals.  Started when first needed, all
 *    signals blocked, named, gone after a second with nothing to do; refused,
 *    memory waits, and what needs the timekeeper says -EAGAIN.
 *  - Misuse (a put too many, a callback armed twice): builds configured with
 *    --enable-debug say a sentence on stderr and abort; others may not notice, but
 *    a put too many mostly.
 *    valgrind with such a build, and ASan with one of --enable-sanitize, report
 *    uses after the last put, until the memory serves another context.
 */
#ifndef URCTX_H
#define URCTX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define URCTX_STATIC_ static constexpr
#else
#define URCTX_STATIC_ static const
#endif
#define URCTX_MUST_CHECK_ __attribute__((warn_unused_result))

/**
 * URCTX_NEVER - the deadline that does not come, in nanoseconds
 */
#define URCTX_NEVER INT64_MAX

/**
 * struct urctx - a context: opaque, reference counted
 */
struct urctx;

/**
 * struct urctx_cause - why a context ended
 * @reason: for people; never NULL where the library made it
 * @file: where it was given; NULL where made without URCTX_CAUSE()
 * @func: likewise
 * @line: likewise, else 0
 * @code: for programs: -errno, or a positive number of yours; never 0
 *
 * Contexts point to it, nothing is copied: make it static, or let it outlive
 * every context that it may reach.  The layout is final.
 *
 * Beware: @code is not what urctx_err() returns, see there.
 */
struct urctx_cause {
	const char *reason;
	const char *file, *func;
	int line;
	int code;
} __attribute__((aligned(8)));

/**
 * struct urctx_callback - a callback armed on a context; embed it, zeroed
 * @private_: the library's
 *
 * The library's from urctx_after() on, and yours again once fn is entered, once
 * urctx_try_stop() said true, or once urctx_stop() is back.
 */
struct urctx_callback {
	void *private_[6];
} __attribute__((aligned(8)));

/**
 * urctx_background() - NULL, said on purpose
 *
 * Context: any; wait-free; async-signal-safe.
 * Return: NULL, the context that never ends (Go's context.Background).
 */
struct urctx *urctx_background(void);

/**
 * urctx_get() - one more reference
 * @ctx: a context that the caller has a reference to, or NULL
 *
 * Beware: in a callback the context is not yours unless you kept a reference.
 * Context: any thread; lock-free; not async-signal-safe.
 * Return: @ctx.
 */
struct urctx *urctx_get(struct urctx *ctx);

/**
 * urctx_put() - give a reference back
 * @ctx: a context, or NULL: nothing happens
 *
 * The last put unlinks the context (G9); cannot fail.  What was derived from it
 * lives on and still ends with its ancestors.  Any thread may put what any
 * other derived.
 *
 * Beware: a put does not cancel, see urctx_end().
 * Context: any thread, inside callbacks too; lock-free; may start the
 * housekeeper; not async-signal-safe.
 */
void urctx_put(struct urctx *ctx);

/**
 * urctx_end() - cancel with cause urctx_canceled, then put
 * @ctx: a context, or NULL: nothing happens
 *
 * For who made the context and has finished the work (Go's defer cancel()).
 * Beware: it ends the context for all who hold it.
 *
 * Context: as urctx_cancel() and urctx_put() together: callbacks may run here.
 */
void urctx_end(struct urctx *ctx);

static inline void urctx_end_scoped_(struct urctx **p)
{
	urctx_end(*p);
}

/**
 * urctx_scoped - a variable that is ended when its scope is left
 *
 * ``urctx_scoped struct urctx *ctx = NULL;`` and then a derivation into it, as
 * with the kernel's __free().  Bindings call urctx_end().
 *
 * Beware: initialise it: a return before the derivation ends what it holds.
 * longjmp() passes it by; C++ exceptions do not.
 */
#define urctx_scoped __attribute__((cleanup(urctx_end_scoped_)))

/**
 * urctx_with_cancel() - derive a context that can be cancelled
 * @parent: a context the caller has a reference to; NULL makes a root
 * @child: where the new context goes, with one reference, the caller's
 *
 * Made for a context per request or operation.  The parent may be put first.
 *
 * Beware: 0 does not say that the child is live: under a parent that is done it
 * is born done, with the parent's err and cause (G3).  On failure @child is
 * what it was: if that is NULL and you go on, you go on uncancellable.
 *
 * Context: any thread, inside callbacks too; lock-free but for mmap(); not
 * async-signal-safe.
 * Return: 0; -ENOMEM; -EINVAL if @child is NULL.
 */
URCTX_MUST_CHECK_ int urctx_with_cancel(struct urctx *parent,
					struct urctx **child);

/**
 * urctx_cancel() - end a context and all that was derived from it
 * @ctx: a context, or NULL: false
 *
 * The macro further down takes its place and puts the caller's file, line and
 * function into the cause.  ``(urctx_cancel)(ctx)`` is the exported function,
 * cause urctx_canceled: for bindings, function pointers, and code that may be
 * dlclose()d, whose own statics go with it.
 *
 * Context, Return: as urctx_cancel_cause().
 */
bool urctx_cancel(struct urctx *ctx);

/**
 * urctx_cancel_cause() - end a context, and say why
 * @ctx: a context, or NULL: false
 * @cause: why; NULL: urctx_canceled.  See struct urctx_cause for its lifetime
 *
 * G2 and G4 are its promise.  Callbacks run here, on the caller's thread, or
 * are running on another's: hold no lock that one of them takes.
 *
 * Beware: false is no failure: the context was done already, by whomever; what
 * G2 says holds all the same.  After either it does not say that the work has
 * stopped: that work has yet to look, and to return.
 *
 * Context: any thread, inside callbacks too; lock-free apart from the callbacks
 * it runs; async-signal-safe if they are, on a thread that has derived before.
 * Return: true iff this call ended @ctx; a deadline that has passed ended it before.
 */
bool urctx_cancel_cause(struct urctx *ctx, const struct urctx_cause *cause);

/**
 * URCTX_CAUSE() - a static cause that knows its file, line and function
 * @code: a constant: -errno, or a positive number of yours; never 0
 * @reason: a string literal
 *
 * ``urctx_cancel_cause(ctx, URCTX_CAUSE(-EIO, "journal is gone"))``.  Bindings
 * make a struct urctx_cause, or call urctx_cause_errno().
 *
 * Beware: only inside functions, and in C not inside an inline function that is
 * not static.  It goes with the object that holds it, see urctx_cancel().
 * Return: a pointer to it, the same each time this place is reached.
 */
#define URCTX_CAUSE(code, reason)                                              \
	(__extension__({                                                       \
		URCTX_STATIC_ struct urctx_cause urctx_cause_ = {              \
			reason, __FILE__, __func__, __LINE__, code             \
		};                                                             \
		&urctx_cause_;                                                 \
	}))
#define urctx_cancel(ctx) urctx_cancel_cause(ctx, URCTX_CAUSE(-125, "canceled"))

/**
 * urctx_cause_errno() - a static cause for an error known only at run time
 * @err: an errno, either sign
 *
 * Context: any thread; lock-free.
 * Return: a cause with code -|@err|, or -EIO if @err is no errno; static.
 */
const struct urctx_cause *urctx_cause_errno(int err);

/**
 * urctx_canceled - the cause where none was given; code -ECANCELED
 * urctx_deadline_exceeded - the cause of a deadline that passed; code -ETIME
 */
extern const struct urctx_cause urctx_canceled, urctx_deadline_exceeded;

/**
 * urctx_done() - has it ended?
 * @ctx: a context, or NULL: false
 *
 * Made for the inner loop: one load, inline, acquire: who sees true sees what
 * the canceller wrote before it cancelled.  The library exports a function of
 * this name and meaning, for bindings.
 *
 * A context with a deadline that nobody watches reads the clock instead, and after
 * a few polls has it watched (<urctx/deadline.h>).
 *
 * Beware: false is old by the time you read it, and may lag a deadline by as much
 * as the timekeeper is late: urctx_err() does not.  true does not say that
 * callbacks have run.
 *
 * Context: any, wait-free, async-signal-safe.
 * Return: true once @ctx is done, from then on always.
 */
static inline bool urctx_done(const struct urctx *ctx);

/**
 * urctx_err() - has it ended, as an error to return
 * @ctx: a context, or NULL: 0
 *
 * Beware: it is the kind of end, not the cause: -ECANCELED with whatever cause
 * it was cancelled.  The code of the cause is in urctx_cause().
 *
 * Looks at the clock where there is a deadline: never late, never early (G5).
 *
 * Context: any thread; lock-free, runs no callbacks; not async-signal-safe.
 * Return: 0 while live; -ECANCELED; -ETIME once a deadline has passed (never
 * -ETIMEDOUT, which is TCP's).
 */
int urctx_err(const struct urctx *ctx);

/**
 * urctx_cause() - why did it end?
 * @ctx: a context, or NULL: NULL
 *
 * The first cause that reached it, its own or an ancestor's (G4).
 * Context: any thread; lock-free, runs no callbacks; not async-signal-safe.
 * Return: NULL while live, then always the same cause.
 */
const struct urctx_cause *urctx_cause(const struct urctx *ctx);

/**
 * urctx_now() - the clock that deadlines are read on
 *
 * ``urctx_wait(ctx, urctx_now() + 5000000)`` waits for 5 ms at most.
 * Context: any thread; wait-free.
 * Return: CLOCK_MONOTONIC in nanoseconds, or the test clock's (urctx/clock.h).
 */
int64_t urctx_now(void);

/**
 * urctx_wait() - sleep until a context is done
 * @ctx: a context that the caller has a reference to, or NULL: sleeps
 *       until @deadline
 * @deadline: absolute, nanoseconds, or URCTX_NEVER; in the past: just looks
 *
 * Beware: 0 does not say that the callbacks have run, nor that descendants are
 * done: the canceller may be on its way there.  -EINTR depends on SA_RESTART
 * where there is no deadline, as for any slow system call.
 *
 * Context: any thread that may sleep; blocks until the context ends, @deadline
 * or a signal handler; not async-signal-safe.
 * Return: 0 once done, even if @deadline has passed too; -ETIME; -EINTR.
 */
URCTX_MUST_CHECK_ int urctx_wait(struct urctx *ctx, int64_t deadline);

/**
 * urctx_after() - have a function called once a context is done
 * @ctx: a context the caller has a reference to; NULL: armed, never called
 * @cb: zeroed or idle, usually embedded: fn finds its own data around it
 * @fn: gets @cb, and owns it from entry: it may free it or arm it again
 *
 * @fn runs once, on a thread that cancels or, at a deadline, the timekeeper's; Go
 * starts a goroutine here, we start nothing.  It may call anything of this file,
 * drop the last reference of its own context, and sleep, which delays that thread.
 *
 * Beware: on a context that is done @fn runs before this returns, under
 * whatever locks you hold, and @cb may be gone; arming it again there on the
 * same context recurses.  Armed again inside its own @fn, stop speaks of the
 * newest registration alone.  An armed callback keeps its context and all
 * ancestors in memory until it is stopped or run.  @fn returns: no longjmp(),
 * no exception, no pthread_exit() out of it.
 *
 * Context: any thread, inside callbacks too; lock-free but for mmap(), @fn itself and,
 * if @ctx has a deadline, the start of the timekeeper's thread; not async-signal-safe.
 * Return: 0: armed, or has been called; neither: -ENOMEM; -EAGAIN: @ctx has a
 * deadline, and the timekeeper's thread cannot be started; -EINVAL if @cb or @fn is
 * NULL.
 */
URCTX_MUST_CHECK_ int urctx_after(struct urctx *ctx, struct urctx_callback *cb,
				  void (*fn)(struct urctx_callback *cb));

/**
 * urctx_try_stop() - take a callback back, unless it is too late
 * @cb: a callback whose memory is still there
 *
 * The one to use under a lock that the callback takes, or in another callback.
 *
 * Beware: after false it may be running, or just about to: its memory belongs
 * to its fn.  Nor does false say that the context is done.
 *
 * Context: any thread, inside callbacks too; lock-free; not async-signal-safe.
 * Return: true: it will never run, @cb is yours; false: it runs, has run, or
 * was not armed.
 */
bool urctx_try_stop(struct urctx_callback *cb);

/**
 * urctx_stop() - take a callback back, or wait until it is over
 * @cb: a callback whose memory is still there: fn does not free it
 *
 * Either way @cb is not running when this returns, and will not run: what it
 * uses may go.  Inside @cb's own function it returns at once, false.
 *
 * Beware: hold no lock that the callback takes, and do not call it in one
 * callback for another that stops this one: they wait for each other for ever.
 * What fn arms again while this waits for it is armed: call again.
 *
 * Context: any thread, inside callbacks too; lock-free unless @cb runs on
 * another thread, then blocks on that alone; not async-signal-safe.
 * Return: as urctx_try_stop().
 */
bool urctx_stop(struct urctx_callback *cb);

/* The rest is how urctx_done() comes to be one load, part of the ABI. */
bool urctx_done_slow_(const struct urctx *ctx);
static inline bool urctx_done(const struct urctx *ctx)
{
	static const uintptr_t background = 0;	/* cheaper than a branch */
	const uintptr_t *word = ctx ? (const uintptr_t *)ctx : &background;
	uintptr_t state = __atomic_load_n(word, __ATOMIC_ACQUIRE);

	return __builtin_expect(state & 3, 0) ?
	       (state & 1) || urctx_done_slow_(ctx) : false;
}

#ifdef __cplusplus
}
#endif

/* The chapter goes on in these, in this order. */
#include <urctx/deadline.h>
#include <urctx/value.h>
#include <urctx/join.h>
#include <urctx/watch.h>

#endif
