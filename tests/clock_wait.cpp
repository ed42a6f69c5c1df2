/* SPDX-License-Identifier: MIT */
/* clock_wait.cpp - threads that sleep by the test clock, and who waits for that */
#include <catch2/catch.hpp>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "clock.hpp"

#include <urctx/sync.h>

TEST_CASE("clock: threads wake at their time, one after the other", "[clock]")
{
	for (int round = 0; round < 50; round++) {
		struct findings f;
		held_clock clock;
		context ctx(nullptr, 400);
		std::atomic<int> woken{ 0 };
		auto sleep = [&](int64_t until, int ret) {
			return [&f, &ctx, &woken, until, ret] {
				f.expect(urctx_wait(ctx, until) == ret, "wait");
				f.expect(urctx_now() == (until < 400 ? until : 400),
					 "not its time");
				woken++;
			};
		};
		thread a(sleep(100, -ETIME)), b(sleep(200, -ETIME)),
			c(sleep(300, -ETIME)), d(sleep(URCTX_NEVER, 0));
		thread *all[] = { &a, &b, &c, &d };

		for (unsigned i = 0; i < 4; i++) {
			urctx_clock_await(4 - i);
			REQUIRE(urctx_clock_advance(99) == 0);
			REQUIRE(woken == (int)i);
			REQUIRE(urctx_clock_advance(1) == 0);
			all[i]->join();
			REQUIRE(woken == (int)i + 1);
		}
		REQUIRE_NOTHING_IN(f);
	}
}

TEST_CASE("clock: await waits for what a woken thread does next", "[clock]")
{
	const int rounds = (int)scaled(2000);
	held_clock clock;
	struct findings f;
	std::atomic<int> tries{ 0 };

	thread worker([&] {
		int64_t pause = 1;

		for (int i = 0; i < rounds; i++) {
			int64_t until = urctx_now() + pause;

			tries++;
			f.expect(urctx_wait(nullptr, until) == -ETIME, "wait");
			f.expect(urctx_now() == until, "late");
			pause = pause % 1000 + 1;
		}
	});
	int64_t pause = 1;

	for (int i = 0; i < rounds; i++) {
		urctx_clock_await(1);
		REQUIRE(tries == i + 1);
		if (pause > 1)
			REQUIRE(urctx_clock_advance(pause - 1) == 0);
		REQUIRE(urctx_clock_advance(1) == 0);
		pause = pause % 1000 + 1;
	}
	worker.join();
	REQUIRE_NOTHING_IN(f);
}

TEST_CASE("clock: an advance past several pauses waits for none", "[clock]")
{
	std::atomic<bool> over{ false };
	int64_t at[3] = {};

	{
		held_clock clock;
		thread worker([&] {
			for (int64_t &one : at) {
				if (urctx_wait(nullptr, urctx_now() + SEC) != -ETIME)
					abort();
				one = urctx_now();
			}
			over = true;
		});

		urctx_clock_await(1);
		REQUIRE(urctx_clock_advance(3 * SEC) == 0);
		/* It has been woken; how far it got is its own affair. */
		CHECK(urctx_now() == 3 * SEC);
		while (!over)
			REQUIRE(urctx_clock_advance(SEC) == 0);
	}
	CHECK(at[0] >= SEC);
	CHECK(at[1] >= at[0] + SEC);
	CHECK(at[2] >= at[1] + SEC);
}

TEST_CASE("clock: who was cancelled is not asleep any more", "[clock]")
{
	for (size_t i = 0, n = scaled(300); i < n; i++) {
		held_clock clock;
		struct urctx *ctx = derive(nullptr);
		std::atomic<bool> second{ false };

		thread worker([&] {
			if (urctx_wait(ctx, SEC))
				abort();
			second = true;
			if (urctx_wait(nullptr, SEC) != -ETIME)
				abort();
		});
		urctx_clock_await(1);
		urctx_cancel(ctx);
		urctx_clock_await(1);
		REQUIRE(second);
		REQUIRE(urctx_clock_advance(SEC) == 0);
		worker.join();
		urctx_put(ctx);
	}
}

