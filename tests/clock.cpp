/* SPDX-License-Identifier: MIT */
/* clock.cpp - the test clock: what expires, in which order, and who is told */
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <poll.h>
#include <unistd.h>
#include "clock.hpp"

TEST_CASE("clock: it stands still and moves by hand", "[clock]")
{
	int64_t before = urctx_now();

	{
		held_clock clock(7);

		CHECK(urctx_now() == 7);
		CHECK(urctx_clock_advance(0) == 0);
		CHECK(urctx_now() == 7);
		CHECK(urctx_clock_advance(35) == 0);
		CHECK(urctx_now() == 42);
	}
	CHECK(urctx_now() >= before);
}

TEST_CASE("clock: misuse has results", "[clock]")
{
	const int64_t last = URCTX_NEVER / 2;

	CHECK(urctx_clock_advance(1) == -EINVAL);
	urctx_clock_release();
	urctx_clock_await(1000);		/* not held: back at once */
	CHECK(urctx_clock_hold(-1) == -EINVAL);
	CHECK(urctx_clock_hold(INT64_MIN) == -EINVAL);
	CHECK(urctx_clock_hold(URCTX_NEVER) == -EINVAL);
	CHECK(urctx_clock_hold(last + 1) == -EINVAL);
	held_clock clock(last - 1);
	CHECK(urctx_clock_hold(0) == -EBUSY);
	CHECK(urctx_now() == last - 1);
	CHECK(urctx_clock_advance(-1) == -EINVAL);
	CHECK(urctx_clock_advance(INT64_MIN) == -EINVAL);
	CHECK(urctx_clock_advance(2) == -EINVAL);
	CHECK(urctx_clock_advance(URCTX_NEVER) == -EINVAL);
	CHECK(urctx_now() == last - 1);
	urctx_clock_await(0);
	CHECK(urctx_clock_advance(1) == 0);
	CHECK(urctx_now() == last);
	context far(nullptr, URCTX_NEVER - 1), late(nullptr, last - last / 2);
	CHECK(urctx_err(far) == 0);
	CHECK(urctx_remaining(far) == URCTX_NEVER - 1 - last);
	CHECK(urctx_err(late) == -ETIME);
}

TEST_CASE("clock: a timeout is over at its nanosecond", "[clock]")
{
	for (int i = 0; i < 100; i++) {
		held_clock clock(i * 1000);
		context ctx(nullptr, i * 1000 + 5 * SEC);

		REQUIRE(urctx_clock_advance(5 * SEC - 1) == 0);
		REQUIRE(urctx_err(ctx) == 0);
		REQUIRE_FALSE(urctx_done(ctx));
		REQUIRE(urctx_remaining(ctx) == 1);
		REQUIRE(urctx_clock_advance(1) == 0);
		REQUIRE(urctx_done(ctx));
		REQUIRE(urctx_err(ctx) == -ETIME);
		REQUIRE(urctx_cause(ctx) == &urctx_deadline_exceeded);
		REQUIRE(urctx_remaining(ctx) == 0);
	}
}

TEST_CASE("clock: a callback has run when advance returns, and not before",
	  "[clock]")
{
	for (int i = 0; i < 100; i++) {
		held_clock clock;
		context ctx(nullptr, 1000), child(ctx, URCTX_NEVER);
		counted own, below;
		int64_t at = -1;

		own.also = [&] { at = urctx_now(); };
		REQUIRE(own.after(ctx) == 0);
		REQUIRE(below.after(child) == 0);
		REQUIRE(urctx_clock_advance(999) == 0);
		REQUIRE((own.ran == 0 && below.ran == 0));
		REQUIRE(urctx_clock_advance(5000) == 0);
		REQUIRE((own.ran == 1 && below.ran == 1));
		REQUIRE(at == 1000);		/* its own time */
		REQUIRE(urctx_err(child) == -ETIME);
	}
}

