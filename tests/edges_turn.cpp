/* SPDX-License-Identifier: MIT */
/* edges_turn.cpp - what one turn of a ring does, to the op and to the nanosecond */
#include "ring_cover.hpp"

namespace
{
const struct urctx_cause why = { "why", __FILE__, "edges", __LINE__, -EPROTO };

/* The cancel's user_data, for the op's. */
uint64_t cancel_of(uint64_t op)
{
	return op | 1;
}

size_t polls(ring &r)
{
	size_t n = 0;

	for (auto s : r.queued())
		n += s->opcode == IORING_OP_POLL_ADD;
	return n;
}
}

/* 128 on their way, and 16 a turn at least; who has gone, or waits, is on none. */
TEST_CASE("ring: so many cancels are on their way, and no more", "[ring][edges]")
{
	constexpr size_t N = 300;
	struct urctx_ring_params params = {};

	params.ops = 1024;
	ring r(512, 0, &params);
	OR_SKIP(r);
	held clock;
	std::vector<an_op> ops(N);
	std::vector<uint64_t> ud(N);
	auto begin = [&] {
		for (size_t i = 0; i < N; i++)
			ud[i] = read_nowhere(r, nullptr, ops[i]);
		drop_queued(r);
	};
	auto tell = [&](size_t from, size_t to) {
		for (size_t i = from; i < to; i++)
			urctx_op_cancel(&ops[i].op, &why);
	};
	auto asked = [&] {
		size_t n = r.cancels().size();

		drop_queued(r);
		return n;
	};
	auto end = [&] {
		for (uint64_t some : ud)
			REQUIRE(r.feed(some, -ECANCELED));
		r.turn();
		CHECK(asked() == 0);
	};

	for (int round = 0; round < 3; round++) {
		begin();
		tell(0, 100);
		CHECK(r.turn() == 25 * MSEC);
		CHECK(asked() == 100);
		tell(100, N);
		CHECK(r.turn() == 0);
		CHECK(asked() == 28);
		CHECK(r.turn() == 0);
		CHECK(asked() == 16);
		end();

		/* answered: asked once more at once, and then in a while */
		begin();
		tell(0, 100);
		for (int i = 0; i < 2; i++) {
			r.turn();
			CHECK(asked() == 100);
			for (int k = 0; k < 100; k++)
				REQUIRE(r.feed(cancel_of(ud[(size_t)k]), -ENOENT));
		}
		tell(100, N);
		CHECK(r.turn() == 0);
		CHECK(asked() == 128);
		end();

		/* not answered */
		begin();
		tell(0, 64);
		r.turn();
		CHECK(asked() == 64);
		CHECK(r.turn() == 25 * MSEC);
		REQUIRE(urctx_clock_advance(10 * MSEC) == 0);
		CHECK(r.turn() == 15 * MSEC);
		REQUIRE(urctx_clock_advance(15 * MSEC) == 0);
		CHECK(r.turn() == 25 * MSEC);
		CHECK(asked() == 64);
		tell(64, N);
		r.turn();
		CHECK(asked() == 64);
		end();
	}
}

