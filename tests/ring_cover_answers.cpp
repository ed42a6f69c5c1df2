/* SPDX-License-Identifier: MIT */
/* ring_cover_answers.cpp - CQEs and results that are seldom, or come in another order */
#include "ring_cover.hpp"

namespace {

const struct urctx_cause why = { "why", nullptr, nullptr, 0, -1 };

/* user_data of the library's own, by kind: see lib/ring.h. */
constexpr uint64_t CANCELS = 1, WAKES = 3, UNWAKES = 5;

uint64_t ours(uint64_t kind, uint64_t gen = 0)
{
	return URCTX_UDATA_TAG | gen << 25 | kind;
}

/* The cancel's user_data, for the op's. */
uint64_t cancel_of(uint64_t op)
{
	return op | CANCELS;
}

}

TEST_CASE("an older op that is told behind a newer one is asked for behind it",
	  "[ring][order]")
{
	ends p;
	an_op older, newer;
	ring r(8);
	OR_SKIP(r);
	uint64_t first = r.read(p.in(), nullptr, older);
	uint64_t second = r.read(p.in(), nullptr, newer);

	urctx_op_cancel(&newer.op, &why);
	urctx_op_cancel(&older.op, nullptr);
	r.turn();
	auto cancels = r.cancels();
	REQUIRE(cancels.size() == 2);
	CHECK(cancels[0]->addr == second);
	CHECK(cancels[1]->addr == first);
	REQUIRE(r.until_ended(older));
	REQUIRE(r.until_ended(newer));
	CHECK(older.cause == &urctx_canceled);
	CHECK(newer.cause == &why);
}

TEST_CASE("what is not in flight is not told, and has no deadline", "[ring][api]")
{
	an_op op;

	urctx_op_cancel(nullptr, &why);
	urctx_op_cancel(&op.op, &why);
	urctx_op_deadline(nullptr, 1);
	urctx_op_deadline(&op.op, 1);
	CHECK(op.calls == 0);
	CHECK(op.op.cause == nullptr);
}

/* One that is refused for good: 300 answers, no more often than every 50 ms. */
TEST_CASE("however often it is refused, a cancel is asked for again", "[ring][G11]")
{
	constexpr unsigned TIMES = 300;
	an_op op;
	ring r(8);
	OR_SKIP(r);
	held clock;
	uint64_t ud = read_nowhere(r, nullptr, op);

	urctx_op_cancel(&op.op, &why);
	for (unsigned i = 0; i < TIMES; i++) {
		INFO(i);
		CHECK(r.turn() == 25 * MSEC);
		drop_queued(r);
		REQUIRE(r.stats().cancels == i + 1);
		REQUIRE(r.feed(cancel_of(ud), -EALREADY));
		if (!i)
			continue;
		int64_t ns = r.turn();
		CHECK(ns >= (i < 7 ? MSEC : 50 * MSEC));
		CHECK(ns <= 50 * MSEC);
		REQUIRE(urctx_clock_advance(ns) == 0);
	}
	CHECK(r.stats().retries == TIMES - 1);
	CHECK(r.stats().stuck == 1);
	REQUIRE(r.feed(ud, -EINTR));
	CHECK(op.cause == &why);
	CHECK(r.stats().stuck == 0);
	urctx_clock_release();
}

TEST_CASE("an answer that is about nothing any more", "[ring][G11]")
{
	an_op op;
	ring r(8);
	OR_SKIP(r);
	uint64_t ud = read_nowhere(r, nullptr, op);

	/* nobody has asked */
	REQUIRE(r.feed(cancel_of(ud), -EALREADY));
	CHECK(r.turn() == URCTX_NEVER);
	CHECK(r.stats().cancels == 0);
	REQUIRE(r.feed(ud, 3));
	CHECK(op.res == 3);
	CHECK(op.cause == nullptr);
	REQUIRE(r.feed(cancel_of(ud), -EALREADY));
	CHECK(op.calls == 1);
}

TEST_CASE("a kernel that does not know cancels is not asked twice", "[ring][rule62]")
{
	an_op op, next;
	ring r(8);
	OR_SKIP(r);
	uint64_t ud = read_nowhere(r, nullptr, op), another = read_nowhere(r, nullptr, next);

	urctx_op_cancel(&op.op, &why);
	r.turn();
	drop_queued(r);
	REQUIRE(r.feed(cancel_of(ud), -EINVAL));
	CHECK(r.stats().limits == URCTX_RING_NO_ABORT);
	urctx_op_cancel(&next.op, &why);
	CHECK(r.turn() == URCTX_NEVER);
	CHECK(r.queued().empty());
	CHECK(r.stats().cancels == 1);
	REQUIRE(r.feed(ud, 1));
	REQUIRE(r.feed(another, -ECANCELED));
	CHECK(op.cause == &why);
	CHECK(next.cause == &why);
}

TEST_CASE("a wake that is none of ours, and one that was the last", "[ring][wake]")
{
	ends p;
	an_op op;
	ring r(8);
	OR_SKIP(r);
	context ctx;

	r.read(p.in(), ctx, op);
	/* before there is a poll, and of one that is long gone */
	REQUIRE(r.feed(ours(WAKES), 1));
	r.turn();
	auto queued = r.queued();
	REQUIRE(queued.back()->opcode == IORING_OP_POLL_ADD);
	uint64_t wake = queued.back()->user_data;
	r.submit();
	REQUIRE(r.feed(ours(WAKES, 4711), 1));
	CHECK(r.stats().stale == 2);
	CHECK(r.turn() == URCTX_NEVER);
	CHECK(r.queued().empty());
	/* it has ended without a word of why: another follows */
	REQUIRE(r.feed(wake, 1));
	r.turn();
	queued = r.queued();
	REQUIRE(queued.size() == 1);
	CHECK(queued[0]->opcode == IORING_OP_POLL_ADD);
	CHECK(queued[0]->user_data != wake);
	CHECK(r.stats().limits == 0);
	cancel_elsewhere(ctx, &why);
	REQUIRE(r.until_ended(op));
	CHECK(op.cause == &why);
}

