/* SPDX-License-Identifier: MIT */
/*
 * ring_modes.cpp - rings that were asked for a timer, and rings that refuse things
 */
#include "ring_cover.hpp"

static const struct urctx_cause why = { "why", nullptr, nullptr, 0, -1 };

static struct urctx_ring_params with(unsigned flags)
{
	struct urctx_ring_params params = {};

	params.flags = flags;
	return params;
}

static unsigned queued(ring &r, unsigned opcode)
{
	unsigned nr = 0;

	for (auto s : r.queued())
		nr += s->opcode == opcode;
	return nr;
}

static void bind_read(ring &r, int fd, an_op &op, struct urctx *ctx, int64_t deadline,
		      unsigned flags = 0)
{
	struct io_uring_sqe *s = r.sqe();

	io_uring_prep_read(s, fd, op.buf, sizeof(op.buf), 0);
	REQUIRE(urctx_ring_bind_flags(r.r, s, ctx, &op.op, deadline, flags) == 0);
}

TEST_CASE("one IORING_OP_TIMEOUT, which is moved", "[ring][timer][rule17]")
{
	struct urctx_ring_params params = with(URCTX_RING_TIMER);
	ends p;
	an_op far, near, past;

	ring r(8, 0, &params);
	OR_SKIP(r);
	bind_read(r, p.in(), far, nullptr, urctx_now() + 1000 * SEC);
	CHECK(r.turn() > 900 * SEC);
	CHECK(queued(r, IORING_OP_TIMEOUT) == 1);
	bind_read(r, p.in(), near, nullptr, urctx_now() + 100 * SEC);
	CHECK(r.turn() > 90 * SEC);
	CHECK(queued(r, IORING_OP_TIMEOUT) == 1);
	CHECK(queued(r, IORING_OP_TIMEOUT_REMOVE) == 1);
	bind_read(r, p.in(), past, nullptr, urctx_now() + 500 * SEC);
	CHECK(r.turn() > 90 * SEC);		/* later: it stays where it is */
	CHECK(queued(r, IORING_OP_TIMEOUT_REMOVE) == 1);
	r.submit();
}

TEST_CASE("a wait for a CQE and without a timeout ends at the deadline",
	  "[ring][timer]")
{
	struct urctx_ring_params params = with(URCTX_RING_TIMER);

	for (unsigned flags : { 0U, IORING_SETUP_COOP_TASKRUN, DEFER,
				(unsigned)IORING_SETUP_SQPOLL }) {
		INFO(flags);
		ends p;
		an_op op;
		ring r(8, flags, &params);
		OR_SKIP(r);
		int64_t deadline = urctx_now() + SEC / 100;

		bind_read(r, p.in(), op, nullptr, deadline);
		while (!op.ended()) {
			struct io_uring_cqe *cqe;

			if (r.turn())
				REQUIRE(io_uring_submit_and_wait(&r.u, 1) >= 0);
			else
				REQUIRE(io_uring_submit_and_get_events(&r.u) >= 0);
			while (!io_uring_peek_cqe(&r.u, &cqe)) {
				REQUIRE(urctx_ring_dispatch(r.r, cqe));
				io_uring_cqe_seen(&r.u, cqe);
			}
			if (op.cause)
				CHECK(urctx_now() >= deadline);
		}
		CHECK(op.cause == &urctx_deadline_exceeded);
		CHECK(r.stats().limits == 0);
	}
}

TEST_CASE("the kernel's timer as the engine of a ring", "[ring][timer]")
{
	static const struct urctx_cause late = { "late", nullptr, nullptr, 0, -2 };
	struct urctx_ring_params params = with(URCTX_RING_LINK_TIMEOUT);
	struct io_uring_cqe *cqe;
	struct urctx *ctx;
	ends p;
	an_op op;

	{
		ring r(8, 0, &params);
		OR_SKIP(r);
		uint64_t ud;
		{
			held clock;	/* not late when it is bound, however slow */

			REQUIRE(urctx_with_deadline_cause(nullptr, urctx_now() + SEC / 50,
							  &late, &ctx) == 0);
			ud = r.read(p.in(), ctx, op);
		}
		CHECK(queued(r, IORING_OP_LINK_TIMEOUT) == 1);
		r.submit();
		/* no turn: the owner is stuck */
		REQUIRE(io_uring_wait_cqe(&r.u, &cqe) == 0);
		CHECK(cqe->user_data == ud);
		REQUIRE(urctx_ring_dispatch(r.r, cqe));
		io_uring_cqe_seen(&r.u, cqe);
		CHECK(op.res == -ECANCELED);
		CHECK(op.cause == &late);
	}
	urctx_put(ctx);
}

