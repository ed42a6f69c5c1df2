/* SPDX-License-Identifier: MIT */
/* edges_signals.cpp - signals and errno, looked at from below */
#include "edges_below.hpp"
#include <catch2/catch.hpp>
#include <dirent.h>
#include <malloc.h>
#include <sys/resource.h>
#include <urctx/sync.h>
#include <urctx/watch.h>

#if !TESTS_TSAN
namespace
{
/* The library's thread, or 0. */
int housekeeper()
{
	std::vector<std::string> tids;
	DIR *tasks = opendir("/proc/self/task");

	if (!tasks)
		return 0;
	while (const struct dirent *entry = readdir(tasks))
		tids.emplace_back(entry->d_name);
	closedir(tasks);	/* one descriptor at a time: there may be no more */
	for (const auto &tid : tids) {
		std::string name;

		std::getline(std::ifstream("/proc/self/task/" + tid + "/comm"), name);
		if (name == "urctx")
			return std::stoi(tid);
	}
	return 0;
}

/* As one_thread. */
bool thread_sleeps(int tid)
{
	std::string task = "/proc/self/task/" + std::to_string(tid) + "/", state;

	for (int looks = 0; looks < 500; looks++) {
		const struct timespec look = { 0, 20000000 };
		uint64_t before = 0, now = 1;

		std::ifstream(task + "schedstat") >> before;
		nanosleep(&look, nullptr);
		std::ifstream(task + "schedstat") >> now;
		std::getline(std::ifstream(task + "stat"), state);
		if (before == now && state.find(") S ") != state.npos)
			return true;
	}
	return false;
}
}

TEST_CASE("whatever a system call does to errno, it is as it was", "[edges][errno]")
{
	PASSES([] {
		blocked b({ SIGUSR1, SIGUSR2, SIGHUP });
		struct urctx *ctx, *one = nullptr, *two = nullptr, *late = nullptr;
		struct urctx_group g;
		int ret = 0, fd;

		/* liburcu has a thread's first section for itself */
		ctx = derive(nullptr);
		me.scribbles = true;
		errno = EPROTO;
		joinable = 0;
		refused_threads = 1;
		one = context_of(SIGUSR1);
		SHOULD(errno == EPROTO);
		SHOULD(refused_threads == 0);
		SHOULD(joinable == 0);
		SHOULD(becomes([] { return opened == 1; }));
		errno = EPROTO;
		two = context_of(SIGUSR2);
		SHOULD(errno == EPROTO);
		for (rings = 0; !rings;) {
			urctx_put(context_of(SIGHUP));
			SHOULD(errno == EPROTO);
			sched_yield();
		}
		urctx_put(two);
		SHOULD(errno == EPROTO);
		SHOULD(urctx_with_timeout(nullptr, 3600 * SEC, &late) == 0);
		fd = urctx_fd(late);
		SHOULD(fd >= 0);
		SHOULD(errno == EPROTO);
		urctx_cancel(late);
		SHOULD(errno == EPROTO);
		SHOULD(urctx_group_init(&g, ctx, 0, nullptr) == 0);
		for (int i = 0; i < 3; i++)
			ret |= urctx_group_go(&g, [](struct urctx *, void *) { return 0; },
					      nullptr);
		SHOULD(ret == 0);
		SHOULD(errno == EPROTO);
		SHOULD(urctx_group_wait(&g) == 0);
		SHOULD(errno == EPROTO);
		pid_t pid = fork();
		SHOULD(errno == EPROTO);
		if (!pid)
			_exit(0);
		me.scribbles = false;
		SHOULD(waited_for(pid) == 0);
		for (struct urctx *some : { ctx, one, late })
			urctx_put(some);
		return 0;
	});
}

