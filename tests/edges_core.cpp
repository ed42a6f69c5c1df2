/* SPDX-License-Identifier: MIT */
/* edges_core.cpp - who sleeps, who releases, what memory comes back, and to whom */
#include "clock.hpp"
#include <array>
#include <catch2/catch.hpp>
#include <csignal>
#include <ctime>
#include <dirent.h>
#include <fstream>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <urctx/join.h>
#include <urctx/sync.h>
#include <urctx/value.h>
#include <urctx/watch.h>

namespace
{
std::atomic<size_t> gone{ 0 };
const struct urctx_key noted = { "noted", [](void *) { gone++; } };

struct urctx *valued(struct urctx *parent)
{
	struct urctx *ctx = nullptr;

	if (urctx_with_value(parent, &noted, &gone, &ctx))
		abort();
	return ctx;
}

/* At so many looks in a row: one that spins is never seen so. */
bool stays_asleep(pid_t tid)
{
	int in_a_row = 0;

	return becomes([&] {
		std::string state;

		std::getline(std::ifstream("/proc/self/task/" + std::to_string(tid) +
					   "/stat"), state);
		in_a_row = state.find(") S ") != state.npos ? in_a_row + 1 : 0;
		return in_a_row == 20;
	});
}

/* The other thread of this process, which is the library's. */
bool library_sleeps()
{
	DIR *dir = opendir("/proc/self/task");
	pid_t other = 0;

	while (struct dirent *d = readdir(dir))
		if (d->d_name[0] != '.' && atoi(d->d_name) != getpid())
			other = atoi(d->d_name);
	closedir(dir);
	return other && stays_asleep(other);
}
}

TEST_CASE("who waits sleeps, and goes on sleeping when woken for nothing", "[edges]")
{
	struct urctx *ctx = derive(nullptr);
	std::atomic<bool> back{ false };
	std::atomic<pid_t> tid{ 0 };
	int ret = 1;

	thread waiter([&] {
		tid = (pid_t)syscall(SYS_gettid);
		ret = urctx_wait(ctx, URCTX_NEVER);
		back = true;
	});
	while (!tid)
		sched_yield();
	CHECK(stays_asleep(tid));
	for (int op : { FUTEX_WAKE, FUTEX_WAKE_PRIVATE })
		for (int half : { 0, 1 })
			syscall(SYS_futex, (uint32_t *)ctx + half, op, 100);
	CHECK(stays_asleep(tid));
	CHECK_FALSE(back);
	urctx_cancel(ctx);
	waiter.join();
	CHECK(ret == 0);
	urctx_put(ctx);
}

TEST_CASE("who stops a callback that runs sleeps until it has", "[edges]")
{
	struct urctx *ctx = derive(nullptr);
	std::atomic<pid_t> tid{ 0 };
	gate inside, go_on;
	bool stopped = true;
	counted cb;

	cb.also = [&] {
		inside.set();
		go_on.wait();
	};
	REQUIRE(cb.after(ctx) == 0);
	thread canceller([&] { urctx_cancel(ctx); });
	inside.wait();
	thread stopper([&] {
		tid = (pid_t)syscall(SYS_gettid);
		stopped = urctx_stop(&cb.cb);
	});
	while (!tid)
		sched_yield();
	CHECK(stays_asleep(tid));
	go_on.set();
	stopper.join();
	canceller.join();
	CHECK_FALSE(stopped);
	CHECK(cb.ran == 1);
	urctx_put(ctx);
}

TEST_CASE("a callback stops itself, another has run inside of it", "[edges]")
{
	struct urctx *over = derive(nullptr), *ctx = derive(nullptr);
	bool stopped = true;
	counted outer, inner;

	urctx_cancel(over);
	outer.also = [&] {
		inner.after(over);
		stopped = urctx_stop(&outer.cb);
	};
	REQUIRE(outer.after(ctx) == 0);
	urctx_cancel(ctx);
	CHECK_FALSE(stopped);
	CHECK(inner.ran == 1);
	/* nothing is left of it: who waits for idle is not inside of one */
	CHECK(urctx_wait_idle(ctx, URCTX_NEVER) == 0);
	urctx_put(over);
	urctx_put(ctx);
}

TEST_CASE("a callback that was stopped is armed on the background", "[edges]")
{
	struct urctx *ctx = derive(nullptr);
	counted cb;

	REQUIRE(cb.after(ctx) == 0);
	REQUIRE(urctx_stop(&cb.cb));
	REQUIRE(cb.after(nullptr) == 0);
	CHECK(urctx_stop(&cb.cb));
	CHECK_FALSE(urctx_stop(&cb.cb));
	REQUIRE(cb.after(nullptr) == 0);
	CHECK(urctx_try_stop(&cb.cb));
	CHECK_FALSE(urctx_try_stop(&cb.cb));
	urctx_cancel(ctx);
	CHECK(cb.ran == 0);
	urctx_put(ctx);
}

