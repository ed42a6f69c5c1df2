/* SPDX-License-Identifier: MIT */
/*
 * seq_ring.c - <urctx/ring.h>: operations bound, ended, drained, let go
 *
 * The ring is the caller's, and is made without faults.
 */
#include <urctx/ring.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "faults.h"

#define MSEC	1000000LL
#define HOUR	(3600 * 1000 * MSEC)
#define OPS	150

/* What wait may say; and what was there before is asked for again. */
#define WAITS	-EINTR, MACHINE

struct an_op {
	struct urctx_op op;
	int calls, res, result;
	const struct urctx_cause *cause;
	char buf[8];
};

static struct setup {
	struct io_uring u;
	struct urctx_ring *r;
	struct an_op op[OPS];
	int pipe[2];
	unsigned called;
} s;

static void complete(struct urctx_op *op)
{
	struct an_op *a = (struct an_op *)op;

	a->res = op->res;
	a->cause = op->cause;
	a->result = urctx_op_result(op);
	if (!(op->cqe_flags & IORING_CQE_F_MORE))
		a->calls++;
}

static void called(struct urctx_callback *cb)
{
	(void)cb;
	s.called++;
}

/* Once: what is waited for may have come although it fails. */
static void wait_once(int64_t deadline)
{
	const int allowed[] = { WAITS, ENOUGH };
	int ret;

	errno = ERRNO_KEPT;
	ret = urctx_ring_wait(s.r, deadline);
	(void)try_again(__FILE__, __LINE__, "urctx_ring_wait()", ret, ret >= 0, 0, allowed);
}

/* An SQE that bind refuses is one that fails: another is taken for the next try. */
static int bind_read(struct urctx *ctx, struct an_op *a, int64_t deadline, unsigned flags)
{
	struct io_uring_sqe *sqe = urctx_ring_sqe(s.r);

	while (!sqe) {
		wait_once(urctx_now());
		sqe = urctx_ring_sqe(s.r);
	}
	memset(a, 0, sizeof(*a));
	a->op.complete = complete;
	io_uring_prep_read(sqe, s.pipe[0], a->buf, 1, 0);
	if (deadline == URCTX_NEVER && !flags)
		return urctx_ring_bind(s.r, sqe, ctx, &a->op);
	return urctx_ring_bind_flags(s.r, sqe, ctx, &a->op, deadline, flags);
}

static void until_ended(const struct an_op *a)
{
	while (!a->calls)
		wait_once(URCTX_NEVER);
	CHECK(a->calls == 1);
}

static bool begin(unsigned entries, unsigned setup, unsigned flags)
{
	struct urctx_ring_params p = { .ops = 8, .flags = flags };

	memset(&s, 0, sizeof(s));
	if (io_uring_queue_init(entries, &s.u, setup))
		return false;
	CHECK(!pipe2(s.pipe, O_CLOEXEC));
	EXPECT(0, urctx_ring_attach(&s.u, &p, &s.r), -ENOMEM, -EMFILE, -ENFILE);
	return true;
}

static void end(void)
{
	struct urctx_ring_stats stats;

	urctx_ring_stats(s.r, &stats, sizeof(stats));
	CHECK(!stats.in_flight);
	EXPECT(0, urctx_ring_detach(s.r, URCTX_NEVER), WAITS);
	io_uring_queue_exit(&s.u);
	close(s.pipe[0]);
	close(s.pipe[1]);
}

