/* SPDX-License-Identifier: MIT */
/* sync_futex.cpp - urctx_futex_wait: woken, not what it was, done, interrupted */
#include <catch2/catch.hpp>
#include <csignal>
#include <cstddef>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include "sync.hpp"

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

TEST_CASE("futex: a word that is another is -EAGAIN", "[sync]")
{
	struct urctx *ctx = derive(nullptr);
	uint32_t word = 1;

	CHECK(urctx_futex_wait(nullptr, &word, 0) == -EAGAIN);
	CHECK(urctx_futex_wait(ctx, &word, 0) == -EAGAIN);
	urctx_put(ctx);
}

TEST_CASE("futex: no word is -EINVAL", "[sync]")
{
	struct urctx *ctx = derive(nullptr);
	uint32_t words[2] = {};

	CHECK(urctx_futex_wait(ctx, nullptr, 0) == -EINVAL);
	CHECK(urctx_futex_wait(nullptr, nullptr, 0) == -EINVAL);
	CHECK(urctx_futex_wait(ctx, (uint32_t *)((char *)words + 1), 0) == -EINVAL);
	urctx_put(ctx);
}

TEST_CASE("futex: a context that is done is its error, whatever the word", "[sync]")
{
	struct urctx *ctx = derive(nullptr), *late = derive_timeout(nullptr, 0);
	uint32_t word = 1;

	urctx_cancel(ctx);
	for (uint32_t val : { 0U, 1U }) {
		CHECK(urctx_futex_wait(ctx, &word, val) == -ECANCELED);
		CHECK(urctx_futex_wait(late, &word, val) == -ETIME);
	}
	urctx_put(late);
	urctx_put(ctx);
}

TEST_CASE("futex: errno is not written", "[sync]")
{
	struct urctx *ctx = derive(nullptr), *late = derive_timeout(ctx, 1 * MS);
	uint32_t word = 1;

	errno = 4711;
	CHECK(urctx_futex_wait(nullptr, &word, 0) == -EAGAIN);
	CHECK(urctx_futex_wait(ctx, &word, 0) == -EAGAIN);
	CHECK(urctx_futex_wait(late, &word, 1) == -ETIME);
	CHECK(errno == 4711);
	urctx_put(late);
	urctx_put(ctx);
}

/* Wakes until somebody was there to be woken. */
static void wake_one(uint32_t *word)
{
	while (futex_wake(word, 1) != 1)
		sched_yield();
}

static int woken_on(struct urctx *ctx)
{
	uint32_t word = 7;
	int ret = 1;

	thread waiter([&] { ret = urctx_futex_wait(ctx, &word, 7); });
	wake_one(&word);
	waiter.join();
	return ret;
}

TEST_CASE("futex: a wake-up is 0", "[sync]")
{
	struct urctx *ctx = derive(nullptr), *far = derive_timeout(ctx, 3600000 * MS);

	for (struct urctx *on : { (struct urctx *)nullptr, ctx, far })
		CHECK(woken_on(on) == 0);
	urctx_put(far);
	urctx_put(ctx);
}

/* The end of ctx, here or above, ends the wait. */
static std::string ended(size_t rounds)
{
	struct findings f;

	for (size_t i = 0; i < rounds; i++) {
		struct urctx *top = derive(nullptr), *ctx = derive(top);
		uint32_t word = 0;
		auto wait = [&] {
			f.expect(urctx_futex_wait(ctx, &word, 0) == -ECANCELED,
				 "not -ECANCELED");
			f.expect(urctx_done(ctx), "not done");
		};

		together({ wait, wait, [&] { urctx_cancel(i % 2 ? top : ctx); } });
		urctx_put(ctx);
		urctx_put(top);
	}
	return f.text();
}

/* An event, a cancel, and waiters: who is not cancelled sees the event. */
static std::string events(size_t rounds)
{
	struct findings f;

	for (size_t i = 0; i < rounds; i++) {
		struct urctx *ctx = derive(nullptr);
		uint32_t word = 0;
		int payload = 0;
		auto wait = [&](struct urctx *on) {
			int ret = 0;

			while (!ret && !__atomic_load_n(&word, __ATOMIC_ACQUIRE)) {
				ret = urctx_futex_wait(on, &word, 0);
				if (ret == -EAGAIN)
					ret = 0;
			}
			f.expect(ret == 0 || (on == ctx && ret == -ECANCELED), "what?");
			f.expect(ret || payload == 1, "no event");
		};

		together({
			[&] { wait(ctx); },
			[&] { wait(nullptr); },
			[&] {
				payload = 1;
				__atomic_store_n(&word, 1, __ATOMIC_RELEASE);
				futex_wake(&word, INT_MAX);
			},
			[&] { urctx_cancel(ctx); },
		});
		urctx_put(ctx);
	}
	return f.text();
}