TEST_CASE("G9: whichever child is the last, its parent stays until then", "[edges][G9]")
{
	constexpr size_t N = 120;
	size_t early = 0, late = 0, busy = 0, idle = 0;

	for (size_t last = 0; last < N; last++) {
		struct urctx *parent = valued(nullptr), *held = derive(nullptr);
		std::array<struct urctx *, N> child;
		std::array<struct urctx *, N> other;

		gone = 0;
		for (size_t i = 0; i < N; i++) {
			child[i] = derive(parent);
			other[i] = derive(held);
		}
		urctx_put(parent);
		for (size_t i = 0; i < N; i++)
			if (i != last) {
				urctx_put(child[i]);
				urctx_put(other[i]);
			}
		early += gone != 0;
		busy += urctx_wait_idle(held, 1) != -ETIME;
		urctx_put(child[last]);
		urctx_put(other[last]);
		idle += urctx_wait_idle(held, 1) != 0;
		late += !becomes([] { return gone == 1; });
		urctx_put(held);
	}
	CHECK(early == 0);
	CHECK(late == 0);
	CHECK(busy == 0);
	CHECK(idle == 0);
}

/* What lies before and behind the parents is not looked at. */
TEST_CASE("a join has the parents that it is told, whatever is beside them", "[edges]")
{
	constexpr size_t BESIDE = 40;
	struct urctx *a = derive(nullptr), *b = derive(nullptr), *c = nullptr, *any;

	REQUIRE(urctx_with_timeout(nullptr, 3600 * SEC, &c) == 0);
	for (struct urctx *beside : { a, b, c }) {
		for (const auto &parents : { std::vector<struct urctx *>{ a, b },
					     { a, b, nullptr }, { nullptr, a, b } }) {
			std::vector<struct urctx *> all(BESIDE, beside);

			all.insert(all.end(), parents.begin(), parents.end());
			all.insert(all.end(), BESIDE, beside);
			for (int which : { 0, 1, 2 }) {
				struct urctx *p[2] = { derive(a), derive(b) };

				any = nullptr;
				for (struct urctx *&some : all)
					if (some == a || some == b)
						some = p[some == b];
				REQUIRE(urctx_with_any(all.data() + BESIDE, parents.size(),
						       &any) == 0);
				CHECK_FALSE(urctx_deadline(any, nullptr));
				CHECK(urctx_wait_idle(c, 1) == 0);
				if (which < 2)
					urctx_cancel(p[which]);
				CHECK(urctx_err(any) == (which < 2 ? -ECANCELED : 0));
				urctx_put(any);
				for (struct urctx *&some : all)
					if (some == p[0] || some == p[1])
						some = some == p[0] ? a : b;
				urctx_put(p[0]);
				urctx_put(p[1]);
			}
		}
	}
	for (struct urctx *ctx : { a, b, c })
		urctx_put(ctx);
}

TEST_CASE("a grace period of a nanosecond", "[edges]")
{
	held_clock clock(100);
	struct urctx *parent = derive(nullptr), *ctx = nullptr;

	REQUIRE(urctx_with_grace(parent, 1, &ctx) == 0);
	urctx_cancel(parent);
	CHECK(urctx_clock_advance(0) == 0);
	CHECK(urctx_err(ctx) == 0);
	CHECK(urctx_clock_advance(1) == 0);
	CHECK(urctx_err(ctx) == -ECANCELED);
	urctx_put(ctx);
	urctx_put(parent);
}

/* One behind the other, not one inside the other: the stack is small. */
static std::vector<struct urctx *> chain;

TEST_CASE("a release that puts the next one, and something else", "[edges][G9]")
{
	static size_t ran;
	static const struct urctx_key next = { "next", [](void *at) {
		size_t i = (size_t)(uintptr_t)at;

		ran++;
		if (i + 1 < chain.size())
			urctx_put(chain[i + 1]);
		urctx_put(derive(nullptr));
	} };

	ran = 0;
	chain.assign(5000, nullptr);
	for (size_t i = 0; i < chain.size(); i++)
		REQUIRE(urctx_with_value(nullptr, &next, (void *)i, &chain[i]) == 0);
	on_small_stack([] { urctx_put(chain[0]); });
	CHECK(ran == chain.size());
}

