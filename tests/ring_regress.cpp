/* SPDX-License-Identifier: MIT */
/* ring_regress.cpp - what once went wrong in the ring binding */
#include "ring_cover.hpp"

#include <csignal>

static const struct urctx_cause why = { "why", nullptr, nullptr, 0, -1 };

static int bind_read(ring &r, int fd, struct urctx *ctx, an_op &op, int64_t deadline,
		     unsigned flags = 0, unsigned sqe_flags = 0)
{
	struct io_uring_sqe *s = r.sqe();

	io_uring_prep_read(s, fd, op.buf, sizeof(op.buf), 0);
	s->flags |= (__u8)sqe_flags;
	return urctx_ring_bind_flags(r.r, s, ctx, &op.op, deadline, flags);
}

static bool tagged(const struct io_uring_cqe *cqe)
{
	return (cqe->user_data & URCTX_UDATA_MASK) == URCTX_UDATA_TAG;
}

/* The op is not the caller's until it has ended, issued or not. */
TEST_CASE("drain waits for ops that were never issued", "[ring][drain]")
{
	for (bool ended : { true, false }) {
		ends p;
		an_op op;
		ring r(8);
		OR_SKIP(r);
		context parent;
		{
			context ctx(parent.c);

			if (ended)
				urctx_cancel(ctx);
			REQUIRE(bind_read(r, p.in(), ctx, op,
					  ended ? URCTX_NEVER : 1) == 0);
			CHECK(r.stats().in_flight == 1);
		}
		/* ctx is held by the op, and so is the way up from it */
		CHECK(urctx_ring_drain(r.r, parent, URCTX_NEVER) == 0);
		CHECK(op.calls == 1);
		CHECK(r.stats().in_flight == 0);
	}
}

static struct urctx *ended_by_signal;

static void end_it(int)
{
	urctx_cancel(ended_by_signal);
}

/* It used to be silent, and to silence those whose push came behind it. */
TEST_CASE("a signal handler's cancel between turn and wait", "[ring][wake]")
{
	for (auto mode : MODES) {
		INFO(mode.name);
		ends p;
		an_op a, b;
		ring r(8, mode.flags);
		OR_SKIP(r);
		context mine, theirs;
		struct sigaction was, now = {};

		r.read(p.in(), mine, a);
		r.read(p.in(), theirs, b);
		while (r.turn() == 0)
			r.submit();
		r.submit();
		now.sa_handler = end_it;
		ended_by_signal = mine;
		REQUIRE(sigaction(SIGUSR1, &now, &was) == 0);
		CHECK(r.turn() == URCTX_NEVER);
		raise(SIGUSR1);
		cancel_elsewhere(theirs, &why);
		struct __kernel_timespec patience = { PATIENCE / SEC, 0 };
		struct io_uring_cqe *cqe;
		CHECK(io_uring_submit_and_wait_timeout(&r.u, &cqe, 1, &patience,
						       nullptr) >= 0);
		sigaction(SIGUSR1, &was, nullptr);
		REQUIRE(r.until_ended(a));
		REQUIRE(r.until_ended(b));
		CHECK(a.cause == urctx_cause(mine));
		CHECK(b.cause == &why);
	}
}

TEST_CASE("nothing is bound where a chain would be silent", "[ring][chain]")
{
	for (unsigned link : { IOSQE_IO_LINK, IOSQE_IO_HARDLINK })
		for (unsigned between : { 0, 1 }) {
			ends p;
			an_op op, other, next;
			ring r(8);
			OR_SKIP(r);
			struct io_uring_sqe *s = r.sqe();

			io_uring_prep_read(s, -1, op.buf, 1, 0);
			s->flags |= (__u8)link | IOSQE_CQE_SKIP_SUCCESS;
			for (unsigned i = 0; i < between; i++)
				r.sqe()->flags |= (__u8)link;
			CHECK(bind_read(r, p.in(), nullptr, op, URCTX_NEVER) == -EINVAL);
			/* the chain ends there */
			p.put();
			CHECK(bind_read(r, p.in(), nullptr, next, URCTX_NEVER) == 0);
			REQUIRE(r.until_ended(next));
			CHECK(next.res == 1);
			CHECK(!op.calls);
		}
}

TEST_CASE("no CQE of ours after detach", "[ring][detach]")
{
	for (auto mode : MODES) {
		INFO(mode.name);
		ends p;
		an_op op, bad;
		ring r(8, mode.flags);
		OR_SKIP(r);
		struct io_uring_cqe *cqe;

		/* a cancel of what is gone: it will be answered */
		r.read(p.in(), nullptr, op);
		r.submit();
		urctx_op_cancel(&op.op, nullptr);
		CHECK(r.turn() >= 0);
		p.put();
		REQUIRE(io_uring_wait_cqe(&r.u, &cqe) == 0);
		REQUIRE(urctx_ring_dispatch(r.r, cqe));
		io_uring_cqe_seen(&r.u, cqe);
		/* an SQE that was refused, and fails */
		bad.op.complete = nullptr;
		CHECK(bind_read(r, p.in(), nullptr, bad, URCTX_NEVER) == -EINVAL);
		REQUIRE(op.ended());
		REQUIRE(urctx_ring_detach(r.r, URCTX_NEVER) == 0);
		r.r = nullptr;
		CHECK(io_uring_sq_ready(&r.u) == 0);
		io_uring_submit_and_get_events(&r.u);
		while (io_uring_peek_cqe(&r.u, &cqe) == 0) {
			CHECK(!tagged(cqe));
			io_uring_cqe_seen(&r.u, cqe);
		}
	}
}