TEST_CASE("clock: a thousand expiries come in order, each at its time", "[clock]")
{
	const int nr = 1000;
	struct expiry {
		int64_t at, seen = -1;
		int turn = -1;
		counted cb;
		std::unique_ptr<context> ctx;
	};
	std::vector<expiry> all(nr);
	held_clock clock;
	int turns = 0;

	srand(1);
	for (int i = 0; i < nr; i++) {
		expiry &e = all[i];

		e.at = 1 + rand() % 300;	/* some are equal */
		e.ctx = std::make_unique<context>(nullptr, e.at);
		e.cb.also = [&e, &turns] {
			e.seen = urctx_now();
			e.turn = turns++;
		};
		REQUIRE(e.cb.after(*e.ctx) == 0);
	}
	REQUIRE(urctx_clock_advance(301) == 0);
	REQUIRE(turns == nr);
	std::vector<int> order(nr);
	for (int i = 0; i < nr; i++) {
		order[all[i].turn] = i;
		REQUIRE(all[i].seen == all[i].at);
	}
	for (int i = 1; i < nr; i++) {
		const expiry &a = all[order[i - 1]], &b = all[order[i]];

		REQUIRE(a.at <= b.at);
		/* as they were armed */
		if (a.at == b.at)
			REQUIRE(order[i - 1] < order[i]);
	}
}

TEST_CASE("clock: many of one time, some of them gone before", "[clock]")
{
	const size_t nr = scaled(20000);
	std::vector<std::unique_ptr<context>> all;
	held_clock clock;
	size_t done = 0;

	for (size_t i = 0; i < nr; i++)
		all.push_back(std::make_unique<context>(nullptr, 1000));
	for (size_t i = 0; i < nr; i += 3)
		all[i].reset();
	REQUIRE(urctx_clock_advance(999) == 0);
	for (auto &ctx : all)
		done += ctx && urctx_err(*ctx);
	CHECK(done == 0);
	REQUIRE(urctx_clock_advance(1) == 0);
	for (auto &ctx : all)
		done += !ctx || urctx_err(*ctx) == -ETIME;
	CHECK(done == nr);
}

TEST_CASE("clock: nested deadlines", "[clock]")
{
	static const struct urctx_cause outer = { "outer", nullptr, nullptr, 0, -EIO };
	held_clock clock;
	context top(nullptr, 300, &outer), longer(top, 500), shorter(top, 100),
		same(longer, 500), below(shorter, URCTX_NEVER);

	CHECK(urctx_clock_advance(100) == 0);
	CHECK(urctx_err(shorter) == -ETIME);
	CHECK(urctx_err(below) == -ETIME);
	CHECK(urctx_cause(below) == &urctx_deadline_exceeded);
	CHECK(urctx_err(top) == 0);
	CHECK(urctx_err(longer) == 0);
	CHECK(urctx_clock_advance(199) == 0);
	CHECK(urctx_err(longer) == 0);
	CHECK(urctx_clock_advance(1) == 0);
	for (struct urctx *ctx : { (struct urctx *)top, (struct urctx *)longer,
				   (struct urctx *)same }) {
		CHECK(urctx_err(ctx) == -ETIME);
		CHECK(urctx_cause(ctx) == &outer);
	}
}

TEST_CASE("clock: what callbacks arm for a time in between is told as well", "[clock]")
{
	struct chain {
		std::vector<std::unique_ptr<context>> all;
		std::vector<std::unique_ptr<counted>> cbs;
		std::vector<int64_t> at;

		void next()
		{
			all.push_back(std::make_unique<context>(nullptr,
								urctx_now() + 10));
			cbs.push_back(std::make_unique<counted>());
			cbs.back()->also = [this] {
				at.push_back(urctx_now());
				next();
			};
			if (cbs.back()->after(*all.back()))
				abort();
		}
	} c;
	held_clock clock;

	c.next();
	REQUIRE(urctx_clock_advance(9) == 0);
	CHECK(c.at.empty());
	REQUIRE(urctx_clock_advance(92) == 0);
	REQUIRE(c.at.size() == 10);
	for (size_t i = 0; i < c.at.size(); i++)
		CHECK(c.at[i] == 10 * (int64_t)(i + 1));
	CHECK(urctx_remaining(*c.all.back()) == 9);
	CHECK(urctx_stop(&c.cbs.back()->cb));
}

