/* SPDX-License-Identifier: MIT */
/*
 * cover_rest.cpp - signals by the hundred, interruptions, and a program whose
 * threads need more than the library's stack has room for
 */
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstddef>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <urctx/clock.h>
#include <urctx/sync.h>
#include "clock.hpp"
#include "signals.hpp"

/* Every thread of this program has it, so that a small stack is EINVAL. */
thread_local char big[1 << 20];

TEST_CASE("rest: thread-local data that is larger than a stack of the library's", "[rest]")
{
	gate ran;
	counted told;
	context soon(nullptr, urctx_now() + SEC / 100);

	big[sizeof(big) - 1] = 1;
	told.also = [&] { ran.set(); };
	REQUIRE(told.after(soon) == 0);
	ran.wait();			/* by the thread that was started at last */
	CHECK(urctx_err(soon) == -ETIME);
	CHECK(big[sizeof(big) - 1] == 1);
	urctx_stop(&told.cb);
}

/* Contexts that are put at the end. */
struct owned_list : std::vector<struct urctx *> {
	using vector::vector;
	~owned_list()
	{
		for (auto *ctx : *this)
			urctx_put(ctx);
	}
};

/* What puts the next of them when it is released: an interior context, or a leaf. */
struct chained {
	struct urctx *ctx = nullptr;
	chained *next = nullptr;
	static int inside, deepest, count;
};

int chained::inside, chained::deepest, chained::count;

static void release_chained(void *value)
{
	chained *c = static_cast<chained *>(value);

	chained::deepest = std::max(chained::deepest, ++chained::inside);
	chained::count++;
	if (c->next)
		urctx_put(c->next->ctx);
	chained::inside--;
}

TEST_CASE("rest: releases that put the next do not nest", "[rest]")
{
	static const struct urctx_key key = { .name = "chained", .release = release_chained };
	std::vector<chained> all(2000);

	for (size_t i = 0; i < all.size(); i++) {
		REQUIRE(urctx_with_value(nullptr, &key, &all[i], &all[i].ctx) == 0);
		if (i % 2)		/* it has had a child: another way to go */
			urctx_put(derive(all[i].ctx));
		if (i + 1 < all.size())
			all[i].next = &all[i + 1];
	}
	urctx_put(all[0].ctx);
	CHECK(chained::count == 2000);
	CHECK(chained::deepest == 1);
}

TEST_CASE("rest: joins of joins, deeper than one walk goes, whose root a callback puts",
	  "[rest]")
{
	constexpr size_t DEPTH = 30;
	struct urctx *top = derive(nullptr), *root = top, *at = root;
	owned_list others(DEPTH), joins(DEPTH);
	counted told[DEPTH], first;

	first.also = [&] { urctx_put(top); };
	REQUIRE(first.after(top) == 0);
	for (size_t i = 0; i < DEPTH; i++) {
		others[i] = derive(nullptr);
		struct urctx *const parents[] = { others[i], at };

		REQUIRE(urctx_with_any(parents, 2, &joins[i]) == 0);
		at = joins[i];
		REQUIRE(told[i].after(at) == 0);
	}
	CHECK(urctx_cancel(root));
	CHECK(first.ran == 1);
	for (size_t i = 0; i < DEPTH; i++) {
		CHECK(told[i].ran == 1);
		CHECK(urctx_err(joins[i]) == -ECANCELED);
		CHECK_FALSE(urctx_done(others[i]));
	}
}

TEST_CASE("rest: a flood of queued signals is one end, and none is left", "[rest]")
{
	int nr = SIGRTMIN + 3;
	blocked signals({ nr });
	struct urctx *ctx = signals.context();
	int64_t end = urctx_now() + 60 * SEC;
	sigset_t pending;

	for (int i = 0; i < 300; i++) {
		union sigval value = {};

		REQUIRE(sigqueue(getpid(), nr, value) == 0);
	}
	CHECK(urctx_wait(ctx, end) == 0);
	CHECK(urctx_err(ctx) == -ECANCELED);
	CHECK(urctx_cause(ctx)->code == nr);
	do
		sigpending(&pending);
	while (sigismember(&pending, nr) && urctx_now() < end && !sched_yield());
	CHECK_FALSE(sigismember(&pending, nr));		/* swallowed */
	urctx_put(ctx);
}

static bool refuse_waitv()
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 449, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(*code), code };

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0);
}

/* The kernel's clock, then one that is held, then the kernel's again. */
static int sleeps_in_slices()
{
	uint32_t word = 0;

	for (int round = 0; round < 2; round++) {
		context soon(nullptr, urctx_now() + SEC / 50);

		if (urctx_futex_wait(soon, &word, 0) != -ETIME)
			return 1;
		if (urctx_futex_wait(nullptr, &word, 1) != -EAGAIN)
			return 2;
		held_clock clock(SEC);
		context later(nullptr, 3 * SEC);
		int ret[3] = { 1, 1, 1 };
		thread a([&] { ret[0] = urctx_futex_wait(later, &word, 0); });
		thread b([&] { ret[1] = urctx_wait(later, URCTX_NEVER); });
		thread c([&] { ret[2] = urctx_wait(nullptr, 2 * SEC); });

		urctx_clock_await(3);
		if (urctx_clock_advance(SEC))
			return 3;
		c.join();
		if (ret[2] != -ETIME)
			return 4;
		if (round)
			urctx_cancel(later);
		else if (urctx_clock_advance(SEC))
			return 5;
		a.join();
		b.join();
		if (ret[0] != (round ? -ECANCELED : -ETIME) || ret[1])
			return 6;
	}
	return 0;
}

TEST_CASE("rest: sleeps without futex_waitv(), under either clock", "[rest]")
{
	struct ending end;

	if (TESTS_VALGRIND)
		return;
	end = in_child([] { return refuse_waitv() ? sleeps_in_slices() : 77; });
	CHECK_FALSE(end.late);
	CHECK(end.signal == 0);
	if (end.code == 77)
		WARN("no seccomp filters here");
	else
		CHECK(end.code == 0);
	CHECK(sleeps_in_slices() == 0);		/* and with it */
}

static void nothing(int)
{
}

/* A handler that ran is -EINTR, whatever clock it is. */
static int interrupted(bool held)
{
	struct sigaction act = {}, before;
	std::atomic<bool> over{ false };
	int ret = 0;

	act.sa_handler = nothing;
	sigaction(SIGUSR1, &act, &before);
	if (held && urctx_clock_hold(SEC))
		return 0;
	{
		thread waiter([&] {
			ret = urctx_wait(nullptr, URCTX_NEVER);
			over = true;
		});

		/* one that came too early is asked for again */
		while (!over) {
			pthread_kill(waiter.id, SIGUSR1);
			sched_yield();
		}
	}
	if (held)
		urctx_clock_release();
	sigaction(SIGUSR1, &before, nullptr);
	return ret;
}

TEST_CASE("rest: a signal handler ends a wait", "[rest]")
{
	struct ending end;

	CHECK(interrupted(false) == -EINTR);
	CHECK(interrupted(true) == -EINTR);
	if (TESTS_VALGRIND)
		return;
	end = in_child([] {
		if (!refuse_waitv())
			return 77;
		return interrupted(true) == -EINTR && interrupted(false) == -EINTR ? 0 : 1;
	});
	CHECK((end.code == 0 || end.code == 77));
}
