/* SPDX-License-Identifier: MIT */
/* edges_time.cpp - the held clock, looked at from below */
#include "edges_below.hpp"
#include <catch2/catch.hpp>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <urctx/sync.h>

#if !TESTS_TSAN
TEST_CASE("clock: at both ends of what it can say", "[edges][clock]")
{
	const int64_t last = URCTX_NEVER / 2;
	struct urctx *ctx = nullptr;
	counted cb;

	REQUIRE(urctx_clock_hold(last) == 0);
	CHECK(urctx_now() == last);
	CHECK(urctx_clock_advance(1) == -EINVAL);
	CHECK(urctx_clock_advance(0) == 0);
	urctx_clock_release();
	/* what is due when it is held is told without an advance */
	REQUIRE(urctx_with_deadline(nullptr, urctx_now() + 3600 * SEC, &ctx) == 0);
	REQUIRE(cb.after(ctx) == 0);
	{
		held_clock clock(urctx_now() + 7200 * SEC);

		CHECK(becomes([&] { return cb.ran == 1; }));
	}
	urctx_put(ctx);
	CHECK(not_held == 0);
	/* in a child nobody keeps the time yet, and there is no thread for it */
	PASSES([] {
		urctx_put(derive(nullptr));
		held_clock clock;

		refused_threads = 1000;
		SHOULD(urctx_clock_advance(1) == -EAGAIN);
		refused_threads = 0;
		SHOULD(not_held == 0);
		SHOULD(urctx_clock_advance(1) == 0);
		return not_held ? 1 : 0;
	});
}

namespace
{
/* The timekeeper has read the clock, which was free, and has yet to act by that. */
class at_the_clock
{
public:
	at_the_clock()
	{
		cb.also = [this] {
			urctx_clock_release();
			me.read_clock = &stop;
		};
		if (cb.after(first) || urctx_clock_advance(100) != -ECANCELED)
			abort();
		in.wait();
	}
	void goes_on()
	{
		goes.set();
	}

private:
	held_clock clock;
	context first{ nullptr, 100 };
	gate in, goes;
	counted cb;
	std::function<void()> stop = [this] {
		me.read_clock = nullptr;
		in.set();
		goes.wait();
	};
};
}

TEST_CASE("clock: what was read before it was held ends nobody", "[edges][clock]")
{
	at_the_clock keeper;

	CHECK(urctx_clock_hold(0) == 0);
	context late(nullptr, 100);
	keeper.goes_on();
	CHECK(urctx_clock_advance(99) == 0);
	CHECK(urctx_err(late) == 0);
	CHECK(urctx_clock_advance(1) == 0);
	CHECK(urctx_err(late) == -ETIME);
}

TEST_CASE("clock: what was armed before an advance is told within it", "[edges][clock]")
{
	at_the_clock keeper;
	int64_t saw = 0;
	counted cb;

	cb.also = [&] { saw = urctx_now(); };
	CHECK(urctx_clock_hold(0) == 0);
	context late(nullptr, 60);
	CHECK(cb.after(late) == 0);
	one_thread advances([&] {
		int ret = urctx_clock_advance(100);

		return cb.ran == 1 ? ret : 1;
	});
	CHECK(advances.stands_still());
	keeper.goes_on();
	CHECK(advances.join() == 0);
	CHECK(saw == 60);
	CHECK(urctx_now() == 100);
}

/* Whether it is held is asked once: what is not set to a time is watched. */
TEST_CASE("clock: let go while a descriptor is made", "[edges][clock][fd]")
{
	struct urctx *ctx = nullptr;
	std::function<void()> release = [] { urctx_clock_release(); };

	REQUIRE(urctx_with_timeout(nullptr, SEC / 100, &ctx) == 0);
	held_clock clock;
	me.timerfd = &release;
	const int fd = urctx_fd(ctx);
	me.timerfd = nullptr;
	REQUIRE(fd >= 0);
	CHECK(will_be_readable(fd));
	CHECK(urctx_err(ctx) == -ETIME);
	urctx_put(ctx);
}

