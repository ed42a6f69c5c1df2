/* SPDX-License-Identifier: MIT */
/*
 * ring_rules_ring.cpp - threads, kinds of rings, waiting and leaving: rules of
 * lib/ring_rules.h, by their numbers
 */
#include "ring_cover.hpp"

#include <dlfcn.h>
#include <poll.h>

static const struct urctx_cause why = { "why", nullptr, nullptr, 0, -1 };

static struct io_uring_sqe *queued_poll(ring &r)
{
	for (auto s : r.queued())
		if (s->opcode == IORING_OP_POLL_ADD && s->len & IORING_POLL_ADD_MULTI)
			return s;
	return nullptr;
}

TEST_CASE("the poll that a wake comes by has been cancelled", "[ring][rule37][G11]")
{
	for (auto mode : MODES) {
		INFO(mode.name);
		ends p;
		an_op op;
		ring r(8, mode.flags);
		OR_SKIP(r);
		context ctx;
		struct io_uring_cqe *cqe;

		r.read(p.in(), ctx, op);
		REQUIRE(r.turn() == URCTX_NEVER);
		struct io_uring_sqe *poll = queued_poll(r);
		REQUIRE(poll);
		uint64_t ud = poll->user_data;
		r.submit();
		struct io_uring_sqe *s = io_uring_get_sqe(&r.u);
		io_uring_prep_cancel64(s, ud, 0);
		s->flags |= IOSQE_CQE_SKIP_SUCCESS;
		REQUIRE(io_uring_submit_and_wait(&r.u, 1) == 1);
		REQUIRE(io_uring_peek_cqe(&r.u, &cqe) == 0);
		CHECK(cqe->user_data == ud);
		REQUIRE(urctx_ring_dispatch(r.r, cqe));
		io_uring_cqe_seen(&r.u, cqe);
		REQUIRE(r.turn() == URCTX_NEVER);
		CHECK(queued_poll(r));
		cancel_elsewhere(ctx, &why);
		struct __kernel_timespec patience = { PATIENCE / SEC, 0 };
		CHECK(io_uring_submit_and_wait_timeout(&r.u, &cqe, 1, &patience,
						       nullptr) >= 0);
		REQUIRE(r.until_ended(op));
		CHECK(op.cause == &why);
	}
}

TEST_CASE("a ring with a registered descriptor", "[ring][rule33][rule41]")
{
	for (auto mode : MODES) {
		INFO(mode.name);
		ends p;
		an_op op;
		ring r(8, mode.flags);
		OR_SKIP(r);
		context ctx;

		if (io_uring_register_ring_fd(&r.u) != 1) {
			WARN("skipped: no registered ring descriptors");
			return;
		}
		r.read(p.in(), ctx, op);
		r.submit();
		cancel_elsewhere(ctx, &why);	/* where that number is no ring */
		REQUIRE(r.until_ended(op));
		CHECK(op.res == -ECANCELED);
	}
}

#ifndef URCTX_DEBUG
/* The kernel would end it with that thread. */
TEST_CASE("nothing is submitted by another thread", "[ring][rule42]")
{
	findings f;
	ends p;
	an_op op;
	ring r(8);
	OR_SKIP(r);

	thread([&] {
		struct io_uring_sqe *s = urctx_ring_sqe(r.r);

		f.expect(!s, "an SQE for another thread");
		f.expect(urctx_ring_wait(r.r, 0) == -EPERM, "a wait of another thread");
		if (s)
			io_uring_prep_read(s, p.in(), op.buf, 8, 0);
		f.expect(urctx_ring_bind(r.r, s ? s : r.u.sq.sqes, nullptr,
					 &op.op) == -EPERM, "bound by another thread");
	}).join();
	REQUIRE_NOTHING_IN(f);
	CHECK(io_uring_sq_ready(&r.u) == 0);
	r.read(p.in(), nullptr, op);
	p.put();
	REQUIRE(r.until_ended(op));
	CHECK(op.res == 1);
}

