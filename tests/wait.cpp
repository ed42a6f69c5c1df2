/* SPDX-License-Identifier: MIT */
/* wait.cpp - urctx_wait: 0 once done, -ETIME at its deadline, -EINTR */
#include <catch2/catch.hpp>
#include <sched.h>
#include <signal.h>
#include "support.hpp"

TEST_CASE("wait: a done context is 0, whatever the deadline", "[wait]")
{
	struct urctx *ctx = derive(nullptr);

	urctx_cancel(ctx);
	for (int64_t deadline : { INT64_MIN, (int64_t)-1, (int64_t)0, (int64_t)1,
				  urctx_now(), URCTX_NEVER })
		CHECK(urctx_wait(ctx, deadline) == 0);
	urctx_put(ctx);
}

TEST_CASE("wait: a deadline that is not after now is -ETIME at once", "[wait]")
{
	struct urctx *ctx = derive(nullptr);

	for (int64_t deadline : { INT64_MIN, (int64_t)-1, (int64_t)0, (int64_t)1,
				  urctx_now() }) {
		CHECK(urctx_wait(ctx, deadline) == -ETIME);
		CHECK(urctx_wait(nullptr, deadline) == -ETIME);
	}
	urctx_put(ctx);
}

TEST_CASE("wait: -ETIME is never early", "[wait]")
{
	struct urctx *ctx = derive(nullptr);

	for (int64_t ns : { 1, 1000, 50000, 999999, 3000000 }) {
		int64_t deadline = urctx_now() + ns;

		CHECK(urctx_wait(ctx, deadline) == -ETIME);
		CHECK(urctx_now() >= deadline);
		deadline = urctx_now() + ns;
		CHECK(urctx_wait(nullptr, deadline) == -ETIME);
		CHECK(urctx_now() >= deadline);
	}
	CHECK(urctx_err(ctx) == 0);
	urctx_put(ctx);
}

TEST_CASE("wait: every waiter is woken, by a cancel here or above", "[wait]")
{
	struct findings f;

	for (size_t i = 0, n = scaled(1000); i < n; i++) {
		struct urctx *top = derive(nullptr), *ctx = derive(top);
		int64_t far = urctx_now() + INT64_C(3600000000000);
		auto wait = [&](struct urctx *on, int64_t deadline) {
			return [&f, on, deadline] {
				f.expect(urctx_wait(on, deadline) == 0, "not 0");
				f.expect(urctx_done(on), "not done");
				f.expect(urctx_cause(on) != nullptr, "no cause");
			};
		};

		together({
			wait(ctx, URCTX_NEVER),
			wait(ctx, far),
			wait(i % 2 ? top : ctx, URCTX_NEVER),
			[&] { urctx_cancel(i % 2 ? top : ctx); },
		});
		urctx_put(ctx);
		urctx_put(top);
	}
	REQUIRE_NOTHING_IN(f);
}

TEST_CASE("wait: no wake is lost beside children, callbacks and other waits", "[wait]")
{
	struct findings f;

	for (size_t i = 0, n = scaled(1000); i < n; i++) {
		struct urctx *ctx = derive(nullptr);
		counted cb;

		together({
			[&] { f.expect(urctx_wait(ctx, URCTX_NEVER) == 0, "not 0"); },
			[&] {
				int ret = urctx_wait(ctx, urctx_now() + 20000);

				f.expect(ret == 0 || ret == -ETIME, "neither");
			},
			[&] {
				struct urctx *child = derive(ctx);

				f.expect(cb.after(ctx) == 0, "after failed");
				f.expect(urctx_wait(child, URCTX_NEVER) == 0, "not 0");
				urctx_put(child);
			},
			[&] { urctx_cancel(ctx); },
		});
		f.expect(cb.ran == 1, "the callback did not run once");
		urctx_put(ctx);
	}
	REQUIRE_NOTHING_IN(f);
}

TEST_CASE("wait: a context whose other references are gone wakes its waiter", "[wait]")
{
	struct urctx *top = derive(nullptr), *ctx = derive(top);
	int ret = -1;

	thread waiter([&] {
		ret = urctx_wait(ctx, URCTX_NEVER);
		urctx_put(ctx);
	});
	urctx_end(top);
	waiter.join();
	CHECK(ret == 0);
}

static void handled(int)
{
}

TEST_CASE("wait: a signal handler makes it -EINTR", "[wait]")
{
	struct urctx *ctx = derive(nullptr);
	std::atomic<bool> over{ false };
	struct sigaction action = {}, old;
	int on_ctx = 0, on_null = 0;

	action.sa_handler = handled;
	sigaction(SIGUSR1, &action, &old);
	thread waiter([&] {
		on_ctx = urctx_wait(ctx, URCTX_NEVER);
		on_null = urctx_wait(nullptr, URCTX_NEVER);
		over = true;
	});
	/* Until it has been in the futex for one of them, twice. */
	while (!over) {
		pthread_kill(waiter.id, SIGUSR1);
		sched_yield();
	}
	waiter.join();
	sigaction(SIGUSR1, &old, nullptr);
	CHECK(on_ctx == -EINTR);
	CHECK(on_null == -EINTR);
	CHECK(urctx_err(ctx) == 0);
	urctx_put(ctx);
}
