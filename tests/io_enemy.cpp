/* SPDX-License-Identifier: MIT */
/*
 * io_enemy.cpp - where a call that waits could differ from the system call of its name:
 * bytes and descriptors that get lost, errors that do, and waits that nothing ends
 */
#include "io.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <pty.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <termios.h>

/* A file on a disk, as far as that is one where the tests run. */
struct disk_file {
	explicit disk_file(int flags)
	{
		char name[] = "urctx-enemy.XXXXXX";

		close(mkstemp(name));
		fd = open(name, O_RDWR | O_CLOEXEC | flags);
		if (fd < 0)
			abort();
		unlink(name);
	}
	disk_file(const disk_file &) = delete;
	~disk_file()
	{
		close(fd);
	}

	int fd;
};

/* Is it over, or will it be? */
static bool ends_now(const caller &t)
{
	return becomes([&] { return t.over(); });
}

static size_t take(int fd)
{
	char page[4096];
	size_t sum = 0;

	for (ssize_t n; (n = recv(fd, page, sizeof(page), MSG_DONTWAIT)) > 0;)
		sum += (size_t)n;
	return sum;
}

TEST_CASE("writers of one file do not overwrite each other", "[io]")
{
	constexpr size_t EACH = 100;
	size_t rounds = scaled(2000);
	disk_file f(0);
	struct stat st;

	auto writer = [&](char byte) {
		char record[EACH];
		context c;

		memset(record, byte, sizeof(record));
		for (size_t i = 0; i < rounds; i++)
			if (urctx_write(c, f.fd, record, EACH) != (ssize_t)EACH)
				abort();
	};
	together({ [&] { writer('a'); }, [&] { writer('b'); }, [&] { writer('c'); },
		   [&] { writer('d'); } });
	REQUIRE(fstat(f.fd, &st) == 0);
	CHECK((size_t)st.st_size == 4 * rounds * EACH);
	CHECK(lseek(f.fd, 0, SEEK_CUR) == st.st_size);
}

/* What is read late must not bring an old position back. */
TEST_CASE("readers of one file read each record once", "[io]")
{
	constexpr size_t EACH = 512;
	size_t nr = scaled(2000);
	std::vector<std::atomic<int>> seen(nr);
	disk_file f(0);

	for (size_t i = 0; i < nr; i++) {
		uint64_t record[EACH / 8] = { i };

		REQUIRE(write(f.fd, record, EACH) == (ssize_t)EACH);
	}
	REQUIRE(fsync(f.fd) == 0);
	posix_fadvise(f.fd, 0, 0, POSIX_FADV_DONTNEED);
	lseek(f.fd, 0, SEEK_SET);
	auto reader = [&] {
		uint64_t record[EACH / 8];
		context c;

		while (urctx_read(c, f.fd, record, EACH) == (ssize_t)EACH)
			seen[record[0]]++;
	};
	together({ reader, reader, reader });
	size_t once = 0;
	for (auto &n : seen)
		once += n == 1;
	CHECK(once == nr);
}

TEST_CASE("O_NONBLOCK means nothing to a file, in memory or not", "[io]")
{
	std::vector<char> b(1 << 18, 'x');
	disk_file f(O_NONBLOCK);
	context c;

	REQUIRE(write(f.fd, b.data(), b.size()) == (ssize_t)b.size());
	REQUIRE(fsync(f.fd) == 0);
	posix_fadvise(f.fd, 0, 0, POSIX_FADV_DONTNEED);
	CHECK(urctx_pread(c, f.fd, b.data(), b.size(), 0) == (ssize_t)b.size());
	posix_fadvise(f.fd, 0, 0, POSIX_FADV_DONTNEED);
	lseek(f.fd, 0, SEEK_SET);
	CHECK(urctx_read(c, f.fd, b.data(), b.size()) == (ssize_t)b.size());
}

union control {
	struct cmsghdr head;
	char room[CMSG_SPACE(sizeof(int))];
};

static void pass(int socket, int fd)
{
	char byte = 'b';
	struct iovec iov = { &byte, 1 };
	union control control = {};
	struct msghdr msg = {};

	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	msg.msg_control = &control;
	msg.msg_controllen = sizeof(control);
	control.head = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	if (sendmsg(socket, &msg, 0) != 1)
		abort();
}