TEST_CASE("the engine leaves out what the kernel's timer is of no use for",
	  "[ring][timer]")
{
	struct urctx_ring_params params = with(URCTX_RING_LINK_TIMEOUT);
	ends p, q;
	an_op splice, first, second, none;

	ring r(8, 0, &params);
	OR_SKIP(r);
	held clock;
	int64_t deadline = urctx_now() + SEC / 50;
	struct io_uring_sqe *s = r.sqe();
	io_uring_prep_splice(s, p.in(), -1, q.fd[1], -1, 10, 0);
	REQUIRE(urctx_ring_bind_flags(r.r, s, nullptr, &splice.op, deadline, 0) == 0);
	struct io_uring_sqe *a = r.sqe(), *b = r.sqe();
	io_uring_prep_read(a, q.in(), first.buf, 1, 0);
	io_uring_prep_read(b, q.in(), second.buf, 1, 0);
	REQUIRE(urctx_ring_bind_flags(r.r, a, nullptr, &first.op, deadline, 0) == 0);
	CHECK(queued(r, IORING_OP_LINK_TIMEOUT) == 0);
	REQUIRE(urctx_ring_bind_flags(r.r, b, nullptr, &second.op, deadline, 0) == 0);
	CHECK(queued(r, IORING_OP_LINK_TIMEOUT) == 1);
	r.read(q.in(), nullptr, none);		/* no deadline, no timer */
	CHECK(queued(r, IORING_OP_LINK_TIMEOUT) == 1);
	urctx_clock_release();
	for (an_op *op : { &splice, &first, &second }) {
		REQUIRE(r.until_ended(*op));
		CHECK(op->cause == &urctx_deadline_exceeded);
	}
	CHECK(!none.calls);
}

TEST_CASE("a polled ring keeps the books, and aborts nothing", "[ring][rule49]")
{
	struct urctx_ring_params params = with(URCTX_RING_TIMER);
	struct urctx_ring *out;
	context ctx;
	ends p;
	an_op op, ended, told;

	ring r(8, IORING_SETUP_IOPOLL);
	OR_SKIP(r);
	CHECK(urctx_ring_attach(&r.u, &params, &out) == -EOPNOTSUPP);
	CHECK(r.stats().limits == (URCTX_RING_NO_ABORT | URCTX_RING_NO_WAKE));
	r.read(p.in(), ctx, op);		/* a pipe can not be polled for */
	REQUIRE(r.until_ended(op));
	CHECK(op.res < 0);
	CHECK(!op.cause);
	REQUIRE(urctx_ring_bind(r.r, r.sqe(), ctx, &told.op) == 0);
	cancel_elsewhere(ctx, &why);
	CHECK(r.turn() == URCTX_NEVER);
	CHECK(r.cancels().empty());
	REQUIRE(r.until_ended(told));
	CHECK(told.res == 0);
	CHECK(told.cause == &why);
	REQUIRE(urctx_ring_bind(r.r, r.sqe(), ctx, &ended.op) == 0);
	REQUIRE(r.until_ended(ended));
	CHECK(ended.res == -ECANCELED);
	CHECK(ended.cause == &why);
}

