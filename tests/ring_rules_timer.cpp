/* SPDX-License-Identifier: MIT */
/*
 * ring_rules_timer.cpp - deadlines and the kernel's timer: rules of
 * lib/ring_rules.h, by their numbers
 */
#include "ring_cover.hpp"

constexpr int64_t FAR = 1000 * SEC;
constexpr int64_t SOON = SEC / 50;	/* bound with the clock held: not late, however slow */

static int bind_until(ring &r, int fd, an_op &op, int64_t deadline, unsigned flags,
		      unsigned sqe_flags = 0)
{
	struct io_uring_sqe *s = r.sqe();

	io_uring_prep_read(s, fd, op.buf, 1, 0);
	s->flags |= (__u8)sqe_flags;
	return urctx_ring_bind_flags(r.r, s, nullptr, &op.op, deadline, flags);
}

/* The op's timer, which is the last in the queue. */
static struct io_uring_sqe *timed(ring &r, int fd, an_op &op, int64_t deadline,
				  unsigned sqe_flags = 0)
{
	REQUIRE(bind_until(r, fd, op, deadline, URCTX_OP_LINK_TIMEOUT, sqe_flags) == 0);
	auto queued = r.queued();
	REQUIRE(queued.size() >= 2);
	REQUIRE(queued.back()->opcode == IORING_OP_LINK_TIMEOUT);
	REQUIRE(queued[queued.size() - 2]->flags & IOSQE_IO_LINK);
	return queued.back();
}

static const struct __kernel_timespec *time_of(const struct io_uring_sqe *timer)
{
	return (const struct __kernel_timespec *)(uintptr_t)timer->addr;
}

static void wait_for_nothing(ring &r)
{
	for (int i = 0; i < 3; i++)
		REQUIRE(urctx_ring_wait(r.r, 0) >= 0);
}

/* It waits in the kernel, and its time has not come. */
static void lives_and_reads(ring &r, const ends &p, const an_op &op)
{
	wait_for_nothing(r);
	CHECK(!op.calls);
	p.put();
	REQUIRE(r.until_ended(op));
	CHECK(op.res == 1);
	CHECK(!op.cause);
}

TEST_CASE("a deadline costs no request of its own", "[ring][rule18][rule31][deadline]")
{
	ends p;
	an_op op;
	ring r(8);
	OR_SKIP(r);

	REQUIRE(bind_until(r, p.in(), op, urctx_now() + FAR, 0) == 0);
	CHECK(r.turn() > 0);
	REQUIRE(r.queued().size() == 1);
	CHECK(r.queued()[0]->opcode == IORING_OP_READ);
	CHECK(!(r.queued()[0]->flags & IOSQE_IO_LINK));
	p.put();
	REQUIRE(r.until_ended(op));
	CHECK(op.res == 1);
}

TEST_CASE("no timer for what a worker carries out", "[ring][rule20][timer]")
{
	ends p, q;
	an_op op;
	ring r(16);
	OR_SKIP(r);
	auto ret = [&](struct io_uring_sqe *s) {
		return urctx_ring_bind_flags(r.r, s, nullptr, &op.op,
					     urctx_now() + FAR, URCTX_OP_LINK_TIMEOUT);
	};
	struct io_uring_sqe *s = r.sqe();

	io_uring_prep_splice(s, p.in(), -1, q.fd[1], -1, 1, 0);
	CHECK(ret(s) == -EOPNOTSUPP);
	io_uring_prep_fsync(s = r.sqe(), p.in(), 0);
	CHECK(ret(s) == -EOPNOTSUPP);
	io_uring_prep_openat(s = r.sqe(), AT_FDCWD, "/dev/null", O_CREAT, 0);
	CHECK(ret(s) == -EOPNOTSUPP);
	io_uring_prep_read(s = r.sqe(), p.in(), op.buf, 1, 0);
	s->flags |= IOSQE_ASYNC;
	CHECK(ret(s) == -EOPNOTSUPP);
	CHECK(!op.calls);
	CHECK(r.stats().in_flight == 0);
}

