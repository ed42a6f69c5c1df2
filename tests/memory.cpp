/* SPDX-License-Identifier: MIT */
/*
 * memory.cpp - G9: no growth by forgetting, whoever puts what another made
 *
 * Each test does its work once to warm up, then several times more, and holds
 * the growth of resident memory against what that much leaked would take.
 */
#include <catch2/catch.hpp>
#include <random>
#include <sched.h>
#include "support.hpp"

#define MIB (size_t)(1 << 20)

/* A sanitizer's shadow and histories grow beside what they shadow. */
static size_t allowed(size_t bytes)
{
	return bytes * (TESTS_VALGRIND ? 16 : TESTS_TSAN ? 16 : TESTS_ASAN ? 4 : 1);
}

static size_t growth_since(size_t base)
{
	size_t now = resident_bytes();

	return now > base ? now - base : 0;
}

/* The housekeeper gives memory back in its own time: a minute, at most. */
static size_t growth_after_a_while(size_t base, size_t wanted, int pauses = 6000)
{
	size_t left = growth_since(base);

	for (int i = 0; i < pauses && left > wanted; i++) {
		if (urctx_wait(nullptr, urctx_now() + 10000000) != -ETIME)
			break;
		left = growth_since(base);
	}
	return left;
}

/*
 * Done once more, it takes no more memory; what waits for a grace period, which is
 * long where nobody lets the housekeeper run, is memory for a while.
 */
static bool stays_below(size_t wanted, const std::function<void()> &work, int times = 4)
{
	size_t base, left;

	work();
	base = resident_bytes();
	while (times--)
		work();
	left = growth_after_a_while(base, wanted - 1);
	if (left >= wanted)
		WARN("grown by " << left << " bytes");
	return left < wanted;
}

/* The first: a later one would find free what others have left. */
TEST_CASE("G9: after a burst memory is in proportion to what is left", "[G9]")
{
	/* what stays for good is to be little beside it */
	size_t base, peak, left, n = std::max<size_t>(scaled(1000000), 500000);
	struct urctx *parent = derive(nullptr), *some[100];
	std::vector<struct urctx *> burst(n, nullptr);

	if (TESTS_ASAN || TESTS_TSAN || TESTS_VALGRIND) {
		WARN("skipped: a sanitizer's shadow of the burst stays");
		urctx_put(parent);
		return;
	}
	base = resident_bytes();
	for (auto &ctx : burst)
		ctx = derive(parent);
	peak = growth_since(base);
	for (size_t i = 0; i < n; i++)
		if (i % (n / 100))
			urctx_put(burst[i]);
		else
			some[i / (n / 100)] = burst[i];
	left = growth_after_a_while(base, peak / 3);
	CHECK(peak > n * 64);
	CHECK(left <= peak / 3);
	for (struct urctx *ctx : some)
		urctx_end(ctx);
	CHECK(urctx_cancel(parent));
	urctx_put(parent);
}

TEST_CASE("G9: a parent that lives for years does not grow", "[G9]")
{
	struct urctx *parent = derive(nullptr);

	CHECK(stays_below(allowed(1 * MIB), [&] {
		for (size_t i = 0, n = scaled(1000000); i < n; i++)
			urctx_put(derive(parent));
	}));
	urctx_put(parent);
}

TEST_CASE("G9: one thread in turn below two parents finds its slots again",
	  "[G9][F14]")
{
	struct urctx *a = derive(nullptr), *b = derive(nullptr);

	CHECK(stays_below(allowed(2 * MIB), [&] {
		for (size_t i = 0, n = scaled(250000); i < n; i++) {
			struct urctx *one = derive(a), *two = derive(b);

			urctx_put(one);
			urctx_put(two);
		}
	}));
	urctx_put(a);
	urctx_put(b);
}

TEST_CASE("G9: more parents than a thread remembers", "[G9][F14][F20]")
{
	std::vector<struct urctx *> parents(33);

	for (auto &parent : parents)
		parent = derive(nullptr);
	CHECK(stays_below(allowed(2 * MIB), [&] {
		for (size_t i = 0, n = scaled(500000); i < n; i++)
			urctx_put(derive(parents[i * 7 % parents.size()]));
	}));
	for (struct urctx *parent : parents)
		urctx_put(parent);
}

TEST_CASE("G9: first in, first out: the slots of the first are found again",
	  "[G9][F14]")
{
	struct urctx *parent = derive(nullptr);
	std::vector<struct urctx *> window(1000, nullptr);

	CHECK(stays_below(allowed(1 * MIB), [&] {
		for (size_t i = 0, n = scaled(500000); i < n; i++) {
			urctx_put(window[i % window.size()]);
			window[i % window.size()] = derive(parent);
		}
	}));
	for (struct urctx *ctx : window)
		urctx_put(ctx);
	urctx_put(parent);
}