/* Who was counted by a waker says so, though the context ends at that moment. */
static std::string counted_wakes(size_t rounds)
{
	struct findings f;

	for (size_t i = 0; i < rounds; i++) {
		struct urctx *ctx = derive(nullptr);
		uint32_t word = 0;
		long woken = 0;
		int ret = 1;

		together({
			[&] { ret = urctx_futex_wait(ctx, &word, 0); },
			[&] { urctx_cancel(ctx); },
			[&] { woken = futex_wake(&word, 1); },
		});
		f.expect(ret == 0 || ret == -ECANCELED, "neither");
		f.expect(!woken || ret == 0, "a wake-up was lost");
		urctx_put(ctx);
	}
	return f.text();
}

static std::string deadlines(size_t rounds)
{
	struct findings f;

	for (size_t i = 0; i < rounds; i++) {
		struct urctx *top = derive_timeout(nullptr, (int64_t)(i % 5) * MS / 2),
			     *ctx = derive(top);
		uint32_t word = 0;
		int64_t deadline = 0;

		f.expect(urctx_deadline(ctx, &deadline), "no deadline");
		f.expect(urctx_futex_wait(ctx, &word, 0) == -ETIME, "not -ETIME");
		f.expect(urctx_now() >= deadline, "early");
		urctx_put(ctx);
		urctx_put(top);
	}
	return f.text();
}

TEST_CASE("futex: the end of the context, here or above, ends the wait", "[sync]")
{
	REQUIRE(ended(scaled(1000)) == "");
}

TEST_CASE("futex: no event is missed beside a cancel", "[sync]")
{
	REQUIRE(events(scaled(1000)) == "");
}

TEST_CASE("futex: a wake-up that was counted is not dropped", "[sync]")
{
	REQUIRE(counted_wakes(scaled(2000)) == "");
}

TEST_CASE("futex: a deadline ends the wait, and never early", "[sync]")
{
	REQUIRE(deadlines(scaled(50)) == "");
}

TEST_CASE("futex: grace ends the wait when it is over", "[sync]")
{
	struct urctx *parent = derive(nullptr), *ctx = nullptr;
	uint32_t word = 0;
	int ret = 1;
	held_clock clock(1000 * MS);

	REQUIRE(urctx_with_grace(parent, 50 * MS, &ctx) == 0);
	thread waiter([&] { ret = urctx_futex_wait(ctx, &word, 0); });
	clock.await(1);
	urctx_cancel(parent);
	clock.advance(50 * MS - 1);
	clock.await(1);
	CHECK(urctx_err(ctx) == 0);
	clock.advance(1);
	waiter.join();
	CHECK(ret == -ECANCELED);
	urctx_put(ctx);
	urctx_put(parent);
}

TEST_CASE("futex: a test's clock ends the wait", "[sync]")
{
	held_clock clock(1000 * MS);
	struct urctx *ctx = derive_timeout(nullptr, 50 * MS);
	uint32_t word = 0;
	int ret = 1;

	thread waiter([&] { ret = urctx_futex_wait(ctx, &word, 0); });
	clock.await(1);
	clock.advance(50 * MS - 1);
	clock.await(1);
	CHECK(urctx_err(ctx) == 0);
	clock.advance(1);
	waiter.join();
	CHECK(ret == -ETIME);
	urctx_put(ctx);
}

static void handled(int)
{
}

TEST_CASE("futex: a signal handler makes it -EINTR", "[sync]")
{
	struct urctx *ctx = derive(nullptr);
	std::atomic<bool> over{ false };
	struct sigaction action = {}, old;
	uint32_t word = 0;
	int on_ctx = 0, on_null = 0;

	action.sa_handler = handled;
	sigaction(SIGUSR1, &action, &old);
	thread waiter([&] {
		on_ctx = urctx_futex_wait(ctx, &word, 0);
		on_null = urctx_futex_wait(nullptr, &word, 0);
		over = true;
	});
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

/* From here on futex_waitv() gives err in this process. */
static bool without_waitv(int err)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex_waitv, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { 4, filter };

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

/* 0: all as above, without that system call; 77: it cannot be refused here. */
static int same_without(int err)
{
	std::string said;
	struct urctx *ctx;

	if (!without_waitv(err) ||
	    syscall(SYS_futex_waitv, nullptr, 0, 0, nullptr, 0) != -1 || errno != err)
		return 77;
	said += ended(scaled(200));
	said += events(scaled(200));
	said += counted_wakes(scaled(200));
	said += deadlines(scaled(20));
	ctx = derive(nullptr);
	said += woken_on(ctx) == 0 ? "" : "not woken";
	urctx_put(ctx);
	fputs(said.c_str(), stderr);
	return said != "";
}

TEST_CASE("futex: the same without futex_waitv()", "[sync]")
{
	for (int err : { ENOSYS, EPERM }) {
		struct ending end = in_child([err] { return same_without(err); });

		if (end.code == 77) {
			WARN("skipped: no seccomp");
			return;
		}
		INFO(end.said);
		CHECK_FALSE(end.late);
		CHECK(end.signal == 0);
		CHECK(end.code == 0);
	}
}
