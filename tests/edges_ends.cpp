/* SPDX-License-Identifier: MIT */
/* edges_ends.cpp - how much is moved, and what a call and a thread leave as it was */
#include "io.hpp"

#include "ring_cover_calls.hpp"
#include <fstream>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>

namespace
{
/* A file of no name, of so many bytes. */
struct nameless {
	explicit nameless(size_t size) : fd(memfd_create("nameless", MFD_CLOEXEC))
	{
		std::string text(size, 'x');

		if (fd < 0 || write(fd, text.data(), size) != (ssize_t)size)
			abort();
	}
	nameless(const nameless &) = delete;
	~nameless()
	{
		close(fd);
	}

	int fd;
};

struct without_ring {
	refusal none{ "io_uring_queue_init", -EMFILE };
};

/* On a thread whose ring is its own, and on one that has none: what was wrong. */
std::string with_and_without(const std::function<void(struct findings &)> &fn)
{
	struct findings f;

	thread([&] { fn(f); }).join();
	thread([&] {
		without_ring here;

		fn(f);
	}).join();
	return f.text();
}
}

TEST_CASE("splice moves what was asked for, and its offsets by so much", "[io][edges]")
{
	CHECK(with_and_without([](struct findings &f) {
		context live;
		ends pipe, to, sockets(SOCK_STREAM);
		nameless file(16);
		off_t at = 0;

		pipe.put(8);
		f.expect(urctx_splice(live, pipe.fd[0], nullptr, file.fd, &at, 1, 0) == 1,
			 "a byte to a file");
		f.expect(at == 1, "and its offset");
		at = 0;
		f.expect(urctx_splice(live, file.fd, &at, to.fd[1], nullptr, 1, 0) == 1,
			 "a byte of a file");
		f.expect(at == 1, "and that one's");
		f.expect(urctx_splice(live, pipe.fd[0], nullptr, to.fd[1], nullptr, 1, 0) == 1,
			 "a byte of eight");
		f.expect(urctx_splice(live, pipe.fd[0], nullptr, sockets.fd[1], nullptr, 2, 0) ==
				 2,
			 "two to a socket");
		f.expect(pipe.drain() == 4, "four are left");
		f.expect(sockets.drain() == 2, "two have come");
		f.expect(to.drain() == 2, "and two there");
	}) == "");
}

/* Each has to wait, or cannot say that it need not. */
TEST_CASE("a call leaves errno and whether it can be cancelled as they were", "[io][edges]")
{
	CHECK(with_and_without([](struct findings &f) {
		struct sockaddr_un name = {};
		int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		nameless file(16);
		context live, soon(MSEC);
		socklen_t len = sizeof(sa_family_t);
		pid_t pid = fork();
		ends e, full;
		char c;

		if (!pid)
			_exit(0);
		name.sun_family = AF_UNIX;
		/* a name of the system's choice */
		if (bind(listener, (struct sockaddr *)&name, len) || listen(listener, 1))
			abort();
		len = sizeof(name);
		if (getsockname(listener, (struct sockaddr *)&name, &len))
			abort();
		full.fill();
		std::function<long()> calls[] = {
			[&] { return urctx_fsync(live, file.fd); },
			[&] { return urctx_openat(live, AT_FDCWD, "/dev/null", O_RDONLY, 0); },
			[&] {
				int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
				int ret = urctx_connect(live, s, (struct sockaddr *)&name, len);

				close(s);
				return ret;
			},
			[&] { return urctx_accept(live, listener, nullptr, nullptr, 0); },
			[&] { return urctx_accept(soon, listener, nullptr, nullptr, 0); },
			[&] { return urctx_waitid(live, P_PID, (id_t)pid, nullptr, WEXITED); },
			[&] { return urctx_read(context(MSEC), e.fd[0], &c, 1); },
			[&] { return urctx_write(context(MSEC), full.fd[1], &c, 1); },
			[&] {
				return urctx_splice(context(MSEC), e.fd[0], nullptr, full.fd[1],
						    nullptr, 1, 0);
			},
		};
		for (auto &call : calls) {
			int state = -1;

			errno = EPROTO;
			long ret = call();
			f.expect(errno == EPROTO, "errno");
			pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
			f.expect(state == PTHREAD_CANCEL_ENABLE, "a thread that is not cancelled");
			if (ret > 2)
				close((int)ret);
		}
		close(listener);
	}) == "");
}

/* A thread that has descriptor 0 to wake it closes that, as it would another. */
TEST_CASE("what wakes a thread may be descriptor 0", "[io][edges]")
{
	int spare = fcntl(0, F_DUPFD_CLOEXEC, 100), was = -1, next = -1;
	ends e;

	REQUIRE(spare >= 0);
	close(0);
	thread([&] {
		without_ring here;
		context waited(10 * SEC);
		char c;

		/* over as soon as there is what wakes, not a moment earlier */
		thread canceller([&] {
			while (fcntl(0, F_GETFD) < 0 && !urctx_err(waited))
				sched_yield();
			urctx_cancel(waited);
		});
		if (urctx_read(waited, e.fd[0], &c, 1) != -ECANCELED)
			abort();
		canceller.join();
		next = dup(spare);
		close(next);
		for (int i = 0; i < 2; i++)
			if (urctx_read(context(MSEC), e.fd[0], &c, 1) != -ETIME)
				abort();
		was = fcntl(0, F_GETFD);
		int now = dup(spare);
		/* nothing more was opened between */
		if (now != next)
			abort();
		close(now);
	}).join();
	bool closed = fcntl(0, F_GETFD) < 0;
	dup2(spare, 0);
	close(spare);
	CHECK(was >= 0);
	CHECK(closed);
}

namespace
{
size_t addresses()
{
	size_t pages = 0;

	std::ifstream("/proc/self/statm") >> pages;
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}
}

/* Sanitizers keep what is freed. */
TEST_CASE("threads that waited leave no memory behind", "[io][edges]")
{
	const size_t nr = 600;
	size_t before = 0;
	ends e;

	if (TESTS_ASAN || TESTS_TSAN || TESTS_VALGRIND)
		return;
	for (size_t i = 0; i < nr; i++) {
		if (i == nr / 3)
			before = addresses();
		thread([&] {
			without_ring here;
			char c;

			if (urctx_read(context(10000), e.fd[0], &c, 1) != -ETIME)
				abort();
		}).join();
	}
	CHECK(addresses() < before + nr / 3 * 4096);
}
