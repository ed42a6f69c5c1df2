/* SPDX-License-Identifier: MIT */
/* io_cover.cpp - sizes, kinds of file and of call that are seldom */
#include "io.hpp"

#include <algorithm>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/wait.h>

TEST_CASE("more than one system call moves", "[io][unwatched]")
{
	const size_t huge = std::min<uint64_t>(SIZE_MAX / 2, (uint64_t)1 << 40);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	std::vector<char> buf(64);
	ends e;
	context live;

	/* or a page, where a device cannot be tried and there is no ring */
	long n = urctx_write(live, null, buf.data(), huge);
	CHECK((n == 0x7ffff000 || n == 4096));
	n = urctx_pwrite(live, null, buf.data(), huge, 0);
	CHECK((n == 0x7ffff000 || n == 4096));
	CHECK(urctx_read(live, null, buf.data(), huge) == 0);
	e.put(3);
	CHECK(urctx_read(live, e.fd[0], buf.data(), huge) == 3);
	CHECK(!memcmp(buf.data(), "012", 3));
	close(null);
}

TEST_CASE("nothing is moved to everybody", "[io]")
{
	FILE *f = tmpfile();
	int fd = fileno(f);
	char c;
	ends e, s(SOCK_STREAM);
	context live;
	struct iovec none = { &c, 0 };

	for (int to : { fd, e.fd[1], s.fd[0] })
		CHECK(urctx_write(live, to, &c, 0) == 0);
	for (int from : { fd, s.fd[0] })
		CHECK(urctx_readv(live, from, &none, 1) == 0);
	CHECK(urctx_pread(live, fd, &c, 0, 0) == 0);
	CHECK(urctx_pwrite(live, fd, &c, 0, 0) == 0);
	CHECK(urctx_pwrite(live, -1, &c, 0, 0) == -EBADF);
	CHECK(urctx_readv(live, -1, &none, 1) == -EBADF);
	CHECK(urctx_writev(live, -1, &none, 1) == -EBADF);
	CHECK(urctx_pwrite(nullptr, fd, "x", 1, 0) == 1);
	CHECK(urctx_pread(nullptr, fd, &c, 1, 0) == 1);
	CHECK(c == 'x');
	CHECK(urctx_fsync(nullptr, fd) == 0);
	CHECK(urctx_fsync(nullptr, -1) == -EBADF);
	urctx_cancel(live);
	CHECK(urctx_readv(live, fd, &none, 1) == -ECANCELED);
	CHECK(urctx_writev(live, fd, &none, 1) == -ECANCELED);
	CHECK(urctx_fsync(live, fd) == -ECANCELED);
	fclose(f);
}

/* What has no size is not asked for more. */
TEST_CASE("a file of /proc", "[io]")
{
	char buf[4096], as_read[4096];
	int fd = open("/proc/sys/kernel/ostype", O_RDONLY | O_CLOEXEC);
	context live;
	ssize_t n = pread(fd, as_read, sizeof(as_read), 0);

	REQUIRE(n > 0);
	CHECK(urctx_read(live, fd, buf, sizeof(buf)) == n);
	CHECK(!memcmp(buf, as_read, (size_t)n));
	CHECK(urctx_pread(live, fd, buf, sizeof(buf), 0) == n);
	close(fd);
}

TEST_CASE("MSG_WAITALL of datagrams, and in front of control data", "[io]")
{
	char buf[16];
	ends d(SOCK_DGRAM), s(SOCK_STREAM);
	context live;

	d.put(3);
	CHECK(urctx_recv(live, d.fd[0], buf, 9, MSG_WAITALL) == 3);

	alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {},
		told[CMSG_SPACE(sizeof(int))] = {};
	struct iovec some = { (void *)"345", 3 }, all = { buf, 9 };
	struct msghdr with = {}, msg = {};
	with.msg_iov = &some;
	with.msg_iovlen = 1;
	with.msg_control = control;
	with.msg_controllen = sizeof(control);
	struct cmsghdr *c = CMSG_FIRSTHDR(&with);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &d.fd[0], sizeof(int));
	msg.msg_iov = &all;
	msg.msg_iovlen = 1;
	msg.msg_control = told;
	msg.msg_controllen = sizeof(told);
	s.put(3);
	caller t([&] {
		return urctx_recvmsg(live, s.fd[0], &msg, MSG_WAITALL | MSG_CMSG_CLOEXEC);
	});
	t.asleep();
	REQUIRE(sendmsg(s.fd[1], &with, 0) == 3);
	CHECK(t.join() == 6);
	CHECK(!memcmp(buf, "012345", 6));
	REQUIRE(msg.msg_controllen >= CMSG_LEN(sizeof(int)));
	int got;
	memcpy(&got, CMSG_DATA((struct cmsghdr *)told), sizeof(int));
	CHECK(fcntl(got, F_GETFD) == FD_CLOEXEC);
	close(got);
}

