/* SPDX-License-Identifier: MIT */
/* ring_cover_turns.cpp - turns with more to do than one does, and lateness */
#include "ring_cover.hpp"

#include <urctx/value.h>

static const struct urctx_cause why = { "why", nullptr, nullptr, 0, -1 };

/* A turn hears of 1,024 at most. */
TEST_CASE("more contexts end than a turn hears of", "[ring][turn]")
{
	constexpr size_t N = 2500;
	struct urctx_ring_params params = {};

	params.ops = N;
	std::vector<an_op> ops(N);
	std::vector<uint64_t> ud(N);
	ring r(8, 0, &params);
	OR_SKIP(r);
	{
		std::vector<context> all(N);

		for (size_t i = 0; i < N; i++)
			ud[i] = read_nowhere(r, all[i], ops[i]);
		(void)r.turn();
		drop_queued(r);
		for (auto &ctx : all)
			urctx_cancel_cause(ctx, &why);
		/* they end by themselves, and nothing but their contexts is left */
		for (size_t i = 0; i < N; i++)
			REQUIRE(r.feed(ud[i], 1));
	}
	CHECK(r.turn() == 0);
	CHECK(r.turn() == 0);
	CHECK(r.turn() == URCTX_NEVER);
	CHECK(r.stats().in_flight == 0);
	CHECK(r.stats().cancels == 0);
}

TEST_CASE("a detach calls what is due, more than a turn hears of", "[ring][after][detach]")
{
	constexpr size_t N = 2500;
	std::vector<call> calls(N), twice(2);
	ring r(8);
	OR_SKIP(r);
	{
		std::vector<context> all(N);
		context idle;

		for (size_t i = 0; i < N; i++)
			REQUIRE(urctx_ring_after(r.r, all[i], &calls[i].cb, call::fn) == 0);
		for (auto &c : twice)
			REQUIRE(urctx_ring_idle(r.r, idle, &c.cb, call::fn) == 0);
		for (auto &ctx : all)
			urctx_cancel(ctx);
		urctx_cancel(idle);
	}
	CHECK(urctx_ring_detach(r.r, urctx_now() + PATIENCE) == 0);
	r.r = nullptr;
	for (auto &c : calls)
		REQUIRE(c.ran == 1);
	for (auto &c : twice)
		CHECK(c.ran == 1);
}

/* And 8,192 deadlines. */
TEST_CASE("more deadlines pass than a turn looks at", "[ring][deadline]")
{
	constexpr size_t N = 9000;
	struct urctx_ring_params params = {};

	params.ops = N;
	std::vector<an_op> ops(N);
	std::vector<uint64_t> ud(N);
	ring r(64, 0, &params);
	OR_SKIP(r);
	held clock;
	int64_t when = urctx_now() + SEC;

	for (size_t i = 0; i < N; i++)
		ud[i] = read_nowhere(r, nullptr, ops[i], when);
	CHECK(r.turn() == SEC);
	REQUIRE(urctx_clock_advance(SEC) == 0);
	CHECK(r.turn() == 0);
	CHECK(r.stats().told == 8192);
	CHECK(r.turn() == 0);
	CHECK(r.stats().told == N);
	/* at that moment and not a ns later */
	CHECK(r.stats().late[0] == N);
	CHECK(r.stats().late_max == 0);
	for (size_t i = 0; i < N; i++) {
		REQUIRE(r.feed(ud[i], -ECANCELED));
		REQUIRE(ops[i].cause == &urctx_deadline_exceeded);
	}
	drop_queued(r);
}

TEST_CASE("later than the table of lateness goes", "[ring][stats]")
{
	an_op op;
	ring r(8);
	OR_SKIP(r);
	held clock;
	uint64_t ud = read_nowhere(r, nullptr, op, urctx_now() + SEC);

	CHECK(r.turn() == SEC);
	REQUIRE(urctx_clock_advance(21 * SEC) == 0);
	(void)r.turn();
	CHECK(r.stats().late_max == 20 * SEC);
	CHECK(r.stats().late_sum == 20 * SEC);
	CHECK(r.stats().late[31] == 1);
	CHECK(r.stats().turn_gap_max == 21 * SEC);
	drop_queued(r);
	REQUIRE(r.feed(ud, -EINTR));
	CHECK(op.cause == &urctx_deadline_exceeded);
}

/* In any order, moved, taken away: each is told at its time and not before. */
TEST_CASE("deadlines that are moved in any order are told in theirs", "[ring][deadline]")
{
	constexpr size_t N = 400;
	struct urctx_ring_params params = {};

	params.ops = 64;
	std::vector<an_op> ops(N);
	std::vector<uint64_t> ud(N);
	std::vector<int64_t> when(N);
	ring r(64, 0, &params);
	OR_SKIP(r);
	held clock;
	int64_t begin = urctx_now();
	unsigned seed = 12345;
	auto draw = [&](unsigned n) {
		seed = seed * 1103515245 + 12345;
		return seed / 65536 % n;
	};

	for (size_t i = 0; i < N; i++) {
		when[i] = begin + 1 + draw(1000);
		ud[i] = read_nowhere(r, nullptr, ops[i], when[i]);
		/* gaps in the queue when its room is made anew */
		if (i == 50)
			for (size_t k = 3; k < 40; k += 3) {
				when[k] = URCTX_NEVER;
				urctx_op_deadline(&ops[k].op, when[k]);
			}
	}
	for (size_t moves = 0; moves < 4 * N; moves++) {
		size_t i = draw(N);

		when[i] = draw(9) ? begin + 1 + draw(1000) : URCTX_NEVER;
		urctx_op_deadline(&ops[i].op, when[i]);
	}
	drop_queued(r);
	for (int64_t now = begin; now < begin + 1001; now += 100) {
		size_t due = 0;

		for (int64_t at : when)
			due += at <= now;
		(void)r.turn();
		CHECK(r.stats().told == due);
		REQUIRE(urctx_clock_advance(100) == 0);
	}
	(void)r.turn();
	for (size_t i = 0; i < N; i++) {
		REQUIRE(r.feed(ud[i], -ECANCELED));
		REQUIRE((ops[i].cause != nullptr) == (when[i] != URCTX_NEVER));
	}
	drop_queued(r);
}

