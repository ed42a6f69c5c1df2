/* SPDX-License-Identifier: MIT */
/*
 * sem.cpp - the semaphore: Go's tests of its own, and what is ours
 *
 * Go's: golang.org/x/sync/semaphore, the numbers are those of tests/go.table.
 */
#include <catch2/catch.hpp>
#include <csignal>
#include "sync.hpp"

#ifdef URCTX_DEBUG
#define DEBUG_BUILD true
#else
#define DEBUG_BUILD false
#endif

static struct urctx_sem make_sem(int64_t size)
{
	struct urctx_sem s;

	urctx_sem_init(&s, size);
	return s;
}

/* All of it is free, and nobody waits. */
static void check_idle(struct urctx_sem *s, int64_t size)
{
	CHECK(urctx_sem_try_acquire(s, size));
	CHECK_FALSE(urctx_sem_try_acquire(s, 1));
	urctx_sem_release(s, size);
}

TEST_CASE("T-63 Weighted", "[go][sync]")
{
	const int64_t size = 4;
	struct urctx_sem s = make_sem(size);
	std::vector<std::function<void()>> fns;
	std::atomic<int64_t> out{ 0 };
	struct findings f;

	for (int64_t weight = 0; weight < size; weight++)
		fns.push_back([&, weight] {
			for (size_t i = 0, n = scaled(20000); i < n; i++) {
				int ret = urctx_sem_acquire(&s, nullptr, weight);

				f.expect(ret == 0, "not acquired");
				f.expect((out += weight) <= size, "too many");
				if (!(i % 64))
					sched_yield();
				out -= weight;
				urctx_sem_release(&s, weight);
			}
		});
	together(fns);
	REQUIRE_NOTHING_IN(f);
	check_idle(&s, size);
}

TEST_CASE("T-64 WeightedPanic", "[go][sync]")
{
	if (DEBUG_BUILD) {
		struct ending end = in_child([] {
			struct urctx_sem s = make_sem(1);

			urctx_sem_release(&s, 1);
			return 0;
		});

		CHECK(end.signal == SIGABRT);
		CHECK(end.said.find("urctx_sem_release") != std::string::npos);
		CHECK(end.said.find("more is released") != std::string::npos);
		end = in_child([] {
			struct urctx_sem s = make_sem(1);

			urctx_sem_release(&s, -1);
			return 0;
		});
		CHECK(end.signal == SIGABRT);
		CHECK(end.said.find("urctx_sem_release") != std::string::npos);
		return;
	}
	struct urctx_sem s = make_sem(2);

	urctx_sem_release(&s, 1);
	check_idle(&s, 2);
	CHECK(urctx_sem_try_acquire(&s, 1));
	urctx_sem_release(&s, INT64_MAX);
	check_idle(&s, 2);
	CHECK(urctx_sem_try_acquire(&s, 1));
	urctx_sem_release(&s, -1);
	CHECK(urctx_sem_try_acquire(&s, 1));
	CHECK_FALSE(urctx_sem_try_acquire(&s, 1));
}

TEST_CASE("T-65 WeightedTryAcquire", "[go][sync]")
{
	struct urctx_sem s = make_sem(2);

	CHECK(urctx_sem_acquire(&s, nullptr, 1) == 0);
	CHECK(urctx_sem_try_acquire(&s, 1));
	CHECK_FALSE(urctx_sem_try_acquire(&s, 1));
	urctx_sem_release(&s, 2);
	CHECK(urctx_sem_try_acquire(&s, 1));
	CHECK(urctx_sem_acquire(&s, nullptr, 1) == 0);
	CHECK_FALSE(urctx_sem_try_acquire(&s, 1));
}

static int acquire_for(struct urctx_sem *s, int64_t ns, int64_t nr)
{
	struct urctx *ctx = derive_timeout(nullptr, ns);
	int ret = urctx_sem_acquire(s, ctx, nr);

	urctx_put(ctx);
	return ret;
}

TEST_CASE("T-66 WeightedAcquire", "[go][sync]")
{
	struct urctx_sem s = make_sem(2);

	CHECK(urctx_sem_acquire(&s, nullptr, 1) == 0);
	CHECK(acquire_for(&s, 3600000 * MS, 1) == 0);
	CHECK(acquire_for(&s, 10 * MS, 1) == -ETIME);
	urctx_sem_release(&s, 2);
	CHECK(acquire_for(&s, 3600000 * MS, 1) == 0);
	CHECK(urctx_sem_acquire(&s, nullptr, 1) == 0);
	CHECK(acquire_for(&s, 10 * MS, 1) == -ETIME);
	urctx_sem_release(&s, 2);
	check_idle(&s, 2);
}

