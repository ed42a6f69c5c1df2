/* SPDX-License-Identifier: MIT */
/* ring_chain.cpp - chains of the caller: they stay whole, and break where they should */
#include "ring_cover.hpp"

static const struct urctx_cause why = { "why", nullptr, nullptr, 0, -1 };

static struct io_uring_sqe *nop(ring &r, struct urctx *ctx, an_op &op, unsigned flags)
{
	struct io_uring_sqe *s = r.sqe();

	io_uring_prep_nop(s);
	s->flags |= (__u8)flags;
	REQUIRE(urctx_ring_bind(r.r, s, ctx, &op.op) == 0);
	return s;
}

TEST_CASE("a full SQ submits what is whole and no half chain", "[ring][chain]")
{
	for (auto mode : MODES) {
		INFO(mode.name);
		an_op a, b[4];
		ring r(4, mode.flags);
		OR_SKIP(r);

		nop(r, nullptr, a, 0);
		nop(r, nullptr, b[0], IOSQE_IO_LINK);
		nop(r, nullptr, b[1], IOSQE_IO_LINK);
		nop(r, nullptr, b[2], IOSQE_IO_LINK);
		/* full: a alone can go */
		struct io_uring_sqe *s = r.sqe();
		CHECK(io_uring_sq_ready(&r.u) == 4);
		io_uring_prep_nop(s);
		REQUIRE(urctx_ring_bind(r.r, s, nullptr, &b[3].op) == 0);
		REQUIRE(r.until_ended(b[3]));
		CHECK(a.res == 0);
		for (auto &o : b)
			CHECK(o.res == 0);
	}
}

TEST_CASE("a chain longer than the ring", "[ring][chain]")
{
	an_op op[4];

	ring r(4);
	OR_SKIP(r);
	for (auto &o : op)
		nop(r, nullptr, o, IOSQE_IO_LINK);
	CHECK(urctx_ring_sqe(r.r) == nullptr);
	CHECK(io_uring_sq_ready(&r.u) == 4);
	REQUIRE(r.until_ended(op[3]));
	CHECK(urctx_ring_sqe(r.r) != nullptr);
}

TEST_CASE("a turn within a chain puts nothing into it", "[ring][chain]")
{
	ends p;
	an_op pending, first, second;

	ring r(8);
	OR_SKIP(r);
	r.read(p.in(), nullptr, pending);
	r.submit();
	urctx_op_cancel(&pending.op, &why);
	nop(r, nullptr, first, IOSQE_IO_LINK);
	CHECK(r.turn() == 0);
	CHECK(r.cancels().empty());
	nop(r, nullptr, second, 0);
	CHECK(r.turn() > 0);
	CHECK(r.cancels().size() == 1);
	REQUIRE(r.until_ended(pending));
	CHECK(first.res == 0);
	CHECK(second.res == 0);
}

TEST_CASE("a cancel of a chain's head breaks it, one of its tail does not", "[ring][chain]")
{
	for (auto mode : MODES) {
		INFO(mode.name);
		ends p;
		ring r(8, mode.flags);
		OR_SKIP(r);
		{
			an_op head, tail;
			context ctx;

			r.read(p.in(), ctx, head, IOSQE_IO_LINK);
			nop(r, nullptr, tail, 0);
			r.submit();
			urctx_cancel_cause(ctx, &why);
			REQUIRE(r.until_ended(tail));
			CHECK(head.cause == &why);
			CHECK(head.res == -ECANCELED);
			CHECK(tail.res == -ECANCELED);
			CHECK(!tail.cause);
		}
		an_op head, tail;
		context ctx;

		r.read(p.in(), nullptr, head, IOSQE_IO_HARDLINK);
		r.read(p.in(), ctx, tail);
		r.submit();
		cancel_elsewhere(ctx, &why);
		for (int i = 0; i < 3; i++)
			REQUIRE(urctx_ring_wait(r.r, urctx_now() + SEC / 1000) >= 0);
		CHECK(!head.calls);
		p.put();
		REQUIRE(r.until_ended(head));
		CHECK(head.res == 1);
		CHECK(!head.cause);
		REQUIRE(r.until_ended(tail));
		/* 6.1: begun by a worker, and interrupted */
		CHECK((tail.res == -ECANCELED || tail.res == -EINTR));
		CHECK(tail.cause == &why);
	}
}