TEST_CASE("clock: a word that changes under a sleeper does not hide it", "[clock]")
{
	held_clock clock;
	context ctx(nullptr, 2 * SEC);
	struct urctx *child;
	counted cb;
	int ret = 1;

	thread worker([&] { ret = urctx_wait(ctx, SEC); });
	urctx_clock_await(1);
	/* its first child, its first callback, its first polls */
	child = derive(ctx);
	urctx_clock_await(1);
	REQUIRE(cb.after(ctx) == 0);
	urctx_clock_await(1);
	for (int i = 0; i < 100; i++)
		REQUIRE_FALSE(urctx_done(ctx));
	urctx_clock_await(1);
	REQUIRE(urctx_clock_advance(SEC) == 0);
	worker.join();
	CHECK(ret == -ETIME);
	CHECK(urctx_stop(&cb.cb));
	urctx_put(child);
}

TEST_CASE("clock: wait_idle has its deadline by it", "[clock]")
{
	held_clock clock;
	struct urctx *server = derive(nullptr), *request = derive(server);
	int ret[3] = { 1, 1, 1 };

	{
		thread idle([&] { ret[0] = urctx_wait_idle(server, SEC); });

		urctx_clock_await(1);
		CHECK(urctx_clock_advance(SEC - 1) == 0);
		urctx_clock_await(1);
		CHECK(urctx_clock_advance(1) == 0);
	}
	CHECK(ret[0] == -ETIME);
	CHECK(urctx_wait_idle(server, SEC) == -ETIME);
	{
		thread idle([&] { ret[1] = urctx_wait_idle(server, 2 * SEC); });

		urctx_clock_await(1);
		urctx_put(request);
	}
	CHECK(ret[1] == 0);
	urctx_put(server);
}

/* Also by a process in which there is no futex_waitv(): what went wrong, or 0. */
static int futex_and_semaphore()
{
	held_clock clock;
	context ctx(nullptr, SEC);
	struct urctx_sem sem;
	uint32_t word = 0, own = 0;	/* a wake-up may come behind what it is for */
	int ret[4] = { 1, 1, 1, 1 };
	std::atomic<int> step{ 0 };

	urctx_sem_init(&sem, 1);
	if (urctx_sem_acquire(&sem, ctx, 1))
		return 1;
	thread a([&] {
		ret[0] = urctx_futex_wait(ctx, &word, 0);	/* woken */
		step++;
		ret[1] = urctx_futex_wait(ctx, &own, 0);	/* its deadline */
	});
	thread b([&] { ret[2] = urctx_sem_acquire(&sem, ctx, 1); });
	thread c([&] { ret[3] = urctx_futex_wait(nullptr, &word, 0); });
	urctx_clock_await(3);
	if (urctx_clock_advance(SEC / 2) || urctx_err(ctx) || step)
		return 2;
	urctx_clock_await(3);
	__atomic_store_n(&word, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 2, nullptr, nullptr, 0);
	c.join();
	urctx_clock_await(2);
	if (step != 1)
		return 3;
	if (urctx_clock_advance(SEC / 2 - 1))
		return 4;
	urctx_clock_await(2);
	if (urctx_clock_advance(1))
		return 5;
	a.join();
	b.join();
	/* -EAGAIN: without futex_waitv() it may see the word before the wake-up */
	if (ret[0] && ret[0] != -EAGAIN)
		return 6;
	return ret[1] == -ETIME && ret[2] == -ETIME && (!ret[3] || ret[3] == -EAGAIN) ?
		       0 : 7;
}

TEST_CASE("clock: futexes and semaphores end by it", "[clock]")
{
	for (int i = 0; i < 20; i++)
		REQUIRE(futex_and_semaphore() == 0);
}

/* False: the kernel does not let us. */
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
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

TEST_CASE("clock: without futex_waitv()", "[clock]")
{
	struct ending end = in_child([] {
		if (!refuse_waitv())
			return 77;
		for (int i = 0; i < 20; i++) {
			int ret = futex_and_semaphore();

			if (ret)
				return ret;
		}
		return 0;
	});

	CHECK_FALSE(end.late);
	CHECK(end.signal == 0);
	if (end.code == 77)
		WARN("no seccomp filters here");
	else
		CHECK(end.code == 0);
}

static int task(struct urctx *ctx, void *)
{
	return urctx_wait(ctx, SEC) == -ETIME ? -EDOM : urctx_err(ctx);
}

