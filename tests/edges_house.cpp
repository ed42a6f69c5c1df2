/* SPDX-License-Identifier: MIT */
/* edges_house.cpp - the library's thread: what it is told, what it gives back, when it goes */
#include "clock.hpp"
#include <catch2/catch.hpp>
#include <csignal>
#include <ctime>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include <urctx/value.h>
#include <urctx/watch.h>

namespace
{
constexpr int64_t HOUR = 3600 * SEC;
std::atomic<size_t> released{ 0 };
const struct urctx_key counts = { "counts", [](void *) { released++; } };

/* It has gone, or is not there yet. */
bool alone()
{
	return threads_now() == 1;
}

struct urctx *timeout(int64_t ns)
{
	struct urctx *ctx = nullptr;

	if (urctx_with_timeout(nullptr, ns, &ctx))
		abort();
	return ctx;
}

struct urctx *valued(struct urctx *parent)
{
	struct urctx *ctx = nullptr;

	if (urctx_with_value(parent, &counts, &released, &ctx))
		abort();
	return ctx;
}

struct urctx *signalled()
{
	struct urctx *ctx = nullptr;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, nullptr);
	if (urctx_with_signals(nullptr, &set, &ctx))
		abort();
	return ctx;
}

/* Of a process of its own, which has no library's thread at first. */
void holds(const std::function<int()> &fn)
{
	struct ending end = in_child([&] {
		prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
		return fn();
	});

	INFO(end.said);
	CHECK(end.code == 0);
	CHECK(end.signal == 0);
}

/* Their own shadow of what was freed stays. */
bool no_measure()
{
	return TESTS_ASAN || TESTS_TSAN || TESTS_VALGRIND;
}
}

/* The thread that is made for it is faster than who has asked for it. */
TEST_CASE("a deadline that has passed is told by a thread that was not there", "[edges][house]")
{
	if (TESTS_TSAN)		/* it has a thread of its own */
		return;
	for (int round = 0; round < 10; round++)
		holds([] {
			struct urctx *ctx = timeout(1);
			counted cb;

			if (cb.after(ctx))
				return 1;
			if (!becomes([&] { return cb.ran == 1; }))
				return 2;
			if (urctx_err(ctx) != -ETIME)
				return 3;
			urctx_put(ctx);
			return 0;
		});
	holds([] {
		struct urctx *ctx = timeout(1), *other = timeout(HOUR);
		counted cb, later;

		if (later.after(other) || !urctx_stop(&later.cb))
			return 1;
		urctx_put(other);
		if (!becomes(alone))
			return 2;
		if (cb.after(ctx))
			return 3;
		if (!becomes([&] { return cb.ran == 1; }))
			return 4;
		urctx_put(ctx);
		return 0;
	});
}

/* It sleeps for as long as there is no signal: everything else has to wake it. */
TEST_CASE("who reads signals keeps time and releases, too", "[edges][house]")
{
	holds([] {
		struct urctx *sig = signalled();

		for (int round = 0; round < 5; round++) {
			struct urctx *ctx = timeout(1000000), *val = valued(nullptr);
			counted cb, puts;

			if (cb.after(ctx))
				return 1;
			if (!becomes([&] { return cb.ran == 1; }))
				return 2;
			if (urctx_err(ctx) != -ETIME)
				return 3;
			urctx_put(ctx);
			/* it goes with its callback, and nothing is released in a cancel */
			released = 0;
			puts.also = [&] { urctx_put(val); };
			if (puts.after(val))
				return 4;
			urctx_cancel(val);
			if (!becomes([] { return released == 1; }))
				return 5;
		}
		urctx_put(sig);
		return 0;
	});
}

/*
 * It rests for a second where nothing is to come: who is told by chance, when that is
 * over, takes longer for so many than a minute.
 */
TEST_CASE("many deadlines, one after the other", "[edges][house]")
{
	bool told = true;

	for (int i = 0; i < 100 && told; i++) {
		struct urctx *ctx = timeout(1000000);
		counted cb;
		int fd = urctx_fd(ctx);

		REQUIRE(fd >= 0);
		REQUIRE(cb.after(ctx) == 0);
		told = becomes([&] { return cb.ran == 1; });
		(void)urctx_stop(&cb.cb);
		urctx_put(ctx);
		/* nor is it kept by who has told it */
		CHECK(becomes([&] { return fcntl(fd, F_GETFD) < 0; }));
	}
	CHECK(told);
}