TEST_CASE("nothing is submitted by a child", "[ring][rule43][fork]")
{
	ends p;
	an_op op;
	int status;
	ring r(8);
	OR_SKIP(r);
	context ctx;

	r.read(p.in(), ctx, op);
	CHECK(r.turn() == URCTX_NEVER);
	r.submit();
	pid_t child = fork();
	if (!child) {
		urctx_cancel_cause(ctx, &why);		/* its own copy */
		_exit(urctx_ring_turn(r.r) != -EPERM || urctx_ring_sqe(r.r) ||
		      urctx_ring_wait(r.r, 0) != -EPERM);
	}
	REQUIRE(waitpid(child, &status, 0) == child);
	CHECK(status == 0);
	/* neither cancelled nor woken */
	io_uring_submit_and_get_events(&r.u);
	CHECK(io_uring_cq_ready(&r.u) == 0);
	p.put();
	REQUIRE(r.until_ended(op));
	CHECK(op.res == 1);
	CHECK(!op.cause);
}
#endif

TEST_CASE("a thread of the kernel takes the SQEs", "[ring][rule44][sqpoll]")
{
	size_t nr = scaled(2000), ended = 0;
	ends p;
	ring r(4, IORING_SETUP_SQPOLL);
	OR_SKIP(r);
	context ctx;
	std::vector<an_op> op(nr);

	for (size_t i = 0; i < nr; i++) {
		op[i].then = [&] { ended++; };
		r.read(p.in(), ctx, op[i], i % 2 ? 0 : IOSQE_IO_HARDLINK);
	}
	cancel_elsewhere(ctx, &why);
	REQUIRE(r.until([&] { return ended == nr; }, 4 * PATIENCE));
	for (auto &o : op)
		if (o.res != -ECANCELED || o.cause != &why)
			FAIL("not cancelled");
	CHECK(r.stats().in_flight == 0);
}

TEST_CASE("a ring with ops is not let go", "[ring][rule45][G10]")
{
	for (auto mode : MODES) {
		INFO(mode.name);
		ends p;
		an_op op;
		ring r(8, mode.flags);
		OR_SKIP(r);
		struct io_uring_sqe *s = r.sqe();

		io_uring_prep_read(s, p.in(), op.buf, 8, 0);
		REQUIRE(urctx_ring_bind_flags(r.r, s, nullptr, &op.op, URCTX_NEVER,
					      URCTX_OP_NO_ABORT) == 0);
		REQUIRE(urctx_ring_detach(r.r, 0) == 1);
		CHECK(!op.calls);
		p.put();
		CHECK(urctx_ring_detach(r.r, urctx_now() + PATIENCE) == 0);
		r.r = nullptr;
		CHECK(op.res == 1);
		CHECK(op.cause == &urctx_canceled);
	}
}

TEST_CASE("a drain has an end, and says what is left", "[ring][rule46]")
{
	ends p;
	an_op op, other;
	ring r(8);
	OR_SKIP(r);
	context ctx;

	r.read(p.in(), ctx, op);
	r.read(p.in(), nullptr, other);
	CHECK(urctx_ring_drain(r.r, ctx, urctx_now() + SEC / 1000) == 1);
	CHECK(urctx_ring_drain(r.r, nullptr, 0) == 2);
	CHECK(r.stats().cancels == 0);
	p.put();
	REQUIRE(r.until([&] { return op.calls || other.calls; }));
	CHECK(urctx_ring_drain(r.r, nullptr, 0) == 1);
}

/*
 * What io_uring_enter() may say, in front of liburing's own, which the library
 * would find otherwise.
 */
static int enter_says;

extern "C" int say(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned nr,
		   struct __kernel_timespec *ts, sigset_t *mask)
	__asm__("io_uring_submit_and_wait_timeout");

