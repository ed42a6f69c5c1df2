/* SPDX-License-Identifier: MIT */
/* kinds_waits.cpp - ops that wait for something else than bytes */
#include "kinds.hpp"

#include <climits>
#include <linux/futex.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void poll_once(stage &s)
{
	int fd[2];

	s.pipe(fd);
	struct io_uring_sqe *sqe = s.sqe();
	io_uring_prep_poll_add(sqe, fd[0], POLLIN);
	s.bind(sqe);
}

static void feed(stage &s)
{
	s.put(s.out, 3);
}

static void poll_multishot(stage &s)
{
	int fd[2];

	s.pipe(fd);
	struct io_uring_sqe *sqe = s.sqe();
	io_uring_prep_poll_multishot(sqe, fd[0], POLLIN);
	s.bind(sqe);
}

static void feed_twice(stage &s)
{
	for (size_t n = 1; n <= 2; n++) {
		s.put(s.out, 3);
		s.until([&] { return s.op[0].cqes.size() >= n; });
	}
	s.expect(s.op[0].cqes.size() == 2 && !s.op[0].ended, "two shots");
}

static void readable(stage &s, const struct urctx_op &op)
{
	s.expect(op.res & POLLIN, "readable");
}

static void timeout(stage &s)
{
	s.ts = { 1000, 0 };
	struct io_uring_sqe *sqe = s.sqe();
	io_uring_prep_timeout(sqe, &s.ts, 0, 0);
	s.bind(sqe);
}

/* It comes to an end by itself. */
static void timeout_short(stage &s)
{
	s.ts = { 0, 1000000 };
	struct io_uring_sqe *sqe = s.sqe();
	io_uring_prep_timeout(sqe, &s.ts, 0, 0);
	s.bind(sqe);
}

/* A child that ends when the pipe is closed. */
static void wait_for_child(stage &s)
{
	int fd[2];

	s.pipe(fd);
	s.child = fork();
	if (!s.child) {
		char c;

		close(fd[1]);
		while (read(fd[0], &c, 1) < 0 && errno == EINTR)
			;
		_exit(0);
	}
	REQUIRE(s.child > 0);
	struct io_uring_sqe *sqe = s.sqe();
	io_uring_prep_rw(OP_WAITID, sqe, s.child, nullptr, P_PID, (uintptr_t)s.pool);
	sqe->file_index = WEXITED | WNOWAIT;
	s.bind(sqe);
}

static void let_child_go(stage &s)
{
	close(s.out);
	s.fds.pop_back();
}

static void wait_for_futex(stage &s)
{
	struct io_uring_sqe *sqe = s.sqe();

	/* an int of this process: FUTEX2_SIZE_U32 | FUTEX2_PRIVATE */
	io_uring_prep_rw(OP_FUTEX_WAIT, sqe, 2 | 128, &s.word, 0, 0);
	sqe->addr3 = UINT_MAX;
	s.bind(sqe);
}

static void wake_futex(stage &s)
{
	int64_t end = urctx_now() + PATIENCE;

	/* a thread of the kernel may not have come to it yet */
	while (syscall(SYS_futex, &s.word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0) != 1)
		if (urctx_now() >= end) {
			s.expect(false, "nobody waits on the futex");
			return;
		}
}

std::vector<kind> kinds_of_waits()
{
	return {
		{ "poll", IORING_OP_POLL_ADD, BYTES, POLLIN, poll_once, feed,
		  nullptr, readable },
		{ "poll multishot", IORING_OP_POLL_ADD, BYTES, 0, poll_multishot, nullptr,
		  feed_twice, readable },
		{ "timeout", IORING_OP_TIMEOUT, 0, 0, timeout, nullptr, nullptr, nullptr },
		{ "timeout, a short one", IORING_OP_TIMEOUT, READY, -ETIME, timeout_short,
		  nullptr, nullptr, nullptr },
		{ "waitid", OP_WAITID, 0, 0, wait_for_child, let_child_go, nullptr,
		  nullptr },
		{ "futex wait", OP_FUTEX_WAIT, 0, 0, wait_for_futex, wake_futex, nullptr,
		  nullptr },
	};
}
