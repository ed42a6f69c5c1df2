/* SPDX-License-Identifier: MIT */
/* edges_sleeps.cpp - who sleeps, when he wakes, and that he does not look meanwhile */
#include "clock.hpp"
#include "still.hpp"
#include <catch2/catch.hpp>
#include <urctx/sync.h>
#include <urctx/watch.h>
#include <linux/futex.h>

/* FUTEX_WAKE says that it has woken him: there is no second one. */
TEST_CASE("by a held clock a wake-up is one, the word changed or not", "[edges]")
{
	held_clock clock;
	struct urctx *ctx = derive(nullptr);
	std::atomic<uint32_t> word{ 0 };
	int ret = 1;

	thread waiter([&] { ret = urctx_futex_wait(ctx, (uint32_t *)&word, 0); });
	urctx_clock_await(1);
	while (!syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1))
		sched_yield();
	waiter.join();
	CHECK(ret == 0);
	urctx_put(ctx);
}

static int until_told(struct urctx *, void *arg)
{
	static_cast<gate *>(arg)->wait();
	return 0;
}

/* What would be noticed by nobody but by who pays for the processor. */
TEST_CASE("who waits by <urctx/sync.h> sleeps", "[edges][sync]")
{
	struct urctx *ctx = derive(nullptr);
	struct urctx_sem none, one;
	struct urctx_group limited, all;
	std::atomic<uint32_t> word{ 0 };
	gate over;

	urctx_sem_init(&none, 0);
	urctx_sem_init(&one, 1);
	REQUIRE(urctx_sem_try_acquire(&one, 1));
	REQUIRE(urctx_group_init(&limited, ctx, 1, nullptr) == 0);
	REQUIRE(urctx_group_init(&all, nullptr, 0, nullptr) == 0);
	REQUIRE(urctx_group_go(&limited, until_told, &over) == 0);
	REQUIRE(urctx_group_go(&all, until_told, &over) == 0);
	struct {
		std::function<int()> call;
		int ends_as;
	} const calls[] = {
		{ [&] { return urctx_sem_acquire(&one, ctx, 1); }, -ECANCELED },
		{ [&] { return urctx_sem_acquire(&none, ctx, 1); }, -ECANCELED },
		{ [&] { return urctx_futex_wait(ctx, (uint32_t *)&word, 0); }, -ECANCELED },
		{ [&] { return urctx_wait(ctx, URCTX_NEVER); }, 0 },
		{ [&] { return urctx_group_go(&limited, until_told, &over); }, -ECANCELED },
		{ [&] { return urctx_group_wait(&all); }, 0 },
	};
	{
		std::vector<std::unique_ptr<one_thread>> threads;

		for (const auto &c : calls)
			threads.push_back(std::make_unique<one_thread>(c.call));
		for (auto &t : threads)
			CHECK(t->stands_still());
		urctx_cancel(ctx);
		over.set();
		for (size_t i = 0; i < threads.size(); i++)
			CHECK(threads[i]->join() == calls[i].ends_as);
	}
	/* and who waits for sleepers */
	{
		held_clock clock;
		one_thread waiter([] { urctx_clock_await(1); return 0; });

		CHECK(waiter.stands_still());
		one_thread sleeper([] { return urctx_wait(nullptr, 7); });
		CHECK(waiter.join() == 0);
		CHECK(sleeper.stands_still());
		one_thread two([] { urctx_clock_await(2); return 0; });
		CHECK(two.stands_still());
		CHECK(urctx_clock_advance(7) == 0);
		CHECK(sleeper.join() == -ETIME);
		urctx_clock_release();
		CHECK(two.join() == 0);
		REQUIRE(urctx_clock_hold(0) == 0);
	}
	CHECK(urctx_group_wait(&limited) == 0);
	urctx_sem_release(&one, 1);
	urctx_put(ctx);
}

TEST_CASE("tokens are not for who is late, whether he has looked or not", "[edges][sync]")
{
	constexpr int64_t MSEC = 1000000;
	struct urctx *ctx = nullptr;
	struct urctx_sem sem;

	urctx_sem_init(&sem, 1);
	REQUIRE(urctx_with_deadline(nullptr, urctx_now() + MSEC, &ctx) == 0);
	REQUIRE(urctx_wait(nullptr, urctx_now() + 2 * MSEC) == -ETIME);
	CHECK(urctx_sem_acquire(&sem, ctx, 1) == -ETIME);
	CHECK(urctx_sem_try_acquire(&sem, 1));
	urctx_put(ctx);
}

/* The threads that are made next have the identities of those that were joined. */
TEST_CASE("a group that is over joins nobody else's thread", "[edges][sync]")
{
	struct urctx_group g;
	gate over, go_on;
	std::vector<std::unique_ptr<thread>> others;	/* gone before what they wait for */

	REQUIRE(urctx_group_init(&g, nullptr, 0, nullptr) == 0);
	over.set();
	for (int i = 0; i < 3; i++)
		REQUIRE(urctx_group_go(&g, until_told, &over) == 0);
	REQUIRE(urctx_group_wait(&g) == 0);
	for (int i = 0; i < 8; i++)
		others.push_back(std::make_unique<thread>([&] { go_on.wait(); }));
	CHECK(urctx_group_wait(&g) == 0);
	go_on.set();
}

#ifndef URCTX_DEBUG
TEST_CASE("a semaphore of a negative size has no tokens", "[edges][sync]")
{
	struct urctx_sem sem;

	urctx_sem_init(&sem, -1);
	CHECK_FALSE(urctx_sem_try_acquire(&sem, 1));
	CHECK(urctx_sem_try_acquire(&sem, 0));
}
#endif