TEST_CASE("a descriptor behind the first byte is not lost", "[io]")
{
	ends s(SOCK_STREAM);
	union control control = {};
	struct msghdr msg = {};
	char b[2];
	struct iovec iov = { b, 2 };
	context c;

	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	msg.msg_control = &control;
	msg.msg_controllen = sizeof(control);
	s.put(1);
	caller t([&] {
		return urctx_recvmsg(c, s.fd[0], &msg, MSG_WAITALL | MSG_CMSG_CLOEXEC);
	});
	/* the first byte has been taken, in most runs */
	t.asleep();
	pass(s.fd[1], s.fd[1]);
	long ret = t.join();
	bool first = ret == 1;

	/* a part of it, and the next call has the rest */
	if (first) {
		msg.msg_controllen = sizeof(control);
		iov = { b + 1, 1 };
		ret = recvmsg(s.fd[0], &msg, MSG_CMSG_CLOEXEC);
	}
	CHECK(ret == (first ? 1 : 2));
	CHECK(!(msg.msg_flags & MSG_CTRUNC));
	REQUIRE(msg.msg_controllen >= CMSG_LEN(sizeof(int)));
	int fd = -1;
	memcpy(&fd, CMSG_DATA(&control.head), sizeof(fd));
	CHECK(close(fd) == 0);
}

TEST_CASE("writes of nothing: an empty packet is one", "[io]")
{
	for (int kind : { SOCK_DGRAM, SOCK_SEQPACKET }) {
		ends s(kind);
		context c;
		char b;

		CHECK(quietly([&] { return urctx_write(c, s.fd[1], "", 0); }) == 0);
		CHECK(recv(s.fd[0], &b, 1, MSG_DONTWAIT) == 0);
	}
}

TEST_CASE("splice of what is wrong, and of nothing, waits for nothing", "[io]")
{
	context c(60 * SEC);	/* until a test that hangs says so */
	ends in, out;

	CHECK(quietly([&] {
		      return urctx_splice(c, -1, nullptr, out.fd[1], nullptr, 9, 0);
	      }) == -EBADF);
	CHECK(urctx_splice(c, in.fd[0], nullptr, -1, nullptr, 9, 0) == -EBADF);
	CHECK(urctx_splice(c, in.fd[0], nullptr, out.fd[1], nullptr, 0, 0) == 0);
}

TEST_CASE("splice into a pipe that nobody reads: SIGPIPE", "[io]")
{
	for (bool ignored : { false, true }) {
		struct ending e = in_child([=]() -> int {
			context c;
			ends in, out;

			if (ignored)
				signal(SIGPIPE, SIG_IGN);
			in.put(3);
			out.shut(0);
			return urctx_splice(c, in.fd[0], nullptr, out.fd[1], nullptr, 3,
					    0) == -EPIPE ? 0 : 1;
		});
		CHECK(e.code == (ignored ? 0 : -1));
		CHECK(e.signal == (ignored ? 0 : SIGPIPE));
	}
}

TEST_CASE("accept with flags that are none waits for nobody", "[io]")
{
	context c(60 * SEC);	/* until a test that hangs says so */
	listener l;

	CHECK(quietly([&] {
		      return urctx_accept(c, l.fd, nullptr, nullptr, 1);
	      }) == -EINVAL);
}

TEST_CASE("splice of more than a socket takes ends with its context", "[io]")
{
	ends in, s(SOCK_STREAM);
	context c;
	size_t sum;

	if (fcntl(in.fd[1], F_SETPIPE_SZ, 1 << 20) < 0)
		return;
	sum = in.fill();
	caller t([&] {
		return urctx_splice(c, in.fd[0], nullptr, s.fd[1], nullptr, sum, 0);
	});
	t.asleep();
	urctx_cancel(c);
	bool ended = ends_now(t);
	size_t got = 0;
	while (!t.over())
		got += take(s.fd[0]);
	long ret = t.join();
	got += take(s.fd[0]);
	CHECK(ended);
	CHECK((ret == -ECANCELED ? 0 : ret) == (long)got);
}

TEST_CASE("a terminal that takes no more: the context ends the write", "[io]")
{
	std::vector<char> b(100000, 'x');
	struct termios raw;
	int master, slave;
	context c;

	if (!has_uring()) {
		WARN("skipped: poll(2) does not say how much a terminal takes");
		return;
	}
	REQUIRE(openpty(&master, &slave, nullptr, nullptr, nullptr) == 0);
	tcgetattr(slave, &raw);
	cfmakeraw(&raw);
	tcsetattr(slave, TCSANOW, &raw);
	caller t([&] { return urctx_write(c, slave, b.data(), b.size()); });
	t.asleep();
	/* it is not done, nor is a part of it, for nobody has ended it */
	CHECK(!t.over());
	urctx_cancel(c);
	bool ended = ends_now(t);
	fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK);
	while (!t.over())
		(void)!read(master, b.data(), b.size());
	long ret = t.join();
	CHECK(ended);
	CHECK((ret == -ECANCELED || ret > 0));
	close(master);
	close(slave);
}

