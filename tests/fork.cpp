/* SPDX-License-Identifier: MIT */
/* fork.cpp - a child of fork() goes on with what it inherited, and with its own */
#include <catch2/catch.hpp>
#include <urcu-bp.h>
#include "support.hpp"

struct inherited {
	inherited()
	{
		for (int i = 0; i < 100; i++)
			below.push_back(derive(i % 3 ? top : below.empty() ? top : below.back()));
	}
	~inherited()
	{
		for (struct urctx *ctx : below)
			urctx_put(ctx);
		urctx_end(top);
	}

	struct urctx *top = derive(nullptr);
	std::vector<struct urctx *> below;
};

/*
 * Everything that a process may do, in the child: 0, or which step was wrong.
 * Inside a callback the callbacks of a cancel may have to wait, see G2.
 */
static int use_everything(struct inherited *in, size_t rounds, bool inside = false)
{
	struct urctx *root = derive(nullptr), *late;
	counted cb, stopped;

	/* Own ones, interior too: their memory needs a housekeeper again. */
	for (size_t i = 0; i < rounds; i++) {
		struct urctx *a = derive(i % 2 ? root : in->top), *b = derive(a);

		if (i % 3)
			urctx_put(a);
		if (urctx_done(b))
			return 1;
		urctx_put(b);
		if (i % 3 == 0)
			urctx_put(a);
	}
	late = derive(in->below.back());
	if (cb.after(late) || stopped.after(in->top) || !urctx_stop(&stopped.cb))
		return 2;
	if (inside && !urctx_stop(&cb.cb))
		return 8;
	if (!urctx_cancel(in->top) || cb.ran != !inside || stopped.ran)
		return 3;
	for (struct urctx *ctx : in->below)
		if (!urctx_done(ctx))
			return 4;
	if (!urctx_done(late) || urctx_err(root))
		return 5;
	urctx_put(late);
	for (struct urctx *ctx : in->below)
		urctx_put(urctx_get(ctx));
	if (urctx_wait(root, urctx_now() + 1000) != -ETIME)
		return 6;
	urctx_end(root);
	/* Threads of the child's own, one of them to wait for. */
	root = derive(nullptr);
	bool woken = false;
	together({ [&] { woken = urctx_wait(root, URCTX_NEVER) == 0; },
		   [&] { urctx_end(urctx_get(root)); } });
	urctx_put(root);
	return woken ? 0 : 7;
}

TEST_CASE("fork: the child uses what it inherited and derives anew", "[fork]")
{
	struct inherited in;

	for (int i = 0; i < 5; i++) {
		struct ending end = in_child([&] { return use_everything(&in, 5000); });

		INFO(end.said);
		CHECK_FALSE(end.late);
		CHECK(end.signal == 0);
		CHECK(end.code == 0);
		/* Nothing of that reaches the parent. */
		CHECK(urctx_err(in.top) == 0);
		CHECK(urctx_err(in.below.back()) == 0);
	}
	CHECK(urctx_cancel(in.top));
	CHECK(urctx_done(in.below.back()));
}

TEST_CASE("fork: while other threads derive, cancel and put", "[fork][F22]")
{
	std::atomic<bool> over{ false };
	struct findings f;
	struct inherited in;
	std::atomic<int> begun{ 0 };
	auto busy = [&] {
		for (bool first = true; !over; first = false) {
			struct urctx *a = derive(in.top), *b = derive(a), *c = derive(nullptr);
			struct urctx *d = derive(c);
			counted cb;

			f.expect(cb.after(b) == 0, "after failed");
			urctx_put(a);
			urctx_cancel(b);
			f.expect(cb.ran == 1, "not once");
			urctx_put(b);
			urctx_cancel(c);
			f.expect(urctx_done(d), "live below");
			urctx_put(c);
			urctx_put(d);
			begun += first;
		}
	};
	{
		thread one(busy), two(busy), three(busy);

		/* fork() waits for a thread's first use 100 ms, and these may take longer */
		while (begun < 3)
			sched_yield();
		for (size_t i = 0, n = TESTS_VALGRIND ? 3 : TESTS_TSAN ? 5 : 15; i < n; i++) {
			struct ending end = in_child([&] { return use_everything(&in, 500); });

			INFO(end.said);
			CHECK_FALSE(end.late);
			CHECK(end.signal == 0);
			CHECK(end.code == 0);
		}
		over = true;
	}
	REQUIRE_NOTHING_IN(f);
	CHECK(urctx_err(in.top) == 0);
}

TEST_CASE("fork: another thread is inside a callback, a wait, a read section",
	  "[fork][F22]")
{
	struct urctx *ctx = derive(nullptr), *waited = derive(nullptr);
	gate inside, reading, leave;
	struct inherited in;
	counted cb;

	cb.also = [&] {
		inside.set();
		leave.wait();
	};
	REQUIRE(cb.after(ctx) == 0);
	thread canceller([&] { urctx_cancel(ctx); });
	thread waiter([&] { (void)!urctx_wait(waited, URCTX_NEVER); });
	thread reader([&] {
		/* One that has used the library, and RCU for itself as well. */
		urctx_put(derive(in.top));
		urcu_bp_read_lock();
		reading.set();
		leave.wait();
		urcu_bp_read_unlock();
	});
	inside.wait();
	reading.wait();

	struct ending end = in_child([&] {
		/* Its fn runs on a thread that is not there: for ever. */
		if (urctx_try_stop(&cb.cb))
			return 20;
		if (!urctx_done(ctx) || urctx_cancel(ctx) || !urctx_cancel(waited))
			return 21;
		return use_everything(&in, 2000);
	});
	leave.set();
	canceller.join();
	reader.join();
	CHECK_FALSE(urctx_done(waited));
	urctx_end(urctx_get(waited));
	waiter.join();

	INFO(end.said);
	CHECK_FALSE(end.late);
	CHECK(end.signal == 0);
	CHECK(end.code == 0);
	urctx_put(waited);
	urctx_put(ctx);
}

TEST_CASE("fork: a child may fork, and so may its child", "[fork]")
{
	struct inherited in;

	struct ending end = in_child([&] {
		struct ending below = in_child([&] {
			struct ending last = in_child([&] {
				return use_everything(&in, 1000);
			});

			return last.late ? 30 : last.code ? last.code :
				use_everything(&in, 1000);
		});

		return below.late ? 31 : below.code ? below.code :
			use_everything(&in, 1000);
	});
	INFO(end.said);
	CHECK(end.code == 0);
	CHECK(urctx_err(in.top) == 0);
}

TEST_CASE("fork: from inside a callback", "[fork]")
{
	struct urctx *ctx = derive(nullptr);
	struct inherited in;
	struct ending end = {};
	counted cb, second;

	cb.also = [&] {
		end = in_child([&] { return use_everything(&in, 1000, true); });
	};
	REQUIRE(cb.after(ctx) == 0);
	REQUIRE(second.after(ctx) == 0);
	CHECK(urctx_cancel(ctx));
	CHECK(cb.ran == 1);
	CHECK(second.ran == 1);
	INFO(end.said);
	CHECK_FALSE(end.late);
	CHECK(end.code == 0);
	urctx_put(ctx);
}