TEST_CASE("G9: lifetimes at random below one parent", "[G9][F14]")
{
	struct urctx *parent = derive(nullptr);
	std::vector<struct urctx *> live(20000, nullptr);
	std::minstd_rand rnd(9);

	CHECK(stays_below(allowed(3 * MIB), [&] {
		for (size_t i = 0, n = scaled(500000); i < n; i++) {
			auto &one = live[rnd() % live.size()];

			urctx_put(one);
			one = derive(parent);
		}
	}));
	for (struct urctx *ctx : live)
		urctx_put(ctx);
	urctx_put(parent);
}

/* One thread derives, another puts, with at most so many between them. */
static void hand_over(struct urctx *parent, size_t n, bool interior)
{
	constexpr size_t ROOM = 4096;
	auto ring = std::make_unique<std::atomic<struct urctx *>[]>(ROOM);

	for (size_t i = 0; i < ROOM; i++)
		ring[i] = nullptr;
	together({
		[&] {
			for (size_t i = 0; i < n; i++) {
				struct urctx *ctx = derive(parent);

				if (interior)
					urctx_put(derive(ctx));
				while (ring[i % ROOM].load(std::memory_order_relaxed))
					sched_yield();
				ring[i % ROOM].store(ctx, std::memory_order_release);
			}
		},
		[&] {
			for (size_t i = 0; i < n; i++) {
				struct urctx *ctx;

				while (!(ctx = ring[i % ROOM].load(std::memory_order_acquire)))
					sched_yield();
				ring[i % ROOM].store(nullptr, std::memory_order_relaxed);
				urctx_put(ctx);
			}
		},
	});
}

TEST_CASE("G9: what one thread derives another puts, for ever", "[G9][F15]")
{
	struct urctx *parent = derive(nullptr);

	CHECK(stays_below(allowed(2 * MIB), [&] { hand_over(parent, scaled(250000), false); }));
	urctx_put(parent);
}

TEST_CASE("G9: roots that one thread makes and another puts", "[G9][F15]")
{
	CHECK(stays_below(allowed(2 * MIB), [&] { hand_over(nullptr, scaled(250000), false); }));
}

TEST_CASE("G9: interior contexts that one thread makes and another puts",
	  "[G9][F15][F16]")
{
	struct urctx *parent = derive(nullptr);

	CHECK(stays_below(allowed(16 * MIB), [&] { hand_over(parent, scaled(100000), true); }));
	urctx_put(parent);
}

TEST_CASE("G9: two levels derived and put, over and over", "[G9][F16]")
{
	struct urctx *parent = derive(nullptr);

	CHECK(stays_below(allowed(32 * MIB), [&] {
		for (size_t i = 0, n = scaled(500000); i < n; i++) {
			struct urctx *a = derive(parent), *b = derive(a);

			urctx_put(b);
			urctx_put(a);
		}
	}));
	urctx_put(parent);
}

TEST_CASE("G9: parents put before their children, over and over", "[G9][F5][F6]")
{
	struct urctx *parent = derive(nullptr);

	CHECK(stays_below(allowed(32 * MIB), [&] {
		for (size_t i = 0, n = scaled(500000); i < n; i++) {
			struct urctx *a = derive(parent), *b = derive(a);

			urctx_put(a);
			urctx_put(b);
		}
	}));
	urctx_put(parent);
}

TEST_CASE("G9: chains of parents that were put", "[G9][F5][F6]")
{
	CHECK(stays_below(allowed(32 * MIB), [&] {
		struct urctx *below = derive(nullptr);

		for (size_t i = 0, n = scaled(100000); i < n; i++) {
			struct urctx *next = derive(below);

			urctx_put(below);
			below = next;
		}
		urctx_put(below);
	}));
}

TEST_CASE("G9: orphans whose children leave from two threads", "[G9][F5]")
{
	CHECK(stays_below(allowed(16 * MIB), [&] {
		for (size_t i = 0, n = scaled(1000); i < n; i++) {
			struct urctx *top = derive(nullptr);
			std::vector<struct urctx *> kids[2];

			for (int k = 0; k < 100; k++) {
				struct urctx *mid = derive(top);

				kids[0].push_back(derive(mid));
				kids[1].push_back(derive(mid));
				urctx_put(mid);
			}
			together({
				[&] {
					for (struct urctx *kid : kids[0])
						urctx_put(kid);
				},
				[&] {
					for (struct urctx *kid : kids[1])
						urctx_put(kid);
				},
			});
			urctx_put(top);
		}
	}, 2));
}

TEST_CASE("G9: callbacks armed and stopped, over and over", "[G9][G6]")
{
	struct urctx *parent = derive(nullptr);
	size_t wrong = 0;

	CHECK(stays_below(allowed(32 * MIB), [&] {
		for (size_t i = 0, n = scaled(250000); i < n; i++) {
			counted shared, own;
			struct urctx *ctx = derive(parent);

			wrong += shared.after(parent) || own.after(ctx);
			wrong += !urctx_stop(&shared.cb);
			if (i % 2)
				wrong += !urctx_stop(&own.cb);
			else
				urctx_cancel(ctx);
			urctx_put(ctx);
		}
	}));
	CHECK(wrong == 0);
	urctx_put(parent);
}