/* Told one by one, or by contexts that have some each, in turns and in rows. */
TEST_CASE("ring: newest first, whoever has told them", "[ring][edges]")
{
	constexpr size_t N = 24;

	for (size_t contexts : { 0, 1, 2, 3, 5, 24 }) {
		INFO(contexts << " contexts");
		ring r(64);
		OR_SKIP(r);
		context root;
		std::vector<std::unique_ptr<context>> ctx;
		std::vector<an_op> op(N);
		std::vector<uint64_t> ud(N);

		for (size_t i = 0; i < contexts; i++)
			ctx.push_back(std::make_unique<context>(root.c));
		for (size_t i = 0; i < N; i++) {
			struct io_uring_sqe *s = io_uring_get_sqe(&r.u);

			io_uring_prep_nop(s);
			s->flags = 0;
			/* the numbers of those that nothing is between differ by one */
			REQUIRE(urctx_ring_bind(r.r, s, contexts ? ctx[i % contexts]->c : nullptr,
						&op[i].op) == 0);
			ud[i] = s->user_data;
		}
		drop_queued(r);
		if (contexts)
			urctx_cancel(root);
		else
			for (auto &some : op)
				urctx_op_cancel(&some.op, nullptr);
		r.turn();
		auto cancels = r.cancels();
		REQUIRE(cancels.size() == N);
		for (size_t i = 0; i < N; i++) {
			CHECK(cancels[i]->addr == ud[N - 1 - i]);
			/* that one, and what its answer means */
			CHECK(cancels[i]->cancel_flags == 0);
			CHECK(cancels[i]->flags == IOSQE_CQE_SKIP_SUCCESS);
		}
		drop_queued(r);
		for (uint64_t some : ud)
			REQUIRE(r.feed(some, -ECANCELED));
	}
}

TEST_CASE("ring: an answer of 0 says nothing of the op", "[ring][edges]")
{
	for (int says : { 0, 1 }) {
		an_op op;

		ring r(8);
		OR_SKIP(r);
		held clock;
		uint64_t ud = read_nowhere(r, nullptr, op);
		urctx_op_cancel(&op.op, &why);
		r.turn();
		drop_queued(r);
		REQUIRE(r.feed(cancel_of(ud), says));
		CHECK(r.turn() == 25 * MSEC);
		REQUIRE(urctx_clock_advance(25 * MSEC) == 0);
		r.turn();
		CHECK(r.cancels().size() == 1);
		drop_queued(r);
		REQUIRE(r.feed(ud, -ECANCELED));
		CHECK(r.turn() == URCTX_NEVER);
	}
}

/* Told, asked, asked again: it leaves nothing behind in the table of times. */
TEST_CASE("ring: a deadline goes with its op", "[ring][edges]")
{
	an_op op;

	ring r(8);
	OR_SKIP(r);
	held clock;
	uint64_t ud = read_nowhere(r, nullptr, op, urctx_now() + 100 * SEC);
	CHECK(r.turn() == 100 * SEC);
	urctx_op_cancel(&op.op, &why);
	for (int i = 0; i < 2; i++) {
		CHECK(r.turn() == 25 * MSEC);
		drop_queued(r);
		REQUIRE(r.feed(cancel_of(ud), -ENOENT));
	}
	CHECK(r.turn() == MSEC);
	REQUIRE(r.feed(ud, -ECANCELED));
	CHECK(r.turn() == URCTX_NEVER);
	REQUIRE(urctx_clock_advance(1000 * SEC) == 0);
	CHECK(r.turn() == URCTX_NEVER);
	CHECK(r.stats().late_max == 0);
}

TEST_CASE("ring: lateness begins when a deadline could be noticed", "[ring][edges]")
{
	an_op past, exact, later;

	ring r(64);
	OR_SKIP(r);
	held clock;
	uint64_t a = read_nowhere(r, nullptr, past), b = read_nowhere(r, nullptr, exact);
	uint64_t d = read_nowhere(r, nullptr, later, urctx_now() + SEC);
	r.turn();
	int64_t seen = urctx_now();
	REQUIRE(urctx_clock_advance(5) == 0);
	urctx_op_deadline(&past.op, 1);
	urctx_op_deadline(&exact.op, seen);
	r.turn();
	CHECK(r.stats().told == 2);
	CHECK(r.stats().late_max == 0);
	/* a deadline that was moved is the one that counts */
	urctx_op_deadline(&later.op, seen + 3 * SEC);
	REQUIRE(urctx_clock_advance(3 * SEC - 5) == 0);
	r.turn();
	CHECK(r.stats().told == 3);
	CHECK(r.stats().late_max == 0);
	drop_queued(r);
	for (uint64_t some : { a, b, d })
		REQUIRE(r.feed(some, -ECANCELED));
}

