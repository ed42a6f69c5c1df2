/* SPDX-License-Identifier: MIT */
/**
 * DOC: liburctx-uring, contexts for the operations of an io_uring
 *
 * An operation that is bound to a context is told to end when the context ends:
 * the kernel is asked to abort it, and asked again until it has let go.  The
 * ring, its loop and its memory stay yours; the library adds an attachment to
 * it, and lives on the thread that owns the ring.  See <urctx.h> for contexts.
 *
 *   owner                                        any thread
 *     sqe = urctx_ring_sqe(r)
 *     io_uring_prep_recv(sqe, ...)
 *     urctx_ring_bind(r, sqe, ctx, &op)
 *     for (;;) {
 *       ns = urctx_ring_turn(r)     <--wakes--   urctx_cancel(ctx)
 *       submit, wait for one CQE, ns at most
 *       for each CQE
 *         urctx_ring_dispatch(r, cqe)
 *           op.complete(&op): res, cause
 *     }
 *
 * urctx_ring_wait() is that loop's body, for who has none of his own.
 *
 * Two guarantees beside those of <urctx.h>:
 *
 * G10 the last CQE of an op ends the op, and nothing else does.  Its result is
 *     delivered, with the cause beside it: an accepted fd, bytes received, half a
 *     write are yours although the op was told to end.  Until then the op and
 *     its buffer are the kernel's, whatever was cancelled, closed or timed out.
 * G11 no cancel is lost.  An op that was told to end is asked for again, after
 *     whatever -EALREADY, -ENOENT or a full SQ, until its last CQE is here: at
 *     once, then after 1, 2, 4 .. 50 ms.
 *
 * What a result means, when complete() has cause
 *
 *   cause NULL, any res	nobody told it to end; -ECANCELED then comes from a
 *		chain that broke, a cancel of yours, or the kernel (fsync, on 6.1)
 *   cause, res < 0		ended because of it: mostly -ECANCELED or -EINTR
 *   cause, res >= 0		too late, or in part: what it did it did
 *
 * What the kernel can abort, on 6.1, 6.12 and 6.18 (tests/disk-table measures it)
 *
 *   where the op is			a cancel says	and it ends
 *   armed: sockets, pipes, polls,	0		-ECANCELED, 10 us later
 *     timeouts, futexes, waitid
 *   queued for a worker		0		-ECANCELED, 10 us later
 *   a worker does it, and a signal	-EALREADY	-EINTR, 40 us later
 *     would interrupt it (splice,
 *     open of a FIFO)
 *   a worker does it, a disk's		-EALREADY	when the disk answers
 *     (FUSE, NFS, page cache)
 *   block layer (O_DIRECT)		-ENOENT		when the disk answers
 *   a chain's, not begun; or behind	-ENOENT		when those in front have
 *     a drain					  ended
 *
 * URCTX_OP_NO_ABORT spares the asking where it is in vain.  URING_CMD: never found.
 * After a cancelled connect the socket is still connecting: close it.
 *
 * Some files block whoever submits (FUSE, some of the network: "always ready", and
 * not to be tried without waiting): then no turn comes, and nothing ends.  With
 * IOSQE_ASYNC a worker does it.
 *
 * Rules that hold here:
 *
 *  - One thread, the one that attached, is the owner; for a ring with
 *    IORING_SETUP_SINGLE_ISSUER, the one that the kernel has for it.  Everything
 *    but urctx_ring_stats() is called on it; elsewhere -EPERM, NULL, false or
 *    nothing comes back, or, with --enable-debug, a sentence and abort().
 *    Contexts are cancelled, derived and put on any thread.
 *  - Only urctx_ring_dispatch(), and wait, drain and detach through it, call
 *    complete().  Inside it everything is allowed, binding the same op again and
 *    putting its context included, but wait, drain, detach: -EDEADLK.
 *  - user_data with URCTX_UDATA_TAG in its top 16 bits is ours.  Yours may be any
 *    other: pointers and small numbers are.
 *  - The owner is woken by a CQE.  A wait for several sleeps over it: wait for one,
 *    or for as long as a cancel may take.  On a DEFER_TASKRUN ring it comes when he
 *    waits in the kernel: a poll of its fd need not see it, nor an eventfd that you
 *    registered (6.18 signals it once, late): urctx_ring_wait(), or some ms at most.
 *  - Turn is the last call before you submit and wait: what is bound, or cancelled
 *    on the owner's own thread, behind a dispatch is heard by the turn that follows.
 *    A signal handler that cancels there may come at any time: it wakes.
 *  - Memory for params.ops operations, of as many contexts and 8, is made in attach; no
 *    more in flight, and bind does not allocate here.  (A context's first callback may.)
 *  - A forked child may cancel what it inherited, and is nobody's owner: -EPERM.
 *  - errno is never written.  Where io_uring is forbidden the core works without.
 *
 * Costs, on one machine: bind and dispatch 22 ns for an op, 34 with a deadline, 43
 * for the only one of its context.  Per op in flight: its 96 bytes, and up to 280.
 */