TEST_CASE("G9: cancelled trees, over and over", "[G9]")
{
	struct urctx *parent = derive(nullptr);

	CHECK(stays_below(allowed(32 * MIB), [&] {
		for (size_t i = 0, n = scaled(5000); i < n; i++) {
			struct urctx *top = derive(parent);
			std::vector<struct urctx *> kids;

			for (int k = 0; k < 50; k++)
				kids.push_back(derive(k % 3 || !k ? top : kids.back()));
			urctx_cancel(top);
			for (struct urctx *kid : kids)
				urctx_put(kid);
			urctx_put(top);
		}
	}));
	urctx_put(parent);
}

TEST_CASE("G9: threads that exit with full caches leave them to others", "[G9][F15]")
{
	CHECK(stays_below(allowed(16 * MIB), [&] {
		for (size_t i = 0, n = scaled(400); i < n; i++)
			thread([] {
				std::vector<struct urctx *> many(3000);
				struct urctx *parent = derive(nullptr);

				for (size_t k = 0; k < many.size(); k++)
					many[k] = derive(k % 3 ? many[k - 1] : parent);
				for (struct urctx *ctx : many)
					urctx_put(ctx);
				urctx_put(parent);
			}).join();
	}));
}

static pthread_key_t late_key;

/* The library's own destructor has run, or will: it must not matter which. */
static void use_in_destructor(void *value)
{
	uintptr_t rounds = (uintptr_t)value;
	struct urctx *top = derive(nullptr), *ctx = derive(top);

	for (int i = 0; i < 300; i++)
		urctx_put(derive(ctx));
	urctx_put(ctx);
	urctx_end(top);
	if (rounds > 1)
		pthread_setspecific(late_key, (void *)(rounds - 1));
}

TEST_CASE("G9: threads that use the library in their last destructors", "[G9][F15]")
{
	/* TSan gives a thread up in the last round: ours must be over by then. */
	uintptr_t rounds = TESTS_TSAN ? 1 : 3;

	REQUIRE(pthread_key_create(&late_key, use_in_destructor) == 0);
	CHECK(stays_below(allowed(16 * MIB), [&] {
		for (size_t i = 0, n = scaled(1000); i < n; i++)
			thread([i, rounds] {
				pthread_setspecific(late_key, (void *)rounds);
				if (i % 2)
					urctx_put(derive(nullptr));
			}).join();
	}));
	pthread_key_delete(late_key);
}

TEST_CASE("G9: a second burst finds the memory of the first", "[G9]")
{
	struct urctx *parent = derive(nullptr);
	std::vector<struct urctx *> burst(scaled(1000000));

	CHECK(stays_below(allowed(8 * MIB), [&] {
		for (auto &ctx : burst)
			ctx = derive(parent);
		for (struct urctx *ctx : burst)
			urctx_put(ctx);
	}, 2));
	urctx_put(parent);
}

TEST_CASE("G9: memory goes back, and comes again, while other threads work", "[G9]")
{
	std::vector<struct urctx *> burst(scaled(300000));
	struct urctx *live = derive(nullptr);
	std::atomic<bool> over{ false };
	struct findings f;
	size_t base = resident_bytes();
	auto work = [&] {
		std::vector<struct urctx *> mine(1500, nullptr);
		std::minstd_rand rnd(5);

		while (!over) {
			struct urctx *top = derive(live), *mid = derive(top);

			for (int i = 0; i < 20; i++) {
				auto &one = mine[rnd() % mine.size()];

				f.expect(!urctx_done(one), "a stranger was ended");
				urctx_put(one);
				one = derive(i % 2 ? mid : live);
			}
			urctx_put(mid);
			urctx_put(top);
		}
		for (struct urctx *ctx : mine)
			urctx_put(ctx);
	};
	{
		thread one(work);

		for (int round = 0; round < 4; round++) {
			struct urctx *parent = derive(nullptr), *kept;

			for (size_t i = 0; i < burst.size(); i++)
				burst[i] = derive(i % 50 || !i ? parent : burst[i - 1]);
			kept = derive(burst.back());
			for (struct urctx *ctx : burst)
				urctx_put(ctx);
			growth_after_a_while(base, burst.size() * 32, 50);
			f.expect(!urctx_done(kept), "done, and nobody said so");
			urctx_cancel(parent);
			f.expect(urctx_done(kept), "live below a done parent");
			urctx_put(kept);
			urctx_put(parent);
		}
		over = true;
	}
	REQUIRE_NOTHING_IN(f);
	CHECK(urctx_err(live) == 0);
	urctx_put(live);
}