/* A deadline's callbacks let go of a context whose release ends the next one. */
TEST_CASE("a context that ends while the turn looks at its deadline", "[ring][deadline]")
{
	ends p;
	call first, second;
	struct urctx *a = nullptr, *b = nullptr;
	static struct urctx *victim;
	static struct urctx_key key;

	key.release = [](void *) { urctx_cancel_cause(victim, &why); };
	ring r(8);
	OR_SKIP(r);
	held clock;
	struct urctx *with = nullptr;
	REQUIRE(urctx_with_timeout(nullptr, SEC, &with) == 0);
	REQUIRE(urctx_with_value(with, &key, &key, &a) == 0);
	urctx_put(with);
	REQUIRE(urctx_with_timeout(nullptr, SEC, &b) == 0);
	victim = b;
	REQUIRE(urctx_ring_after(r.r, a, &first.cb, call::fn) == 0);
	REQUIRE(urctx_ring_after(r.r, b, &second.cb, call::fn) == 0);
	urctx_put(a);
	CHECK(r.turn() == SEC);
	drop_queued(r);
	REQUIRE(urctx_clock_advance(SEC) == 0);
	while (r.turn() == 0)
		;
	CHECK(first.ran == 1);
	CHECK(second.ran == 1);
	CHECK(urctx_done(b));
	urctx_put(b);
}

TEST_CASE("a callback of an ended context is stopped while it is in line", "[ring][idle]")
{
	an_op op;
	call one, other;
	ring r(8);
	OR_SKIP(r);
	context ctx;
	uint64_t ud = read_nowhere(r, ctx, op);

	REQUIRE(urctx_ring_idle(r.r, ctx, &one.cb, call::fn) == 0);
	REQUIRE(urctx_ring_idle(r.r, ctx, &other.cb, call::fn) == 0);
	urctx_cancel(ctx);
	(void)r.turn();
	drop_queued(r);
	REQUIRE(r.feed(ud, -ECANCELED));
	CHECK(urctx_try_stop(&one.cb));
	CHECK(r.turn() == 0);
	CHECK(r.turn() == URCTX_NEVER);
	CHECK(one.ran == 0);
	CHECK(other.ran == 1);
}

TEST_CASE("a ring's callback on another thread, and while it is detached", "[ring][after]")
{
	an_op op;
	ends p;
	call c, late;
	[[maybe_unused]] int there = 0;
	[[maybe_unused]] bool stopped = true;
	int in_detach = 0;
	ring r(8);
	OR_SKIP(r);
	context ctx;

	CHECK(urctx_ring_after(r.r, ctx, nullptr, call::fn) == -EINVAL);
	CHECK(urctx_ring_idle(r.r, ctx, &c.cb, nullptr) == -EINVAL);
	CHECK(urctx_ring_idle(nullptr, ctx, &c.cb, call::fn) == -EINVAL);
	REQUIRE(urctx_ring_after(r.r, ctx, &c.cb, call::fn) == 0);
#ifndef URCTX_DEBUG
	thread([&] {
		there = urctx_ring_after(r.r, ctx, &late.cb, call::fn);
		stopped = urctx_try_stop(&c.cb);
	}).join();
	CHECK(there == -EPERM);
	CHECK_FALSE(stopped);
#endif
	CHECK(urctx_try_stop(&c.cb));
	r.read(p.in(), ctx, op);
	op.then = [&] { in_detach = urctx_ring_after(r.r, ctx, &late.cb, call::fn); };
	CHECK(urctx_ring_detach(r.r, urctx_now() + PATIENCE) == 0);
	r.r = nullptr;
	CHECK(op.calls == 1);
	CHECK(in_detach == -ESHUTDOWN);
	CHECK(c.ran == 0);
}

TEST_CASE("flags that exclude each other, and room that is no power of two", "[ring][api]")
{
	struct urctx_ring_params params = {};
	struct urctx_ring *none = nullptr;
	ring r(8);
	OR_SKIP(r);

	REQUIRE(urctx_ring_detach(r.r, URCTX_NEVER) == 0);
	params.flags = URCTX_RING_DRAIN | URCTX_RING_TIMER;
	CHECK(urctx_ring_attach(&r.u, &params, &none) == -EOPNOTSUPP);
	CHECK(none == nullptr);
	params.flags = URCTX_RING_TIMER;
	params.ops = 100;
	REQUIRE(urctx_ring_attach(&r.u, &params, &r.r) == 0);
}

TEST_CASE("two calls for an idle context in a detach", "[ring][idle][detach]")
{
	std::vector<call> twice(2);
	ring r(8);
	OR_SKIP(r);
	{
		context idle;

		for (auto &c : twice)
			REQUIRE(urctx_ring_idle(r.r, idle, &c.cb, call::fn) == 0);
		urctx_cancel(idle);
	}
	CHECK(urctx_ring_detach(r.r, urctx_now() + PATIENCE) == 0);
	r.r = nullptr;
	for (auto &c : twice)
		CHECK(c.ran == 1);
}