/* The kernel cannot try these before it has them, as pipe(2)'s it can. */
TEST_CASE("a FIFO with a name: the context ends the write, a lost reader too", "[io]")
{
	std::vector<char> b(1 << 20, 'x');
	char name[] = "urctx-enemy.fifo.XXXXXX";
	context c, d;

	close(mkstemp(name));
	unlink(name);
	REQUIRE(mkfifo(name, 0600) == 0);
	int in = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	int out = open(name, O_WRONLY | O_CLOEXEC);
	unlink(name);
	caller t([&] { return urctx_write(c, out, b.data(), b.size()); });
	t.asleep();
	urctx_cancel(c);
	bool ended = ends_now(t);
	long sum = 0;
	for (long n; (n = read(in, b.data(), b.size())) > 0 || !t.over();)
		sum += n > 0 ? n : 0;
	long ret = t.join();
	CHECK((ret == -ECANCELED ? 0 : ret) == sum);
	CHECK(ended);
	close(in);
	struct ending e = in_child([&]() -> int {
		return urctx_write(d, out, "x", 1) == -EPIPE ? 1 : 2;
	});
	CHECK(e.signal == SIGPIPE);
	close(out);
}

/* Of TCP, on the loopback; the queue has room for @backlog + 1. */
struct tcp {
	explicit tcp(int backlog)
	{
		addr.sin_family = AF_INET;
		addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		if (bind(fd, name(), len) || getsockname(fd, name(), &len) ||
		    listen(fd, backlog))
			abort();
	}
	tcp(const tcp &) = delete;
	~tcp()
	{
		close(fd);
	}
	struct sockaddr *name()
	{
		return (struct sockaddr *)&addr;
	}

	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in addr = {};
	socklen_t len = sizeof(addr);
};

TEST_CASE("a connect that is under way is waited for", "[io]")
{
	tcp l(0);
	context c(5 * MSEC);
	std::vector<int> fds;
	int fd;

	/* the last stays where it is: the first is in the queue by then, and fills it */
	for (int i = 0; i < 4; i++) {
		struct pollfd queue = { l.fd, POLLIN, 0 };

		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		fds.push_back(fd);
		CHECK(connect(fd, l.name(), l.len) == -1);
		REQUIRE(poll(&queue, 1, 60000) == 1);
	}
	fcntl(fd, F_SETFL, O_RDWR);
	CHECK(quietly([&] { return urctx_connect(c, fd, l.name(), l.len); }) == -ETIME);
	for (int s : fds)
		close(s);
}

TEST_CASE("data with the connect: MSG_FASTOPEN waits as others do", "[io]")
{
	struct msghdr msg = {};
	char b[2] = { 'h', 'i' };
	struct iovec iov = { b, 2 };
	tcp l(9);
	context c;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	msg.msg_name = l.name();
	msg.msg_namelen = l.len;
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	long ret = quietly([&] { return urctx_sendmsg(c, fd, &msg, MSG_FASTOPEN); });
	if (ret == -EOPNOTSUPP)
		WARN("skipped: net.ipv4.tcp_fastopen forbids it");
	else
		CHECK(ret == 2);
	close(fd);
}

TEST_CASE("where no more descriptors are allowed, none are needed", "[io][unwatched]")
{
	for (rlim_t most : { 0, 1 }) {
		struct ending e = in_child([&]() -> int {
			ends s(SOCK_STREAM);
			struct rlimit limit = { most, most };
			context before(MSEC), c(2 * MSEC);
			char b;

			/* it has whatever it waits with */
			if (most && urctx_recv(before, s.fd[0], &b, 1, 0) != -ETIME)
				return 1;
			if (setrlimit(RLIMIT_NOFILE, &limit))
				return 2;
			return urctx_recv(c, s.fd[0], &b, 1, 0) == -ETIME ? 0 : 3;
		});
		CHECK(e.code == 0);
	}
}

TEST_CASE("poll of as many as are allowed", "[io][unwatched]")
{
	struct ending e = in_child([]() -> int {
		constexpr int MOST = 40;
		struct rlimit limit = { MOST, MOST };
		struct pollfd fds[MOST];
		context c(2 * MSEC);

		for (auto &p : fds)
			p = { -1, POLLIN, 0 };
		if (setrlimit(RLIMIT_NOFILE, &limit))
			return 1;
		return urctx_poll(c, fds, MOST) == -ETIME ? 0 : 2;
	});
	CHECK(e.code == 0);
}
