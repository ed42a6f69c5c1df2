/* SPDX-License-Identifier: MIT */
/*
 * cover_threads.cpp - seldom paths between threads, each led there by hand
 *
 * Where a test needs a thread to sleep it asks the kernel whether it does.
 */
#include <catch2/catch.hpp>
#include <csignal>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <urctx/clock.h>
#include <urctx/watch.h>
#include "clock.hpp"
#include "dump.hpp"

/* Until that thread of this process sleeps; false: it has not in a minute. */
static bool asleep(const std::atomic<pid_t> &tid)
{
	int64_t end = urctx_now() + 60 * SEC;
	char name[64], state = 0;

	for (; urctx_now() < end && state != 'S'; sched_yield()) {
		FILE *f;

		if (!tid.load())
			continue;
		snprintf(name, sizeof(name), "/proc/self/task/%d/stat", (int)tid.load());
		f = fopen(name, "r");
		if (!f)
			return false;
		if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
			state = 0;
		fclose(f);
	}
	return state == 'S';
}

static pid_t self()
{
	return (pid_t)syscall(SYS_gettid);
}

TEST_CASE("threads: a callback stops one that runs elsewhere, and waits for it", "[threads]")
{
	owned one, two;
	counted runs, stops;
	gate begun, go;
	std::atomic<pid_t> tid{ 0 };
	std::atomic<bool> over{ false };
	bool stopped = true, was_over = false;

	runs.also = [&] {
		begun.set();
		go.wait();
		over = true;
	};
	stops.also = [&] {
		tid = self();
		stopped = urctx_stop(&runs.cb);
		was_over = over;
	};
	REQUIRE(runs.after(one) == 0);
	REQUIRE(stops.after(two) == 0);
	thread a([&] { urctx_cancel(one); });
	begun.wait();
	thread b([&] { urctx_cancel(two); });
	CHECK(asleep(tid));
	go.set();
	a.join();
	b.join();
	CHECK_FALSE(stopped);		/* it had begun */
	CHECK(was_over);		/* and stop() came back behind it */
	CHECK(runs.ran == 1);
	CHECK(stops.ran == 1);
}

TEST_CASE("threads: two wait for the end of one callback", "[threads]")
{
	owned ctx;
	counted runs;
	gate begun, go;
	std::atomic<pid_t> tid[2] = { { 0 }, { 0 } };
	std::atomic<bool> over{ false };
	bool fine[2] = {};

	runs.also = [&] {
		begun.set();
		go.wait();
		over = true;
	};
	REQUIRE(runs.after(ctx) == 0);
	thread a([&] { urctx_cancel(ctx); });
	begun.wait();
	thread b([&] {
		tid[0] = self();
		fine[0] = !urctx_stop(&runs.cb) && over;
	});
	CHECK(asleep(tid[0]));
	thread c([&] {
		tid[1] = self();
		fine[1] = !urctx_stop(&runs.cb) && over;
	});
	CHECK(asleep(tid[1]));
	CHECK_FALSE(urctx_try_stop(&runs.cb));		/* which never waits */
	go.set();
	a.join();
	b.join();
	c.join();
	CHECK(fine[0]);
	CHECK(fine[1]);
}

TEST_CASE("threads: callbacks that one thread has put off are another's", "[threads]")
{
	owned one, two, both;
	counted first, second, shared;
	gate queued, ran;
	int seen[3] = { -1, -1, -1 };

	first.also = [&] {
		urctx_cancel(both);	/* put off: until the outermost cancel returns */
		seen[0] = shared.ran;
		urctx_cancel(both);	/* and once is enough */
		seen[1] = shared.ran;
		queued.set();
		ran.wait();
	};
	second.also = [&] {
		urctx_cancel(both);	/* not to be kept waiting by that */
		seen[2] = shared.ran;
	};
	REQUIRE(first.after(one) == 0);
	REQUIRE(second.after(two) == 0);
	REQUIRE(shared.after(both) == 0);
	thread a([&] { urctx_cancel(one); });
	queued.wait();
	thread b([&] { urctx_cancel(two); });
	b.join();
	CHECK(shared.ran == 1);
	ran.set();
	a.join();
	CHECK(seen[0] == 0);
	CHECK(seen[1] == 0);
	CHECK(seen[2] == 1);
	CHECK(shared.ran == 1);
}