/* Who asks without the lock takes another's away, too. */
TEST_CASE("signals: what is read is changed and read by one at a time", "[edges][signals]")
{
	PASSES([] {
		blocked b({ SIGUSR1, SIGUSR2, SIGHUP });
		struct urctx *first = context_of(SIGUSR1);

		SHOULD(becomes([] { return opened == 1; }));
		struct urctx *other = context_of(SIGUSR2);
		struct {
			const char *what;
			std::function<int()> call;
		} const calls[] = {
			{ "makes", [] { return urctx_put(context_of(SIGHUP)), 0; } },
			{ "puts", [&] { return urctx_put(other), 0; } },
			{ "forks", [] {
				pid_t pid = fork();

				if (!pid)
					_exit(0);
				return waited_for(pid);
			} },
			{ "reads", [] { return urctx_put(context_of(SIGHUP)), 0; } },
		};
		std::function<int()> made = [] { return urctx_put(context_of(SIGHUP)), 0; };
		struct urctx *to_put = context_of(SIGUSR2);
		std::function<int()> put = [&] { return urctx_put(to_put), 0; };
		bool puts = false;

		for (const auto &c : calls) {
			gate inside, go_on;
			std::function<void()> stop = [&] {
				me.reading = nullptr;
				inside.set();
				go_on.wait();
			};
			one_thread a([&] {
				me.reading = &stop;
				return (puts ? put : made)();
			});
			inside.wait();
			if (c.what[0] == 'r')
				send(SIGUSR1);
			one_thread x(c.call);
			SHOULD(x.stands_still());
			go_on.set();
			SHOULD(x.join() == 0);
			SHOULD(a.join() == 0);
		}
		SHOULD(ended_by(first, SIGUSR1));
		/* the last of its signal is put, and another comes */
		puts = true;
		{
			gate inside, go_on;
			std::function<void()> stop = [&] {
				me.reading = nullptr;
				inside.set();
				go_on.wait();
			};
			one_thread a([&] {
				me.reading = &stop;
				return put();
			});
			inside.wait();
			one_thread x(made);
			SHOULD(x.stands_still());
			go_on.set();
			SHOULD(x.join() == 0);
			SHOULD(a.join() == 0);
		}
		/* and while one is read */
		gate in, on;

		reader_is_in = &in;
		reader_goes_on = &on;
		stop_reader = true;
		send(SIGUSR1);
		in.wait();
		one_thread x(made);
		SHOULD(x.stands_still());
		on.set();
		SHOULD(x.join() == 0);
		urctx_put(first);
		return 0;
	});
}

/* A process that has closed it has 0 as any other number. */
TEST_CASE("signals: descriptor 0 is opened, inherited and closed as any", "[edges][signals]")
{
	PASSES([] {
		blocked b({ SIGUSR1, SIGUSR2 });
		struct urctx *soon = nullptr, *one, *two;
		counted cb;
		pid_t pid;
		int nr;

		/* what the library's thread has in errno is a callback's */
		cb.also = [] { errno = EPROTO; };
		SHOULD(urctx_with_timeout(nullptr, 1000000, &soon) == 0);
		SHOULD(cb.after(soon) == 0);
		SHOULD(becomes([&] { return cb.ran == 1; }));
		urctx_put(soon);
		close(0);
		nr = open_ones();
		one = context_of(SIGUSR1);
		SHOULD(becomes([] { return is_open(0); }));
		SHOULD(becomes([=] { return open_ones() == nr + 2; }));
		pid = fork();
		if (!pid) {
			if (is_open(0))
				_exit(1);
			/* that wants somebody to keep the time */
			if (urctx_with_timeout(nullptr, 3600 * SEC, &soon) || cb.after(soon))
				_exit(3);
			send(SIGUSR1);
			if (urctx_wait(one, urctx_now() + 20 * SEC))
				_exit(2);
			_exit(0);
		}
		SHOULD(waited_for(pid) == 0);
		two = context_of(SIGUSR2);
		send(SIGUSR2);
		SHOULD(urctx_wait(two, urctx_now() + 60 * SEC) == 0);
		SHOULD(urctx_err(one) == 0);
		SHOULD(open_ones() == nr + 2);
		send(SIGUSR1);
		SHOULD(urctx_wait(one, urctx_now() + 60 * SEC) == 0);
		SHOULD(opened == 1);
		urctx_put(one);
		urctx_put(two);
		SHOULD(becomes([] { return !is_open(0); }));
		SHOULD(becomes([=] { return open_ones() == nr; }));
		return 0;
	});
}