TEST_CASE("what the kernel's timer reports ends nothing", "[ring][rule21][timer][G10]")
{
	for (int res : { -ETIME, -ENOENT, -EALREADY, -EINVAL, -EFAULT, 0, 1 }) {
		INFO(res);
		ends p;
		an_op op;
		ring r(8);
		OR_SKIP(r);
		uint64_t ud = timed(r, p.in(), op, urctx_now() + FAR)->user_data;

		r.submit();
		REQUIRE(r.feed(ud, res));
		CHECK(!op.calls);
		CHECK(r.stats().in_flight == 1);
		CHECK(r.stats().stale == 0);
		lives_and_reads(r, p, op);
	}
}

TEST_CASE("a timer that comes to nothing, and the ring's own", "[ring][rule22][timer][G11]")
{
	ends p;
	an_op op;
	ring r(8);
	OR_SKIP(r);
	struct io_uring_sqe *timer;
	{
		held clock;

		timer = timed(r, p.in(), op, urctx_now() + SOON);
	}
	uint64_t ud = timer->user_data;

	r.queued()[0]->flags &= (__u8)~IOSQE_IO_LINK;
	io_uring_prep_nop(timer);
	timer->flags = IOSQE_CQE_SKIP_SUCCESS;
	REQUIRE(r.feed(ud, -ENOENT));
	CHECK(r.turn() != URCTX_NEVER);
	REQUIRE(r.until_ended(op));
	CHECK(op.cause == &urctx_deadline_exceeded);
	CHECK(r.stats().cancels == 1);
}

TEST_CASE("who ended it is judged by the clock", "[ring][rule23][timer]")
{
	for (auto mode : MODES) {
		INFO(mode.name);
		ends p;
		an_op op;
		struct io_uring_cqe *cqe;
		ring r(8, mode.flags);
		OR_SKIP(r);

		{
			held clock;

			(void)timed(r, p.in(), op, urctx_now() + SOON);
		}
		r.submit();
		/* no turn, no wait: nobody but the kernel tells it */
		REQUIRE(io_uring_wait_cqe(&r.u, &cqe) == 0);
		REQUIRE(urctx_ring_dispatch(r.r, cqe));
		io_uring_cqe_seen(&r.u, cqe);
		CHECK(op.calls == 1);
		CHECK(op.res == -ECANCELED);
		CHECK(op.cause == &urctx_deadline_exceeded);
	}
}

/* The kernel starts a timer when its op is started, which may be later than bound. */
TEST_CASE("a timer ends at a moment, not after a while", "[ring][rule25][timer]")
{
	ends p, q;
	an_op first, op;
	ring r(8);
	OR_SKIP(r);
	int64_t deadline;

	r.read(p.in(), nullptr, first, IOSQE_IO_LINK);
	{
		held clock;

		deadline = urctx_now() + SOON;
		struct io_uring_sqe *timer = timed(r, q.in(), op, deadline);
		CHECK(timer->timeout_flags & IORING_TIMEOUT_ABS);
		CHECK(time_of(timer)->tv_sec * SEC + time_of(timer)->tv_nsec == deadline);
	}
	while (urctx_now() <= deadline)
		REQUIRE(urctx_ring_wait(r.r, deadline) >= 0);
	CHECK(!op.calls);			/* it has not been started */
	p.put();
	REQUIRE(r.until_ended(op));
	CHECK(first.res == 1);
	CHECK(op.cause == &urctx_deadline_exceeded);
}

TEST_CASE("a timer is a time, whatever the deadline", "[ring][rule26][timer]")
{
	int64_t now = urctx_now();

	for (int64_t deadline : { now + FAR, now + FAR + SEC - 1, INT64_MAX / 2,
				  URCTX_NEVER - 1 }) {
		INFO(deadline);
		ends p;
		an_op op;
		ring r(8);
		OR_SKIP(r);
		struct io_uring_sqe *timer = timed(r, p.in(), op, deadline);

		CHECK(time_of(timer)->tv_sec >= 0);
		CHECK(time_of(timer)->tv_nsec >= 0);
		CHECK(time_of(timer)->tv_nsec < SEC);
		lives_and_reads(r, p, op);
	}
}