TEST_CASE("nor of one that was refused and submitted", "[ring][detach]")
{
	ends p;
	an_op bad;
	ring r(8);
	OR_SKIP(r);
	struct io_uring_cqe *cqe;

	bad.op.complete = nullptr;
	CHECK(bind_read(r, p.in(), nullptr, bad, URCTX_NEVER) == -EINVAL);
	r.submit();
	REQUIRE(urctx_ring_detach(r.r, URCTX_NEVER) == 0);
	r.r = nullptr;
	CHECK(io_uring_peek_cqe(&r.u, &cqe) == -EAGAIN);
}

/* What detach submits must not wait for what is the caller's. */
TEST_CASE("detach behind an open chain", "[ring][detach][chain]")
{
	ends p;
	char buf[8];
	an_op op;
	ring r(8);
	OR_SKIP(r);
	context ctx;

	op.op.complete = an_op::complete;
	r.read(p.in(), ctx, op);
	p.put();
	REQUIRE(r.until_ended(op));
	struct io_uring_sqe *s = r.sqe();
	io_uring_prep_read(s, p.in(), buf, sizeof(buf), 0);
	s->flags |= IOSQE_IO_LINK;
	s->user_data = 1;
	REQUIRE(urctx_ring_detach(r.r, URCTX_NEVER) == 0);
	r.r = nullptr;
}

/* The kernel's search begins at the newest: so do those that are told one by one. */
TEST_CASE("cancels newest first, whoever asks", "[ring][order]")
{
	for (bool detach : { false, true }) {
		INFO((detach ? "detach" : "op_cancel"));
		ends p;
		an_op op[3];
		uint64_t ud[3];
		ring r(8);
		OR_SKIP(r);

		for (int i = 0; i < 3; i++)
			ud[i] = r.read(p.in(), nullptr, op[i]);
		r.submit();
		if (detach) {
			int left = urctx_ring_detach(r.r, 0);

			CHECK(left >= 0);
			if (!left)
				r.r = nullptr;
		} else {
			for (auto &o : op)
				urctx_op_cancel(&o.op, nullptr);
			CHECK(r.turn() >= 0);
		}
		for (int i = 0; i < 3; i++) {
			CHECK(r.u.sq.sqes[3 + i].opcode == IORING_OP_ASYNC_CANCEL);
			CHECK(r.u.sq.sqes[3 + i].addr == ud[2 - i]);
		}
	}
}

TEST_CASE("a wait until the beginning of time", "[ring][deadline]")
{
	ends p;
	an_op op;
	ring r(8);
	OR_SKIP(r);

	/* it must not sleep until there */
	REQUIRE(bind_read(r, p.in(), nullptr, op, urctx_now() + 1000 * SEC) == 0);
	CHECK(urctx_ring_wait(r.r, INT64_MIN) == 0);
	CHECK(!op.calls);
	CHECK(urctx_ring_drain(r.r, nullptr, INT64_MIN) == 1);
	CHECK(!op.calls);
}

#ifndef URCTX_DEBUG
/* The ring is shared memory: two owners would be one too many. */
TEST_CASE("a forked child is not the owner", "[ring][fork]")
{
	ends p;
	an_op op;
	ring r(8);
	OR_SKIP(r);
	int status;

	r.read(p.in(), nullptr, op);
	r.submit();
	pid_t child = fork();
	if (!child) {
		bool refused = urctx_ring_turn(r.r) == -EPERM &&
			       urctx_ring_detach(r.r, 0) == -EPERM &&
			       !urctx_ring_sqe(r.r);

		_exit(!refused);
	}
	REQUIRE(waitpid(child, &status, 0) == child);
	CHECK(status == 0);
	p.put();
	REQUIRE(r.until_ended(op));
	CHECK(op.res == 1);
}
#endif