TEST_CASE("T-67 WeightedDoesntBlockIfTooBig", "[go][sync]")
{
	const int64_t size = 2;
	struct urctx_sem s = make_sem(size);
	struct urctx *ctx = derive(nullptr);
	std::vector<std::function<void()>> fns;
	struct findings f;
	int ret = 1;

	{
		held_clock clock(1000 * MS);

		thread big([&] { ret = urctx_sem_acquire(&s, ctx, size + 1); });
		clock.await(1);
		for (int64_t i = 0; i < size * 3; i++)
			fns.push_back([&] {
				f.expect(!urctx_sem_acquire(&s, nullptr, 1), "not acquired");
				urctx_sem_release(&s, 1);
			});
		together(fns);
		CHECK(urctx_err(ctx) == 0);
		urctx_cancel(ctx);
		big.join();
	}
	REQUIRE_NOTHING_IN(f);
	CHECK(ret == -ECANCELED);
	urctx_put(ctx);
	check_idle(&s, size);
}

TEST_CASE("T-68 LargeAcquireDoesntStarve", "[go][sync]")
{
	const int64_t size = 4;
	struct urctx_sem s = make_sem(size);
	std::vector<std::function<void()>> fns;
	std::atomic<bool> running{ true };
	struct findings f;

	for (int64_t i = 0; i < size; i++)
		fns.push_back([&] {
			while (running) {
				f.expect(!urctx_sem_acquire(&s, nullptr, 1), "not acquired");
				sched_yield();
				urctx_sem_release(&s, 1);
			}
		});
	fns.push_back([&] {
		for (size_t i = 0, n = scaled(200); i < n; i++) {
			f.expect(!urctx_sem_acquire(&s, nullptr, size), "not acquired");
			urctx_sem_release(&s, size);
		}
		running = false;
	});
	together(fns);
	REQUIRE_NOTHING_IN(f);
	check_idle(&s, size);
}

TEST_CASE("T-69 AllocCancelDoesntStarve", "[go][sync]")
{
	struct urctx_sem s = make_sem(10);
	struct urctx *ctx = derive(nullptr);
	int big = 1, small = 1;

	REQUIRE(urctx_sem_acquire(&s, nullptr, 1) == 0);
	{
		held_clock clock(1000 * MS);

		thread first([&] { big = urctx_sem_acquire(&s, ctx, 10); });
		clock.await(1);
		thread second([&] { small = urctx_sem_acquire(&s, nullptr, 5); });
		clock.await(2);
		CHECK_FALSE(urctx_sem_try_acquire(&s, 1));
		urctx_cancel(ctx);
		second.join();
		first.join();
	}
	CHECK(big == -ECANCELED);
	CHECK(small == 0);
	urctx_sem_release(&s, 6);
	check_idle(&s, 10);
	urctx_put(ctx);
}

TEST_CASE("T-70 WeightedAcquireCanceled", "[go][sync]")
{
	struct urctx_sem s = make_sem(2);
	struct urctx *done = derive(nullptr);
	struct findings f;

	urctx_cancel(done);
	CHECK(urctx_sem_acquire(&s, done, 1) == -ECANCELED);
	CHECK(urctx_sem_acquire(&s, done, 0) == -ECANCELED);
	check_idle(&s, 2);
	urctx_put(done);
	for (size_t i = 0, n = scaled(2000); i < n; i++) {
		struct urctx *ctx = derive(nullptr);
		int ret = 1;

		f.expect(urctx_sem_try_acquire(&s, 2), "not idle");
		together({
			[&] { ret = urctx_sem_acquire(&s, ctx, 2); },
			[&] {
				urctx_cancel(ctx);
				urctx_sem_release(&s, 1);
				urctx_sem_release(&s, 1);
			},
		});
		f.expect(ret == -ECANCELED, "acquired behind the end");
		f.expect(urctx_sem_try_acquire(&s, 2), "tokens kept");
		urctx_sem_release(&s, 2);
		urctx_put(ctx);
	}
	REQUIRE_NOTHING_IN(f);
}