TEST_CASE("a timer within a chain of the caller's", "[ring][rule27][timer][chain]")
{
	for (unsigned link : { IOSQE_IO_LINK, IOSQE_IO_HARDLINK }) {
		ends p, out;
		an_op head, tail;
		char c;
		ring r(8);
		OR_SKIP(r);
		struct io_uring_sqe *s, *timer;

		timer = timed(r, p.in(), head, urctx_now() + FAR, link);
		CHECK((timer->flags & (IOSQE_IO_LINK | IOSQE_IO_HARDLINK)) == link);
		s = r.sqe();
		io_uring_prep_write(s, out.fd[1], "x", 1, 0);
		REQUIRE(urctx_ring_bind(r.r, s, nullptr, &tail.op) == 0);
		wait_for_nothing(r);
		CHECK(!tail.calls);
		fcntl(out.in(), F_SETFL, O_NONBLOCK);
		CHECK(read(out.in(), &c, 1) == -1);
		p.put();
		REQUIRE(r.until_ended(tail));
		CHECK(head.res == 1);
		CHECK(tail.res == 1);
	}
}

TEST_CASE("a full SQ does not part an op from its timer", "[ring][rule28][timer]")
{
	ends p;
	an_op first, op;
	ring r(2);
	OR_SKIP(r);

	r.read(p.in(), nullptr, first);
	{
		held clock;

		REQUIRE(bind_until(r, p.in(), op, urctx_now() + SOON,
				   URCTX_OP_LINK_TIMEOUT) == 0);
	}
	REQUIRE(io_uring_sq_ready(&r.u) == 2);
	CHECK(r.queued()[0]->opcode == IORING_OP_READ);
	CHECK(r.queued()[1]->opcode == IORING_OP_LINK_TIMEOUT);
	REQUIRE(r.until_ended(op));
	CHECK(op.cause == &urctx_deadline_exceeded);
	CHECK(!first.calls);

	/* no room for both: neither */
	an_op none;
	ring small(1);
	CHECK(bind_until(small, p.in(), none, urctx_now() + FAR,
			 URCTX_OP_LINK_TIMEOUT) == -EBUSY);
	CHECK(small.stats().in_flight == 0);
}

TEST_CASE("a deadline is moved in the ring, not in the kernel", "[ring][rule29][timer]")
{
	ends p;
	an_op op;
	ring r(8);
	OR_SKIP(r);

	(void)timed(r, p.in(), op, urctx_now() + FAR);
	r.submit();
	urctx_op_deadline(&op.op, urctx_now());
	CHECK(r.turn() >= 0);
	REQUIRE(r.queued().size() == 1);
	CHECK(r.queued()[0]->opcode == IORING_OP_ASYNC_CANCEL);
	CHECK(r.queued()[0]->addr != 0);
	REQUIRE(r.until_ended(op));
	CHECK(op.cause == &urctx_deadline_exceeded);
}

TEST_CASE("a timer's time is where its op is", "[ring][rule30][timer]")
{
	ends p;
	an_op op;
	ring r(8);
	OR_SKIP(r);
	struct io_uring_sqe *timer = timed(r, p.in(), op, urctx_now() + FAR);
	uintptr_t at = (uintptr_t)timer->addr;

	CHECK(at >= (uintptr_t)&op.op);
	CHECK(at + sizeof(struct __kernel_timespec) <= (uintptr_t)(&op.op + 1));
	lives_and_reads(r, p, op);
}

TEST_CASE("a timer's clock is ours", "[ring][rule60][timer]")
{
	ends p;
	an_op op;
	ring r(8);
	OR_SKIP(r);
	struct io_uring_sqe *timer = timed(r, p.in(), op, urctx_now() + FAR);

	CHECK(!(timer->timeout_flags & IORING_TIMEOUT_CLOCK_MASK));
	lives_and_reads(r, p, op);
}

TEST_CASE("what is late when it is bound is not issued", "[ring][rule61][deadline]")
{
	for (unsigned flags : { 0U, URCTX_OP_LINK_TIMEOUT })
		for (int64_t deadline : { (int64_t)1, (int64_t)0, (int64_t)-1, INT64_MIN,
					  urctx_now() }) {
			INFO(flags << " " << deadline);
			ends p;
			an_op op;
			char c;
			ring r(8);
			OR_SKIP(r);

			p.put();		/* it would find something */
			REQUIRE(bind_until(r, p.in(), op, deadline, flags) == 0);
			CHECK(r.queued().size() == 1);
			REQUIRE(r.until_ended(op));
			CHECK(op.res == -ECANCELED);
			CHECK(op.cause == &urctx_deadline_exceeded);
			CHECK(read(p.in(), &c, 1) == 1);
		}
}
