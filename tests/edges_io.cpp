/* SPDX-License-Identifier: MIT */
/* edges_io.cpp - descriptor 0, and as many as fit */
#include "io.hpp"

#include "ring_cover_calls.hpp"
#include <malloc.h>
#include <poll.h>
#include <sys/wait.h>

/* Nothing else on the thread has a descriptor 0 to have. */
TEST_CASE("waitid closes its pidfd, were it 0", "[io][edges]")
{
	int spare = fcntl(0, F_DUPFD_CLOEXEC, 100), closed = 0;
	long ret = 1;
	ends e;

	REQUIRE(spare >= 0);
	pid_t pid = fork();
	REQUIRE(pid >= 0);
	if (!pid) {
		char c;

		_exit(read(e.fd[0], &c, 1) != 1);
	}
	thread([&] {
		refusal none("io_uring_queue_init", -EMFILE);
		refused_number wait(SYS_ppoll, 0, 1);
		context ctx;

		wait.is.is_done = true;
		wait.is.instead = [&] { e.put(); };
		close(0);
		ret = urctx_waitid(ctx, P_PID, (id_t)pid, nullptr, WEXITED);
		closed = fcntl(0, F_GETFD) < 0 && errno == EBADF;
		if (dup2(spare, 0))
			abort();
	}).join();
	close(spare);
	CHECK(ret == 0);
	CHECK(closed);
}

/* Sanitizers have a heap of their own, which this does not see. */
TEST_CASE("poll of as many as there is room for, and of one more", "[io][edges]")
{
	for (nfds_t nr : { 1, 15, 16, 17, 64 }) {
		struct pollfd fds[64];
		size_t before = 0;
		ends e;

		for (auto &fd : fds)
			fd = { e.fd[0], POLLIN, 0 };
		for (int i = 0; i < 400; i++) {
			context soon(100000);
			long ret = urctx_poll(soon, fds, nr);

			if (ret != -ETIME)
				REQUIRE(ret == -ETIME);
			if (i == 100)
				before = mallinfo2().uordblks;
		}
		CHECK(mallinfo2().uordblks < before + 300 * 64);
		context live;
		refused_number wait(SYS_ppoll, 0, 1, 1);

		wait.is.is_done = true;
		wait.is.instead = [&] { e.put(); };
		CHECK(urctx_poll(live, fds, nr) == (long)nr);
		CHECK(fds[nr - 1].revents == POLLIN);
	}
}

/* Older kernels know fewer of the flags: it is asked for with fewer. */
TEST_CASE("a thread's ring is asked for with one flag after another", "[io][edges]")
{
	struct sockaddr_un any = {};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unsigned met = 0;
	long ret = 0;

	any.sun_family = AF_UNIX;
	REQUIRE(fd >= 0);
	REQUIRE(bind(fd, (struct sockaddr *)&any, sizeof(sa_family_t)) == 0);
	REQUIRE(listen(fd, 1) == 0);
	thread([&] {
		refusal none("io_uring_queue_init", -EINVAL, 2);
		refusal by_ring("io_uring_submit_and_wait_timeout", 0, 1);
		refused_number by_poll(SYS_ppoll, 0, 1);
		context ctx;

		/* it ends when this thread waits, whatever it waits by */
		by_ring.is_done = by_poll.is.is_done = true;
		by_ring.instead = by_poll.is.instead = [&] { urctx_cancel(ctx); };
		ret = urctx_accept(ctx, fd, nullptr, nullptr, 0);
		met = none.met;
	}).join();
	close(fd);
	CHECK(ret == -ECANCELED);
	/* where it is forbidden, who has asked once knows */
	CHECK((has_uring() ? met == 2 : met <= 2));
}