TEST_CASE("the kernel's timer inside a chain", "[ring][chain][timer]")
{
	for (unsigned link : { IOSQE_IO_LINK, IOSQE_IO_HARDLINK }) {
		ends p, q;
		an_op head, tail;
		ring r(8);
		OR_SKIP(r);
		struct io_uring_sqe *s = r.sqe();

		io_uring_prep_read(s, p.in(), head.buf, 1, 0);
		s->flags |= (__u8)link;
		{
			held clock;	/* not late when it is bound, however slow */

			REQUIRE(urctx_ring_bind_flags(r.r, s, nullptr, &head.op,
						      urctx_now() + SEC / 100,
						      URCTX_OP_LINK_TIMEOUT) == 0);
		}
		CHECK(s->flags & IOSQE_IO_LINK);
		REQUIRE(r.queued().size() == 2);
		CHECK(r.queued()[1]->flags & link);
		nop(r, nullptr, tail, 0);
		REQUIRE(r.until_ended(tail));
		CHECK(head.res == -ECANCELED);
		CHECK(head.cause == &urctx_deadline_exceeded);
		CHECK(tail.res == (link == IOSQE_IO_LINK ? -ECANCELED : 0));
	}

	/* the head in time: the chain goes on; within a chain the timer is not silent */
	ends p;
	an_op head, tail;
	ring r(8);
	OR_SKIP(r);
	struct io_uring_sqe *s = r.sqe();
	io_uring_prep_read(s, p.in(), head.buf, 1, 0);
	s->flags |= IOSQE_IO_LINK;
	REQUIRE(urctx_ring_bind_flags(r.r, s, nullptr, &head.op, urctx_now() + 1000 * SEC,
				      URCTX_OP_LINK_TIMEOUT) == 0);
	nop(r, nullptr, tail, 0);
	p.put();
	unsigned before = *r.u.cq.ktail;
	REQUIRE(r.until_ended(tail));
	CHECK(head.res == 1);
	CHECK(!head.cause);
	CHECK(tail.res == 0);
	CHECK(*r.u.cq.ktail - before == 3);
}

TEST_CASE("a failed bind leaves an SQE that fails", "[ring][chain]")
{
	an_op head, tail;

	ring r(8);
	OR_SKIP(r);
	head.op.complete = nullptr;
	struct io_uring_sqe *s = r.sqe();
	io_uring_prep_nop(s);
	s->flags |= IOSQE_IO_LINK;
	CHECK(urctx_ring_bind(r.r, s, nullptr, &head.op) == -EINVAL);
	nop(r, nullptr, tail, 0);
	REQUIRE(r.until_ended(tail));
	CHECK(tail.res == -ECANCELED);
	CHECK(head.calls == 0);
}

/* get_sqe() leaves in it what there was: it must not look like one tried again. */
TEST_CASE("where an SQE was refused, another is bound", "[ring][chain][detach]")
{
	struct __kernel_timespec ts = { 0, SEC / 50 };
	struct urctx_ring_params params = {};
	struct io_uring_cqe *cqe;
	an_op op[3];
	int met = 0;

	params.arg = &met;
	params.foreign = [](void *arg, const struct io_uring_cqe *) { ++*(int *)arg; };
	ring r(2, 0, &params);
	OR_SKIP(r);

	struct io_uring_sqe *s = r.sqe();
	io_uring_prep_timeout(s, &ts, 0, 0);
	s->flags |= IOSQE_IO_LINK;
	s->user_data = 1;
	s = r.sqe();
	CHECK(urctx_ring_bind_flags(r.r, s, nullptr, &op[0].op, URCTX_NEVER, 8) == -EINVAL);
	r.submit();
	for (int i = 1; i <= 2; i++) {
		s = io_uring_get_sqe(&r.u);
		REQUIRE(s);
		io_uring_prep_nop(s);
		REQUIRE(urctx_ring_bind(r.r, s, nullptr, &op[i].op) == 0);
	}
	r.submit();
	REQUIRE(urctx_ring_detach(r.r, urctx_now() + PATIENCE) == 0);
	r.r = nullptr;
	CHECK(met == 1);
	CHECK(op[1].calls + op[2].calls == 2);
	ts.tv_nsec = SEC / 5;
	CHECK(io_uring_wait_cqe_timeout(&r.u, &cqe, &ts) == -ETIME);
}