TEST_CASE("ring: who waits for nothing is not away", "[ring][edges]")
{
	an_op first, second;

	ring r(8);
	OR_SKIP(r);
	held clock;
	REQUIRE(urctx_clock_advance(100 * SEC) == 0);
	uint64_t ud = read_nowhere(r, nullptr, first, urctx_now() + SEC);
	CHECK(r.turn() == SEC);
	CHECK(r.stats().turn_gap_max == 0);
	REQUIRE(urctx_clock_advance(SEC) == 0);
	r.turn();
	CHECK(r.stats().turn_gap_max == SEC);
	drop_queued(r);
	REQUIRE(r.feed(ud, -ECANCELED));
	REQUIRE(urctx_clock_advance(100 * SEC) == 0);
	ud = read_nowhere(r, nullptr, second, urctx_now() + SEC);
	CHECK(r.turn() == SEC);
	CHECK(r.stats().turn_gap_max == SEC);
	REQUIRE(r.feed(ud, 1));
	drop_queued(r);
}

/* Its own clock: nobody else watches it. */
TEST_CASE("ring: a context's deadline is the cause of an op's that is the same",
	  "[ring][edges]")
{
	an_op op;
	ends p;
	struct urctx *ctx;

	ring r(8);
	OR_SKIP(r);
	int64_t when = urctx_now() + 20 * MSEC;
	REQUIRE(urctx_with_deadline_cause(nullptr, when, &why, &ctx) == 0);
	{
		held clock;	/* not late when it is bound, however slow */
		struct io_uring_sqe *s = r.sqe();

		io_uring_prep_read(s, p.in(), op.buf, 1, 0);
		REQUIRE(urctx_ring_bind_flags(r.r, s, ctx, &op.op, when, 0) == 0);
	}
	REQUIRE(r.until_ended(op));
	CHECK(op.res == -ECANCELED);
	CHECK(op.cause == &why);
	CHECK(r.stats().late_max <= (uint64_t)(urctx_now() - when));
	urctx_put(ctx);
}

/* Who was told keeps to that. */
TEST_CASE("ring: the first who ends an op is its cause", "[ring][edges]")
{
	constexpr size_t N = 200;
	struct urctx_ring_params params = {};
	an_op both, late;
	struct urctx *timed;
	context ctx;

	params.ops = 512;
	ring r(512, 0, &params);
	OR_SKIP(r);
	held clock;
	int64_t when = urctx_now() + SEC;
	std::vector<an_op> ops(N);
	std::vector<uint64_t> ud(N);
	REQUIRE(urctx_with_deadline_cause(nullptr, when, &why, &timed) == 0);
	uint64_t a = read_nowhere(r, timed, both, when), b = read_nowhere(r, nullptr, late, when);
	for (size_t i = 0; i < N; i++)
		ud[i] = read_nowhere(r, ctx, ops[i], when);
	r.turn();
	drop_queued(r);
	/* more than are asked for in a turn: the others wait */
	urctx_cancel_cause(ctx, &why);
	CHECK(r.turn() == 0);
	r.sqe()->flags |= IOSQE_IO_LINK;
	REQUIRE(urctx_clock_advance(SEC) == 0);
	CHECK(r.turn() == 0);
	/* it is told, and not asked for yet */
	urctx_op_cancel(&late.op, &why);
	(void)r.sqe();
	drop_queued(r);
	REQUIRE(r.feed(a, -ECANCELED));
	REQUIRE(r.feed(b, -ECANCELED));
	for (uint64_t some : ud)
		REQUIRE(r.feed(some, -ECANCELED));
	CHECK(both.cause == &why);
	CHECK(late.cause == &urctx_deadline_exceeded);
	for (auto &op : ops)
		REQUIRE(op.cause == &why);
	CHECK(r.stats().told == N + 2);
	CHECK(r.stats().late[0] == 1);
	urctx_put(timed);
}

