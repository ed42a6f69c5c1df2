/* SPDX-License-Identifier: MIT */
/*
 * edges_below.hpp - what the library calls, met in between
 *
 * Some of it goes through edges_below.cpp: so a thread can be met between two of its
 * instructions, and what the system leaves in errno is known.  A sanitizer for threads
 * says by itself that a mutex is let go of that is not held, and has these calls: there
 * is nothing of this with it.
 */
#ifndef URCTX_TESTS_EDGES_BELOW_HPP
#define URCTX_TESTS_EDGES_BELOW_HPP

#include "clock.hpp"
#include "signals.hpp"
#include "still.hpp"
#include <fcntl.h>
#include <sys/wait.h>

using mutex = pthread_mutex_t;

/* Once, on the thread that asked for it. */
struct once {
	std::function<void(mutex *)> fn;

	void operator()(mutex *m)
	{
		auto run = std::move(fn);

		fn = nullptr;
		if (run)
			run(m);
	}
};

struct here {
	mutex *held[16];
	size_t nr;
	bool scribbles;			/* whatever is called leaves EXDEV in errno */
	once *lock, *locked, *unlocked, *timed;	/* before the first, behind the others */
	std::function<void(mutex *)> *asks;	/* before it waits until a time */
	std::function<void()> *knows;	/* in a pthread_setspecific(3) */
	std::function<void()> *older;	/* before fork(), a hook older than the library */
	std::function<void()> *reading;	/* in a signalfd(2) that changes what is read */
	std::function<void()> *timerfd;	/* in a timerfd_create(2) */
	std::function<void()> *settime;	/* in a timerfd_settime(2) */
	std::function<void()> *read_clock;	/* behind a clock_gettime(2) */
	int64_t until[2];		/* of mutexes that are waited for until a time */
	mutex *waited[2];
	size_t waits;
};

extern __thread struct here me;
extern std::atomic<size_t> not_held;		/* and let go of */
extern std::atomic<size_t> opened, joinable, rings;
extern std::atomic<int> refused_threads;	/* so many are EINVAL first */
extern std::atomic<bool> close_0, stop_reader;
extern gate *reader_is_in, *reader_goes_on;

inline bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

inline int open_ones()
{
	int nr = 0;

	for (int fd = 0; fd < 64; fd++)
		nr += is_open(fd);
	return nr;
}

inline int waited_for(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

/* Of a child that may hang with all signals blocked, as liburcu has them. */
inline int ended(pid_t pid)
{
	int status = -1;

	if (becomes([&] { return waitpid(pid, &status, WNOHANG) == pid; }))
		return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
	kill(pid, SIGKILL);
	return waited_for(pid);
}

inline pid_t forked(const std::function<int()> &fn)
{
	pid_t pid = fork();

	if (!pid)
		_exit(fn());
	return pid;
}

#define PASSES(...)                                                            \
	do {                                                                   \
		struct ending end = in_child(__VA_ARGS__);                     \
                                                                               \
		INFO(end.said);                                                \
		CHECK_FALSE(end.late);                                         \
		CHECK(end.signal == 0);                                        \
		CHECK(end.code == 0);                                          \
	} while (0)

/* Any error is a number of the line where it was seen. */
#define SHOULD(expr)                                                           \
	do {                                                                   \
		if (!(expr)) {                                                 \
			fprintf(stderr, "%d: %s, errno %d\n", __LINE__, #expr, errno); \
			return 1;                                              \
		}                                                              \
	} while (0)

#endif