/* It is ended by a thread, by the owner, and has a result all the same. */
static void ends_of_contexts(void)
{
	struct urctx *ctx, *timed;
	struct helper *h;
	int i;

	EXPECT(0, urctx_with_cancel(NULL, &ctx), -ENOMEM);
	EXPECT(0, urctx_with_timeout(ctx, 3 * MSEC, &timed), -ENOMEM);
	for (i = 0; i < 4; i++)
		EXPECT(0, bind_read(ctx, &s.op[i], URCTX_NEVER, 0), -ENOMEM);
	EXPECT(0, bind_read(timed, &s.op[4], URCTX_NEVER, 0), -ENOMEM);
	until_ended(&s.op[4]);
	CHECK(s.op[4].result == -ETIME && s.op[4].cause == &urctx_deadline_exceeded);
	h = later(end_it, ctx);
	for (i = 0; i < 4; i++) {
		until_ended(&s.op[i]);
		CHECK(s.op[i].cause && s.op[i].result == -ECANCELED);
	}
	helper_join(h);
	/* of a context that is done it is not issued */
	EXPECT(0, bind_read(ctx, &s.op[5], URCTX_NEVER, 0), -ENOMEM);
	until_ended(&s.op[5]);
	CHECK(s.op[5].result == -ECANCELED);
	urctx_put(timed);
	urctx_put(ctx);
}

static void deadlines(unsigned flags)
{
	struct urctx *ctx;
	int i;

	EXPECT(0, urctx_with_cancel(NULL, &ctx), -ENOMEM);
	for (i = 0; i < 6; i++)
		EXPECT(0, bind_read(i % 2 ? ctx : NULL, &s.op[i],
				    urctx_now() + (i < 3 ? 2 * MSEC : HOUR), flags),
		       -ENOMEM, -EBUSY);
	urctx_op_deadline(&s.op[3].op, urctx_now() + MSEC);
	urctx_op_cancel(&s.op[4].op, NULL);
	for (i = 0; i < 5; i++)
		until_ended(&s.op[i]);
	CHECK(s.op[0].result == -ETIME && s.op[2].result == -ETIME);
	CHECK(s.op[3].result == -ETIME && s.op[4].result == -ECANCELED);
	/* too late: what it did it did */
	CHECK(write(s.pipe[1], "x", 1) == 1);
	until_ended(&s.op[5]);
	CHECK(s.op[5].res == 1 && s.op[5].buf[0] == 'x');
	urctx_put(ctx);
}

/* More than there is room for, on many contexts. */
static void many(void)
{
	struct urctx *root, *ctx;
	int i;

	EXPECT(0, urctx_with_cancel(NULL, &root), -ENOMEM);
	for (i = 0; i < OPS; i++) {
		EXPECT(0, urctx_with_cancel(root, &ctx), -ENOMEM);
		EXPECT(0, bind_read(ctx, &s.op[i], URCTX_NEVER, 0), -ENOMEM);
		urctx_put(ctx);
	}
	CHECK(RESULT(urctx_ring_turn(s.r), ENOUGH) >= 0);
	EXPECT(OPS, urctx_ring_drain(s.r, root, urctx_now()), WAITS);
	CHECK(urctx_cancel(root));
	EXPECT(0, urctx_ring_drain(s.r, root, URCTX_NEVER), WAITS);
	for (i = 0; i < OPS; i++)
		CHECK(s.op[i].calls == 1 && s.op[i].result == -ECANCELED);
	urctx_put(root);
}

static void callbacks(void)
{
	struct urctx_callback after = { 0 }, idle = { 0 }, never = { 0 };
	struct helper *h;
	struct urctx *ctx;

	s.called = 0;
	EXPECT(0, urctx_with_timeout(NULL, HOUR, &ctx), -ENOMEM);
	EXPECT(0, urctx_ring_after(s.r, ctx, &after, called), -ENOMEM);
	EXPECT(0, urctx_ring_idle(s.r, ctx, &idle, called), -ENOMEM);
	EXPECT(0, urctx_ring_after(s.r, ctx, &never, called), -ENOMEM);
	EXPECT(0, bind_read(ctx, &s.op[0], URCTX_NEVER, URCTX_OP_NO_ABORT), -ENOMEM);
	CHECK(urctx_try_stop(&never));
	h = later(end_it, ctx);
	while (!s.called)
		wait_once(URCTX_NEVER);
	helper_join(h);
	CHECK(s.called == 1 && !s.op[0].calls);
	CHECK(write(s.pipe[1], "y", 1) == 1);
	until_ended(&s.op[0]);
	CHECK(s.op[0].res == 1);
	while (s.called < 2)
		wait_once(URCTX_NEVER);
	urctx_put(ctx);
}