TEST_CASE("clock: of cancel and deadline the first is what it was", "[clock]")
{
	static const struct urctx_cause why = { "why", nullptr, nullptr, 0, -EIO };
	held_clock clock;
	context late(nullptr, 100), early(nullptr, 100);
	counted on_late, on_early;

	REQUIRE(on_late.after(late) == 0);
	REQUIRE(on_early.after(early) == 0);
	CHECK(urctx_cancel_cause(early, &why));
	CHECK(urctx_clock_advance(100) == 0);
	CHECK_FALSE(urctx_cancel_cause(late, &why));
	CHECK(urctx_err(late) == -ETIME);
	CHECK(urctx_cause(late) == &urctx_deadline_exceeded);
	CHECK(urctx_err(early) == -ECANCELED);
	CHECK(urctx_cause(early) == &why);
	CHECK(on_late.ran == 1);
	CHECK(on_early.ran == 1);
}

TEST_CASE("clock: a grace period", "[clock]")
{
	held_clock clock;
	context top(nullptr, 100);
	struct urctx *shield = nullptr;
	counted cb;

	REQUIRE(urctx_with_grace(top, 50, &shield) == 0);
	REQUIRE(cb.after(shield) == 0);
	CHECK(urctx_clock_advance(149) == 0);
	CHECK(urctx_err(top) == -ETIME);
	CHECK(urctx_err(shield) == 0);
	CHECK(cb.ran == 0);
	CHECK(urctx_clock_advance(1) == 0);
	CHECK(cb.ran == 1);
	CHECK(urctx_err(shield) == urctx_err(top));
	urctx_put(shield);

	/* by a cancel; and one of nothing, told by the next advance */
	for (int64_t grace : { 50, 0 }) {
		struct urctx *parent = derive(nullptr);
		counted again;

		REQUIRE(urctx_with_grace(parent, grace, &shield) == 0);
		REQUIRE(again.after(shield) == 0);
		urctx_cancel(parent);
		if (grace) {
			CHECK(urctx_clock_advance(grace - 1) == 0);
			CHECK(again.ran == 0);
		}
		CHECK(urctx_clock_advance(!!grace) == 0);
		CHECK(again.ran == 1);
		CHECK(urctx_err(shield) == -ECANCELED);
		urctx_put(shield);
		urctx_put(parent);
	}
}

TEST_CASE("clock: an fd is readable from its time on", "[clock]")
{
	held_clock clock;
	context ctx(nullptr, 100), child(ctx, URCTX_NEVER), past(nullptr, 0);
	int fd = urctx_fd(ctx), below = urctx_fd(child), born = urctx_fd(past);

	REQUIRE((fd >= 0 && below >= 0 && born >= 0));
	CHECK(will_be_readable(born));
	CHECK(urctx_clock_advance(99) == 0);
	CHECK_FALSE(readable(fd));
	CHECK_FALSE(readable(below));
	CHECK(urctx_clock_advance(1) == 0);
	CHECK(will_be_readable(fd));
	CHECK(will_be_readable(below));
}

TEST_CASE("clock: a join has the earliest deadline", "[clock]")
{
	held_clock clock;
	context a(nullptr, 100), b(nullptr, 50);
	struct urctx *parents[] = { a, b }, *any = nullptr;

	REQUIRE(urctx_with_any(parents, 2, &any) == 0);
	CHECK(urctx_clock_advance(49) == 0);
	CHECK(urctx_err(any) == 0);
	CHECK(urctx_clock_advance(1) == 0);
	CHECK(urctx_err(any) == -ETIME);
	CHECK(urctx_err(a) == 0);
	urctx_put(any);
}

TEST_CASE("clock: contexts that are older than its hold keep their numbers", "[clock]")
{
	int64_t now = urctx_now();
	context near(nullptr, now + 3600 * SEC), far(nullptr, now + 7200 * SEC);
	counted cb;

	REQUIRE(cb.after(near) == 0);
	{
		held_clock clock(now);

		CHECK(urctx_remaining(near) == 3600 * SEC);
		CHECK(urctx_clock_advance(3600 * SEC - 1) == 0);
		CHECK(cb.ran == 0);
		CHECK(urctx_clock_advance(1) == 0);
		CHECK(cb.ran == 1);
		CHECK(urctx_err(near) == -ETIME);
		CHECK(urctx_err(far) == 0);
	}
	CHECK(urctx_err(near) == -ETIME);
	CHECK(urctx_err(far) == 0);
	CHECK(urctx_remaining(far) > 7100 * SEC);
}