TEST_CASE("a cancel does not wait behind a drain", "[ring][rule59]")
{
	struct urctx_ring_params params = with(URCTX_RING_DRAIN);

	for (auto mode : MODES) {
		INFO(mode.name);
		context ctx;
		ends p;
		an_op read, behind, early;
		ring r(8, mode.flags, &params);
		OR_SKIP(r);

		/* nothing of ours stays in front of the drain: not even what wakes us */
		r.read(p.in(), ctx, read);
		(void)r.turn();
		struct io_uring_sqe *s = r.sqe();
		s->flags |= IOSQE_IO_DRAIN;
		REQUIRE(urctx_ring_bind(r.r, s, nullptr, &behind.op) == 0);
		r.submit();
		cancel_elsewhere(ctx, &why);
		REQUIRE(r.until_ended(read));
		CHECK(read.res == -ECANCELED);
		CHECK(read.cause == &why);
		REQUIRE(r.until_ended(behind));
		CHECK(behind.res == 0);
		CHECK(r.stats().cancels == 1);
		/* not submitted yet when it is asked for */
		r.read(p.in(), nullptr, early);
		urctx_op_cancel(&early.op, &why);
		REQUIRE(r.until_ended(early));
		CHECK(early.res == -ECANCELED);
	}
}

/* Only to read, to write and to do nothing. */
static bool restrict_ring(ring &r)
{
	struct io_uring_restriction res[4] = {};
	const unsigned ops[] = { IORING_OP_READ, IORING_OP_WRITE, IORING_OP_NOP };

	for (unsigned i = 0; i < 3; i++) {
		res[i].opcode = IORING_RESTRICTION_SQE_OP;
		res[i].sqe_op = (__u8)ops[i];
	}
	res[3].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	res[3].sqe_flags = 0xff;
	return !io_uring_register((unsigned)r.u.ring_fd, IORING_REGISTER_RESTRICTIONS,
				  res, 4) &&
	       !io_uring_register((unsigned)r.u.ring_fd, IORING_REGISTER_ENABLE_RINGS,
				  nullptr, 0);
}

TEST_CASE("a ring that may not cancel is not asked twice", "[ring][rule62]")
{
	struct urctx_ring_params params = with(URCTX_RING_TIMER);
	context ctx;
	ends p, q;
	an_op op, far;

	ring r(8, IORING_SETUP_R_DISABLED, &params);
	OR_SKIP(r);
	REQUIRE(restrict_ring(r));
	bind_read(r, q.in(), far, nullptr, urctx_now() + 1000 * SEC);
	r.read(p.in(), ctx, op);
	REQUIRE(r.until([&] {
		return r.stats().limits == (URCTX_RING_NO_WAKE | URCTX_RING_NO_TIMEOUT);
	}));
	cancel_elsewhere(ctx, &why);
	REQUIRE(r.until([&] { return r.stats().limits & URCTX_RING_NO_ABORT; }));
	CHECK(r.stats().told == 1);
	CHECK(r.stats().cancels == 2);	/* one without a flag that may be the reason */
	CHECK(r.turn() > 0);
	CHECK(r.cancels().empty());
	q.put();
	REQUIRE(r.until_ended(far));
	p.put();
	REQUIRE(r.until_ended(op));
	CHECK(op.res == 1);
	CHECK(op.cause == &why);
	CHECK(r.stats().retries == 0);
	CHECK(r.stats().stuck == 0);
}

/* In several naps, where he is watched. */
TEST_CASE("who waits for nothing waits until his time", "[ring]")
{
	for (auto mode : MODES) {
		INFO(mode.name);
		ring r(8, mode.flags);
		OR_SKIP(r);
		int64_t end = urctx_now() + 12 * MSEC;

		do
			REQUIRE(urctx_ring_wait(r.r, end) == 0);
		while (urctx_now() < end);
	}
}

/* Whatever it is that he sleeps in, and whoever has to be told of what was put off. */
TEST_CASE("who waits for ever is woken by what comes while he sleeps", "[ring]")
{
	for (auto mode : MODES) {
		struct __kernel_timespec later = { 0, 20 * MSEC };
		an_op op;

		INFO(mode.name);
		ring r(8, mode.flags);
		OR_SKIP(r);
		struct io_uring_sqe *s = r.sqe();
		io_uring_prep_timeout(s, &later, 0, 0);
		REQUIRE(urctx_ring_bind(r.r, s, nullptr, &op.op) == 0);
		while (!op.ended())
			REQUIRE(urctx_ring_wait(r.r, URCTX_NEVER) >= 0);
		CHECK(op.res == -ETIME);
	}
}