TEST_CASE("signals: descriptor 0 is a bell, too", "[edges][signals]")
{
	PASSES([] {
		blocked b({ SIGUSR1 });
		int nr = open_ones();
		struct urctx *one, *soon = nullptr;
		counted cb;

		close_0 = true;
		one = context_of(SIGUSR1);
		SHOULD(becomes([] { return opened > 0 && !close_0 && is_open(0); }));
		for (int i = 0; i < 3; i++) {
			SHOULD(urctx_with_timeout(nullptr, 20000000, &soon) == 0);
			SHOULD(cb.after(soon) == 0);
			SHOULD(becomes([&] { return cb.ran == i + 1; }));
			urctx_put(soon);
		}
		SHOULD(opened == 1);
		SHOULD(thread_sleeps(housekeeper()));
		send(SIGUSR1);
		SHOULD(ended_by(one, SIGUSR1));
		urctx_put(one);
		SHOULD(becomes([] { return !is_open(0); }));
		SHOULD(open_ones() == nr - 1);
		return 0;
	});
}

TEST_CASE("signals: who reads them sleeps, with descriptors and without", "[edges][signals]")
{
	for (bool has : { true, false })
		PASSES([=] {
			int spare = dup(0);
			blocked b({ SIGUSR1 });
			struct rlimit limit;
			struct urctx *ctx;
			int keeps = 0;

			getrlimit(RLIMIT_NOFILE, &limit);
			close(spare);
			if (!has)	/* for one of the two, or to look at /proc */
				limit.rlim_cur = (rlim_t)spare + 1;
			SHOULD(setrlimit(RLIMIT_NOFILE, &limit) == 0);
			ctx = b.context();
			/* he may have that one while we look: he stays, once seen */
			SHOULD(becomes([&] { return opened > 0 && (keeps = housekeeper()); }));
			SHOULD(thread_sleeps(keeps));
			send(SIGUSR1);
			SHOULD(ended_by(ctx, SIGUSR1));
			SHOULD(thread_sleeps(keeps));
			urctx_put(ctx);
			return 0;
		});
}

TEST_CASE("signals: what was sent before the last put is all taken", "[edges][signals]")
{
	blocked b({ SIGHUP, SIGTERM, SIGUSR1 });
	size_t left = 0;

	for (size_t i = 0, n = scaled(500); i < n; i++) {
		struct urctx *ctx = b.context();

		for (int nr : { SIGHUP, SIGTERM, SIGUSR1 })
			send(nr);
		urctx_put(ctx);
		while (b.take())
			left++;
	}
	CHECK(left == 0);
}

/* Sanitizers and valgrind have heaps of their own, which this does not see. */
TEST_CASE("signals: a context leaves no memory behind", "[edges][signals]")
{
	blocked b({ SIGUSR1, SIGUSR2 });
	struct urctx *stays = context_of(SIGUSR1);
	size_t before = 0, n = scaled(20000);

	for (size_t i = 0; i < n; i++) {
		if (i == n / 10)
			before = mallinfo2().uordblks;
		urctx_put(b.context());
	}
	CHECK(mallinfo2().uordblks < before + n * 32 + 65536);
	urctx_put(stays);
}

TEST_CASE("errno, and what signals are blocked, outlast a thread's first use", "[edges][errno]")
{
	PASSES([] {
		struct urctx *ctx = derive(nullptr), *below = derive(ctx);
		counted cb;
		SHOULD(cb.after(below) == 0);
		one_thread first([=] {
			sigset_t mine, now;

			sigemptyset(&mine);
			sigaddset(&mine, SIGUSR2);
			pthread_sigmask(SIG_SETMASK, &mine, nullptr);
			me.scribbles = true;
			errno = EPROTO;
			urctx_cancel(ctx);
			int err = errno;
			me.scribbles = false;
			pthread_sigmask(SIG_SETMASK, nullptr, &now);
			SHOULD(err == EPROTO);
			for (int sig : { SIGHUP, SIGUSR1, SIGUSR2, SIGALRM, SIGTERM, SIGRTMAX })
				SHOULD(sigismember(&now, sig) == (sig == SIGUSR2));
			return 0;
		});
		SHOULD(first.join() == 0);
		urctx_put(below);
		urctx_put(ctx);
		return 0;
	});
}
#endif
