/* SPDX-License-Identifier: MIT */
/* group.cpp - groups of threads: errors, places, joins, and threads refused */
#include <catch2/catch.hpp>
#include <csignal>
#include <dlfcn.h>
#include "group.hpp"

/* Where this is not 0, pthread_create() refuses so many threads of this one. */
static thread_local unsigned refuse;

/* Threads of this process, in all; who was joined is gone. */
static std::atomic<size_t> created{ 0 }, joined{ 0 };

typedef int create_fn(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
extern "C" int __interceptor_pthread_create(pthread_t *, const pthread_attr_t *,
					    void *(*)(void *), void *)
	__attribute__((weak));

extern "C" int pthread_create(pthread_t *id, const pthread_attr_t *attr,
			      void *(*fn)(void *), void *arg)
{
	static create_fn *real = __interceptor_pthread_create ?
		__interceptor_pthread_create :
		(create_fn *)dlsym(RTLD_NEXT, "pthread_create");
	int detached = PTHREAD_CREATE_JOINABLE;

	if (refuse) {
		refuse--;
		return EAGAIN;
	}
	/* but the housekeeper, whom nobody joins */
	if (attr)
		pthread_attr_getdetachstate(attr, &detached);
	created += detached == PTHREAD_CREATE_JOINABLE;
	return real(id, attr, fn, arg);
}

typedef int join_fn(pthread_t, void **);
extern "C" int __interceptor_pthread_join(pthread_t, void **) __attribute__((weak));

extern "C" int pthread_join(pthread_t id, void **ret)
{
	static join_fn *real = __interceptor_pthread_join ?
		__interceptor_pthread_join : (join_fn *)dlsym(RTLD_NEXT, "pthread_join");
	int err = real(id, ret);

	joined += !err;
	return err;
}

TEST_CASE("group: bad arguments", "[sync]")
{
	struct urctx_group g;
	struct urctx *ctx = (struct urctx *)&g;

	CHECK(urctx_group_init(nullptr, nullptr, 0, &ctx) == -EINVAL);
	CHECK(ctx == (struct urctx *)&g);
	REQUIRE(urctx_group_init(&g, nullptr, 0, nullptr) == 0);
	CHECK(urctx_group_go(&g, nullptr, nullptr) == -EINVAL);
	CHECK_FALSE(urctx_group_try_go(&g, nullptr, nullptr));
	CHECK(urctx_group_go(nullptr, call_task, nullptr) == -EINVAL);
	CHECK(urctx_group_wait(&g) == 0);
	CHECK(urctx_group_wait(nullptr) == -EINVAL);
}

TEST_CASE("group: the first error of many, its cause, and the same again", "[sync]")
{
	for (size_t i = 0, n = scaled(100); i < n; i++) {
		std::vector<task> tasks;
		grouped group(URCTX_GROUP_START_ANYWAY);

		for (int err = 1; err <= 4; err++)
			tasks.push_back(returns(i % 2 ? err : -err));
		for (auto &t : tasks)
			REQUIRE(go(&group.g, t) == 0);
		int err = group.wait();
		CHECK(err == (i % 2 ? abs(err) : -abs(err)));
		CHECK(abs(err) >= 1);
		CHECK(abs(err) <= 4);
		CHECK(urctx_cause(group.ctx) == urctx_cause_errno(err));
		CHECK(group.wait() == err);
	}
}

TEST_CASE("group: it ends with its parent, and by hand, and then skips", "[sync]")
{
	for (bool above : { true, false }) {
		struct urctx *parent = derive(nullptr);
		std::atomic<int> ran{ 0 };
		grouped group(2, parent);
		task waits = [&](struct urctx *ctx) {
			ran++;
			return urctx_wait(ctx, URCTX_NEVER) ? 1 : urctx_err(ctx);
		};

		CHECK(go(&group.g, waits) == 0);
		CHECK(go(&group.g, waits) == 0);
		CHECK_FALSE(try_go(&group.g, waits));
		thread ends([&] { urctx_cancel(above ? parent : group.ctx); });
		/* no place is ever free while it lives */
		CHECK(go(&group.g, waits) == -ECANCELED);
		ends.join();
		CHECK(go(&group.g, waits) == -ECANCELED);
		CHECK_FALSE(try_go(&group.g, waits));
		CHECK(group.wait() == -ECANCELED);
		CHECK(ran == 2);
		urctx_put(parent);
	}
}

TEST_CASE("group: a deadline ends a go that waits for a place", "[sync]")
{
	held_clock clock(1000 * MS);
	struct urctx *parent = derive_timeout(nullptr, 5 * MS);
	grouped group(1, parent);
	gate over;
	int went = 1;
	task waits = [&](struct urctx *) {
		over.wait();
		return 0;
	};

	CHECK(go(&group.g, waits) == 0);
	thread late([&] { went = go(&group.g, waits); });
	clock.await(1);
	clock.advance(5 * MS);
	late.join();
	CHECK(went == -ETIME);
	over.set();
	CHECK(group.wait() == 0);
	CHECK(urctx_err(group.ctx) == -ETIME);
	urctx_put(parent);
}

TEST_CASE("group: START_ANYWAY runs what it was given", "[sync]")
{
	for (unsigned limit : { 0U, 2U }) {
		std::atomic<int> ran{ 0 };
		grouped group(limit | URCTX_GROUP_START_ANYWAY);
		task t = [&](struct urctx *ctx) {
			ran++;
			return urctx_err(ctx);
		};

		urctx_cancel(group.ctx);
		for (int i = 0; i < 5; i++)
			CHECK(go(&group.g, t) == 0);
		CHECK(group.wait() == -ECANCELED);
		CHECK(ran == 5);
	}
}

TEST_CASE("group: over is over", "[sync]")
{
	for (unsigned flags : { 0U, 3U, URCTX_GROUP_START_ANYWAY }) {
		grouped group(flags);
		task t = returns(0);

		CHECK(go(&group.g, t) == 0);
		CHECK(group.wait() == 0);
		CHECK(urctx_cause(group.ctx) == &urctx_canceled);
		CHECK(go(&group.g, t) == -ECANCELED);
		CHECK_FALSE(try_go(&group.g, t));
		CHECK(group.wait() == 0);
	}
}

TEST_CASE("group: tasks start tasks, and groups nest", "[sync]")
{
	std::atomic<int> ran{ 0 };
	grouped group;
	task leaf = [&](struct urctx *) {
		ran++;
		return 0;
	};
	task branch = [&](struct urctx *) {
		return go(&group.g, leaf) || go(&group.g, leaf);
	};
	task nest = [&](struct urctx *ctx) {
		grouped inner(1, ctx);
		int ret = 0;

		for (int i = 0; i < 3 && !ret; i++)
			ret = go(&inner.g, leaf);
		return ret ? ret : inner.wait();
	};

	for (int i = 0; i < 4; i++) {
		CHECK(go(&group.g, branch) == 0);
		CHECK(go(&group.g, nest) == 0);
	}
	CHECK(group.wait() == 0);
	CHECK(ran == 4 * 2 + 4 * 3);
}

TEST_CASE("group: an error below ends the group above, if it is handed up", "[sync]")
{
	grouped group;
	uint32_t never = 0;
	task waits = [&](struct urctx *ctx) {
		return urctx_futex_wait(ctx, &never, 0);
	};
	task nest = [&](struct urctx *ctx) {
		grouped inner(0, ctx);
		task fails = returns(-EIO);

		if (go(&inner.g, waits) || go(&inner.g, fails))
			return 1;
		return inner.wait();
	};

	CHECK(go(&group.g, waits) == 0);
	CHECK(go(&group.g, nest) == 0);
	CHECK(group.wait() == -EIO);
	CHECK(urctx_cause(group.ctx) == urctx_cause_errno(EIO));
}

TEST_CASE("group: its threads have all signals blocked", "[sync]")
{
	std::atomic<int> blocked{ 0 };
	sigset_t before = {}, after = {};
	grouped group;
	task t = [&](struct urctx *) {
		sigset_t set;

		pthread_sigmask(SIG_SETMASK, nullptr, &set);
		for (int sig : { SIGINT, SIGTERM, SIGUSR1, SIGCHLD, SIGRTMIN })
			blocked += sigismember(&set, sig);
		return 0;
	};

	pthread_sigmask(SIG_SETMASK, nullptr, &before);
	CHECK(go(&group.g, t) == 0);
	CHECK(try_go(&group.g, t));
	pthread_sigmask(SIG_SETMASK, nullptr, &after);
	CHECK(group.wait() == 0);
	CHECK(blocked == 2 * 5);
	CHECK(memcmp(&before, &after, sizeof(before)) == 0);
}

/* Of tasks that do nothing, so many; how many threads there were at most. */
static size_t most_threads(unsigned limit, size_t tasks)
{
	size_t before = created - joined, most = 0;
	grouped group(limit);
	task t = returns(0);

	for (size_t i = 0; i < tasks; i++) {
		REQUIRE(go(&group.g, t) == 0);
		most = std::max(most, created - joined - before);
	}
	CHECK(group.wait() == 0);
	CHECK(created - joined == before);
	return most;
}

TEST_CASE("group: every thread is joined when wait is back", "[sync]")
{
	for (unsigned limit : { 0U, 1U, 3U })
		most_threads(limit, 20);
}

TEST_CASE("group: never more threads than the limit and one", "[sync]")
{
	for (unsigned limit : { 1U, 2U, 5U })
		CHECK(most_threads(limit, scaled(1000)) <= limit + 1);
}

TEST_CASE("group: two that wait for one group", "[sync]")
{
	for (size_t i = 0, n = scaled(200); i < n; i++) {
		struct urctx_group g;
		std::atomic<int> ran{ 0 };
		task t = [&](struct urctx *) { return ++ran == 3 ? -EIO : 0; };
		int ret[2] = { 1, 1 }, seen[2] = {};

		REQUIRE(urctx_group_init(&g, nullptr, 0, nullptr) == 0);
		for (int k = 0; k < 3; k++)
			REQUIRE(go(&g, t) == 0);
		together({
			[&] { ret[0] = urctx_group_wait(&g), seen[0] = ran; },
			[&] { ret[1] = urctx_group_wait(&g), seen[1] = ran; },
		});
		for (int k = 0; k < 2; k++) {
			CHECK(ret[k] == -EIO);
			CHECK(seen[k] == 3);
		}
	}
}

TEST_CASE("group: no thread to be had is -EAGAIN, and takes no place", "[sync]")
{
	std::atomic<int> ran{ 0 };
	grouped group(1);
	task t = [&](struct urctx *) {
		ran++;
		return 0;
	};

	refuse = 1;
	CHECK(go(&group.g, t) == -EAGAIN);
	refuse = 1;
	CHECK_FALSE(try_go(&group.g, t));
	CHECK(refuse == 0);
	CHECK(try_go(&group.g, t));
	CHECK(group.wait() == 0);
	CHECK(ran == 1);
}

TEST_CASE("group: only refusals, and wait is back", "[sync]")
{
	grouped group;
	task t = returns(-EIO);

	refuse = 3;
	for (int i = 0; i < 3; i++)
		CHECK(go(&group.g, t) == -EAGAIN);
	CHECK(group.wait() == 0);
}

static void handled(int)
{
}

TEST_CASE("group: a signal handler ends a go that waits, not a wait", "[sync]")
{
	grouped group(1);
	std::atomic<bool> over{ false };
	std::atomic<int> ran{ 0 };
	struct sigaction action = {}, old;
	gate open;
	int went = 0, waited = 1;
	task t = [&](struct urctx *) {
		open.wait();
		ran++;
		return 0;
	};

	action.sa_handler = handled;
	sigaction(SIGUSR1, &action, &old);
	REQUIRE(go(&group.g, t) == 0);
	thread caller([&] {
		went = go(&group.g, t);
		over = true;
		waited = group.wait();
	});
	while (!over) {
		pthread_kill(caller.id, SIGUSR1);
		sched_yield();
	}
	for (int i = 0; i < 100; i++) {
		pthread_kill(caller.id, SIGUSR1);
		sched_yield();
	}
	open.set();
	caller.join();
	sigaction(SIGUSR1, &old, nullptr);
	CHECK(went == -EINTR);
	CHECK(waited == 0);
	CHECK(ran == 1);
}

TEST_CASE("group: its memory may go behind wait", "[sync]")
{
	for (size_t i = 0, n = scaled(500); i < n; i++) {
		auto g = std::make_unique<struct urctx_group>();
		task t = returns(i % 3 ? 0 : -EIO);

		REQUIRE(urctx_group_init(g.get(), nullptr, i % 2 ? 1 : 0, nullptr) == 0);
		int went = go(g.get(), t);
		CHECK(went == 0);
		went = go(g.get(), t);
		CHECK((went == 0 || went == -ECANCELED));
		CHECK(urctx_group_wait(g.get()) == (i % 3 ? 0 : -EIO));
		memset(g.get(), 0xff, sizeof(*g));
	}
}