TEST_CASE("clock: a hold in the future, and one in the past", "[clock]")
{
	context ctx(nullptr, urctx_now() + 3600 * SEC);
	counted cb;

	REQUIRE(cb.after(ctx) == 0);
	{
		held_clock clock(0);
		CHECK(urctx_clock_advance(SEC) == 0);
		CHECK(urctx_err(ctx) == 0);
	}
	{
		held_clock clock(urctx_now() + 3600 * SEC);
		CHECK(urctx_clock_advance(0) == 0);
		CHECK(cb.ran == 1);
	}
	CHECK(urctx_err(ctx) == -ETIME);
}

TEST_CASE("clock: what is armed when it is let go expires by the kernel's", "[clock]")
{
	int64_t now = urctx_now();
	held_clock clock(now - SEC > 0 ? now - SEC : 0);
	context ctx(nullptr, now);		/* in the future of this clock only */
	gate ran;
	counted cb;

	cb.also = [&] { ran.set(); };
	REQUIRE(cb.after(ctx) == 0);
	CHECK(urctx_err(ctx) == 0);
	urctx_clock_release();
	ran.wait();
	CHECK(urctx_err(ctx) == -ETIME);
}

TEST_CASE("clock: advance in a callback would wait for itself", "[clock]")
{
	held_clock clock;
	context ctx(nullptr, 100);
	struct urctx *other = derive(nullptr);
	int by_expiry = 1, by_cancel = 1;
	counted expiry, cancel;

	expiry.also = [&] { by_expiry = urctx_clock_advance(1); };
	cancel.also = [&] { by_cancel = urctx_clock_advance(1); };
	REQUIRE(expiry.after(ctx) == 0);
	REQUIRE(cancel.after(other) == 0);
	CHECK(urctx_clock_advance(100) == 0);
	urctx_end(other);
	CHECK(by_expiry == -EDEADLK);
	CHECK(by_cancel == -EDEADLK);
	CHECK(urctx_now() == 100);
}

TEST_CASE("clock: one thread at a time advances it", "[clock]")
{
	held_clock clock;
	context ctx(nullptr, 100);
	gate entered, leave;
	int outer = 1;
	counted cb;

	cb.also = [&] {
		entered.set();
		leave.wait();
	};
	REQUIRE(cb.after(ctx) == 0);
	thread other([&] { outer = urctx_clock_advance(150); });
	entered.wait();
	CHECK(urctx_now() == 100);
	CHECK(urctx_clock_advance(1) == -EBUSY);
	leave.set();
	other.join();
	CHECK(outer == 0);
	CHECK(urctx_now() == 150);
}

TEST_CASE("clock: let go in the middle of an advance", "[clock]")
{
	held_clock clock;
	context first(nullptr, 100), second(nullptr, 200);
	counted cb;

	cb.also = [] { urctx_clock_release(); };
	REQUIRE(cb.after(first) == 0);
	CHECK(urctx_clock_advance(150) == -ECANCELED);
	CHECK(urctx_clock_advance(1) == -EINVAL);
	CHECK(urctx_err(first) == -ETIME);
	CHECK(urctx_now() > 200);
	CHECK(urctx_err(second) == -ETIME);
	CHECK(cb.ran == 1);
}

TEST_CASE("clock: a forked child moves its own", "[clock]")
{
	held_clock clock;
	context ctx(nullptr, 100);
	counted cb;

	REQUIRE(cb.after(ctx) == 0);
	struct ending end = in_child([&] {
		context own(nullptr, 50);

		if (urctx_now() != 0 || urctx_clock_advance(50) || urctx_err(own) != -ETIME)
			return 1;
		if (urctx_err(ctx) || urctx_clock_advance(50))
			return 2;
		return urctx_err(ctx) == -ETIME && urctx_now() == 100 ? 0 : 3;
	});
	CHECK_FALSE(end.late);
	CHECK(end.signal == 0);
	CHECK(end.code == 0);
	CHECK(urctx_now() == 0);
	CHECK(urctx_err(ctx) == 0);
	CHECK(cb.ran == 0);
	CHECK(urctx_clock_advance(100) == 0);
	CHECK(cb.ran == 1);
}