TEST_CASE("waitid that looks, and what it is looked at with", "[io][unwatched]")
{
	context live, soon(2 * MSEC);
	siginfo_t info = {};
	pid_t pid = fork();

	if (!pid) {
		pause();
		_exit(0);
	}
	CHECK(urctx_waitid(live, P_PID, (id_t)pid, &info, WEXITED | WNOHANG) == 0);
	CHECK(info.si_pid == 0);
	int blocks = (int)syscall(SYS_pidfd_open, pid, 0);
	int does_not = (int)syscall(SYS_pidfd_open, pid, O_NONBLOCK);
	REQUIRE(blocks >= 0);
	CHECK(urctx_waitid(soon, 3, (id_t)blocks, &info, WEXITED) == -ETIME);
	if (does_not >= 0)	/* from 5.10 on */
		CHECK(urctx_waitid(live, 3, (id_t)does_not, &info, WEXITED) == -EAGAIN);
	kill(pid, SIGKILL);
	CHECK(urctx_waitid(live, 3, (id_t)blocks, nullptr, WEXITED) == 0);
	CHECK(waitpid(pid, nullptr, 0) == -1);
	close(blocks);
	if (does_not >= 0)
		close(does_not);
}

TEST_CASE("sleeps that are too long, and one that is interrupted", "[io]")
{
	struct sigaction sa = {}, before;

	for (int64_t ns : { URCTX_NEVER, URCTX_NEVER - 1 }) {
		context ctx;
		caller t([&] { return urctx_sleep(ctx, ns); });

		t.asleep();
		urctx_cancel(ctx);
		CHECK(t.join() == -ECANCELED);
	}
	sa.sa_handler = [](int) {};
	sigaction(SIGUSR1, &sa, &before);
	context live(60 * SEC);
	caller t([&] { return urctx_sleep(live, 50 * SEC); });
	for (int i = 0; i < 2000 && !t.over(); i++) {
		t.asleep();
		pthread_kill(t.handle(), SIGUSR1);
	}
	CHECK(t.join() == -EINTR);
	sigaction(SIGUSR1, &before, nullptr);
}

TEST_CASE("a thread that has disabled its cancellation keeps to that", "[io]")
{
	ends e;
	char c;

	thread([&] {
		int state;
		context soon(MSEC);

		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
		CHECK(urctx_read(soon, e.fd[0], &c, 1) == -ETIME);
		pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
		CHECK(state == PTHREAD_CANCEL_DISABLE);
	}).join();
}

/* A child that has waited with nothing yet leaves alone what it inherited. */
TEST_CASE("a forked child whose thread exits", "[io][fork]")
{
	ends e;
	listener l;
	char c;

	if (TESTS_TSAN)		/* its runtime does not outlive the thread that forked */
		return;
	thread([&] {
		context soon(MSEC), later(MSEC);

		CHECK(urctx_read(soon, e.fd[0], &c, 1) == -ETIME);
		CHECK(urctx_accept(later, l.fd, nullptr, nullptr, 0) == -ETIME);
		pid_t pid = fork();
		int status = -1;
		if (!pid) {
			signal(SIGABRT, SIG_DFL);
			/* what the tests have is not the child's leak */
			atexit([] { _exit(0); });
			pthread_exit(nullptr);
		}
		waitpid(pid, &status, 0);
		CHECK(status == 0);
		e.put();
		context live;
		CHECK(urctx_read(live, e.fd[0], &c, 1) == 1);
	}).join();
}

struct tcp {
	tcp()
	{
		addr.sin_family = AF_INET;
		addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		if (bind(fd, (struct sockaddr *)&addr, len) || listen(fd, 8) ||
		    getsockname(fd, (struct sockaddr *)&addr, &len))
			abort();
	}
	~tcp()
	{
		close(fd);
	}

	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in addr = {};
	socklen_t len = sizeof(addr);
};

/* connect(2) has done nothing: it is for the first write to wait for. */
TEST_CASE("the first write of a connection that is not begun", "[io]")
{
	for (bool socket_call : { false, true }) {
		tcp l;
		int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
		context live;
		char buf[8];

		REQUIRE(setsockopt(s, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one,
				   sizeof(one)) == 0);
		CHECK(urctx_connect(live, s, (struct sockaddr *)&l.addr, l.len) == 0);
		long n = socket_call ? urctx_send(live, s, "abc", 3, 0) :
				       urctx_write(live, s, "abc", 3);
		CHECK(n == 3);
		int peer = accept(l.fd, nullptr, nullptr);
		CHECK(urctx_recv(live, peer, buf, 8, 0) == 3);
		close(peer);
		close(s);
	}
}

TEST_CASE("MSG_FASTOPEN where nothing may wait", "[io]")
{
	for (bool nonblock : { false, true }) {
		tcp l;
		int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC |
					       (nonblock ? SOCK_NONBLOCK : 0), 0);
		struct msghdr msg = {};
		struct iovec iov = { (void *)"abc", 3 };
		context live;

		msg.msg_iov = &iov;
		msg.msg_iovlen = 1;
		msg.msg_name = &l.addr;
		msg.msg_namelen = l.len;
		long n = urctx_sendmsg(live, s, &msg,
				       MSG_FASTOPEN | (nonblock ? 0 : MSG_DONTWAIT));
		CHECK((n == -EINPROGRESS || n == 3));
		close(s);
	}
}
