/* SPDX-License-Identifier: MIT */
/* ring_cover_timer.cpp - what the kernel's timer and the alarm are seldom used for */
#include "ring_cover.hpp"

#include <sys/uio.h>

/* Nothing goes in: all of them wait. */
TEST_CASE("the kernel's timer ends each kind of write", "[ring][timer]")
{
	for (int what = 0; what < 3; what++) {
		INFO(what);
		char page[4096] = {};
		ends s(SOCK_STREAM);
		an_op op;
		struct iovec iov = { page, sizeof(page) };
		struct msghdr msg = {};
		ring r(8);
		OR_SKIP(r);

		msg.msg_iov = &iov;
		msg.msg_iovlen = 1;
		while (send(s.fd[1], page, sizeof(page), MSG_DONTWAIT) > 0)
			;
		REQUIRE(io_uring_register_buffers(&r.u, &iov, 1) == 0);
		struct io_uring_sqe *e = r.sqe();
		if (what == 0)
			io_uring_prep_writev(e, s.fd[1], &iov, 1, 0);
		else if (what == 1)
			io_uring_prep_write_fixed(e, s.fd[1], page, sizeof(page), 0, 0);
		else
			io_uring_prep_sendmsg(e, s.fd[1], &msg, 0);
		{
			held clock;	/* not late when it is bound, however slow */

			REQUIRE(urctx_ring_bind_flags(r.r, e, nullptr, &op.op,
						      urctx_now() + SEC / 50,
						      URCTX_OP_LINK_TIMEOUT) == 0);
		}
		CHECK(r.queued().size() == 2);
		REQUIRE(r.until_ended(op));
		CHECK(op.res == -ECANCELED);
		CHECK(op.cause == &urctx_deadline_exceeded);
	}
}

TEST_CASE("no timer of the kernel's on a polled ring", "[ring][timer]")
{
	ends p;
	an_op op;
	ring r(8, IORING_SETUP_IOPOLL);
	OR_SKIP(r);
	struct io_uring_sqe *s = r.sqe();

	io_uring_prep_read(s, p.in(), op.buf, 1, 0);
	CHECK(urctx_ring_bind_flags(r.r, s, nullptr, &op.op, urctx_now() + 1000 * SEC,
				    URCTX_OP_LINK_TIMEOUT) == -EOPNOTSUPP);
	CHECK(op.calls == 0);
	/* and what it was is not done */
	CHECK(s->fd == -1);
	CHECK(s->len == 0);
}

/* The op's own deadline is the earlier, and is moved away: the kernel knows the first. */
TEST_CASE("a timer that fires before a deadline that was moved", "[ring][timer][cause]")
{
	ends p;
	an_op op;
	struct urctx *later;
	ring r(8);
	OR_SKIP(r);

	REQUIRE(urctx_with_timeout(nullptr, 1000 * SEC, &later) == 0);
	struct io_uring_sqe *s = r.sqe();
	io_uring_prep_read(s, p.in(), op.buf, 1, 0);
	REQUIRE(urctx_ring_bind_flags(r.r, s, later, &op.op, urctx_now() + SEC / 50,
				      URCTX_OP_LINK_TIMEOUT) == 0);
	r.submit();
	urctx_op_deadline(&op.op, urctx_now() + 1000 * SEC);
	REQUIRE(r.until_ended(op));
	CHECK(op.res == -ECANCELED);
	CHECK(op.cause == &urctx_deadline_exceeded);
	CHECK(urctx_err(later) == 0);
	urctx_put(later);
}

/* The alarm and the cancel of it, on a ring that may not cancel. */
TEST_CASE("an alarm that may not be taken back", "[ring][timer][restricted]")
{
	for (bool flags : { false, true }) {
		struct urctx_ring_params attach = {};
		struct io_uring_params params = {};
		struct io_uring_restriction res[3] = {};
		struct urctx_ring *r;
		struct io_uring u;
		an_op op;
		ends p;

		params.flags = IORING_SETUP_R_DISABLED;
		if (io_uring_queue_init_params(8, &u, &params)) {
			WARN("skipped: no io_uring");
			return;
		}
		res[0].opcode = res[1].opcode = res[2].opcode = IORING_RESTRICTION_SQE_OP;
		res[0].sqe_op = IORING_OP_READ;
		res[1].sqe_op = IORING_OP_NOP;
		res[2].sqe_op = IORING_OP_TIMEOUT;
		if (flags) {
			res[1].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
			res[1].sqe_flags = IOSQE_CQE_SKIP_SUCCESS;
			res[2].sqe_op = IORING_OP_NOP;
		}
		REQUIRE(io_uring_register((unsigned)u.ring_fd, IORING_REGISTER_RESTRICTIONS,
					  res, 3) == 0);
		REQUIRE(io_uring_register((unsigned)u.ring_fd, IORING_REGISTER_ENABLE_RINGS,
					  nullptr, 0) == 0);
		attach.flags = URCTX_RING_TIMER;
		REQUIRE(urctx_ring_attach(&u, &attach, &r) == 0);
		struct io_uring_sqe *s = urctx_ring_sqe(r);
		io_uring_prep_read(s, p.in(), op.buf, 1, 0);
		REQUIRE(urctx_ring_bind_flags(r, s, nullptr, &op.op, urctx_now() + 1000 * SEC,
					      0) == 0);
		p.put();
		REQUIRE(urctx_ring_drain(r, nullptr, urctx_now() + PATIENCE) == 0);
		CHECK(op.res == 1);
		/* it did not return, whatever the deadline */
		CHECK(urctx_ring_detach(r, urctx_now() + PATIENCE) == 0);
		io_uring_queue_exit(&u);
	}
}
