/* SPDX-License-Identifier: MIT */
/*
 * signals_house.cpp - the housekeeper who reads signals: his descriptors, his other
 * duties, fork(), and a process that has neither threads nor descriptors to spare
 */
#include <catch2/catch.hpp>
#include <algorithm>
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <urctx/clock.h>
#include "signals.hpp"

/* ------------------------------------------------ no threads for the library */
typedef int create_fn(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

static std::atomic<bool> no_threads{ false };

extern "C" int __interceptor_pthread_create(pthread_t *, const pthread_attr_t *,
					    void *(*)(void *), void *)
	__attribute__((weak));

extern "C" int pthread_create(pthread_t *id, const pthread_attr_t *attr,
			      void *(*fn)(void *), void *arg)
{
	static create_fn *real = __interceptor_pthread_create ?
		__interceptor_pthread_create :
		(create_fn *)dlsym(RTLD_NEXT, "pthread_create");

	return no_threads ? EAGAIN : real(id, attr, fn, arg);
}

/* ------------------------------------------------------------------- counting */
static size_t count_in(const char *dir, const std::function<bool(const char *)> &is)
{
	DIR *d = opendir(dir);
	size_t nr = 0;

	if (!d) {
		perror(dir);
		abort();
	}
	while (struct dirent *entry = readdir(d))
		nr += entry->d_name[0] != '.' && is(entry->d_name);
	closedir(d);
	return nr;
}

size_t descriptors()
{
	return count_in("/proc/self/fd", [](const char *) { return true; }) - 1;
}

const size_t fds_at_first = descriptors();

static bool is_housekeeper(const char *tid)
{
	std::string path = std::string("/proc/self/task/") + tid + "/comm";
	FILE *f = fopen(path.c_str(), "re");
	char name[32] = "";
	bool is = f && fgets(name, sizeof(name), f) && std::string(name) == "urctx\n";

	if (f)
		fclose(f);
	return is;
}

size_t housekeepers()
{
	return count_in("/proc/self/task", is_housekeeper);
}

/* Until the library has no thread: nothing is left to do for it. */
static void until_gone()
{
	while (housekeepers())
		sched_yield();
}

/* ---------------------------------------------------------------------- tests */
TEST_CASE("signals: two descriptors and a thread, and all of them go", "[signals]")
{
	until_gone();
	blocked b({ SIGINT, SIGTERM });

	for (int i = 0; i < 3; i++) {
		std::vector<struct urctx *> all;

		for (int k = 0; k < 20; k++)
			all.push_back(context_of(k % 2 ? SIGINT : SIGTERM));
		until_open();
		CHECK(descriptors() == fds_at_first + 2);
		/* one who has left may be there for a moment */
		CHECK(becomes([] { return housekeepers() == 1; }));
		send(SIGINT);
		send(SIGTERM);
		for (size_t k = 0; k < all.size(); k++)
			CHECK(ended_by(all[k], k % 2 ? SIGINT : SIGTERM));
		for (struct urctx *ctx : all)
			urctx_put(ctx);
		until_closed();
		CHECK(descriptors() == fds_at_first);
	}
	until_gone();
	CHECK(descriptors() == fds_at_first);
	send(SIGINT);
	CHECK(is_pending(SIGINT));
}

TEST_CASE("signals: descriptors are closed for those who exec", "[signals]")
{
	auto kept = [](const char *fd) {
		int flags = fcntl(atoi(fd), F_GETFD);

		return flags >= 0 && !(flags & FD_CLOEXEC);
	};
	size_t before = count_in("/proc/self/fd", kept);
	blocked b({ SIGINT });
	struct urctx *ctx = b.context();

	until_open();
	CHECK(count_in("/proc/self/fd", kept) == before);
	urctx_put(ctx);
	until_closed();
}

TEST_CASE("signals: ten puts at once, and ten cancels", "[signals]")
{
	blocked b({ SIGINT });

	for (size_t i = 0, n = scaled(200); i < n; i++) {
		std::vector<std::function<void()>> fns;
		struct urctx *ctx = b.context();

		for (int k = 0; k < 10; k++) {
			urctx_get(ctx);
			fns.push_back([&, k] {
				if (k % 2)
					urctx_cancel(ctx);
				urctx_put(ctx);
			});
		}
		if (i % 3 == 0)
			send(SIGINT);
		urctx_put(ctx);
		together(fns);
		until_released(b);
		REQUIRE_FALSE(is_pending(SIGINT));
		send(SIGINT);
		REQUIRE(b.take() == SIGINT);
	}
}

TEST_CASE("signals: callbacks, which may do what they like", "[signals]")
{
	blocked b({ SIGINT, SIGTERM });
	struct urctx *ctx = b.context(), *other = context_of(SIGTERM);
	counted cancels, makes, last;
	gate done;

	cancels.also = [&] { urctx_cancel(other); };
	makes.also = [&] {
		struct urctx *more = b.context();

		urctx_put(more);
		/* the housekeeper reads on when this is over */
		send(SIGTERM);
	};
	last.also = [&] { done.set(); };
	REQUIRE(cancels.after(ctx) == 0);
	REQUIRE(makes.after(ctx) == 0);
	REQUIRE(last.after(ctx) == 0);
	send(SIGINT);
	done.wait();
	urctx_put(ctx);
	CHECK(urctx_wait(other, URCTX_NEVER) == 0);
	urctx_put(other);
	until_released(b);
	CHECK(cancels.ran == 1);
	CHECK(makes.ran == 1);
	CHECK(last.ran == 1);
	while (b.take())
		;
}

TEST_CASE("signals: a callback puts the last reference", "[signals]")
{
	blocked b({ SIGINT });
	struct urctx *ctx = b.context();
	counted last;
	gate done;

	last.also = [&] {
		urctx_put(ctx);
		done.set();
	};
	REQUIRE(last.after(ctx) == 0);
	until_open();
	send(SIGINT);
	done.wait();
	until_closed();
	CHECK(last.ran == 1);
	send(SIGINT);
	CHECK(b.take() == SIGINT);
}

TEST_CASE("signals: times are kept meanwhile", "[signals]")
{
	blocked b({ SIGINT });
	struct urctx *ctx = b.context();
	std::vector<struct urctx *> until;
	std::atomic<int> ran{ 0 }, early{ 0 };
	counted cbs[20];
	gate all;

	until_open();
	for (int i = 0; i < 20; i++) {
		struct urctx *timed = nullptr;
		/* the later ones first */
		int64_t when = urctx_now() + (40 - i) * INT64_C(1000000);

		REQUIRE(urctx_with_deadline(i % 2 ? ctx : nullptr, when, &timed) == 0);
		until.push_back(timed);
		cbs[i].also = [&, when] {
			early += urctx_now() < when;
			if (++ran == 20)
				all.set();
		};
		REQUIRE(cbs[i].after(timed) == 0);
	}
	all.wait();
	CHECK(early == 0);
	for (struct urctx *timed : until) {
		CHECK(urctx_err(timed) == -ETIME);
		urctx_put(timed);
	}
	CHECK(is_live(ctx));
	send(SIGINT);
	CHECK(ended_by(ctx, SIGINT));
	urctx_put(ctx);
	until_closed();
}

TEST_CASE("signals: while a test holds the clock", "[signals]")
{
	blocked b({ SIGINT });
	struct urctx *ctx = b.context(), *timed = nullptr;
	counted cb;

	until_open();
	REQUIRE(urctx_clock_hold(1000) == 0);
	REQUIRE(urctx_with_timeout(nullptr, 500, &timed) == 0);
	REQUIRE(cb.after(timed) == 0);
	CHECK(urctx_clock_advance(499) == 0);
	CHECK(cb.ran == 0);
	CHECK(urctx_clock_advance(1) == 0);
	CHECK(cb.ran == 1);
	CHECK(is_live(ctx));
	send(SIGINT);
	CHECK(ended_by(ctx, SIGINT));
	urctx_clock_release();
	urctx_put(timed);
	urctx_put(ctx);
	until_closed();
}

TEST_CASE("signals: memory is given back meanwhile", "[signals]")
{
	size_t base = 0, n = scaled(300000);
	struct urctx *top = derive(nullptr);
	blocked b({ SIGINT });
	struct urctx *ctx = b.context();

	until_open();
	for (size_t i = 0; i < 2 * n; i++) {
		struct urctx *a = derive(top);

		if (i == n)
			base = resident_bytes();
		urctx_put(derive(a));
		urctx_put(a);
	}
	/* the housekeeper gives it back in its own time: a minute, at most */
	for (int i = 0; i < 6000 && resident_bytes() >= base + n * 320; i++)
		CHECK(urctx_wait(nullptr, urctx_now() + 10000000) == -ETIME);
	if (!TESTS_TSAN && !TESTS_VALGRIND)
		CHECK(resident_bytes() < base + n * 320);
	/* single ones, which no batch takes along: only he does */
	for (int i = 0; i < 10; i++) {
		struct urctx *a = derive(top);

		urctx_put(derive(a));
		urctx_put(a);
	}
	send(SIGINT);
	CHECK(ended_by(ctx, SIGINT));
	urctx_put(ctx);
	urctx_put(top);
	until_closed();
}

TEST_CASE("signals: no thread to be had", "[signals]")
{
	blocked b({ SIGINT });
	struct urctx *none = reinterpret_cast<struct urctx *>(&b), *ctx = none;
	int ret;

	until_gone();
	send(SIGINT);
	no_threads = true;
	for (int i = 0; i < 3; i++) {
		ret = urctx_with_signals(nullptr, &b.set, &ctx);
		CHECK(ret == -EAGAIN);
		CHECK(ctx == none);
	}
	no_threads = false;
	/* it is nobody's, and waits for whoever comes */
	CHECK(is_pending(SIGINT));
	ctx = b.context();
	CHECK(ended_by(ctx, SIGINT));
	urctx_put(ctx);
}

TEST_CASE("signals: no descriptor to be had", "[signals]")
{
	blocked b({ SIGINT, SIGTERM });

	for (int spare = 0; spare < 2; spare++) {
		struct ending end = in_child([&] {
			struct rlimit limit;
			struct urctx *ctx, *other;
			size_t fds = descriptors();
			int fd = dup(0);	/* the first free number */

			getrlimit(RLIMIT_NOFILE, &limit);
			limit.rlim_cur = (rlim_t)(fd + spare);
			close(fd);
			if (setrlimit(RLIMIT_NOFILE, &limit))
				return 10;
			ctx = b.context();
			other = context_of(SIGTERM);
			send(SIGINT);
			if (!ended_by(ctx, SIGINT) || urctx_done(other))
				return 11;
			/* room again */
			limit.rlim_cur = limit.rlim_max;
			if (setrlimit(RLIMIT_NOFILE, &limit))
				return 12;
			until_open(fds);
			send(SIGTERM);
			if (!ended_by(other, SIGTERM))
				return 13;
			urctx_put(ctx);
			urctx_put(other);
			until_closed(fds);
			send(SIGTERM);
			return b.take() == SIGTERM ? 0 : 14;
		});

		INFO(end.said);
		CHECK_FALSE(end.late);
		CHECK(end.signal == 0);
		CHECK(end.code == 0);
	}
}

/* In a child of fork(), with @fds that are not the library's: 0, or what was wrong. */
static int in_the_child(blocked &b, struct urctx *inherited, size_t fds)
{
	struct urctx *own;

	if (descriptors() != fds || housekeepers())
		return 20;
	if (!is_live(inherited))
		return 21;
	own = b.context(inherited);
	send(SIGTERM);
	if (!ended_by(own, SIGTERM) || !ended_by(inherited, SIGTERM))
		return 22;
	until_open(fds);
	urctx_put(own);
	urctx_put(inherited);
	until_closed(fds);
	send(SIGTERM);
	return b.take() == SIGTERM ? 0 : 23;
}

TEST_CASE("signals: fork", "[signals]")
{
	blocked b({ SIGINT, SIGTERM });

	for (size_t i = 0, n = scaled(20); i < n; i++) {
		struct urctx *ctx = b.context();
		struct ending end;

		if (i % 2)
			until_open();
		end = in_child([&] { return in_the_child(b, ctx, fds_at_first + 1); });
		INFO(end.said);
		REQUIRE_FALSE(end.late);
		REQUIRE(end.signal == 0);
		REQUIRE(end.code == 0);
		REQUIRE(is_live(ctx));
		send(SIGINT);
		REQUIRE(ended_by(ctx, SIGINT));
		urctx_put(ctx);
		until_closed();
	}
}

TEST_CASE("signals: fork while other threads make contexts of them", "[signals]")
{
	std::atomic<bool> over{ false };
	blocked b({ SIGINT, SIGTERM });
	auto busy = [&] {
		while (!over)
			urctx_put(b.context());
	};
	{
		thread one(busy), two(busy);

		for (size_t i = 0, n = scaled(30); i < n; i++) {
			struct ending end = in_child([&] {
				struct urctx *ctx = b.context();

				send(SIGINT);
				if (!ended_by(ctx, SIGINT))
					return 30;
				urctx_put(ctx);
				return 0;
			});

			INFO(end.said);
			CHECK_FALSE(end.late);
			CHECK(end.signal == 0);
			CHECK(end.code == 0);
		}
		over = true;
	}
	until_released(b);
}

/* Contexts of random signals come and go while these keep arriving. */
TEST_CASE("signals: many threads, many signals", "[signals][storm]")
{
	const std::vector<int> numbers = { SIGINT, SIGTERM, SIGUSR1, SIGRTMIN + 1,
					   SIGRTMIN + 2 };
	blocked b({ SIGINT, SIGTERM, SIGUSR1, SIGRTMIN + 1, SIGRTMIN + 2 });
	std::atomic<int> left{ 3 };
	struct findings f;
	auto work = [&](unsigned seed) {
		for (size_t i = 0, n = scaled(2000); i < n; i++) {
			int nr = numbers[rand_r(&seed) % numbers.size()];
			struct urctx *ctx = rand_r(&seed) % 4 ? context_of(nr) :
								b.context();
			struct urctx *below = derive(ctx);
			counted cb;

			f.expect(cb.after(below) == 0, "after failed");
			if (rand_r(&seed) % 3 == 0) {
				send(nr);
				f.expect(urctx_wait(below, URCTX_NEVER) == 0, "not 0");
				f.expect(urctx_err(ctx) == -ECANCELED, "not ended");
				f.expect(urctx_cause(ctx)->code > 0, "no signal");
			}
			if (rand_r(&seed) % 2)
				urctx_put(ctx);
			else
				urctx_end(ctx);
			urctx_stop(&cb.cb);
			f.expect(cb.ran <= 1, "twice");
			urctx_put(below);
		}
		left--;
	};

	together({ [&] { work(1); }, [&] { work(2); }, [&] { work(3); }, [&] {
			  unsigned seed = 4;

			  while (left) {
				  send(numbers[rand_r(&seed) % numbers.size()]);
				  sched_yield();
			  }
		  } });
	REQUIRE_NOTHING_IN(f);
	until_released(b);
	while (b.take())
		;
	send(SIGINT);
	CHECK(is_pending(SIGINT));
}
