/* SPDX-License-Identifier: MIT */
/*
 * io_run.c - one op, on the thread's ring, until its last CQE
 *
 * The op and what it points to are on the caller's stack: whatever ends it, nobody
 * leaves before the kernel has let go.
 */
#include "io.h"
#include "uncancelled.h"

#define LOST_NAP	1000000L	/* ns */

struct run {
	struct urctx_op op;
	bool over;
	unsigned place;			/* of its SQE */
	unsigned process;		/* whose ring it is on: a handler may fork */
};

static const struct urctx_cause interrupted = {
	.reason = "a signal handler ran",
	.code = -EINTR,
};

static void complete(struct urctx_op *op)
{
	((struct run *)op)->over = true;
}

/*
 * Somebody has closed the ring, or forbidden it.  If the op is still ours there is
 * nothing to wait for; if not, the kernel ends it, of a closed ring now, and says so
 * in memory that is still mapped.  What is still ours may be its cancel.
 */
static bool lost(struct io_thread *t, const struct run *run)
{
	unsigned head = io_uring_smp_load_acquire(t->ring.sq.khead);

	t->lost = true;
	if ((int)(head - run->place) <= 0)
		return true;
	(void)io_sys_poll(NULL, 0, LOST_NAP);
	return false;
}

/* A handler has forked, and this is the child: the op is the parent's. */
static bool inherited(struct run *run)
{
	if (likely(run->process == ring_process()))
		return false;
	run->op.cause = &interrupted;
	run->op.res = -EINTR;
	return true;
}

/* False: it was never started. */
static bool wait_for(struct io_thread *t, struct run *run)
{
	while (!run->over) {
		int ret = urctx_ring_wait(t->r, URCTX_NEVER);

		if (likely(ret >= 0))
			continue;
		if (inherited(run))
			return true;
		if (ret == -EINTR)
			urctx_op_cancel(&run->op, &interrupted);
		else if (lost(t, run))
			return false;
	}
	return true;
}

/* Its own error stands, told to end or not: fsync's -EIO is said once and never again. */
static int result(struct urctx *ctx, const struct urctx_op *op)
{
	if (!op->cause || (op->res != -ECANCELED && op->res != -EINTR))
		return op->res;
	if (op->cause == &interrupted)
		return -EINTR;
	return urctx_err(ctx);
}

bool io_run_raw(struct urctx *ctx, const struct io_uring_sqe *image, int *res)
{
	struct io_thread *t = io_self_ring();
	struct run run = { .op.complete = complete, .process = ring_process() };
	struct io_uring_sqe *sqe;
	bool ran;

	if (unlikely(!t))
		return false;
	sqe = urctx_ring_sqe(t->r);
	if (unlikely(!sqe))
		return false;
	run.place = t->ring.sq.sqe_tail - 1;
	*sqe = *image;
	if (unlikely(urctx_ring_bind(t->r, sqe, ctx, &run.op)))
		return false;
	t->busy = true;
	ran = wait_for(t, &run);
	t->busy = false;
	if (likely(ran))
		*res = result(ctx, &run.op);
	return ran;
}

bool io_run(struct urctx *ctx, const struct io_uring_sqe *image, int *res)
{
	if (!io_run_raw(ctx, image, res))
		return false;
	return likely(*res != -ECANCELED) || urctx_err(ctx);
}

struct io_calm io_calm(void)
{
	int saved = errno;

	return (struct io_calm){ .saved = saved, .state = uncancelled() };
}

void io_calm_end(const struct io_calm *calm)
{
	errno = calm->saved;
	uncancelled_end(calm->state);
}
