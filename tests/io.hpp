/* SPDX-License-Identifier: MIT */
/*
 * io.hpp - a call that waits on a thread of its own, and what it came back with
 *
 * The tests of <urctx/io.h> run with io_uring and, started again by io_launch.cpp,
 * without: what then cannot be aborted is not tried.
 */
#ifndef URCTX_TESTS_IO_HPP
#define URCTX_TESTS_IO_HPP

#include <urctx/io.h>

#include "support.hpp"
#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

constexpr int64_t MSEC = 1000000;
constexpr int64_t SEC = 1000 * MSEC;

/* False: URCTX_NO_URING, or the system refuses it. */
bool has_uring();

/* Two ends, closed when they go out of scope, or before. */
struct ends {
	explicit ends(int kind = 0)
	{
		if (kind ? socketpair(AF_UNIX, kind | SOCK_CLOEXEC, 0, fd) :
			   pipe2(fd, O_CLOEXEC)) {
			perror("tests: no pipe");
			abort();
		}
	}
	ends(const ends &) = delete;
	~ends()
	{
		shut(0);
		shut(1);
	}
	void shut(int n)
	{
		if (fd[n] >= 0)
			close(fd[n]);
		fd[n] = -1;
	}
	void put(size_t n = 1) const
	{
		if (::write(fd[1], "0123456789abcdef", n) != (ssize_t)n)
			abort();
	}
	/* Nothing more goes in until somebody reads. */
	size_t fill() const
	{
		char page[4096] = {};
		int flags = fcntl(fd[1], F_GETFL);
		size_t sum = 0;
		ssize_t n;

		fcntl(fd[1], F_SETFL, flags | O_NONBLOCK);
		for (size_t len = sizeof(page); len; len /= 2)
			while ((n = ::write(fd[1], page, len)) > 0)
				sum += (size_t)n;
		fcntl(fd[1], F_SETFL, flags);
		return sum;
	}
	/* Until it would wait. */
	size_t drain() const
	{
		char page[4096];
		int flags = fcntl(fd[0], F_GETFL);
		size_t sum = 0;
		ssize_t n;

		fcntl(fd[0], F_SETFL, flags | O_NONBLOCK);
		while ((n = ::read(fd[0], page, sizeof(page))) > 0)
			sum += (size_t)n;
		fcntl(fd[0], F_SETFL, flags);
		return sum;
	}

	int fd[2];
};

/* A context that the test owns; with a timeout, in nanoseconds from now. */
struct context {
	explicit context(int64_t timeout = URCTX_NEVER)
	{
		if (urctx_with_timeout(nullptr, timeout, &c))
			abort();
	}
	context(const context &) = delete;
	~context()
	{
		urctx_put(c);
	}
	operator struct urctx *() const
	{
		return c;
	}

	struct urctx *c = nullptr;
};

/* @call on a thread of its own.  Join it before you look at what it returned. */
class caller
{
public:
	explicit caller(std::function<long()> call);
	caller(const caller &) = delete;
	~caller()
	{
		join();
	}
	/* Returns when it sleeps in a system call, or is over. */
	void asleep();
	/* And it has not run for a moment.  False: it naps between two looks, or is over. */
	bool stands_still();
	long join()
	{
		if (t) {
			t->join();
			t.reset();
		}
		return ret;
	}
	pthread_t handle() const
	{
		return t->id;
	}
	bool over() const
	{
		return done.load();
	}

private:
	long ret = 0;
	std::atomic<int> tid{ 0 };
	std::atomic<bool> done{ false };
	std::unique_ptr<thread> t;
};


/* Until thread @tid sleeps in a system call, or @over says so. */
void until_asleep(int tid, const std::function<bool()> &over);

/* Whatever came, errno is what it was. */
template <typename F> long quietly(F call)
{
	errno = 4711;
	long ret = call();
	int after = errno;

	errno = 0;
	if (after != 4711) {
		fprintf(stderr, "tests: errno was written: %d\n", after);
		abort();
	}
	return ret;
}

/* A socket that listens, under a name of the system's choice. */
struct listener {
	explicit listener(int backlog = 128)
	{
		addr.sun_family = AF_UNIX;
		if (bind(fd, (struct sockaddr *)&addr, sizeof(sa_family_t)) ||
		    getsockname(fd, (struct sockaddr *)&addr, &len) ||
		    listen(fd, backlog))
			abort();
	}
	listener(const listener &) = delete;
	~listener()
	{
		close(fd);
	}
	int connects(int flags = 0) const
	{
		int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

		if (connect(s, (const struct sockaddr *)&addr, len)) {
			close(s);
			return -1;
		}
		return s;
	}

	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr = {};
	socklen_t len = sizeof(addr);
};

#endif
