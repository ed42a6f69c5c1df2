/* SPDX-License-Identifier: MIT */
/* ring_deadline.cpp - deadlines of ops: the ring's own, and the kernel's timer */
#include "ring_cover.hpp"

static struct io_uring_sqe *read_sqe(ring &r, int fd, an_op &op)
{
	struct io_uring_sqe *s = r.sqe();

	io_uring_prep_read(s, fd, op.buf, sizeof(op.buf), 0);
	return s;
}

static void bind_read(ring &r, int fd, an_op &op, int64_t deadline, unsigned flags = 0,
		      struct urctx *ctx = nullptr)
{
	REQUIRE(urctx_ring_bind_flags(r.r, read_sqe(r, fd, op), ctx, &op.op, deadline,
				      flags) == 0);
}

TEST_CASE("an op ends at its deadline, with that as its cause", "[ring][deadline]")
{
	for (auto mode : MODES)
		for (unsigned flags : { 0U, URCTX_OP_LINK_TIMEOUT }) {
			INFO(mode.name << " " << flags);
			ends p;
			an_op op;
			ring r(8, mode.flags);
			OR_SKIP(r);
			int64_t deadline = urctx_now() + SEC / 100;

			bind_read(r, p.in(), op, deadline, flags);
			REQUIRE(r.until_ended(op));
			CHECK(urctx_now() >= deadline);
			CHECK(op.res == -ECANCELED);
			CHECK(op.cause == &urctx_deadline_exceeded);
			CHECK(r.turn() == URCTX_NEVER);
		}
}

TEST_CASE("turn says how long the owner may sleep", "[ring][deadline]")
{
	ends p;
	an_op a, b;

	ring r(8);
	OR_SKIP(r);
	CHECK(r.turn() == URCTX_NEVER);
	bind_read(r, p.in(), a, urctx_now() + 1000 * SEC);
	int64_t ns = r.turn();
	CHECK(ns > 900 * SEC);
	CHECK(ns <= 1000 * SEC);
	bind_read(r, p.in(), b, urctx_now() + 100 * SEC);
	ns = r.turn();
	CHECK(ns > 0);
	CHECK(ns <= 100 * SEC);
	urctx_op_deadline(&b.op, URCTX_NEVER);
	CHECK(r.turn() > 900 * SEC);
	urctx_op_deadline(&a.op, URCTX_NEVER);
	CHECK(r.turn() == URCTX_NEVER);
	urctx_op_deadline(&a.op, 0);
	CHECK(r.turn() > 0);
	CHECK(r.cancels().size() == 1);
	urctx_op_deadline(&a.op, URCTX_NEVER);	/* told: too late */
	REQUIRE(r.until_ended(a));
	CHECK(a.cause == &urctx_deadline_exceeded);
	CHECK(!b.calls);
	urctx_op_deadline(&a.op, 0);		/* not in flight */
	CHECK(r.turn() == URCTX_NEVER);
	p.put();
	REQUIRE(r.until_ended(b));
}

TEST_CASE("a deadline that has passed: the op is not issued", "[ring][deadline]")
{
	for (unsigned flags : { 0U, URCTX_OP_LINK_TIMEOUT }) {
		ends p;
		an_op op;
		ring r(8);
		OR_SKIP(r);

		p.put();		/* it would find something */
		bind_read(r, p.in(), op, flags ? urctx_now() - SEC : 0, flags);
		CHECK(r.queued().size() == 1);
		REQUIRE(r.until_ended(op));
		CHECK(op.res == -ECANCELED);
		CHECK(op.cause == &urctx_deadline_exceeded);
	}
}

TEST_CASE("the kernel's timer fires while the owner is busy", "[ring][timer]")
{
	ends p;
	an_op op;

	ring r(8);
	OR_SKIP(r);
	int64_t deadline = urctx_now() + SEC / 100;
	bind_read(r, p.in(), op, deadline, URCTX_OP_LINK_TIMEOUT);
	r.submit();
	/* no turn, no wait: it is the kernel that ends it */
	struct io_uring_cqe *cqe;
	REQUIRE(io_uring_wait_cqe(&r.u, &cqe) == 0);
	REQUIRE(urctx_ring_dispatch(r.r, cqe));
	io_uring_cqe_seen(&r.u, cqe);
	CHECK(op.calls == 1);
	CHECK(op.res == -ECANCELED);
	CHECK(op.cause == &urctx_deadline_exceeded);
	CHECK(r.stats().cancels == 0);
}

/* Its timer is lost, or has fired in vain: the ring has the deadline as well. */
TEST_CASE("an op whose timer came to nothing", "[ring][timer][G11]")
{
	ends p;
	an_op op;

	ring r(8);
	OR_SKIP(r);
	{
		held clock;	/* not late when it is bound, however slow */

		bind_read(r, p.in(), op, urctx_now() + SEC / 100, URCTX_OP_LINK_TIMEOUT);
	}
	auto queued = r.queued();
	REQUIRE(queued.size() == 2);
	REQUIRE(queued[1]->opcode == IORING_OP_LINK_TIMEOUT);
	queued[0]->flags &= (__u8)~IOSQE_IO_LINK;
	uint64_t ud = queued[1]->user_data;
	io_uring_prep_nop(queued[1]);
	queued[1]->flags = IOSQE_CQE_SKIP_SUCCESS;
	REQUIRE(r.feed(ud, -ENOENT));
	REQUIRE(r.until_ended(op));
	CHECK(op.cause == &urctx_deadline_exceeded);
	CHECK(r.stats().cancels == 1);
}