/* Detach ends what is left; again, if it could not. */
static void left_behind(void)
{
	struct urctx *ctx;
	int i;

	EXPECT(0, urctx_with_cancel(NULL, &ctx), -ENOMEM);
	for (i = 0; i < 3; i++)
		EXPECT(0, bind_read(i ? ctx : NULL, &s.op[i], URCTX_NEVER, 0), -ENOMEM);
	EXPECT(0, urctx_ring_detach(s.r, URCTX_NEVER), WAITS);
	for (i = 0; i < 3; i++)
		CHECK(s.op[i].calls == 1 && s.op[i].result == -ECANCELED);
	EXPECT(0, urctx_ring_attach(&s.u, NULL, &s.r), -ENOMEM, -EMFILE, -ENFILE);
	urctx_put(ctx);
}

static void all(unsigned entries, unsigned setup, unsigned flags)
{
	if (!begin(entries, setup, flags))
		return;
	ends_of_contexts();
	deadlines(0);
	many();
	callbacks();
	left_behind();
	end();
}

/* A loop of the owner's own. */
static void reap(void)
{
	int64_t ns = RESULT(urctx_ring_turn(s.r), ENOUGH);
	struct __kernel_timespec ts = { ns / 1000000000, ns % 1000000000 };
	struct io_uring_cqe *cqe;

	(void)io_uring_submit_and_wait_timeout(&s.u, &cqe, 1,
					       ns == URCTX_NEVER ? NULL : &ts, NULL);
	while (!io_uring_peek_cqe(&s.u, &cqe)) {
		CHECK(urctx_ring_dispatch(s.r, cqe));
		io_uring_cqe_seen(&s.u, cqe);
	}
}

void seq_ring_own(void)
{
	static const struct urctx_cause late = { .reason = "late", .code = 7 };
	struct urctx *ctx = urctx_background(), *timed, *again;
	struct helper *h;
	int i;

	if (!begin(16, 0, 0))
		return;
	EXPECT(0, urctx_with_cancel(ctx, &ctx), -ENOMEM);
	EXPECT(0, urctx_with_deadline_cause(ctx, urctx_now() + 2 * MSEC, &late, &timed), -ENOMEM);
	again = urctx_get(ctx);
	EXPECT(0, bind_read(timed, &s.op[0], URCTX_NEVER, 0), -ENOMEM);
	for (i = 1; i < 20; i++)
		EXPECT(0, bind_read(again, &s.op[i], URCTX_NEVER, 0), -ENOMEM);
	while (!s.op[0].calls)
		reap();
	CHECK(s.op[0].cause == &late && s.op[0].result == -ETIME);
	h = later(end_it, again);
	for (i = 1; i < 20; i++)
		while (!s.op[i].calls)
			reap();
	CHECK(s.op[1].result == -ECANCELED);
	helper_join(h);
	CHECK(urctx_cause_errno(5)->code == -5);
	urctx_put(again);
	urctx_put(timed);
	urctx_put(ctx);
	end();
}

void seq_ring(void)
{
	all(16, 0, 0);
}

void seq_ring_defer(void)
{
	all(64, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, 0);
}

void seq_ring_drain(void)
{
	all(64, 0, URCTX_RING_DRAIN);
}

void seq_ring_timer(void)
{
	if (!begin(64, IORING_SETUP_COOP_TASKRUN, URCTX_RING_TIMER | URCTX_RING_LINK_TIMEOUT))
		return;
	ends_of_contexts();
	deadlines(URCTX_OP_LINK_TIMEOUT);
	callbacks();
	end();
}

void seq_ring_sqpoll(void)
{
	all(16, IORING_SETUP_SQPOLL, 0);
}
