/* SPDX-License-Identifier: MIT */
/* edges_ring.cpp - what the statistics of a ring count, one by one */
#include "ring_cover.hpp"

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
	for (int64_t by : { 0, 1, 2, 3, 4, 1023, 1024 }) {
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
		CHECK(r.stats().late[step] == before[step] + 1);
		drop_queued(r);
		REQUIRE(r.feed(ud, -ECANCELED));
		CHECK(urctx_op_result(&op.op) == -ETIME);
	}
}