#ifndef URCTX_RING_H
#define URCTX_RING_H

#include <liburing.h>	/* first: it wants to define _XOPEN_SOURCE itself */
#include <urctx.h>

#ifdef __cplusplus
extern "C" {
#endif

struct urctx_ring;

/**
 * struct urctx_ring_params - how to attach to a ring; NULL: all zero
 * @ops: make room for so many operations in flight now; 4,194,304 at most.  More
 *	in flight than that, and bind makes room for twice as many
 * @flags: URCTX_RING_*
 * @foreign: gets each CQE without our tag that wait, drain and detach meet, before
 *	they consume it; nothing of wait, drain, detach inside it
 * @arg: for @foreign
 * @reserved: 0, else -EINVAL
 *
 * Beware: without @foreign they stop in front of such a CQE, see urctx_ring_wait().
 */
struct urctx_ring_params {
	unsigned ops;
	unsigned flags;
	void (*foreign)(void *arg, const struct io_uring_cqe *cqe);
	void *arg;
	uint64_t reserved[4];
};

/*
 * You use IOSQE_IO_DRAIN: no IOSQE_CQE_SKIP_SUCCESS from us, with which the
 * kernel would refuse it.  As a drain holds up whatever is queued behind it,
 * cancels are a system call each, in the turn (before 6.0: queued, with a CQE); and
 * as it waits for whatever is in front of it, nothing of ours stays in the ring to
 * wake you: turn lets you sleep for 50 ms at most, while there is a context to hear
 * of, and so does wait.
 */
#define URCTX_RING_DRAIN	(1U << 0)
/*
 * URCTX_OP_LINK_TIMEOUT for every op that can have it, at its own deadline or its
 * context's, whichever is earlier; the others have the ring's heap alone, and so
 * have those that are not the last SQE taken when they are bound.  For owners who
 * may be stuck; it costs 300 ns an op and more.  Link no timeouts of your own.
 */
#define URCTX_RING_LINK_TIMEOUT	(1U << 1)
/*
 * You wait by yourself, and without a timeout: turn keeps one IORING_OP_TIMEOUT in
 * the ring for the time that it returns, whose CQE ends your wait.  A wait for
 * several CQEs it ends as well, unless it fires just before that begins; as a
 * context that ends on another thread does not, such a wait wants a timeout anyway.
 */
#define URCTX_RING_TIMER	(1U << 2)

/**
 * struct urctx_op - an operation that can be told to end; embed it, zeroed
 * @complete: called once for each CQE; the last has no IORING_CQE_F_MORE in
 *	@cqe_flags.  May be changed in flight
 * @cause: why it was told to end; NULL: nobody told it, whatever @res says
 * @res: of the CQE, as the kernel gave it.  -512 to -516, which are no errnos and
 *	appear where a worker was interrupted, come as -EINTR
 * @cqe_flags: of the CQE; the second half of a big one (CQE32) is not handed on
 * @private_: the library's
 *
 * 96 bytes; 88 where a pointer has 4.  The library's from bind on, and yours again
 * when complete() is entered for its last CQE.  @cause, @res and @cqe_flags are valid
 * inside complete().  Beside the op, the buffer: the kernel's for as long.  A
 * zero-copy send has two CQEs: the buffer is yours after the last.
 */
struct urctx_op {
	void (*complete)(struct urctx_op *op);
	const struct urctx_cause *cause;
	int res;
	unsigned cqe_flags;
	uint64_t private_[9];
};

/*
 * The kernel's own timer as well (IORING_OP_LINK_TIMEOUT): it fires while the
 * owner is busy, on rings that are not deferred, and costs 300 ns and more.  For
 * opcodes that wait by polling, without IOSQE_ASYNC; else -EOPNOTSUPP, for the
 * kernel would never fire it.  So it is on a file that can not be polled, which is
 * not looked at: a disk's is accepted, and its deadline is the ring's alone.
 * @cause is judged by the clock when the CQE is dispatched.
 */
#define URCTX_OP_LINK_TIMEOUT	(1U << 0)
/* Disks: it is told (its cause says so), and the kernel is not asked. */
#define URCTX_OP_NO_ABORT	(1U << 1)

#define URCTX_UDATA_MASK	0xffff000000000000ULL
#define URCTX_UDATA_TAG		0x7572000000000000ULL

/**
 * struct urctx_ring_stats - what a ring has been through
 * @in_flight: operations bound and not ended, now
 * @stuck: of these, asked for 8 times and still there, now
 * @told: operations told to end, ever
 * @cancels: cancels given to the kernel, ever
 * @retries: of these, not the first for their op
 * @stale: CQEs with our tag that meant nothing: forged, or fed twice
 * @late_max: ns by which a deadline, of an op or a context, was noticed late, at worst
 * @late_sum: all of these together
 * @turn_gap_max: ns between two turns with deadlines in flight, at worst
 * @limits: URCTX_RING_NO_*: what has turned out to be refused on this ring
 * @late: how many deadlines were noticed how late: [n] by 2^n ns and more, less than
 *	twice that; [0] by less than 2, the last by any more
 */
struct urctx_ring_stats {
	uint64_t in_flight, stuck, told, cancels, retries, stale;
	uint64_t late_max, late_sum, turn_gap_max;
	uint64_t limits;
	uint64_t late[32];
};
/* No cancels: ops are told, as with URCTX_OP_NO_ABORT, and end by themselves. */
#define URCTX_RING_NO_ABORT	(1U << 0)
/* No wake: turn lets you sleep for 50 ms at most while there is a context to hear of. */
#define URCTX_RING_NO_WAKE	(1U << 1)
/* No IORING_OP_TIMEOUT: URCTX_RING_TIMER does nothing. */
#define URCTX_RING_NO_TIMEOUT	(1U << 2)

/**
 * urctx_ring_attach() - make the operations of a ring bindable
 * @ring: an io_uring of yours; stays where it is until detach has returned 0
 * @params: or NULL
 * @out: where the attachment goes
 *
 * Submits nothing.  Opens one eventfd, on which the ring will keep a poll once
 * the first context is bound.  One attachment a ring; the calling thread is its
 * owner from now on.
 *
 * Beware: io_uring_queue_exit() before detach leaves the attachment with memory
 * that is not there, and the kernel with your buffers.  With IORING_SETUP_IOPOLL
 * nothing runs that is not polled I/O, so that ops are told and not aborted, and
 * nobody is woken; nor where the ring is restricted (IORING_REGISTER_RESTRICTIONS)
 * to other opcodes than ASYNC_CANCEL and POLL_ADD, which is noticed when it refuses
 * one: see @limits of the statistics.  (IOSQE_CQE_SKIP_SUCCESS should be allowed.)
 *
 * Context: the owner-to-be; allocates.
 * Return: 0; -EINVAL for NULL, unknown flags, reserved words; -EOPNOTSUPP for
 * setup flags under which SQEs and CQEs are not known to look as we write them,
 * timers with IORING_SETUP_IOPOLL, URCTX_RING_TIMER with URCTX_RING_DRAIN, and
 * kernels before 5.11; -ENOMEM; -EMFILE, -ENFILE.
 */
URCTX_MUST_CHECK_ int urctx_ring_attach(struct io_uring *ring,
					const struct urctx_ring_params *params,
					struct urctx_ring **out);

/**
 * urctx_ring_sqe() - an SQE, room being made if there is none
 * @r: an attachment
 *
 * A nop without flags until you prepare it: io_uring_get_sqe() leaves in it what
 * was there before.  If the SQ is full, what is whole is submitted first; an open
 * chain (IOSQE_IO_LINK on the last SQE) is not.  io_uring_get_sqe() may be used
 * beside it.
 *
 * Beware: finish one before you take the next: the call may submit it.  One that you
 * do not bind has our tag: io_uring_sqe_set_data(), or wait takes its CQE.
 *
 * Context: the owner; a system call if the SQ is full.
 * Return: an SQE; NULL: reap CQEs and try again, or the chain is longer than the
 * ring, or @r is NULL, or this is not the owner.
 */
URCTX_MUST_CHECK_ struct io_uring_sqe *urctx_ring_sqe(struct urctx_ring *r);

/**
 * urctx_ring_bind() - tie a prepared operation to a context
 * @r: an attachment
 * @sqe: prepared, with the flags you want; not touched by you any more
 * @ctx: ends the op when it ends, and is held until complete() is back from its last
 *	CQE; NULL: only urctx_op_cancel() and detach end it
 * @op: with complete set, zeroed or ended
 *
 * The last thing that is done to an SQE: sets its user_data, leaves its flags.
 * An op of a context that is done already is not issued: its SQE becomes one that
 * fails, so that a chain behind it breaks (IOSQE_IO_HARDLINK: goes on), and it
 * completes with -ECANCELED and the context's cause, by dispatch as any other.
 *
 * Beware: 0 does not say that the op is submitted, nor that its context is live.
 * On failure the SQE is still in the SQ, as one that fails and that nobody hears
 * of; @op is untouched.  So is the SQE if @r is NULL or this is not the owner.
 *
 * Context: the owner, inside complete() too; lock-free; may allocate, see
 * params.ops.
 * Return: 0; -EINVAL for NULL, no complete, unknown flags, and for
 * IOSQE_CQE_SKIP_SUCCESS, with which nobody would hear of its end, on @sqe or in
 * front of it in its chain; -EBUSY: @op is in flight; -ESHUTDOWN after detach;
 * -ENOMEM; -EPERM.
 */
URCTX_MUST_CHECK_ int urctx_ring_bind(struct urctx_ring *r,
				      struct io_uring_sqe *sqe,
				      struct urctx *ctx, struct urctx_op *op);

/**
 * urctx_ring_bind_flags() - the same, with a deadline of the op's own
 * @r: an attachment
 * @sqe: as there
 * @ctx: as there
 * @op: as there
 * @deadline: CLOCK_MONOTONIC ns, cause urctx_deadline_exceeded; or URCTX_NEVER
 * @flags: URCTX_OP_*
 *
 * The deadline is kept in the ring: urctx_ring_turn() says when to be back for
 * it, and tells the op.  One that is seen to have passed keeps the op from being
 * issued, as a done context does.  A multishot op has it for its whole life.
 *
 * Beware: never early, but as late as your turns are.  With LINK_TIMEOUT the op
 * takes a second SQE, which must follow directly: @sqe is the last one taken.
 *
 * Context, Return: as urctx_ring_bind(); with LINK_TIMEOUT also -EOPNOTSUPP, see
 * there, -EBUSY: no room for its SQE, and -EINVAL: no deadline, of its own or its
 * context's, or @sqe is not the last.
 */
URCTX_MUST_CHECK_ int urctx_ring_bind_flags(struct urctx_ring *r,
					    struct io_uring_sqe *sqe,
					    struct urctx *ctx,
					    struct urctx_op *op,
					    int64_t deadline, unsigned flags);

/**
 * urctx_op_deadline() - move the deadline of an op in flight
 * @op: if it is not in flight, or told to end already, nothing happens
 * @deadline: CLOCK_MONOTONIC ns, or URCTX_NEVER; one that has passed tells it on
 *	the next turn
 *
 * For idle timeouts: a few ns.
 *
 * Beware: the kernel's timer (URCTX_OP_LINK_TIMEOUT) stays where it was: earlier
 * is possible, later is not, and URCTX_NEVER is later.
 *
 * Context: the owner; inside complete() too.
 */
void urctx_op_deadline(struct urctx_op *op, int64_t deadline);

/**
 * urctx_op_cancel() - tell one op to end
 * @op: if it is not in flight, nothing happens; the first cause stays
 * @cause: NULL: urctx_canceled
 *
 * Its context is not concerned.  The kernel is asked on the next turn.
 *
 * Beware: it has not ended when this returns, and may yet succeed (G10).
 *
 * Context: the owner; inside complete() too; cannot fail.
 */
void urctx_op_cancel(struct urctx_op *op, const struct urctx_cause *cause);

/**
 * urctx_op_result() - what became of an op, in one number
 * @op: in its complete()
 *
 * For who does not mind how it was ended.
 *
 * Context: inside complete(), before @op is bound again.
 * Return: 0 or more: what it did, told to end or not; -ETIME: it was ended by a
 * deadline, its own or its context's; -ECANCELED: ended otherwise, or broken out of
 * a chain; else @res, an error of its own, whether it was told to end or not.
 */
int urctx_op_result(const struct urctx_op *op);

/**
 * urctx_ring_after() - have a function called in the owner's turn
 * @r: an attachment
 * @ctx: a context the caller has a reference to; NULL: armed, never called
 * @cb: zeroed or idle, as of urctx_after()
 * @fn: gets @cb, and owns it from entry
 *
 * As urctx_after(), but @fn runs in the owner's next urctx_ring_turn() after @ctx has
 * ended, or in what calls that, never on another thread.  So urctx_try_stop() by the
 * owner is final: true until @fn is entered.  A deadline of @ctx is kept by the ring,
 * and nobody else is started for it.
 *
 * Beware: @fn is as complete(): no wait, drain, detach.  A turn that has called one
 * says 0: it does not know what it changed.  A @cb that is armed already is not noticed.
 * urctx_ring_detach() takes back those whose contexts have not ended, uncalled.
 *
 * Context: the owner; inside complete(), foreign() and callbacks too.
 * Return: 0; -EINVAL for NULL; -ENOMEM; -EPERM; -ESHUTDOWN: it is being detached.
 */
URCTX_MUST_CHECK_ int urctx_ring_after(struct urctx_ring *r, struct urctx *ctx,
				       struct urctx_callback *cb,
				       void (*fn)(struct urctx_callback *cb));

/**
 * urctx_ring_idle() - have a function called when nothing of a context is left here
 * @r: an attachment
 * @ctx: a context the caller has a reference to; NULL: armed, never called
 * @cb: zeroed or idle, as of urctx_after()
 * @fn: gets @cb, and owns it from entry
 *
 * As urctx_ring_after(), but @fn runs in the first turn in which @ctx has ended and
 * no op that was bound to it is in flight on @r: each complete() is back.  The place
 * to close its files and to free what its ops use, whoever ended it and why.
 *
 * Beware: of @ctx itself: ops of contexts derived from it do not count.
 *
 * Context, Return: as urctx_ring_after().
 */
URCTX_MUST_CHECK_ int urctx_ring_idle(struct urctx_ring *r, struct urctx *ctx,
				      struct urctx_callback *cb,
				      void (*fn)(struct urctx_callback *cb));

/**
 * urctx_ring_dispatch() - give a CQE to its op
 * @r: an attachment
 * @cqe: one of its ring's, not consumed yet or a copy
 *
 * Calls complete().  Those with our tag that are no op's are dealt with; of an op that
 * is not in flight, stale or forged, leads to none.  The CQE is not consumed: that is
 * yours, io_uring_cqe_seen(), and each one once.
 *
 * Beware: within a loop over CQEs that are consumed together at its end, nothing
 * that complete() calls may reap.
 *
 * Context: the owner; inside complete() too.
 * Return: true: ours.  false: not our tag, yours, untouched (or NULL, or no owner).
 */
URCTX_MUST_CHECK_ bool urctx_ring_dispatch(struct urctx_ring *r,
					   const struct io_uring_cqe *cqe);

/**
 * urctx_ring_turn() - look after contexts that ended and deadlines that passed
 * @r: an attachment
 *
 * Last in the loop, before you submit and wait.  Queues cancels, newest op first,
 * some 128 at a time; submits only if the SQ is full.  A few ns when there is
 * nothing to do.
 *
 * Beware: what it queued runs when you submit, so submit.  Within an open chain of
 * yours it queues nothing and returns 0.  io_uring_submit_and_wait_timeout() counts
 * from behind its submission: with much to submit, submit first, and on a deferred
 * ring look for events in that call, or what ends at once holds up the others.
 *
 * Context: the owner; inside complete() too.
 * Return: ns from now that you may sleep at most; 0: do not sleep, there is more to
 * do; URCTX_NEVER: until a CQE.  -EINVAL, -EPERM.
 */
URCTX_MUST_CHECK_ int64_t urctx_ring_turn(struct urctx_ring *r);

/**
 * urctx_ring_wait() - turn, submit, wait for one CQE, dispatch all there are
 * @r: an attachment
 * @deadline: CLOCK_MONOTONIC ns; passed: does what can be done and does not sleep;
 * a DEFER_TASKRUN ring does what it put off only where no CQE was there: call until 0
 *
 * Beware: 0 is no error and no promise: it was woken for a context that has
 * ended, or the deadline has passed.  Call it again.
 *
 * Context: the owner; not inside complete() or foreign.
 * Return: how many times complete() was called; -EINTR; -EBADMSG: a CQE without
 * our tag is at the head of the CQ and params.foreign is NULL: it is yours to
 * reap; -EDEADLK; -EINVAL, -EPERM; what io_uring_enter() says of a broken ring.
 */
URCTX_MUST_CHECK_ int urctx_ring_wait(struct urctx_ring *r, int64_t deadline);

/**
 * urctx_ring_drain() - wait until a context has no op in flight here
 * @r: an attachment
 * @ctx: of it, or of any context derived from it; NULL: none at all
 * @deadline: CLOCK_MONOTONIC ns, or URCTX_NEVER
 *
 * Cancels nothing: do that first.  Each CQE that it meets goes to its owner.
 *
 * Beware: looks at every op in flight; ops that are bound meanwhile count; what
 * urctx_ring_idle() armed may run in the next turn.
 *
 * Context: as urctx_ring_wait().
 * Return: 0; how many are left at the deadline; or as urctx_ring_wait().
 */
URCTX_MUST_CHECK_ int urctx_ring_drain(struct urctx_ring *r, struct urctx *ctx,
				       int64_t deadline);

/**
 * urctx_ring_detach() - cancel all, drain, and let the ring go
 * @r: an attachment; from the call on nothing can be bound to it
 * @deadline: CLOCK_MONOTONIC ns, or URCTX_NEVER
 *
 * Ops without a cause get urctx_canceled; no context ends by this.  A thread that is
 * ending one of its contexts is waited for, whatever the deadline, and so are CQEs of
 * our own, a second at least: after 0 none with our tag appears, with two exceptions:
 * of an SQE that bind refused, in a chain that is open or takes more than 100 ms; and
 * of an SQE of urctx_ring_sqe() that nobody bound.
 *
 * Beware: > 0: the kernel still has so many operations, and their buffers.  @r stays:
 * call again, or leak it and them.  Closing the ring does not take the buffers back.
 *
 * Context: as urctx_ring_wait().
 * Return: 0: @r is freed, and the ring is yours alone; > 0: so many are left; -ETIME:
 * a drain of yours holds up what is ours; or as urctx_ring_wait(); and @r stays.
 */
URCTX_MUST_CHECK_ int urctx_ring_detach(struct urctx_ring *r, int64_t deadline);

/**
 * urctx_ring_stats() - figures
 * @r: an attachment that is not detached meanwhile
 * @stats: where they go
 * @size: sizeof(*@stats): so much is written
 *
 * Beware: each is right, together they are of no one moment.
 *
 * Context: any thread; wait-free.
 */
void urctx_ring_stats(const struct urctx_ring *r,
		      struct urctx_ring_stats *stats, size_t size);

#ifdef __cplusplus
}
#endif
#endif