TEST_CASE("clock: who advances it sleeps while a callback does", "[edges][clock]")
{
	held_clock clock;
	context ctx(nullptr, 100);
	gate entered, leave;
	counted cb;

	cb.also = [&] {
		entered.set();
		leave.wait();
	};
	REQUIRE(cb.after(ctx) == 0);
	one_thread advances([] { return urctx_clock_advance(100); });
	entered.wait();
	CHECK(advances.stands_still());
	/* a child begins where it stands, and has no advance nor any sleeper */
	one_thread sleeps([] { return urctx_wait(nullptr, 200); });
	CHECK(sleeps.stands_still());
	PASSES([&] {
		SHOULD(urctx_now() == 100);
		one_thread waits([] { urctx_clock_await(1); return 0; });
		SHOULD(waits.stands_still());
		one_thread own([] { return urctx_wait(nullptr, 150); });
		SHOULD(waits.join() == 0);
		SHOULD(urctx_clock_advance(50) == 0);
		SHOULD(own.join() == -ETIME);
		return 0;
	});
	leave.set();
	CHECK(advances.join() == 0);
	CHECK(urctx_clock_advance(100) == 0);
	CHECK(sleeps.join() == -ETIME);
	CHECK(not_held == 0);
}

/* Nobody holds it in the child, whoever held it at the fork. */
TEST_CASE("clock: a child's is its own, in whatever hands it was", "[edges][clock]")
{
	held_clock clock;
	mutex *its = nullptr;
	gate has, over;

	urctx_put(derive(nullptr));	/* from here on forks are known of */
	once look = { [&](mutex *m) { its = m; } };

	me.lock = &look;
	urctx_clock_await(0);
	me.lock = nullptr;
	REQUIRE(its);
	thread other([&] {
		pthread_mutex_lock(its);
		has.set();
		over.wait();
		pthread_mutex_unlock(its);
	});
	has.wait();
	struct ending end = in_child([] { return urctx_clock_advance(7) || urctx_now() != 7; });
	over.set();
	CHECK_FALSE(end.late);
	CHECK(end.code == 0);
	CHECK(urctx_now() == 0);
}

/* What happens between an unlock and the sleep, or just before a lock. */
TEST_CASE("clock: nothing is missed by who is about to sleep", "[edges][clock]")
{
	std::atomic<uint32_t> word{ 0 };
	auto lets_go = [](mutex *) { urctx_clock_release(); };

	/* who awaits: it is let go of; one comes to sleep */
	{
		held_clock clock;
		one_thread waits([&] {
			once at = { lets_go };

			me.unlocked = &at;
			urctx_clock_await(1);
			me.unlocked = nullptr;
			return 0;
		});
		CHECK(waits.join() == 0);
	}
	{
		held_clock clock;
		std::unique_ptr<one_thread> sleeps;
		bool still = false;
		one_thread waits([&] {
			once at = { [&](mutex *) {
				sleeps = std::make_unique<one_thread>([] {
					return urctx_wait(nullptr, 7);
				});
				still = sleeps->stands_still();
			} };

			me.unlocked = &at;
			urctx_clock_await(1);
			me.unlocked = nullptr;
			return 0;
		});
		CHECK(waits.join() == 0);
		CHECK(still);
		CHECK(urctx_clock_advance(7) == 0);
		CHECK(sleeps->join() == -ETIME);
	}
	/* who sleeps: it is let go of before he is counted, and after */
	for (bool before : { true, false }) {
		held_clock clock;
		one_thread until([=] {
			once at = { lets_go };

			(before ? me.lock : me.unlocked) = &at;
			int ret = urctx_wait(nullptr, 7);
			me.lock = me.unlocked = nullptr;
			return ret;
		});
		CHECK(until.join() == -ETIME);
		CHECK(urctx_now() > 7);
		REQUIRE(urctx_clock_hold(0) == 0);
		word = 0;
		one_thread sleeps([&] {
			once at = { lets_go };

			(before ? me.lock : me.unlocked) = &at;
			int ret = urctx_futex_wait(nullptr, (uint32_t *)&word, 0);
			me.lock = me.unlocked = nullptr;
			return ret;
		});
		CHECK(sleeps.stands_still());
		word = 1;
		syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1);
		CHECK(sleeps.join() == 0);
		/* its word changes just before */
		urctx_clock_release();
		REQUIRE(urctx_clock_hold(0) == 0);
		word = 0;
		one_thread changed([&] {
			once at = { [&](mutex *) { word = 1; } };

			(before ? me.lock : me.unlocked) = &at;
			int ret = urctx_futex_wait(nullptr, (uint32_t *)&word, 0);
			me.lock = me.unlocked = nullptr;
			return ret;
		});
		CHECK(changed.join() == -EAGAIN);
	}
	CHECK(not_held == 0);
}

