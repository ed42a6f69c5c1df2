/* SPDX-License-Identifier: MIT */
/* go_deadline.cpp - Go's tests of deadlines, and of a clock that is held */
#include "go.hpp"
#include "held.hpp"

static const struct urctx_cause *const late = &urctx_deadline_exceeded;
static const struct urctx_key wrapper = { "wrapper", nullptr };

TEST_CASE("T-8.1 a deadline 1 ms from now", "[go]")
{
	family f;

	CHECK(expires(f.deadline(nullptr, urctx_now() + MS), late));
}

TEST_CASE("T-8.2 a deadline 1 ms from now, seen through a wrapper", "[go]")
{
	family f;
	struct urctx *ctx = f.deadline(nullptr, urctx_now() + MS);

	CHECK(expires(f.value(ctx, &wrapper, &f), late));
}

TEST_CASE("T-8.3 a deadline later than the parent's", "[go]")
{
	family f;
	int64_t first = urctx_now() + MS, at = 0;
	struct urctx *parent = f.value(f.deadline(nullptr, first), &wrapper, &f);
	struct urctx *child = f.deadline(parent, first + 1000 * HOUR);

	CHECK(urctx_deadline(child, &at));
	CHECK(at == first);
	/* nor does an equal one have a say in the cause */
	struct urctx *equal = f.deadline(parent, first, URCTX_CAUSE(8, "equal"));
	CHECK(expires(child, late));
	CHECK(is_ended(equal, -ETIME, late));
	CHECK(is_ended(parent, -ETIME, late));
}

TEST_CASE("T-8.4 a deadline 1 ms ago", "[go]")
{
	family f;
	int64_t past = urctx_now() - MS, at = 0;
	struct urctx *ctx = f.deadline(nullptr, past);

	CHECK(is_ended(ctx, -ETIME, late));
	CHECK(urctx_deadline(ctx, &at));
	CHECK(at == past);
}

TEST_CASE("T-8.5 a deadline now", "[go]")
{
	family f;

	CHECK(is_ended(f.deadline(nullptr, urctx_now()), -ETIME, late));
}

TEST_CASE("T-9.1 a timeout of 1 ms", "[go]")
{
	family f;

	CHECK(expires(f.timeout(nullptr, MS), late));
}

TEST_CASE("T-9.2 a timeout of 1 ms, seen through a wrapper", "[go]")
{
	family f;

	CHECK(expires(f.value(f.timeout(nullptr, MS), &wrapper, &f), late));
}

TEST_CASE("T-9.3 a timeout longer than the parent's", "[go]")
{
	family f;
	struct urctx *parent = f.value(f.timeout(nullptr, MS), &wrapper, &f);

	CHECK(expires(f.timeout(parent, 1000 * HOUR), late));
}

/* Go's outer one has a second; an hour is more than any machine takes. */
TEST_CASE("T-10 a cancel before the timeout is a cancel", "[go]")
{
	family f;
	struct urctx *outer = f.timeout(nullptr, HOUR);
	struct urctx *inner = f.timeout(f.value(outer, &wrapper, &f), 1000 * HOUR);

	CHECK(is_live(inner));
	CHECK(cancel_plain(inner));
	CHECK(is_canceled(inner));
	CHECK(is_live(outer));
}

TEST_CASE("T-21 a passed deadline is known for a timeout", "[go]")
{
	family f;
	struct urctx *ctx = f.timeout(nullptr, 0);

	CHECK(urctx_err(ctx) == -ETIME);
	CHECK(urctx_cause(ctx)->code == -ETIME);
	CHECK(urctx_canceled.code == -ECANCELED);
}

TEST_CASE("T-39 a passed deadline is an errno, and not TCP's ETIMEDOUT", "[go]")
{
	family f;
	struct urctx *ctx = f.deadline(nullptr, 0);

	CHECK(urctx_err(ctx) == -ETIME);
	CHECK(urctx_err(ctx) != -ETIMEDOUT);
	CHECK(urctx_cause(ctx) == late);
	CHECK(std::string(late->reason) == "deadline exceeded");
}

/* Go's t.Context(): a test's context ends with it, before its cleanup. */
TEST_CASE("T-101.1 a scope's context lives as long as the scope", "[go]")
{
	std::vector<std::string> order;
	family f;
	struct urctx *outer = f.cancelable(nullptr);
	counted ended;

	ended.also = [&] { order.push_back("ended"); };
	{
		std::shared_ptr<void> cleanup(nullptr, [&](void *) {
			order.push_back("cleaned up");
		});
		urctx_scoped struct urctx *ctx = nullptr;

		REQUIRE(urctx_with_cancel(outer, &ctx) == 0);
		REQUIRE(ended.after(ctx) == 0);
		CHECK(is_live(ctx));
		CHECK(order.empty());
	}
	CHECK(order == std::vector<std::string>{ "ended", "cleaned up" });
	CHECK(is_live(outer));
}

TEST_CASE("T-101.2 a context on a clock that stands still", "[go]")
{
	held_clock clock(1000 * HOUR);
	family f;
	struct urctx *ctx = f.cancelable(nullptr), *child = f.timeout(ctx, 1);

	CHECK(urctx_now() == 1000 * HOUR);
	CHECK(is_live(child));
	CHECK(cancel_plain(ctx));
	CHECK(is_canceled(child));
	CHECK(urctx_clock_advance(HOUR) == 0);
	CHECK(is_canceled(child));
}

TEST_CASE("T-101.3 a callback before and after a cancel, on a clock held", "[go]")
{
	held_clock clock(HOUR);
	family f;
	struct urctx *ctx = f.timeout(nullptr, HOUR);
	counted cb;

	REQUIRE(cb.after(ctx) == 0);
	CHECK(urctx_clock_advance(HOUR - 1) == 0);
	CHECK(cb.ran == 0);
	CHECK(cancel_plain(ctx));
	CHECK(cb.ran == 1);
	CHECK(urctx_clock_advance(1) == 0);
	CHECK(cb.ran == 1);
}

TEST_CASE("T-101.4 a timeout to the nanosecond, on a clock held", "[go]")
{
	held_clock clock(HOUR);
	family f;
	struct urctx *ctx = f.timeout(nullptr, 5000 * MS);
	counted cb;

	REQUIRE(cb.after(ctx) == 0);
	CHECK(urctx_clock_advance(5000 * MS - 1) == 0);
	CHECK(is_live(ctx));
	CHECK(urctx_remaining(ctx) == 1);
	CHECK(cb.ran == 0);
	CHECK(urctx_clock_advance(1) == 0);
	CHECK(is_ended(ctx, -ETIME, late));
	CHECK(urctx_remaining(ctx) == 0);
	CHECK(cb.ran == 1);
}