TEST_CASE("what the kernel's timer is refused for", "[ring][timer]")
{
	ends p;
	an_op op;

	ring r(8);
	OR_SKIP(r);
	auto refused = [&](struct io_uring_sqe *s, int64_t deadline) {
		return urctx_ring_bind_flags(r.r, s, nullptr, &op.op, deadline,
					     URCTX_OP_LINK_TIMEOUT);
	};
	int64_t soon = urctx_now() + 1000 * SEC;
	struct io_uring_sqe *s = r.sqe();
	io_uring_prep_splice(s, p.in(), -1, p.fd[1], -1, 1, 0);
	CHECK(refused(s, soon) == -EOPNOTSUPP);
	CHECK(s->opcode == IORING_OP_POLL_ADD);
	s = read_sqe(r, p.in(), op);
	s->flags |= IOSQE_ASYNC;
	CHECK(refused(s, soon) == -EOPNOTSUPP);
	s = read_sqe(r, p.in(), op);
	CHECK(refused(s, URCTX_NEVER) == -EINVAL);
	s = read_sqe(r, p.in(), op);
	(void)r.sqe();				/* not the last any more */
	CHECK(refused(s, soon) == -EINVAL);
	CHECK(op.calls == 0);
	CHECK(r.stats().in_flight == 0);
}

TEST_CASE("an op and its timer are never parted by a full SQ", "[ring][timer]")
{
	for (unsigned entries : { 1U, 2U }) {
		ends p;
		an_op first, op;
		ring r(entries);
		OR_SKIP(r);

		if (entries == 2)
			r.read(p.in(), nullptr, first);
		struct io_uring_sqe *s = read_sqe(r, p.in(), op);
		int ret;
		{
			held clock;

			ret = urctx_ring_bind_flags(r.r, s, nullptr, &op.op,
						    urctx_now() + SEC / 100,
						    URCTX_OP_LINK_TIMEOUT);
		}
		if (entries == 1) {
			CHECK(ret == -EBUSY);
			continue;
		}
		REQUIRE(ret == 0);
		CHECK(io_uring_sq_ready(&r.u) == 2);
		REQUIRE(r.until_ended(op));
		CHECK(op.cause == &urctx_deadline_exceeded);
		CHECK(!first.calls);
	}
}

TEST_CASE("the earlier of a context's end and a deadline", "[ring][deadline]")
{
	static const struct urctx_cause why = { "why", nullptr, nullptr, 0, -1 };
	ends p;
	an_op op, late;

	ring r(8);
	OR_SKIP(r);
	context ctx;
	bind_read(r, p.in(), op, urctx_now() + 1000 * SEC, 0, ctx);
	bind_read(r, p.in(), late, urctx_now() + SEC / 1000, 0, ctx);
	REQUIRE(r.until_ended(late));
	CHECK(late.cause == &urctx_deadline_exceeded);
	CHECK(!op.calls);
	cancel_elsewhere(ctx, &why);
	REQUIRE(r.until_ended(op));
	CHECK(op.cause == &why);
}

TEST_CASE("a thousand deadlines, in any order", "[ring][deadline]")
{
	size_t nr = scaled(1000), ended = 0;
	ends p;
	std::vector<an_op> op(nr);

	ring r(16);
	OR_SKIP(r);
	int64_t now = urctx_now();
	bool early = false;
	for (size_t i = 0; i < nr; i++) {
		int64_t deadline = now + (int64_t)(i * 7919 % nr) * 20000;

		op[i].then = [&, deadline] {
			ended++;
			early |= urctx_now() < deadline;
		};
		bind_read(r, p.in(), op[i], deadline);
	}
	REQUIRE(r.until([&] { return ended == nr; }, 4 * PATIENCE));
	CHECK(!early);
	CHECK(r.stats().in_flight == 0);
	CHECK(r.turn() == URCTX_NEVER);
}

TEST_CASE("the result of an op says how it was ended", "[ring][deadline]")
{
	static const struct urctx_cause late = { "late", nullptr, nullptr, 0, -2 };
	int64_t soon = urctx_now() + SEC / 100;
	struct urctx *timed;

	REQUIRE(urctx_with_deadline_cause(nullptr, soon, &late, &timed) == 0);
	{
		ends p, q;
		context ctx;
		an_op by_ctx, by_own, by_cancel, by_timed, done, own_error;
		std::vector<int> results;
		ring r(16);
		OR_SKIP(r);

		for (an_op *op : { &by_ctx, &by_own, &by_cancel, &by_timed, &done,
				&own_error })
			op->then = [&results, op] {
				results.push_back(urctx_op_result(&op->op));
			};
		r.read(p.in(), ctx, by_ctx);
		urctx_cancel(ctx);
		REQUIRE(r.until_ended(by_ctx));
		r.read(p.in(), nullptr, by_cancel);
		urctx_op_cancel(&by_cancel.op, &late);
		REQUIRE(r.until_ended(by_cancel));
		bind_read(r, p.in(), by_own, soon);
		REQUIRE(r.until_ended(by_own));
		r.read(p.in(), timed, by_timed);
		REQUIRE(r.until_ended(by_timed));
		q.put(3);
		r.read(q.in(), nullptr, done);
		REQUIRE(r.until_ended(done));
		/* an error of its own, though it was told */
		bind_read(r, -1, own_error, urctx_now() + 1000 * SEC);
		r.submit();
		urctx_op_cancel(&own_error.op, &late);
		REQUIRE(r.until_ended(own_error));
		CHECK(own_error.cause == &late);
		CHECK(results == std::vector<int>{ -ECANCELED, -ECANCELED, -ETIME,
						   -ETIME, 3, -EBADF });
	}
	urctx_put(timed);
}