extern "C" int say(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned nr,
		   struct __kernel_timespec *ts, sigset_t *mask)
{
	static auto real = reinterpret_cast<decltype(&say)>(
		dlsym(RTLD_NEXT, "io_uring_submit_and_wait_timeout"));
	int ret = enter_says;

	enter_says = 0;
	return ret ? ret : real(ring, cqe, nr, ts, mask);
}

TEST_CASE("a kernel that has no room for CQEs", "[ring][rule48]")
{
	for (int says : { -EBUSY, -EAGAIN, -EINTR }) {
		INFO(says);
		an_op op;
		ring r(8);
		OR_SKIP(r);
		struct io_uring_sqe *s = r.sqe();

		io_uring_prep_nop(s);
		REQUIRE(urctx_ring_bind(r.r, s, nullptr, &op.op) == 0);
		REQUIRE(io_uring_submit_and_wait(&r.u, 1) == 1);
		enter_says = says;
		CHECK(urctx_ring_wait(r.r, urctx_now() + PATIENCE) == 1);
		CHECK(enter_says == 0);
		CHECK(op.calls == 1);
		enter_says = says;
		CHECK(urctx_ring_wait(r.r, 0) == (says == -EINTR ? -EINTR : 0));
	}
}

TEST_CASE("more CQEs than the CQ has room for", "[ring][rule48]")
{
	for (auto mode : MODES) {
		INFO(mode.name);
		size_t nr = 200, ended = 0;
		ring r(4, mode.flags, nullptr, 8);
		OR_SKIP(r);
		std::vector<an_op> op(nr);

		for (auto &o : op) {
			struct io_uring_sqe *s = r.sqe();

			o.then = [&] { ended++; };
			io_uring_prep_nop(s);
			REQUIRE(urctx_ring_bind(r.r, s, nullptr, &o.op) == 0);
		}
		REQUIRE(r.until([&] { return ended == nr; }));
		CHECK(r.stats().in_flight == 0);
	}
}

TEST_CASE("a wait ends for its time, a signal, a CQE", "[ring][rule64]")
{
	for (auto mode : MODES) {
		INFO(mode.name);
		ends p;
		an_op op;
		ring r(8, mode.flags);
		OR_SKIP(r);

		r.read(p.in(), nullptr, op);
		CHECK(urctx_ring_wait(r.r, urctx_now() + SEC / 1000) == 0);
		CHECK(urctx_ring_wait(r.r, urctx_now() + SEC / 1000) == 0);
		CHECK(urctx_ring_wait(r.r, 0) == 0);
		enter_says = -EINTR;
		CHECK(urctx_ring_wait(r.r, URCTX_NEVER) == -EINTR);
		enter_says = -ETIME;
		CHECK(urctx_ring_wait(r.r, URCTX_NEVER) == 0);
		p.put();
		REQUIRE(r.until_ended(op));
		CHECK(op.res == 1);
	}
}

TEST_CASE("an owner who was away is told how late he is", "[ring][rule66][stats]")
{
	constexpr int64_t AWAY = 5 * MSEC;
	ends p;
	an_op op;
	ring r(8);
	OR_SKIP(r);
	struct io_uring_sqe *s = r.sqe();
	held clock;

	io_uring_prep_read(s, p.in(), op.buf, 8, 0);
	REQUIRE(urctx_ring_bind_flags(r.r, s, nullptr, &op.op, urctx_now() + 50 * MSEC,
				      0) == 0);
	CHECK(r.turn() == 50 * MSEC);
	REQUIRE(urctx_clock_advance(50 * MSEC + AWAY) == 0);
	REQUIRE(r.turn() >= 0);
	CHECK(r.stats().late_max == AWAY);
	CHECK(r.stats().late_sum == AWAY);
	CHECK(r.stats().turn_gap_max == 50 * MSEC + AWAY);
	urctx_clock_release();
	REQUIRE(r.until_ended(op));
	CHECK(op.cause == &urctx_deadline_exceeded);
}
