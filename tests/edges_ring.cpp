/* SPDX-License-Identifier: MIT */
/* edges_ring.cpp - what the statistics of a ring count, one by one */
#include "ring_cover.hpp"
#include <algorithm>
#include <random>

namespace
{
const struct urctx_cause why = { "why", __FILE__, "edges", __LINE__, -EPROTO };
}

TEST_CASE("ring: told counts each op once, whoever told it", "[ring][edges]")
{
	an_op born, one, by_link[3], late, twice;

	ring r(64);
	OR_SKIP(r);
	held clock;
	context over, ctx;
	uint64_t ud[3], own, other, again;

	urctx_cancel_cause(over, &why);
	uint64_t never = read_nowhere(r, over, born);
	CHECK(r.stats().told == 1);
	CHECK(r.stats().in_flight == 1);

	own = read_nowhere(r, nullptr, one);
	urctx_op_cancel(&one.op, &why);
	CHECK(r.stats().told == 2);
	urctx_op_cancel(&one.op, nullptr);
	CHECK(r.stats().told == 2);

	for (int i = 0; i < 3; i++)
		ud[i] = read_nowhere(r, ctx, by_link[i]);
	urctx_cancel_cause(ctx, &why);
	r.turn();
	CHECK(r.stats().told == 5);
	for (auto &op : by_link)
		urctx_op_cancel(&op.op, nullptr);
	CHECK(r.stats().told == 5);

	other = read_nowhere(r, nullptr, late, urctx_now() + SEC);
	again = read_nowhere(r, nullptr, twice, urctx_now() + SEC);
	urctx_op_cancel(&twice.op, &why);
	CHECK(r.stats().told == 6);
	REQUIRE(urctx_clock_advance(SEC) == 0);
	r.turn();
	CHECK(r.stats().told == 7);
	CHECK(r.stats().in_flight == 7);
	drop_queued(r);

	REQUIRE(r.feed(own, -ECANCELED));
	REQUIRE(r.feed(other, -ECANCELED));
	REQUIRE(r.feed(again, -ECANCELED));
	REQUIRE(r.feed(never, -ECANCELED));
	for (uint64_t some : ud)
		REQUIRE(r.feed(some, -ECANCELED));
	CHECK(r.stats().in_flight == 0);
	CHECK(r.stats().told == 7);
	CHECK(r.stats().stale == 0);
	CHECK(born.cause == &why);
	CHECK(one.cause == &why);
	CHECK(twice.cause == &why);
	CHECK(late.cause == &urctx_deadline_exceeded);
	for (auto &op : by_link) {
		CHECK(op.calls == 1);
		CHECK(op.cause == &why);
		CHECK(urctx_op_result(&op.op) == -ECANCELED);
	}
	REQUIRE(r.feed(own, -ECANCELED));
	CHECK(r.stats().stale == 1);
	CHECK(one.calls == 1);
}

TEST_CASE("ring: cancels, retries and what is stuck", "[ring][edges]")
{
	an_op op;

	ring r(64);
	OR_SKIP(r);
	held clock;
	uint64_t ud = read_nowhere(r, nullptr, op), cancel;

	urctx_op_cancel(&op.op, &why);
	for (unsigned tries = 0; tries < 9; tries++) {
		REQUIRE(urctx_clock_advance(10 * SEC) == 0);
		r.turn();
		auto asked = r.cancels();
		REQUIRE(asked.size() == 1);
		CHECK(asked[0]->addr == ud);
		cancel = asked[0]->user_data;
		CHECK(r.stats().cancels == tries + 1);
		CHECK(r.stats().retries == tries);
		CHECK(r.stats().stuck == (tries >= 8));
		drop_queued(r);
		REQUIRE(r.feed(cancel, -EALREADY));
		CHECK(r.stats().stuck == (tries >= 7));
	}
	REQUIRE(r.feed(ud, 1));
	CHECK(op.res == 1);
	CHECK(r.stats().stuck == 0);
	CHECK(r.stats().in_flight == 0);
	CHECK(r.stats().told == 1);
}