/* Of a ring that nobody can wake, and of one that has nothing to hear any more. */
TEST_CASE("ring: who cannot be woken looks now and then", "[ring][edges]")
{
	struct urctx_ring_params params = {};

	params.flags = URCTX_RING_DRAIN;
	ring r(8, 0, &params);
	OR_SKIP(r);
	for (int i = 0; i < 3; i++) {
		an_op op;
		context ctx;
		struct io_uring_sqe *s = r.sqe();

		io_uring_prep_nop(s);
		REQUIRE(urctx_ring_bind_flags(r.r, s, ctx, &op.op, URCTX_NEVER,
					      URCTX_OP_NO_ABORT) == 0);
		uint64_t ud = s->user_data;
		s->user_data = URCTX_UDATA_TAG | 4;
		CHECK(r.turn() == 50 * MSEC);
		CHECK(polls(r) == 0);
		r.submit();
		urctx_cancel_cause(ctx, &why);
		CHECK(r.turn() == URCTX_NEVER);
		CHECK(r.queued().empty());
		REQUIRE(r.feed(ud, 1));
		CHECK(op.cause == &why);
		CHECK(r.turn() == URCTX_NEVER);
	}
}

/* The kernel does not know the op yet, and the clock has gone back meanwhile. */
TEST_CASE("ring: a ring with drains asks again, by whatever clock", "[ring][edges]")
{
	struct urctx_ring_params params = {};
	an_op op;

	params.flags = URCTX_RING_DRAIN;
	ring r(8, 0, &params);
	OR_SKIP(r);
	held_clock clock;
	uint64_t ud = read_nowhere(r, nullptr, op);
	urctx_op_cancel(&op.op, &why);
	CHECK(r.turn() == 0);
	CHECK(r.stats().cancels == 1);
	r.turn();
	CHECK(r.stats().cancels == 2);
	drop_queued(r);
	REQUIRE(r.feed(ud, -ECANCELED));
	CHECK(op.cause == &why);
}

/* Nobody has told the turn that what it queues can go: so it is called again. */
TEST_CASE("ring: behind an open chain a turn is not the last", "[ring][edges]")
{
	an_op op, other;
	context ctx;

	ring r(8);
	OR_SKIP(r);
	uint64_t ud = read_nowhere(r, nullptr, op);
	drop_queued(r);
	r.sqe()->flags |= IOSQE_IO_LINK;
	urctx_op_cancel(&op.op, &why);
	CHECK(r.turn() == 0);
	CHECK(r.cancels().empty());
	(void)r.sqe();
	CHECK(r.turn() == 25 * MSEC);
	CHECK(r.cancels().size() == 1);
	drop_queued(r);
	REQUIRE(r.feed(ud, -ECANCELED));
	ud = read_nowhere(r, ctx, other);
	drop_queued(r);
	r.sqe()->flags |= IOSQE_IO_LINK;
	CHECK(r.turn() == 0);
	CHECK(polls(r) == 0);
	(void)r.sqe();
	CHECK(r.turn() == URCTX_NEVER);
	CHECK(polls(r) == 1);
	drop_queued(r);
	REQUIRE(r.feed(ud, 1));
}

TEST_CASE("ring: a full SQ is submitted for a cancel", "[ring][edges]")
{
	an_op op;

	ring r(4);
	OR_SKIP(r);
	uint64_t ud = read_nowhere(r, nullptr, op);
	for (int i = 0; i < 3; i++)
		(void)r.sqe();
	CHECK(io_uring_sq_space_left(&r.u) == 0);
	urctx_op_cancel(&op.op, &why);
	errno = 1;
	CHECK(r.turn() == 25 * MSEC);
	CHECK(errno == 1);
	CHECK(r.cancels().size() == 1);
	drop_queued(r);
	REQUIRE(r.feed(ud, -ECANCELED));
}