TEST_CASE("clock: tasks of a group", "[clock]")
{
	held_clock clock;
	struct urctx_group g;
	int ret = 1;

	REQUIRE(urctx_group_init(&g, nullptr, 2, nullptr) == 0);
	REQUIRE(urctx_group_go(&g, task, nullptr) == 0);
	REQUIRE(urctx_group_go(&g, task, nullptr) == 0);
	thread waiter([&] { ret = urctx_group_wait(&g); });
	urctx_clock_await(3);
	CHECK(urctx_clock_advance(SEC) == 0);
	waiter.join();
	CHECK(ret == -EDOM);
}

TEST_CASE("clock: who waits for a callback sleeps, too", "[clock]")
{
	held_clock clock;
	struct urctx *ctx = derive(nullptr);
	gate entered, leave;
	bool stopped = true;
	counted cb;

	cb.also = [&] {
		entered.set();
		leave.wait();
	};
	REQUIRE(cb.after(ctx) == 0);
	{
		thread canceller([&] { urctx_cancel(ctx); });

		entered.wait();
		thread stopper([&] { stopped = urctx_stop(&cb.cb); });
		urctx_clock_await(1);
		leave.set();
	}
	CHECK_FALSE(stopped);
	urctx_put(ctx);
}

TEST_CASE("clock: let go, sleepers look at the kernel's", "[clock]")
{
	int64_t now = urctx_now();

	REQUIRE(urctx_clock_hold(now > SEC ? now - SEC : 0) == 0);
	context ctx(nullptr, now);
	int by_time = 1, by_context = 1, by_cancel = 1;
	struct urctx *other = derive(nullptr);
	{
		thread a([&] { by_time = urctx_wait(nullptr, now); });
		thread b([&] { by_context = urctx_wait(ctx, URCTX_NEVER); });
		thread c([&] { by_cancel = urctx_wait(other, URCTX_NEVER); });

		urctx_clock_await(3);
		thread d([&] { urctx_clock_await(100); });
		urctx_clock_release();
		a.join();
		b.join();
		d.join();
		urctx_cancel(other);
	}
	CHECK(by_time == -ETIME);
	CHECK(by_context == 0);
	CHECK(by_cancel == 0);
	urctx_put(other);
}

TEST_CASE("clock: held while a thread sleeps, or just before", "[clock]")
{
	for (size_t i = 0, n = scaled(200); i < n; i++) {
		struct urctx *ctx = derive(nullptr);
		int64_t start = urctx_now();
		int ret = 1;

		thread worker([&] { ret = urctx_wait(ctx, start + 200000); });
		{
			held_clock clock(start);

			REQUIRE(urctx_clock_advance(200000) == 0);
			worker.join();
		}
		REQUIRE(ret == -ETIME);
		urctx_put(ctx);
	}
}

static void handled(int)
{
}

TEST_CASE("clock: a signal handler makes it -EINTR", "[clock]")
{
	held_clock clock;
	struct sigaction action = {}, old;
	std::atomic<int> ret{ 1 };

	action.sa_handler = handled;
	sigaction(SIGUSR1, &action, &old);
	{
		thread worker([&] { ret = urctx_wait(nullptr, SEC); });

		/* Again: one that runs before it is in the kernel interrupts nothing. */
		while (ret == 1) {
			pthread_kill(worker.id, SIGUSR1);
			sched_yield();
		}
	}
	sigaction(SIGUSR1, &old, nullptr);
	CHECK(ret == -EINTR);
}

TEST_CASE("clock: many sleepers beside cancels, derivations and advances", "[clock]")
{
	struct findings f;
	held_clock clock;
	std::atomic<bool> stop{ false };
	std::vector<std::unique_ptr<thread>> threads;

	for (int i = 0; i < 4; i++)
		threads.push_back(std::make_unique<thread>([&, i] {
			for (size_t n = 0; !stop; n++) {
				context top(nullptr, urctx_now() + 3 + i), ctx(top, URCTX_NEVER);
				int64_t until = urctx_now() + 1 + (int64_t)(n % 7);
				int ret = urctx_wait(ctx, until);

				f.expect(ret == 0 || ret == -ETIME, "wait");
				if (ret)
					f.expect(urctx_now() >= until, "early");
				else
					f.expect(urctx_err(ctx) == -ETIME, "not late");
			}
		}));
	for (size_t i = 0, n = scaled(2000); i < n; i++)
		f.expect(urctx_clock_advance(1 + i % 3) == 0, "advance");
	stop = true;
	urctx_clock_release();
	threads.clear();
	REQUIRE_NOTHING_IN(f);
}