/* The library's thread, which would have done it, has gone meanwhile. */
TEST_CASE("what a callback puts is released by the next who puts", "[edges][G9]")
{
	if (TESTS_TSAN)		/* it has a thread of its own */
		return;
	struct ending end = in_child([] {
		for (int round : { 0, 1 }) {
			struct urctx *ctx = valued(nullptr), *top, *kid;
			bool went = false;
			counted cb;

			gone = 0;
			cb.also = [&] {
				urctx_put(ctx);
				went = becomes([] { return threads_now() == 1; });
			};
			if (cb.after(ctx))
				return 1;
			urctx_cancel(ctx);
			if (!went)
				return 2;
			if (gone)	/* not in a cancel */
				return 3;
			top = derive(nullptr);
			if (round) {
				kid = derive(top);
				urctx_put(top);
				if (gone != 1)
					return 4;
				urctx_put(kid);
			} else {
				urctx_put(top);
				if (gone != 1)
					return 5;
			}
		}
		return 0;
	});
	INFO(end.said);
	CHECK(end.code == 0);
	CHECK(end.signal == 0);
}

/* It reads signals, and has nothing else to wake up for. */
TEST_CASE("what a callback puts is released by the library's thread", "[edges][G9]")
{
	if (TESTS_TSAN)
		return;
	struct ending end = in_child([] {
		struct urctx *sig = nullptr, *ctx = valued(nullptr);
		bool slept = false;
		sigset_t set;
		counted cb;

		gone = 0;
		sigemptyset(&set);
		sigaddset(&set, SIGUSR1);
		sigprocmask(SIG_BLOCK, &set, nullptr);
		if (urctx_with_signals(nullptr, &set, &sig))
			return 1;
		cb.also = [&] {
			urctx_put(ctx);
			slept = library_sleeps();
		};
		if (cb.after(ctx))
			return 2;
		urctx_cancel(ctx);
		if (!slept)
			return 3;
		if (!becomes([] { return gone == 1; }))
			return 4;
		urctx_put(sig);
		return 0;
	});
	INFO(end.said);
	CHECK(end.code == 0);
	CHECK(end.signal == 0);
}

/* His is the thread that runs the callback: there is no second one. */
TEST_CASE("a child that a callback forks has one timekeeper", "[edges]")
{
	if (TESTS_TSAN)
		return;
	held_clock clock(100);
	context ctx(nullptr, 200);
	int status = -1;
	counted cb;

	cb.also = [&] {
		pid_t pid = fork();

		if (!pid) {
			context later(nullptr, 300);
			counted other;

			_exit(other.after(later) ? 2 : threads_now() != 1);
		}
		waitpid(pid, &status, 0);
	};
	REQUIRE(cb.after(ctx) == 0);
	CHECK(urctx_clock_advance(100) == 0);
	CHECK(cb.ran == 1);
	CHECK(WIFEXITED(status));
	CHECK(WEXITSTATUS(status) == 0);
}

/* The library's thread has looked at it, and left it to its callback. */
TEST_CASE("G9: who stops the last callback of what was put lets it go", "[edges][G9]")
{
	if (TESTS_TSAN)		/* it has a thread of its own */
		return;
	struct ending end = in_child([] {
		for (int round : { 0, 1 }) {
			struct urctx *ctx = valued(nullptr);
			counted cb;

			gone = 0;
			if (cb.after(ctx))
				return 1;
			urctx_put(ctx);
			if (!becomes([] { return threads_now() == 1; }))
				return 2;
			if (gone)
				return 3;
			if (!(round ? urctx_stop(&cb.cb) : urctx_try_stop(&cb.cb)))
				return 4;
			if (!becomes([] { return gone == 1; }))
				return 5;
		}
		return 0;
	});
	INFO(end.said);
	CHECK(end.code == 0);
	CHECK(end.signal == 0);
}

/* Nobody else has looked at the clock: it is the child that ends by itself. */
TEST_CASE("G5: who sees an inherited deadline pass sees its cause", "[edges][G5]")
{
	static const struct urctx_cause why = { "why", __FILE__, "edges", __LINE__, -EPROTO };

	for (int round = 0; round < 100; round++) {
		struct urctx *parent = nullptr;
		int64_t when = urctx_now() + SEC / 10000;

		REQUIRE(urctx_with_deadline_cause(nullptr, when, &why, &parent) == 0);
		struct urctx *child = derive(parent);

		while (urctx_now() < when)
			;
		CHECK(urctx_err(child) == -ETIME);
		CHECK(urctx_cause(child) == &why);
		urctx_put(child);
		urctx_put(parent);
	}
}