TEST_CASE("T-71 Example_workerPool", "[go][sync]")
{
	struct group {
		struct urctx_sem workers = make_sem(3);
		int steps[32] = {};
	};
	auto g = std::make_unique<group>();
	std::vector<std::unique_ptr<thread>> threads;
	std::atomic<int> running{ 0 }, most{ 0 };

	for (int i = 0; i < 32; i++) {
		REQUIRE(urctx_sem_acquire(&g->workers, nullptr, 1) == 0);
		threads.push_back(std::make_unique<thread>([&, i] {
			int now = ++running, seen = most;

			while (now > seen && !most.compare_exchange_weak(seen, now))
				;
			for (int n = i + 1; n > 1; g->steps[i]++)
				n = n % 2 ? 3 * n + 1 : n / 2;
			running--;
			urctx_sem_release(&g->workers, 1);
		}));
	}
	REQUIRE(urctx_sem_acquire(&g->workers, nullptr, 3) == 0);
	const int collatz[32] = { 0, 1, 7, 2, 5, 8, 16, 3, 19, 6, 14, 9, 9, 17, 17, 4,
				  12, 20, 20, 7, 7, 15, 15, 10, 23, 10, 111, 18, 18,
				  18, 106, 5 };
	for (int i = 0; i < 32; i++)
		CHECK(g->steps[i] == collatz[i]);
	CHECK(most <= 3);
	/* the join was that: nobody has any business with it any more */
	memset(&g->workers, 0xff, sizeof(g->workers));
	g.reset();
}

TEST_CASE("sem: sizes", "[sync]")
{
	struct urctx_sem zero = {}, large = make_sem(INT64_MAX);

	CHECK_FALSE(urctx_sem_try_acquire(&zero, 1));
	CHECK(urctx_sem_try_acquire(&zero, 0));
	CHECK(acquire_for(&zero, 1 * MS, 1) == -ETIME);
	CHECK_FALSE(urctx_sem_try_acquire(&large, INT64_MAX));
	check_idle(&large, INT64_C(1) << 60);
	if (!DEBUG_BUILD) {
		struct urctx_sem negative = make_sem(-1);

		CHECK_FALSE(urctx_sem_try_acquire(&negative, 1));
		CHECK(urctx_sem_try_acquire(&negative, 0));
	}
}

TEST_CASE("sem: none, and fewer than none", "[sync]")
{
	struct urctx_sem s = make_sem(1);

	CHECK(urctx_sem_acquire(&s, nullptr, 0) == 0);
	CHECK(urctx_sem_acquire(&s, nullptr, -1) == -EINVAL);
	CHECK(urctx_sem_acquire(&s, nullptr, INT64_MIN) == -EINVAL);
	CHECK_FALSE(urctx_sem_try_acquire(&s, -1));
	CHECK_FALSE(urctx_sem_try_acquire(&s, INT64_MIN));
	urctx_sem_release(&s, 0);
	REQUIRE(urctx_sem_acquire(&s, nullptr, 1) == 0);
	CHECK(urctx_sem_acquire(&s, nullptr, 0) == 0);
	urctx_sem_release(&s, 1);
	check_idle(&s, 1);
}

TEST_CASE("sem: of size 1 it is a mutex", "[sync]")
{
	struct urctx_sem s = make_sem(1);
	struct urctx *ctx = derive(nullptr);
	size_t counter = 0, n = scaled(50000);
	struct findings f;
	auto add = [&] {
		for (size_t i = 0; i < n; i++) {
			f.expect(!urctx_sem_acquire(&s, ctx, 1), "not acquired");
			counter++;
			urctx_sem_release(&s, 1);
		}
	};

	together({ add, add, add });
	REQUIRE_NOTHING_IN(f);
	CHECK(counter == 3 * n);
	check_idle(&s, 1);
	urctx_put(ctx);
}

TEST_CASE("sem: in order of arrival", "[sync]")
{
	struct urctx_sem s = make_sem(3);
	std::vector<std::unique_ptr<thread>> threads;
	std::vector<int> order;			/* whose turn it is says the semaphore */
	held_clock clock(1000 * MS);

	REQUIRE(urctx_sem_acquire(&s, nullptr, 3) == 0);
	for (int i = 0; i < 6; i++) {
		threads.push_back(std::make_unique<thread>([&, i] {
			if (urctx_sem_acquire(&s, nullptr, i % 2 ? 2 : 3))
				return;
			order.push_back(i);
			urctx_sem_release(&s, i % 2 ? 2 : 3);
		}));
		clock.await((unsigned)i + 1);
	}
	urctx_sem_release(&s, 1);
	urctx_sem_release(&s, 2);
	threads.clear();
	CHECK(order == std::vector<int>{ 0, 1, 2, 3, 4, 5 });
	check_idle(&s, 3);
}