/* More than the first heap holds; equal ones in the order in which they were made. */
TEST_CASE("timers of a held clock come in order, however many", "[edges][house]")
{
	constexpr size_t N = 900;
	constexpr int64_t MOST = 200;
	held_clock clock;
	std::vector<std::unique_ptr<counted>> cb;
	std::vector<struct urctx *> ctx;
	std::vector<int64_t> when;
	std::vector<size_t> order;
	uint64_t seed = 7;
	size_t wrong = 0, put = 0;

	for (size_t i = 0; i < N; i++) {
		struct urctx *one = nullptr;

		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		when.push_back(1 + (int64_t)((seed >> 33) % (uint64_t)MOST));
		REQUIRE(urctx_with_deadline(nullptr, when[i], &one) == 0);
		ctx.push_back(one);
		cb.push_back(std::make_unique<counted>());
		cb[i]->also = [&order, i] { order.push_back(i); };
		REQUIRE(cb[i]->after(one) == 0);
	}
	/* every third goes before its time */
	for (size_t i = 0; i < N; i += 3) {
		wrong += !urctx_stop(&cb[i]->cb);
		urctx_put(ctx[i]);
		ctx[i] = nullptr;
		put++;
	}
	for (int64_t now = 1; now <= MOST; now++) {
		REQUIRE(urctx_clock_advance(1) == 0);
		for (size_t i = 0; i < N; i++)
			wrong += cb[i]->ran != (ctx[i] && when[i] <= now);
	}
	CHECK(wrong == 0);
	REQUIRE(order.size() == N - put);
	for (size_t i = 1; i < order.size(); i++)
		wrong += when[order[i - 1]] > when[order[i]] ||
			 (when[order[i - 1]] == when[order[i]] && order[i - 1] > order[i]);
	CHECK(wrong == 0);
	for (struct urctx *one : ctx)
		urctx_put(one);
}

/* Half of them come, half are dropped before: he stays for none of them. */
TEST_CASE("G9: the library's thread goes when its timers have", "[edges][house][G9]")
{
	if (TESTS_TSAN)
		return;
	holds([] {
		constexpr int N = 40;

		for (int round = 0; round < 2; round++) {
			held_clock clock;
			struct urctx *ctx[N] = {};
			counted cb[N];

			for (int i = 0; i < N; i++) {
				if (urctx_with_deadline(nullptr, 1 + i / 4, &ctx[i]) ||
				    cb[i].after(ctx[i]))
					return 1;
			}
			for (int i = 0; i < N; i += 2) {
				if (!urctx_stop(&cb[i].cb))
					return 2;
				urctx_put(ctx[i]);
			}
			for (int i = 0; i < N / 4; i++)
				if (urctx_clock_advance(1))
					return 3;
			for (int i = 1; i < N; i += 2) {
				if (cb[i].ran != 1)
					return 4;
				urctx_put(ctx[i]);
			}
			for (bool dropped : { false, true }) {
				struct urctx *parent = derive(nullptr), *other = derive(nullptr);
				struct urctx *late = nullptr;

				if (urctx_with_grace(parent, 1, &late))
					return 5;
				urctx_cancel(parent);
				if (dropped)
					urctx_put(late);
				if (urctx_clock_advance(1))
					return 6;
				if (!dropped && urctx_err(late) != -ECANCELED)
					return 7;
				if (!dropped)
					urctx_put(late);
				/* and one that has not begun */
				if (urctx_with_grace(other, 1, &late))
					return 8;
				urctx_put(late);
				urctx_put(other);
				urctx_put(parent);
			}
		}
		return becomes(alone) ? 0 : 9;
	});
}

/* What urctx_done() does not find out by itself. */
TEST_CASE("the slow half of a poll says what the fast one does", "[edges][house]")
{
	held_clock clock;
	struct urctx *ctx = derive(nullptr), *timed = timeout(5);

	CHECK_FALSE(urctx_done_slow_(ctx));
	CHECK_FALSE(urctx_done_slow_(timed));
	urctx_cancel(ctx);
	CHECK(urctx_done_slow_(ctx));
	CHECK(urctx_clock_advance(5) == 0);
	CHECK(urctx_done_slow_(timed));
	urctx_put(ctx);
	urctx_put(timed);
}

