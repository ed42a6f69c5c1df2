/* SPDX-License-Identifier: MIT */
/* edges_told.cpp - who is told in which process, and who sleeps until he is */
#include "clock.hpp"
#include "still.hpp"
#include <catch2/catch.hpp>
#include <csignal>
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <urctx/watch.h>

/*
 * Each of them sleeps, whether they wait for the same child or not, and however many
 * have left before.
 */
TEST_CASE("G9: who waits for idle sleeps", "[edges][house][G9]")
{
	struct urctx *parent = derive(nullptr), *first = derive(parent);
	struct urctx *second = derive(parent);
	auto wait = [parent] { return urctx_wait_idle(parent, URCTX_NEVER); };
	{
		one_thread one(wait);

		CHECK(one.stands_still());
		urctx_put(first);
		CHECK(one.stands_still());
		/* where the first one was: it is found before the second */
		first = derive(parent);
		one_thread other(wait), third(wait);
		CHECK(other.stands_still());
		CHECK(third.stands_still());
		CHECK(one.stands_still());
		urctx_put(second);
		CHECK(one.stands_still());
		CHECK(other.stands_still());
		urctx_put(first);
		CHECK(one.join() == 0);
		CHECK(other.join() == 0);
		CHECK(third.join() == 0);
	}
	urctx_put(parent);
}

/* 509 are listed side by side: so many walk at once that others are behind those. */
TEST_CASE("six hundred threads that walk at once", "[edges]")
{
	size_t nr = scaled(600), rounds = 2;
	std::atomic<size_t> wrong{ 0 };

	while (rounds--) {
		std::atomic<size_t> there{ 0 };
		gate go;
		std::vector<std::unique_ptr<thread>> threads;	/* last: they use the others */

		for (size_t i = 0; i < nr; i++)
			threads.push_back(std::make_unique<thread>([&] {
				struct urctx *parent = derive(nullptr), *kid = derive(parent);

				urctx_cancel(parent);
				wrong += !urctx_done(kid);
				there++;
				go.wait();
				urctx_put(parent);
				parent = derive(kid);
				wrong += !urctx_done(parent);
				urctx_put(parent);
				urctx_put(kid);
			}, SMALL_STACK));
		while (there < nr)
			sched_yield();
		go.set();
		threads.clear();
		/* who retires a batch looks at all of them */
		for (int i = 0; i < 200; i++) {
			struct urctx *parent = derive(nullptr);

			urctx_put(derive(parent));
			urctx_put(parent);
		}
	}
	CHECK(wrong == 0);
}

/* That it has ended, by its timer's interrupt, or not. */
static bool says(int fd, bool ended)
{
	return ended ? will_be_readable(fd) : !readable(fd);
}

/* In the child of whoever made @fd of @ctx: it makes one of its own. */
static int own_fd(struct urctx *ctx, int fd, bool ended, bool zero)
{
	size_t before;

	if (zero)		/* the next that is made */
		close(0);
	before = open_fds();
	if (urctx_fd(ctx) != fd || urctx_fd(ctx) != fd)
		return 1;
	if (open_fds() != before)
		return 2;
	if (!says(fd, ended))
		return 3;
	urctx_cancel(ctx);
	if (!will_be_readable(fd))
		return 4;
	if (urctx_fd(ctx) != fd || !readable(fd))
		return 5;
	return 0;
}

/* What the child does is not to be seen here, nor the other way round. */
static int in_two_processes(bool at_zero, bool ended, bool zero)
{
	struct urctx *ctx = derive(nullptr);
	struct ending end;
	int fd;

	if (at_zero)
		close(0);
	fd = urctx_fd(ctx);
	if (fd < 0 || (at_zero && fd))
		return 11;
	if (ended)
		urctx_cancel(ctx);
	end = in_child([=] { return own_fd(ctx, fd, ended, zero); });
	if (end.signal || end.code)
		return end.signal ? 12 : end.code;
	if (!says(fd, ended))
		return 13;
	/* and one that does not ask for it */
	end = in_child([=] {
		urctx_cancel(ctx);
		return urctx_err(ctx) == -ECANCELED ? 0 : 14;
	});
	if (end.signal || end.code)
		return end.signal ? 15 : end.code;
	if (!says(fd, ended))
		return 16;
	urctx_cancel(ctx);
	if (!will_be_readable(fd))
		return 17;
	urctx_put(ctx);
	return 0;
}

TEST_CASE("a descriptor tells who asked for it, in his process", "[edges][fd]")
{
	for (bool at_zero : { false, true })
		for (bool ended : { false, true })
			for (bool zero : { false, true }) {
				struct ending end = in_child([=] {
					return in_two_processes(at_zero, ended,
								zero && !at_zero);
				});

				INFO(at_zero << ended << zero << end.said);
				CHECK(end.code == 0);
				CHECK(end.signal == 0);
			}
}

/* It is asleep until a signal comes; nothing here is retired, which would wake it. */
TEST_CASE("G9: memory goes back while signals are read", "[edges][G9]")
{
	if (TESTS_ASAN || TESTS_TSAN || TESTS_VALGRIND)
		return;
	struct ending end = in_child([] {
		const struct timespec moment = { 0, 5000000 };
		std::vector<struct urctx *> some(300000, nullptr);
		size_t base = resident_bytes(), most;
		struct urctx *sig = nullptr;
		sigset_t set;

		prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
		sigemptyset(&set);
		sigaddset(&set, SIGUSR1);
		sigprocmask(SIG_BLOCK, &set, nullptr);
		if (urctx_with_signals(nullptr, &set, &sig))
			return 1;
		for (struct urctx *&ctx : some)
			ctx = derive(nullptr);
		most = resident_bytes();
		for (struct urctx *ctx : some)
			urctx_put(ctx);
		for (int looks = 0; looks < 12000; looks++) {
			if (resident_bytes() < base + (most - base) / 2)
				return 0;
			nanosleep(&moment, nullptr);
		}
		return 2;
	});
	INFO(end.said);
	CHECK(end.code == 0);
	CHECK(end.signal == 0);
}