TEST_CASE("ring: how late a deadline was noticed, by powers of two", "[ring][edges]")
{
	uint64_t sum = 0;

	ring r(64);
	OR_SKIP(r);
	held clock;
	for (int64_t by : { 0L, 1L, 2L, 3L, 4L, 1023L, 1024L, 1L << 31, 1L << 32,
			    1L << 33 }) {
		an_op op;
		uint64_t before[32], ud = read_nowhere(r, nullptr, op, urctx_now() + MSEC);
		unsigned step = 0;

		while (by >> (step + 1))
			step++;
		memcpy(before, r.stats().late, sizeof(before));
		CHECK(r.turn() == MSEC);
		REQUIRE(urctx_clock_advance(MSEC + by) == 0);
		r.turn();
		sum += (uint64_t)by;
		INFO("late by " << by);
		CHECK(r.stats().late_max == (uint64_t)by);
		CHECK(r.stats().late_sum == sum);
		/* the last one takes what is later */
		step = step < 31 ? step : 31;
		before[step]++;
		CHECK(!memcmp(before, r.stats().late, sizeof(before)));
		drop_queued(r);
		REQUIRE(r.feed(ud, -ECANCELED));
		CHECK(urctx_op_result(&op.op) == -ETIME);
	}
}

TEST_CASE("ring: detach leaves nothing behind in the CQ", "[ring][edges]")
{
	for (auto &mode : MODES) {
		ends p;
		an_op op;
		context ctx;

		INFO(mode.name);
		ring r(8, mode.flags);
		OR_SKIP(r);
		r.read(p.in(), ctx, op);
		p.put();
		REQUIRE(r.until_ended(op));
		REQUIRE(urctx_ring_detach(r.r, urctx_now() + PATIENCE) == 0);
		r.r = nullptr;

		struct io_uring_sqe *s = io_uring_get_sqe(&r.u);
		struct io_uring_cqe *cqe = nullptr;
		REQUIRE(s);
		io_uring_prep_nop(s);
		s->user_data = 42;
		REQUIRE(io_uring_submit_and_wait(&r.u, 1) == 1);
		REQUIRE(io_uring_peek_cqe(&r.u, &cqe) == 0);
		CHECK(cqe->user_data == 42);
		io_uring_cqe_seen(&r.u, cqe);
		CHECK(io_uring_cq_ready(&r.u) == 0);
	}
}

/* Many leave a ring's table, where one stands in another's place. */
TEST_CASE("ring: a context is found again, whoever has left beside it", "[ring][edges]")
{
	constexpr int N = 200, ROUNDS = 20;
	struct urctx_ring_params params = {};
	std::mt19937 dice(12345);

	params.ops = 2 * N;
	ring r(64, 0, &params);
	OR_SKIP(r);
	for (int round = 0; round < ROUNDS; round++) {
		std::vector<struct urctx *> ctx;
		std::vector<an_op> first(N), second(N);
		std::vector<call> idle(N);
		std::vector<uint64_t> ud(N), again(N);
		std::vector<bool> leaves(N);

		/* anywhere in memory, so that they get into each other's way */
		for (int i = 0; i < 4096; i++)
			ctx.push_back(derive(nullptr));
		std::shuffle(ctx.begin(), ctx.end(), dice);
		for (int i = 0; i < N; i++) {
			ud[i] = read_nowhere(r, ctx[i], first[i]);
			leaves[i] = dice() & 1;
		}
		drop_queued(r);
		for (int i = 0; i < N; i++)
			if (leaves[i])
				REQUIRE(r.feed(ud[i], 1));
		for (int i = 0; i < N; i++) {
			if (leaves[i])
				continue;
			again[i] = read_nowhere(r, ctx[i], second[i]);
			REQUIRE(urctx_ring_idle(r.r, ctx[i], &idle[i].cb, call::fn) == 0);
			urctx_cancel(ctx[i]);
		}
		drop_queued(r);
		/* behind the last op of its context, whichever goes first */
		for (int i = 0; i < N; i++)
			if (!leaves[i])
				REQUIRE(r.feed(i % 2 ? ud[i] : again[i], -ECANCELED));
		r.turn();
		drop_queued(r);
		for (int i = 0; i < N; i++)
			REQUIRE(idle[i].ran == 0);
		for (int i = 0; i < N; i++)
			if (!leaves[i])
				REQUIRE(r.feed(i % 2 ? again[i] : ud[i], -ECANCELED));
		r.turn();
		r.turn();
		drop_queued(r);
		for (int i = 0; i < N; i++)
			REQUIRE(idle[i].ran == !leaves[i]);
		CHECK(r.stats().in_flight == 0);
		for (struct urctx *some : ctx)
			urctx_put(some);
	}
}