TEST_CASE("a context that was heard before the deadline", "[ring][timer][cause]")
{
	ends p;
	an_op op;
	ring r(8);
	OR_SKIP(r);
	context ctx;
	int64_t deadline;
	{
		held clock;	/* not late when it is bound, however slow */

		deadline = urctx_now() + SEC / 100;
		REQUIRE(bind_read(r, p.in(), ctx, op, deadline, URCTX_OP_LINK_TIMEOUT) == 0);
	}
	auto queued = r.queued();
	REQUIRE(queued.size() == 2);
	uint64_t ud = queued[0]->user_data;
	for (auto s : queued) {
		io_uring_prep_nop(s);
		s->flags = IOSQE_CQE_SKIP_SUCCESS;
	}
	/* heard, and not asked for: within an open chain nothing is */
	r.sqe()->flags |= IOSQE_IO_LINK;
	urctx_cancel_cause(ctx, &why);
	CHECK(r.turn() == 0);
	(void)r.sqe();
	while (urctx_now() <= deadline)
		;
	REQUIRE(r.feed(ud, -ECANCELED));
	CHECK(op.calls == 1);
	CHECK(op.cause == &why);
}

TEST_CASE("a deadline that is moved into the past is not late", "[ring][stats]")
{
	for (int64_t past : { (int64_t)0, INT64_MIN }) {
		ends p;
		an_op op;
		ring r(8);
		OR_SKIP(r);

		r.read(p.in(), nullptr, op);
		r.submit();
		int64_t before = urctx_now();
		urctx_op_deadline(&op.op, past);
		CHECK(r.turn() > 0);
		CHECK(r.stats().late_max <= (uint64_t)(urctx_now() - before));
		CHECK(r.stats().late_sum == r.stats().late_max);
		REQUIRE(r.until_ended(op));
		CHECK(op.cause == &urctx_deadline_exceeded);
	}
}

TEST_CASE("the kernel's timer stays when a deadline is moved", "[ring][timer][cause]")
{
	ends p;
	an_op op;
	ring r(8);
	OR_SKIP(r);

	REQUIRE(bind_read(r, p.in(), nullptr, op, urctx_now() + SEC / 100,
			  URCTX_OP_LINK_TIMEOUT) == 0);
	r.submit();
	urctx_op_deadline(&op.op, URCTX_NEVER);
	REQUIRE(r.until_ended(op));
	CHECK(op.res == -ECANCELED);
	CHECK(op.cause == &urctx_deadline_exceeded);
}

TEST_CASE("what ends at once does not hold up the others", "[ring][deadline]")
{
	for (auto mode : MODES) {
		INFO(mode.name);
		ends p, q;
		an_op waits, far;
		ring r(8, mode.flags);
		OR_SKIP(r);
		struct io_uring_sqe *s = r.sqe();

		/* a wait with a timeout: the op in flight has a deadline */
		io_uring_prep_read(s, q.in(), far.buf, 1, 0);
		REQUIRE(urctx_ring_bind_flags(r.r, s, nullptr, &far.op,
					      urctx_now() + 1000 * SEC, 0) == 0);
		r.read(p.in(), nullptr, waits);
		CHECK(urctx_ring_wait(r.r, urctx_now()) == 0);
		p.put();
		/* where a pipe is read by a worker, he comes when he comes */
		for (int64_t end = urctx_now() + PATIENCE; !waits.ended() && urctx_now() < end;) {
			an_op nop;

			REQUIRE(urctx_ring_bind(r.r, r.sqe(), nullptr, &nop.op) == 0);
			REQUIRE(r.until_ended(nop));
		}
		CHECK(waits.ended());
	}
}

/* Each cancel too many has an answer, which is in front of what was asked for. */
TEST_CASE("what waits for room in the CQ is not asked for again", "[ring][G11]")
{
	for (auto mode : MODES) {
		INFO(mode.name);
		constexpr unsigned N = 64;
		size_t ended = 0, theirs = 0;
		an_op op[N];
		ends p;
		ring r(N, mode.flags, nullptr, 2 * N);
		OR_SKIP(r);
		context ctx;

		for (auto &o : op) {
			o.then = [&] { ended++; };
			r.read(p.in(), ctx, o);
		}
		r.submit();
		/* what is the caller's takes up all the room but 4 */
		for (unsigned i = 0; i < 2 * N - 4; i++)
			r.sqe()->user_data = 1;
		r.submit();
		held clock;
		urctx_cancel_cause(ctx, &why);
		while (r.turn() == 0)
			r.submit();
		r.submit();
		io_uring_get_events(&r.u);
		REQUIRE(*r.u.sq.kflags & IORING_SQ_CQ_OVERFLOW);
		REQUIRE(r.stats().cancels == N);
		for (int i = 0; i < 3; i++) {
			REQUIRE(urctx_clock_advance(SEC) == 0);
			CHECK(r.turn() >= 0);
		}
		CHECK(r.turn() == 0);	/* there is something to be taken */
		CHECK(r.stats().cancels == N);
		CHECK(r.stats().retries == 0);
		for (unsigned i = 0; i < 3 * N && ended < N; i++) {
			struct io_uring_cqe *cqe;

			io_uring_get_events(&r.u);
			while (!io_uring_peek_cqe(&r.u, &cqe)) {
				theirs += !urctx_ring_dispatch(r.r, cqe);
				io_uring_cqe_seen(&r.u, cqe);
			}
		}
		CHECK(r.stats().retries == 0);
		CHECK(ended == N);
		CHECK(theirs == 2 * N - 4);
	}
}