TEST_CASE("sem: whoever gives up, wherever it stands, lets the others through", "[sync]")
{
	for (size_t who = 0; who < 4; who++) {
		struct urctx_sem s = make_sem(4);
		std::vector<std::unique_ptr<thread>> threads;
		struct urctx *ctx[4];
		int ret[4] = { 1, 1, 1, 1 };
		held_clock clock(1000 * MS);

		REQUIRE(urctx_sem_acquire(&s, nullptr, 4) == 0);
		for (size_t i = 0; i < 4; i++) {
			ctx[i] = derive(nullptr);
			threads.push_back(std::make_unique<thread>([&, i] {
				ret[i] = urctx_sem_acquire(&s, ctx[i], 1);
			}));
			clock.await((unsigned)i + 1);
		}
		urctx_cancel(ctx[who]);
		threads[who]->join();
		urctx_sem_release(&s, 3);
		threads.clear();
		for (size_t i = 0; i < 4; i++) {
			CHECK(ret[i] == (i == who ? -ECANCELED : 0));
			urctx_put(ctx[i]);
		}
		urctx_sem_release(&s, 4);
		check_idle(&s, 4);
	}
}

TEST_CASE("sem: cancels, deadlines and grants at once lose no token", "[sync]")
{
	const int64_t size = 3;
	struct urctx_sem s = make_sem(size);
	std::atomic<int64_t> out{ 0 };
	std::vector<std::function<void()>> fns;
	struct findings f;

	for (unsigned t = 0; t < 4; t++)
		fns.push_back([&, t] {
			for (size_t i = 0, n = scaled(4000); i < n; i++) {
				int64_t nr = (int64_t)(i + t) % size + 1;
				struct urctx *ctx = derive_timeout(
					nullptr, (int64_t)(i % 7) * 5000);

				if (!urctx_sem_acquire(&s, i % 5 ? ctx : nullptr, nr)) {
					f.expect((out += nr) <= size, "too many");
					if (i % 3)
						sched_yield();
					out -= nr;
					urctx_sem_release(&s, nr);
				}
				urctx_end(ctx);
			}
		});
	together(fns);
	REQUIRE_NOTHING_IN(f);
	check_idle(&s, size);
}

static void handled(int)
{
}

TEST_CASE("sem: a signal handler makes a wait -EINTR, and takes nothing", "[sync]")
{
	struct urctx_sem s = make_sem(1);
	std::atomic<bool> over{ false };
	struct sigaction action = {}, old;
	int queued = 0, too_big = 0;

	action.sa_handler = handled;
	sigaction(SIGUSR1, &action, &old);
	REQUIRE(urctx_sem_acquire(&s, nullptr, 1) == 0);
	thread waiter([&] {
		queued = urctx_sem_acquire(&s, nullptr, 1);
		too_big = urctx_sem_acquire(&s, nullptr, 2);
		over = true;
	});
	while (!over) {
		pthread_kill(waiter.id, SIGUSR1);
		sched_yield();
	}
	waiter.join();
	sigaction(SIGUSR1, &old, nullptr);
	CHECK(queued == -EINTR);
	CHECK(too_big == -EINTR);
	urctx_sem_release(&s, 1);
	check_idle(&s, 1);
}

TEST_CASE("sem: its memory may go once all of it is acquired", "[sync]")
{
	struct findings f;

	for (size_t i = 0, n = scaled(2000); i < n; i++) {
		auto s = std::make_unique<struct urctx_sem>(make_sem(2));
		auto release = [&, raw = s.get()] { urctx_sem_release(raw, 1); };

		f.expect(!urctx_sem_acquire(s.get(), nullptr, 2), "not acquired");
		together({
			release,
			release,
			[&] {
				f.expect(!urctx_sem_acquire(s.get(), nullptr, 2),
					 "not acquired");
				memset(s.get(), 0xff, sizeof(*s));
				s.reset();
			},
		});
	}
	REQUIRE_NOTHING_IN(f);
}