/* Each with a chunk of 512 bytes: contexts alone would be too few to be given back. */
TEST_CASE("G9: chunks alone are reason enough to give memory back", "[edges][house][G9]")
{
	if (no_measure())
		return;
	holds([] {
		constexpr size_t N = 6000;
		std::vector<struct urctx *> parent(N, nullptr), child(N, nullptr);
		size_t base = resident_bytes(), most;

		for (size_t i = 0; i < N; i++) {
			parent[i] = derive(nullptr);
			child[i] = derive(parent[i]);
		}
		most = resident_bytes();
		for (size_t i = 0; i < N; i++) {
			urctx_put(child[i]);
			urctx_put(parent[i]);
		}
		if (most - base < (2U << 20))	/* other tests had left enough */
			return 0;
		if (!becomes([=] { return resident_bytes() < base + (most - base) / 2; }))
			return 1;
		return becomes(alone) ? 0 : 2;
	});
}

/* One does not look after what those before it have retired. */
TEST_CASE("G9: short threads leave nothing behind, whatever they used", "[edges][house][G9]")
{
	if (no_measure())
		return;
	holds([] {
		auto some = [] {
			for (int i = 0; i < 60; i++) {
				struct urctx *parent = derive(nullptr);

				urctx_put(derive(parent));
				if (urctx_wait_idle(parent, 1))
					abort();
				urctx_put(parent);
			}
		};
		size_t base;

		for (int i = 0; i < 100; i++)
			thread(some).join();
		base = resident_bytes();
		for (int i = 0; i < 3000; i++)
			thread(some).join();
		return becomes([=] { return resident_bytes() < base + (3U << 20); }) ? 0 : 1;
	});
}

/* It has children of its own now and then, of one parent after the other. */
TEST_CASE("G9: who puts what others made keeps little of it", "[edges][house][G9]")
{
	if (no_measure())
		return;
	holds([] {
		constexpr size_t N = 500;
		std::vector<struct urctx *> made(N, nullptr);
		pthread_barrier_t turn;
		size_t base = 0, rounds = 600, now;

		pthread_barrier_init(&turn, nullptr, 2);
		thread puts([&] {
			for (size_t i = 0; i < rounds; i++) {
				struct urctx *parent;

				pthread_barrier_wait(&turn);
				for (struct urctx *ctx : made)
					urctx_put(ctx);
				parent = derive(nullptr);
				urctx_put(derive(parent));
				urctx_put(parent);
				pthread_barrier_wait(&turn);
			}
		});
		for (size_t i = 0; i < rounds; i++) {
			if (i == 50)
				base = resident_bytes();
			for (struct urctx *&ctx : made)
				ctx = derive(nullptr);
			pthread_barrier_wait(&turn);
			pthread_barrier_wait(&turn);
		}
		now = resident_bytes();
		puts.join();
		pthread_barrier_destroy(&turn);
		return now < base + (4U << 20) ? 0 : 1;
	});
}

/* There is always one that stays, so it is never all of them that are dropped. */
TEST_CASE("G9: timers that were dropped are thrown out before their time", "[edges][house][G9]")
{
	if (no_measure())
		return;
	holds([] {
		struct urctx *stays = timeout(HOUR);
		counted first;
		size_t base = 0;

		if (first.after(stays))
			return 1;
		for (size_t i = 0; i < 60000; i++) {
			struct urctx *ctx = timeout(HOUR);
			counted cb;

			if (i == 10000)
				base = resident_bytes();
			if (cb.after(ctx) || !urctx_stop(&cb.cb))
				return 2;
			urctx_put(ctx);
		}
		if (!becomes([=] { return resident_bytes() < base + (4U << 20); }))
			return 3;
		/* and the last of them is no reason to stay, nor is one that has come */
		if (!urctx_stop(&first.cb))
			return 4;
		urctx_put(stays);
		return becomes(alone) ? 0 : 5;
	});
}

/* Where a timer cannot be made the clock is asked, as often as it takes. */
TEST_CASE("a poll ends at its deadline without memory, too", "[edges][house]")
{
	if (no_measure())
		return;
	holds([] {
		struct urctx *busy = timeout(HOUR), *ctx = timeout(200000000), *one;
		struct rlimit none = { 0, 0 };
		volatile char stack[65536];
		int64_t when = 0;
		counted cb;

		/* what the calls below need of it is there then */
		for (volatile char &c : stack)
			c = 0;
		/* there is a thread that would have told */
		if (cb.after(busy))
			return 1;
		if (setrlimit(RLIMIT_AS, &none))
			return 2;
		/* all that there is */
		while (!urctx_with_cancel(nullptr, &one))
			if (urctx_with_cancel(one, &one))
				break;
		(void)urctx_deadline(ctx, &when);
		while (urctx_now() < when)
			for (int i = 0; i < 100; i++)
				(void)urctx_done(ctx);
		return becomes([&] { return urctx_done(ctx); }) ? 0 : 3;
	});
}