/* The poll of an eventfd that a ring may not take back is written off: detach asks. */
TEST_CASE("what answers that it cannot be taken back is made again, if it is needed",
	  "[ring][wake]")
{
	ends p;
	an_op op;
	ring r(8);
	OR_SKIP(r);
	context ctx;
	struct io_uring_sqe *s = r.sqe();

	io_uring_prep_read(s, p.in(), op.buf, 1, 0);
	REQUIRE(urctx_ring_bind_flags(r.r, s, ctx, &op.op, URCTX_NEVER,
				      URCTX_OP_NO_ABORT) == 0);
	r.turn();
	r.submit();
	REQUIRE(urctx_ring_detach(r.r, urctx_now()) == 1);
	REQUIRE(r.feed(ours(UNWAKES), -EINVAL));
	CHECK(r.stats().stale == 0);
	r.turn();
	REQUIRE(r.queued().size() == 1);
	CHECK(r.queued()[0]->opcode == IORING_OP_POLL_ADD);
	p.put();
	REQUIRE(r.until_ended(op));
	CHECK(op.cause == &urctx_canceled);
}

TEST_CASE("dispatch of nothing", "[ring][api]")
{
	ring r(8);
	OR_SKIP(r);
	struct io_uring_cqe cqe = {};

	CHECK_FALSE(urctx_ring_dispatch(r.r, nullptr));
	CHECK_FALSE(urctx_ring_dispatch(nullptr, &cqe));
	urctx_ring_stats(r.r, nullptr, 8);
	urctx_ring_stats(nullptr, nullptr, 8);
}

TEST_CASE("one number for how an op has ended, whoever told it", "[ring][api]")
{
	struct row {
		int res, says;
		bool told, context;
	};
	const row rows[] = {
		{ -EINTR, -EINTR, false, false },     { -EINTR, -ECANCELED, true, false },
		{ -ECANCELED, -ECANCELED, true, false }, { -EIO, -EIO, true, false },
		{ -EINTR, -ECANCELED, true, true },   { 7, 7, true, true },
	};

	for (const row &is : rows)
		for (bool ends_too : { false, true }) {
			INFO(is.res << " told " << is.told << " of a context " << is.context
				    << ", which has ended as well " << ends_too);
			int said = 4711;
			ring r(8);
			OR_SKIP(r);
			context ctx;
			an_op op;
			uint64_t ud = read_nowhere(r, is.context ? ctx.c : nullptr, op);

			op.then = [&] { said = urctx_op_result(&op.op); };
			if (is.told)
				urctx_op_cancel(&op.op, &why);
			if (ends_too)
				urctx_cancel(ctx);
			r.turn();
			drop_queued(r);
			REQUIRE(r.feed(ud, is.res));
			CHECK(said == is.says);
			CHECK(op.cause == (is.told ? &why : nullptr));
		}
}

/* The alarm is moved with a CQE where CQEs cannot be skipped. */
TEST_CASE("what is said of a move of the alarm", "[ring][timer]")
{
	struct row {
		int res;
		bool works;
	};
	const row rows[] = { { 0, true }, { -ENOENT, true }, { -EALREADY, true },
			     { -EINVAL, false } };

	for (const row &is : rows) {
		INFO(is.res);
		struct urctx_ring_params params = {};
		an_op later, earlier;
		ring r(8);
		OR_SKIP(r);
		held clock;

		params.flags = URCTX_RING_TIMER;
		REQUIRE(urctx_ring_detach(r.r, URCTX_NEVER) == 0);
		r.u.features &= ~IORING_FEAT_CQE_SKIP;
		REQUIRE(urctx_ring_attach(&r.u, &params, &r.r) == 0);
		uint64_t a = read_nowhere(r, nullptr, later, urctx_now() + 2 * SEC);
		CHECK(r.turn() == 2 * SEC);
		uint64_t alarm = r.queued().back()->user_data;
		CHECK(r.queued().back()->opcode == IORING_OP_TIMEOUT);
		uint64_t b = read_nowhere(r, nullptr, earlier, urctx_now() + SEC);
		CHECK(r.turn() == SEC);
		struct io_uring_sqe *move = r.queued().back();
		CHECK(move->opcode == IORING_OP_TIMEOUT_REMOVE);
		CHECK(!(move->flags & IOSQE_CQE_SKIP_SUCCESS));
		uint64_t answer = move->user_data;
		drop_queued(r);
		REQUIRE(r.feed(answer, is.res));
		CHECK(r.stats().limits == (is.works ? 0 : URCTX_RING_NO_TIMEOUT));
		/* it fires, and the next is set if there may be one */
		REQUIRE(r.feed(alarm, -ETIME));
		CHECK(r.turn() == SEC);
		REQUIRE(r.queued().size() == is.works);
		alarm = is.works ? r.queued()[0]->user_data : 0;
		drop_queued(r);
		REQUIRE(r.feed(a, 1));
		REQUIRE(r.feed(b, 1));
		if (alarm)
			REQUIRE(r.feed(alarm, -ECANCELED));
	}
}