TEST_CASE("threads: a wake that nobody meant ends no wait", "[threads]")
{
	owned ctx;
	std::atomic<pid_t> tid{ 0 };
	std::atomic<int> ret{ 1 };
	int64_t end = urctx_now() + 60 * SEC;
	long woken = 0;

	thread waiter([&] {
		tid = self();
		ret = urctx_wait(ctx, URCTX_NEVER);
	});
	/* the word that it sleeps at is the first of the context */
	while (!woken && urctx_now() < end) {
		CHECK(asleep(tid));
		woken = syscall(SYS_futex, ctx.ctx, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
	}
	CHECK(woken == 1);
	CHECK(asleep(tid));
	CHECK(ret == 1);
	CHECK(urctx_cancel(ctx));
	waiter.join();
	CHECK(ret == 0);
}

TEST_CASE("threads: a first child while somebody waits", "[threads]")
{
	owned ctx;
	std::atomic<pid_t> tid{ 0 };
	std::atomic<int> ret{ 1 };

	thread waiter([&] {
		tid = self();
		ret = urctx_wait(ctx, URCTX_NEVER);
	});
	CHECK(asleep(tid));
	owned child(ctx.ctx);		/* the word changes, and means the same */

	CHECK(urctx_cancel(ctx));
	waiter.join();
	CHECK(ret == 0);
	CHECK(urctx_done(child));
}

TEST_CASE("threads: idle is no question for a callback", "[threads]")
{
	owned ctx, other(ctx.ctx);
	counted asks;
	int ret[2] = {};

	asks.also = [&] {
		ret[0] = urctx_wait_idle(ctx, URCTX_NEVER);
		ret[1] = urctx_clock_advance(1);
	};
	REQUIRE(asks.after(ctx) == 0);
	CHECK(urctx_cancel(ctx));
	CHECK(asks.ran == 1);
	CHECK(ret[0] == -EDEADLK);
	CHECK(ret[1] == -EDEADLK);
}

TEST_CASE("threads: who waits for idle sleeps where the others do", "[threads]")
{
	owned root;
	struct urctx *first = derive(root), *second = derive(root), *third;
	std::atomic<pid_t> tid[2] = { { 0 }, { 0 } };
	std::atomic<int> ret[2] = { { 1 }, { 1 } };

	urctx_put(first);
	thread a([&] {
		tid[0] = self();
		ret[0] = urctx_wait_idle(root, URCTX_NEVER);
	});
	CHECK(asleep(tid[0]));		/* until the second has gone */
	third = derive(root);		/* where the first was */
	thread b([&] {
		tid[1] = self();
		ret[1] = urctx_wait_idle(root, URCTX_NEVER);
	});
	CHECK(asleep(tid[1]));
	urctx_put(second);
	CHECK(ret[0] == 1);
	CHECK(ret[1] == 1);
	urctx_put(third);
	a.join();
	b.join();
	CHECK(ret[0] == 0);
	CHECK(ret[1] == 0);
}

static void forks(struct urctx_callback *cb);

struct forking {
	struct urctx_callback cb = {};
	gate done;
	int code = -1;
};

/* On the library's thread: in the child, that is the only one there is. */
static void forks(struct urctx_callback *cb)
{
	forking *f = reinterpret_cast<forking *>(cb);
	pid_t pid = fork();
	int status = 0;

	if (!pid) {
		struct urctx *p = derive(nullptr), *c = derive(p);
		bool good = urctx_cancel(p) && urctx_done(c) && !urctx_wait(c, 0);

		urctx_put(p);
		urctx_put(c);
		_exit(good ? 0 : 1);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	f->code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	f->done.set();
}

TEST_CASE("threads: a callback on the library's thread forks", "[threads]")
{
	forking f;
	context soon(nullptr, urctx_now() + SEC / 100);

	REQUIRE(urctx_after(soon, &f.cb, forks) == 0);
	f.done.wait();
	CHECK(f.code == 0);
	CHECK(urctx_err(soon) == -ETIME);
	urctx_stop(&f.cb);
}

static volatile pid_t forked;

static void forks_here(int)
{
	forked = fork();
}

/* The child's thread has slept under a clock that nobody holds there. */
TEST_CASE("threads: a signal handler forks while its thread sleeps", "[threads]")
{
	struct ending end = in_child([] {
		struct sigaction act = {};
		held_clock clock(SEC);
		std::atomic<pid_t> tid{ self() };
		pthread_t sleeper = pthread_self();
		int status = -1;

		act.sa_handler = forks_here;
		sigaction(SIGUSR1, &act, nullptr);
		thread wakes([&] {
			urctx_clock_await(1);
			asleep(tid);
			pthread_kill(sleeper, SIGUSR1);
		});
		int ret = urctx_wait(nullptr, 2 * SEC);

		if (!forked)
			_exit(ret == -EINTR ? 0 : 1);
		while (waitpid(forked, &status, 0) < 0 && errno == EINTR)
			;
		return ret == -EINTR && !status ? 0 : 2;
	});

	CHECK_FALSE(end.late);
	CHECK(end.code == 0);
}

static int released;

TEST_CASE("threads: a release does not advance the clock it holds up", "[threads]")
{
	static const struct urctx_key key = {
		.name = "released", .release = [](void *) { released = urctx_clock_advance(1); },
	};
	held_clock clock(SEC);
	struct urctx *ctx = nullptr;

	released = 1;
	REQUIRE(urctx_with_value(nullptr, &key, nullptr, &ctx) == 0);
	urctx_put(ctx);
	CHECK(released == -EDEADLK);
	CHECK(urctx_now() == SEC);
}

TEST_CASE("threads: many at once are all waited for", "[threads]")
{
	/* more than a block of the readers' table has */
	const size_t NR = TESTS_TSAN || TESTS_VALGRIND ? 40 : 520;
	owned root;
	std::vector<std::function<void()>> fns;
	std::atomic<size_t> wrong{ 0 };
	pthread_barrier_t here;

	/* each has walked a tree before the first of them goes */
	pthread_barrier_init(&here, nullptr, (unsigned)NR);
	for (size_t i = 0; i < NR; i++)
		fns.push_back([&] {
			struct urctx *top = derive(root), *low = derive(derive(top));

			wrong += !urctx_cancel(top) || !urctx_done(low);
			pthread_barrier_wait(&here);
			urctx_put(low);
			urctx_put(top);
		});
	together(fns);
	pthread_barrier_destroy(&here);
	CHECK(wrong == 0);
	CHECK(urctx_cancel(root));
}

TEST_CASE("threads: an inherited descriptor is the child's own", "[threads]")
{
	owned ctx;
	int fd = urctx_fd(ctx);
	struct ending end;

	REQUIRE(fd >= 0);
	CHECK_FALSE(readable(fd));
	end = in_child([&] {
		if (urctx_fd(ctx) != fd || readable(fd))
			return 1;
		if (!urctx_cancel(ctx) || !will_be_readable(fd))
			return 2;
		return urctx_fd(ctx) == fd && will_be_readable(fd) ? 0 : 3;
	});
	CHECK(end.code == 0);
	CHECK_FALSE(readable(fd));
	CHECK_FALSE(urctx_done(ctx));
	CHECK(urctx_cancel(ctx));
	CHECK(will_be_readable(fd));
}

TEST_CASE("threads: an end in a child leaves the parent's descriptor alone", "[threads]")
{
	owned ctx;
	int fd = urctx_fd(ctx);
	struct ending end;

	REQUIRE(fd >= 0);
	/* it has not asked for the descriptor: this one is still its parent's */
	end = in_child([&] { return urctx_cancel(ctx) && urctx_err(ctx) == -ECANCELED ? 0 : 1; });
	CHECK(end.code == 0);
	CHECK_FALSE(readable(fd));
	CHECK(urctx_cancel(ctx));
	CHECK(will_be_readable(fd));
}

TEST_CASE("threads: one that had ended before the fork is ended there, too", "[threads]")
{
	owned ctx;
	int fd = urctx_fd(ctx);
	struct ending end;

	REQUIRE(fd >= 0);
	CHECK(urctx_cancel(ctx));
	end = in_child([&] {
		return urctx_fd(ctx) == fd && will_be_readable(fd) ? 0 : 1;
	});
	CHECK(end.code == 0);
	CHECK(will_be_readable(fd));
}

TEST_CASE("threads: two ask for one descriptor", "[threads]")
{
	for (size_t i = 0, n = scaled(2000); i < n; i++) {
		owned ctx;
		int fd[2];

		together({ [&] { fd[0] = urctx_fd(ctx); }, [&] { fd[1] = urctx_fd(ctx); } });
		REQUIRE(fd[0] >= 0);
		REQUIRE(fd[0] == fd[1]);
		REQUIRE(urctx_cancel(ctx));
		REQUIRE(will_be_readable(fd[0]));
	}
}

TEST_CASE("threads: a descriptor of what is over, and under a held clock", "[threads]")
{
	for (int64_t when : { INT64_C(1), INT64_C(0), INT64_C(-1), INT64_MIN }) {
		context past(nullptr, when);

		CHECK(will_be_readable(urctx_fd(past)));
	}
	held_clock clock(SEC);
	context soon(nullptr, 2 * SEC);
	int fd = urctx_fd(soon);

	REQUIRE(fd >= 0);
	CHECK_FALSE(readable(fd));
	CHECK(urctx_clock_advance(SEC) == 0);
	CHECK(will_be_readable(fd));
	CHECK(urctx_err(soon) == -ETIME);
}