namespace
{
/* 0 or what was wrong; @err: what futex_waitv(2) says, or 0. */
int sleeps_by_the_clock(int err)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 449, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(*code), code };
	std::atomic<uint32_t> word{ 7 };
	struct urctx_group g;

	if (err && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
		    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0)))
		return 77;
	auto waits = [&](struct urctx *ctx) {
		errno = EPROTO;
		int ret = urctx_futex_wait(ctx, (uint32_t *)&word, 7);
		return errno == EPROTO ? ret : 1;
	};
	for (bool held : { false, true, false }) {
		struct urctx *ctx = derive(nullptr);
		gate over;
		one_thread both([=] { return waits(ctx); });
		one_thread one([=] { return waits(nullptr); });

		if (held)
			SHOULD(urctx_clock_hold(0) == 0);
		if (!err || !held)
			SHOULD(one.stands_still());
		if (!err)
			SHOULD(both.stands_still());
		one_thread more([=] { return waits(ctx); });
		one_thread alone([=] { return waits(nullptr); });
		SHOULD(urctx_group_init(&g, nullptr, 0, nullptr) == 0);
		SHOULD(urctx_group_go(&g, [](struct urctx *, void *arg) {
			static_cast<gate *>(arg)->wait();
			return 0;
		}, &over) == 0);
		one_thread tasks([&] { return urctx_group_wait(&g); });
		if (held) {
			urctx_clock_await(3);
			if (!err)
				SHOULD(alone.stands_still());
		}
		urctx_cancel(ctx);
		over.set();
		SHOULD(tasks.join() == 0);
		SHOULD(both.join() == -ECANCELED);
		SHOULD(more.join() == -ECANCELED);
		/* let go of, nobody is woken for that */
		if (held)
			urctx_clock_release();
		SHOULD(alone.stands_still());
		SHOULD(one.stands_still());
		word = 1;
		syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 2);
		SHOULD(alone.join() == 0);
		SHOULD(one.join() == 0);
		urctx_put(ctx);
		/* it changes, and nobody says so */
		word = 7;
		for (struct urctx *of : { (struct urctx *)nullptr, derive(nullptr) }) {
			if (held) {
				SHOULD(urctx_clock_hold(0) == 0);
				one_thread last([=] { return waits(of); });
				urctx_clock_await(1);
				word = 1;
				urctx_clock_await(0);
				one_thread told([=] { urctx_clock_await(1); return 0; });
				SHOULD(last.join() == -EAGAIN);
				urctx_clock_release();
				SHOULD(told.join() == 0);
				word = 7;
			}
			urctx_put(of);
		}
	}
	return 0;
}
}

TEST_CASE("clock: sleeps on one word and on two, with futex_waitv() and without",
	  "[edges][clock]")
{
	for (int err : { 0, ENOSYS, EPERM }) {
		struct ending end = in_child([=] { return sleeps_by_the_clock(err); });

		INFO(err << ": " << end.said);
		CHECK_FALSE(end.late);
		CHECK(end.signal == 0);
		CHECK((end.code == 0 || (err && end.code == 77)));
	}
}

TEST_CASE("a group that starts tasks anyway has its limit", "[edges][sync]")
{
	auto waits = [](struct urctx *, void *over) {
		static_cast<gate *>(over)->wait();
		return 0;
	};
	struct urctx_group g;
	gate over;

	REQUIRE(urctx_group_init(&g, nullptr, 1 | URCTX_GROUP_START_ANYWAY, nullptr) == 0);
	REQUIRE(urctx_group_go(&g, waits, &over) == 0);
	CHECK_FALSE(urctx_group_try_go(&g, waits, &over));
	over.set();
	CHECK(urctx_group_wait(&g) == 0);
}
#endif