/* Its flag says that it goes on, and nothing did: what was submitted is no chain. */
TEST_CASE("ring: a chain that was submitted open is not open any more", "[ring][edges]")
{
	ends p, q;
	an_op op, linked;
	context ctx;

	ring r(8);
	OR_SKIP(r);
	uint64_t ud = r.read(p.in(), ctx, op);
	r.submit();
	r.read(q.in(), nullptr, linked, IOSQE_IO_LINK);
	r.submit();
	CHECK(r.queued().empty());
	urctx_cancel_cause(ctx, &why);
	r.turn();
	REQUIRE(r.cancels().size() == 1);
	CHECK(r.cancels()[0]->addr == ud);
	REQUIRE(r.until_ended(op));
	CHECK(op.res == -ECANCELED);
	q.put();
	REQUIRE(r.until_ended(linked));
	CHECK(linked.res == 1);
}

/* Not for ever: the owner may have made something else of what was refused. */
TEST_CASE("ring: detach is back though a refused SQE has no CQE", "[ring][edges]")
{
	an_op op, none;
	ends p;

	ring r(8);
	OR_SKIP(r);
	r.read(p.in(), nullptr, op);
	struct io_uring_sqe *s = r.sqe();
	io_uring_prep_nop(s);
	REQUIRE(urctx_ring_bind_flags(r.r, s, nullptr, &none.op, URCTX_NEVER, 1U << 31) ==
		-EINVAL);
	io_uring_prep_nop(s);
	s->flags = IOSQE_CQE_SKIP_SUCCESS;
	s->user_data = 0;
	p.put();
	REQUIRE(r.until_ended(op));
	CHECK(urctx_ring_detach(r.r, urctx_now() + PATIENCE) == 0);
	r.r = nullptr;
	CHECK(none.calls == 0);
	CHECK(io_uring_cq_ready(&r.u) == 0);
}

/* A flag that the ring does not allow: what is taken back without it is taken back. */
TEST_CASE("ring: detach where no CQE may be left out", "[ring][edges][restricted]")
{
	struct io_uring_restriction res[5] = {};
	const unsigned ops[] = { IORING_OP_READ, IORING_OP_NOP, IORING_OP_POLL_ADD,
				 IORING_OP_ASYNC_CANCEL };
	an_op op, early;
	context ctx;
	ends p, q;

	ring r(8, IORING_SETUP_R_DISABLED);
	OR_SKIP(r);
	for (unsigned i = 0; i < 4; i++) {
		res[i].opcode = IORING_RESTRICTION_SQE_OP;
		res[i].sqe_op = (__u8)ops[i];
	}
	res[4].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	res[4].sqe_flags = 0xff & ~IOSQE_CQE_SKIP_SUCCESS;
	REQUIRE(io_uring_register((unsigned)r.u.ring_fd, IORING_REGISTER_RESTRICTIONS, res,
				  5) == 0);
	REQUIRE(io_uring_register((unsigned)r.u.ring_fd, IORING_REGISTER_ENABLE_RINGS,
				  nullptr, 0) == 0);
	r.read(p.in(), ctx, op);
	cancel_elsewhere(ctx, &why);
	REQUIRE(r.until_ended(op));
	CHECK(op.res == -ECANCELED);
	r.read(q.in(), nullptr, early);
	alarm(10);	/* it did not return, whatever the deadline */
	CHECK(urctx_ring_detach(r.r, urctx_now() + PATIENCE) == 0);
	alarm(0);
	r.r = nullptr;
	CHECK(early.res == -ECANCELED);
	CHECK(io_uring_cq_ready(&r.u) == 0);
}

/* Also behind the ring's own use of it, which is over. */
TEST_CASE("ring: who has let go may drain", "[ring][edges]")
{
	for (unsigned flags : { 0U, URCTX_RING_DRAIN }) {
		struct urctx_ring_params params = {};
		struct io_uring_cqe *cqe = nullptr;
		an_op op;
		ends p;

		params.flags = flags;
		ring r(8, 0, &params);
		OR_SKIP(r);
		r.read(p.in(), nullptr, op);
		p.put();
		REQUIRE(r.until_ended(op));
		REQUIRE(urctx_ring_detach(r.r, urctx_now() + PATIENCE) == 0);
		r.r = nullptr;
		struct io_uring_sqe *s = io_uring_get_sqe(&r.u);
		REQUIRE(s);
		io_uring_prep_nop(s);
		s->flags = flags ? IOSQE_IO_DRAIN : 0;
		s->user_data = 42;
		REQUIRE(io_uring_submit_and_wait(&r.u, 1) == 1);
		REQUIRE(io_uring_peek_cqe(&r.u, &cqe) == 0);
		CHECK(cqe->user_data == 42);
		CHECK(cqe->res == 0);
		io_uring_cqe_seen(&r.u, cqe);
	}
}
