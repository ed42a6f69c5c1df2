/* SPDX-License-Identifier: MIT */
/* edges_times.cpp - a ring's table of times, told by what its turns say is next */
#include "ring_cover.hpp"
#include <algorithm>

namespace
{
/* Ops, and when each is due. */
struct timed_ops {
	timed_ops(ring &its, size_t nr)
		: r(its), ops(nr), ud(nr), when(nr, URCTX_NEVER)
	{
	}
	void bind(size_t i, int64_t at)
	{
		when[i] = at;
		ud[i] = read_nowhere(r, nullptr, ops[i], at);
	}
	void move(size_t i, int64_t at)
	{
		when[i] = at;
		urctx_op_deadline(&ops[i].op, at);
	}
	void end(size_t i)
	{
		REQUIRE(r.feed(ud[i], 0));
		ud[i] = 0;
		when[i] = URCTX_NEVER;
	}
	size_t first() const
	{
		return (size_t)(std::min_element(when.begin(), when.end()) - when.begin());
	}
	/* Does the turn say when the next is due? */
	bool right()
	{
		int64_t at = when[first()];

		return r.turn() == (at == URCTX_NEVER ? at : at - urctx_now());
	}
	/* One after the other, and then those that have no time. */
	bool drains()
	{
		bool ok = right();

		while (ok && when[first()] != URCTX_NEVER) {
			end(first());
			ok = right();
		}
		for (size_t i = 0; i < ops.size(); i++)
			if (ud[i])
				end(i);
		return ok;
	}

	ring &r;
	std::vector<an_op> ops;
	std::vector<uint64_t> ud;	/* 0: not bound */
	std::vector<int64_t> when;
};
}

/* Behind one that is late, and in the queue, all go into the heap, each to its place. */
TEST_CASE("ring: a node of the table of times has four children, if so many", "[ring][edges]")
{
	struct urctx_ring_params params = {};

	params.ops = 64;
	ring r(64, 0, &params);
	OR_SKIP(r);
	held clock;
	int64_t now = urctx_now();
	timed_ops t(r, 40);

	/* what is below number 1 is late, and 38 is later: it goes where 8 was */
	t.bind(39, now + 1000);
	for (size_t i = 0; i < 39; i++) {
		size_t top = i;

		while (top > 4)
			top = (top - 1) / 4;
		t.bind(i, now + 1 + (int64_t)i + (top == 1 ? 100 : i == 38 ? 200 : 0));
	}
	/* behind the four below it there is 37, the first of the next, and early */
	t.end(8);
	CHECK(t.drains());

	/* five, and behind them what has gone, earlier than what 1 is moved to */
	t.bind(39, now + 1000);
	for (size_t i = 0; i < 6; i++)
		t.bind(i, now + 1 + (int64_t)i);
	t.end(5);
	t.move(1, now + 50);
	CHECK(t.drains());
}

/* In order, or anyhow; the first goes more often than others. */
TEST_CASE("ring: when the next is due, whatever comes, moves and goes", "[ring][edges]")
{
	for (size_t nr : { (size_t)7, (size_t)50, (size_t)160 }) {
		INFO(nr << " ops");
		ring r(64);
		OR_SKIP(r);
		held clock;
		timed_ops t(r, nr);
		int64_t now = urctx_now(), last = now + 1000;
		unsigned seed = 1;
		bool right = true;
		auto draw = [&](size_t n) {
			seed = seed * 1103515245 + 12345;
			return seed / 65536 % n;
		};

		for (size_t n = scaled(5000); n-- && right;) {
			size_t i = draw(4) ? draw(nr) : t.first();
			int64_t at = !draw(8) ? URCTX_NEVER : draw(2) ? ++last :
				     now + 1 + (int64_t)draw((size_t)(last - now));

			if (!t.ud[i])
				t.bind(i, at);
			else if (draw(2))
				t.move(i, at);
			else
				t.end(i);
			right = t.right();
		}
		CHECK(right);
		bool drained = t.drains();
		CHECK(drained);
	}
}
