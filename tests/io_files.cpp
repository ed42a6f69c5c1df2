/* SPDX-License-Identifier: MIT */
/*
 * io_files.cpp - what descriptors do: O_NONBLOCK, short counts, files that the kernel
 * cannot try, offsets, SIGPIPE
 */
#include "io.hpp"

#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

constexpr int STREAM = SOCK_STREAM;

static void set_nonblock(int fd)
{
	REQUIRE(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0);
}

/* A file on a disk, as far as /tmp or here is one. */
struct file {
	file()
	{
		char name[] = "urctx-io.XXXXXX";

		fd = mkstemp(name);
		if (fd < 0)
			abort();
		unlink(name);
	}
	~file()
	{
		close(fd);
	}

	int fd;
};

TEST_CASE("O_NONBLOCK: -EAGAIN where it would wait", "[io][unwatched]")
{
	context c;
	ends p, s(SOCK_STREAM);
	char b[8];
	struct iovec iov = { b, sizeof(b) };
	struct msghdr msg = {};

	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	for (auto e : { &p, &s }) {
		e->fill();
		set_nonblock(e->fd[0]);
		set_nonblock(e->fd[1]);
		CHECK(quietly([&] { return urctx_write(c, e->fd[1], b, 8); }) == -EAGAIN);
		CHECK(urctx_writev(c, e->fd[1], &iov, 1) == -EAGAIN);
		e->drain();
		CHECK(quietly([&] { return urctx_read(c, e->fd[0], b, 8); }) == -EAGAIN);
		CHECK(urctx_readv(c, e->fd[0], &iov, 1) == -EAGAIN);
	}
	CHECK(quietly([&] { return urctx_recv(c, s.fd[0], b, 8, 0); }) == -EAGAIN);
	CHECK(urctx_recv(c, s.fd[0], b, 8, MSG_WAITALL) == -EAGAIN);
	CHECK(urctx_recvmsg(c, s.fd[0], &msg, 0) == -EAGAIN);
	CHECK(urctx_splice(c, p.fd[0], nullptr, s.fd[1], nullptr, 9, 0) == -EAGAIN);
	s.fill();
	CHECK(quietly([&] { return urctx_send(c, s.fd[1], b, 8, 0); }) == -EAGAIN);
	CHECK(urctx_sendmsg(c, s.fd[1], &msg, 0) == -EAGAIN);
	listener l(0);

	set_nonblock(l.fd);
	CHECK(quietly([&] { return urctx_accept(c, l.fd, nullptr, nullptr, 0); }) ==
	      -EAGAIN);
	close(l.connects());
	long fd = urctx_accept(c, l.fd, nullptr, nullptr, 0);
	CHECK(fd >= 0);
	close((int)fd);
}

TEST_CASE("MSG_DONTWAIT: the same, for one call", "[io]")
{
	context c;
	ends s(SOCK_STREAM);
	char b[8];

	CHECK(quietly([&] { return urctx_recv(c, s.fd[0], b, 8, MSG_DONTWAIT); }) ==
	      -EAGAIN);
	CHECK(urctx_recv(c, s.fd[0], b, 8, MSG_ERRQUEUE) == -EAGAIN);
	s.put(3);
	CHECK(urctx_recv(c, s.fd[0], b, 8, MSG_DONTWAIT | MSG_WAITALL) == 3);
	s.fill();
	CHECK(urctx_send(c, s.fd[1], b, 8, MSG_DONTWAIT) == -EAGAIN);
	ends p;

	CHECK(urctx_splice(c, p.fd[0], nullptr, s.fd[1], nullptr, 9,
			   SPLICE_F_NONBLOCK) == -EAGAIN);
}

TEST_CASE("a TCP connection, and one that is refused", "[io]")
{
	struct sockaddr_in in = {};
	socklen_t len = sizeof(in);
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	context c;

	in.sin_family = AF_INET;
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	REQUIRE(bind(l, (struct sockaddr *)&in, len) == 0);
	REQUIRE(getsockname(l, (struct sockaddr *)&in, &len) == 0);
	for (long want : { -(long)ECONNREFUSED, 0L }) {
		int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		CHECK(quietly([&] {
			      return urctx_connect(c, s, (struct sockaddr *)&in, len);
		      }) == want);
		CHECK(!(fcntl(s, F_GETFL) & O_NONBLOCK));
		close(s);
		listen(l, 8);
	}
	struct sockaddr_in peer = {};
	socklen_t room = sizeof(peer);
	long fd = urctx_accept(c, l, (struct sockaddr *)&peer, &room,
			       SOCK_NONBLOCK | SOCK_CLOEXEC);

	CHECK(fd >= 0);
	CHECK(room == sizeof(peer));
	CHECK(peer.sin_addr.s_addr == in.sin_addr.s_addr);
	CHECK((fcntl((int)fd, F_GETFL) & O_NONBLOCK));
	CHECK((fcntl((int)fd, F_GETFD) & FD_CLOEXEC));
	close((int)fd);
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	CHECK(urctx_connect(c, s, (struct sockaddr *)&in, len) == -EINPROGRESS);
	close(s);
	close(l);
}

TEST_CASE("short reads: what is there of a stream, all of a file", "[io]")
{
	context c;
	file f;
	std::vector<char> page(64 * 4096), got(page.size() + 100);

	for (size_t i = 0; i < page.size(); i++)
		page[i] = (char)(i * 7 + i / 4096);
	REQUIRE(urctx_pwrite(c, f.fd, page.data(), page.size(), 0) ==
		(ssize_t)page.size());
	REQUIRE(urctx_fsync(c, f.fd) == 0);
	/* some pages in memory, and some not */
	for (int round = 0; round < 8; round++) {
		posix_fadvise(f.fd, 0, 0, POSIX_FADV_DONTNEED);
		posix_fadvise(f.fd, 0, 0, POSIX_FADV_RANDOM);
		char b;
		REQUIRE(pread(f.fd, &b, 1, round * 5 * 4096) == 1);
		REQUIRE(pread(f.fd, &b, 1, 0) == 1);
		std::fill(got.begin(), got.end(), 0);
		long n = quietly([&] {
			return urctx_pread(c, f.fd, got.data(), got.size(), 0);
		});
		CHECK(n == (long)page.size());
		CHECK(!memcmp(got.data(), page.data(), page.size()));
	}
	posix_fadvise(f.fd, 8 * 4096, 0, POSIX_FADV_DONTNEED);
	REQUIRE(lseek(f.fd, 0, SEEK_SET) == 0);
	struct iovec iov[3] = { { got.data(), 10000 }, { nullptr, 0 },
				{ got.data() + 10000, got.size() - 10000 } };
	std::fill(got.begin(), got.end(), 0);
	CHECK(urctx_readv(c, f.fd, iov, 3) == (ssize_t)page.size());
	CHECK(!memcmp(got.data(), page.data(), page.size()));
	CHECK(urctx_read(c, f.fd, got.data(), 10) == 0);
	CHECK(lseek(f.fd, 0, SEEK_CUR) == (off_t)page.size());
	ends p;

	p.put(3);
	CHECK(urctx_read(c, p.fd[0], got.data(), 100) == 3);
	CHECK(urctx_read(c, p.fd[0], got.data(), 0) == 0);
	p.shut(1);
	CHECK(urctx_read(c, p.fd[0], got.data(), 100) == 0);
}

TEST_CASE("what is larger than a pipe is written to its end", "[io]")
{
	const size_t size = 1 << 20;
	std::vector<char> out(size), in(size);
	context c;

	for (size_t i = 0; i < size; i++)
		out[i] = (char)(i * 31 + i / 997);
	for (int kind : { 0, STREAM })
		for (int vec = 0; vec < 2; vec++) {
			ends e(kind);
			struct iovec iov[3] = { { out.data(), 300001 }, { out.data(), 0 },
						{ out.data() + 300001, size - 300001 } };
			caller t([&] {
				return vec ? urctx_writev(c, e.fd[1], iov, 3) :
					     urctx_write(c, e.fd[1], out.data(), size);
			});
			size_t n = 0;

			while (n < size)
				n += (size_t)read(e.fd[0], in.data() + n, size - n);
			CHECK(t.join() == (long)size);
			CHECK(in == out);
		}
	ends e(SOCK_STREAM);
	struct iovec iov[2] = { { out.data(), 700001 },
				{ out.data() + 700001, size - 700001 } };
	struct msghdr msg = {};

	msg.msg_iov = iov;
	msg.msg_iovlen = 2;
	caller t([&] { return urctx_sendmsg(c, e.fd[1], &msg, 0); });
	CHECK(urctx_recv(c, e.fd[0], in.data(), size, MSG_WAITALL) == (ssize_t)size);
	CHECK(t.join() == (long)size);
	CHECK(in == out);
	CHECK(msg.msg_iov[0].iov_len == 700001);
}

TEST_CASE("what was moved before the context ended is the result", "[io]")
{
	std::vector<char> out(1 << 20), in(1 << 20);
	context c;

	for (size_t i = 0; i < out.size(); i++)
		out[i] = (char)(i * 13 + i / 1009);
	for (int kind : { 0, STREAM }) {
		context d;
		ends e(kind);
		caller t([&] { return urctx_write(d, e.fd[1], out.data(), out.size()); });

		/* somebody has moved the first bytes, be it a worker of the kernel's */
		struct pollfd some = { e.fd[0], POLLIN, 0 };
		REQUIRE(poll(&some, 1, 20000) == 1);
		t.asleep();
		urctx_cancel(d);
		long n = t.join();
		CHECK(n > 0);
		CHECK(n < (long)out.size());
		CHECK(urctx_write(d, e.fd[1], out.data(), 1) == -ECANCELED);
		e.shut(1);
		CHECK(urctx_read(c, e.fd[0], in.data(), 1) == 1);
		for (long left = n - 1; left > 0;)
			left -= read(e.fd[0], in.data() + (n - left), (size_t)left);
		CHECK(!memcmp(in.data(), out.data(), (size_t)n));
		CHECK(read(e.fd[0], in.data(), 1) == 0);
	}
	ends s(SOCK_STREAM);
	context d;
	caller t([&] { return urctx_recv(d, s.fd[0], in.data(), 9, MSG_WAITALL); });

	s.put(4);
	t.asleep();
	urctx_cancel(d);
	long n = t.join();
	CHECK((n == 4 || n == -ECANCELED));
	CHECK(s.drain() == (n == 4 ? 0 : 4));
}

static int pseudo_terminal(int *other)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	*other = -1;
	if (master < 0 || grantpt(master) || unlockpt(master))
		return master;
	*other = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	return master;
}

static bool can_be_tried(int fd)
{
	char b[8];
	struct iovec iov = { b, sizeof(b) };

	return preadv2(fd, &iov, 1, -1, RWF_NOWAIT) >= 0 || errno != EOPNOTSUPP;
}

/* @feed makes @fd readable; before it, whoever reads waits. */
static void reads_and_ends(const char *name, int fd, std::function<void()> feed)
{
	char b[512];

	INFO(name << (can_be_tried(fd) ? "" : ": EOPNOTSUPP"));
	context late(3 * MSEC), c, d;
	CHECK(quietly([&] { return urctx_read(late, fd, b, sizeof(b)); }) == -ETIME);
	{
		caller t([&] { return urctx_read(c, fd, b, sizeof(b)); });

		t.asleep();
		urctx_cancel(c);
		CHECK(t.join() == -ECANCELED);
	}
	{
		caller t([&] { return urctx_read(d, fd, b, sizeof(b)); });

		t.asleep();
		feed();
		CHECK(t.join() > 0);
	}
	feed();
	CHECK(urctx_read(d, fd, b, sizeof(b)) > 0);
}

TEST_CASE("files that the kernel can try, and files that it cannot", "[io]")
{
	const uint64_t one = 1;
	int event = eventfd(0, EFD_CLOEXEC);
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	int notify = inotify_init1(IN_CLOEXEC), terminal, master;
	const struct itimerspec soon = { { 0, 0 }, { 0, 1 } };
	file f;

	reads_and_ends("eventfd", event, [&] {
		REQUIRE(write(event, &one, sizeof(one)) == sizeof(one));
	});
	reads_and_ends("timerfd", timer, [&] {
		REQUIRE(timerfd_settime(timer, 0, &soon, nullptr) == 0);
	});
	std::string path = "/proc/self/fd/" + std::to_string(f.fd);
	REQUIRE(inotify_add_watch(notify, path.c_str(), IN_MODIFY) >= 0);
	reads_and_ends("inotify", notify, [&] { REQUIRE(write(f.fd, "x", 1) == 1); });
	master = pseudo_terminal(&terminal);
	if (terminal < 0)
		WARN("skipped: no pseudo terminal");
	else
		reads_and_ends("terminal", terminal, [&] {
			REQUIRE(write(master, "line\n", 5) == 5);
		});
	for (int fd : { event, timer, notify, terminal, master })
		close(fd);
}

TEST_CASE("a file in memory: reads, writes, offsets beyond 32 bits", "[io][unwatched]")
{
	int fd = memfd_create("urctx", MFD_CLOEXEC);
	const off_t far = (off_t)5 << 30;
	char b[16] = {};
	context c;

	CHECK(urctx_pwrite(c, fd, "hello", 5, far) == 5);
	CHECK(urctx_pread(c, fd, b, sizeof(b), far) == 5);
	CHECK(!memcmp(b, "hello", 5));
	CHECK(urctx_pread(nullptr, fd, b, 3, far + 2) == 3);
	CHECK(!memcmp(b, "llo", 3));
	CHECK(lseek(fd, 0, SEEK_END) == far + 5);
	CHECK(urctx_write(c, fd, "!", 1) == 1);
	CHECK(urctx_pread(c, fd, b, 1, far + 5) == 1);
	CHECK(b[0] == '!');
	for (struct urctx *ctx : { (struct urctx *)nullptr, (struct urctx *)c }) {
		CHECK(quietly([&] { return urctx_pread(ctx, fd, b, 1, -1); }) == -EINVAL);
		CHECK(quietly([&] { return urctx_pwrite(ctx, fd, b, 1, -2); }) == -EINVAL);
		CHECK(urctx_read(ctx, fd, (void *)16, 1 << 20) == 0);
	}
	CHECK(lseek(fd, far, SEEK_SET) == far);
	CHECK(urctx_read(c, fd, (void *)16, 4) == -EFAULT);
	ends e;
	off_t at = far + 1;

	CHECK(urctx_splice(c, fd, &at, e.fd[1], nullptr, 3, 0) == 3);
	CHECK(at == far + 4);
	CHECK(urctx_read(c, e.fd[0], b, 9) == 3);
	CHECK(!memcmp(b, "ell", 3));
	at = -1;
	CHECK(urctx_splice(c, fd, &at, e.fd[1], nullptr, 3, 0) == -EINVAL);
	CHECK(urctx_pread(c, e.fd[0], b, 1, 0) == -ESPIPE);
	close(fd);
}

TEST_CASE("SIGPIPE comes as with the plain calls", "[io]")
{
	for (bool blocked : { false, true })
		for (int kind : { 0, STREAM }) {
			struct ending e = in_child([=]() -> int {
				ends p(kind);
				context c;
				char b[100] = {};

				signal(SIGPIPE, SIG_DFL);
				if (!blocked) {
					p.shut(0);
					return (int)urctx_write(c, p.fd[1], b, 100);
				}
				p.fill();
				caller t([&] { return urctx_write(c, p.fd[1], b, 100); });
				t.asleep();
				p.shut(0);
				return (int)t.join();
			});
			CHECK(e.signal == SIGPIPE);
		}
	ends s(SOCK_STREAM);
	context c;

	s.shut(0);
	CHECK(quietly([&] { return urctx_send(c, s.fd[1], "x", 1, MSG_NOSIGNAL); }) ==
	      -EPIPE);
}

TEST_CASE("control data go with the first byte", "[io][unwatched]")
{
	ends s(SOCK_STREAM);
	char b[16], room[CMSG_SPACE(sizeof(int))] = {};
	struct iovec iov = { b, 5 };
	struct msghdr msg = {};
	context c;

	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	msg.msg_control = room;
	msg.msg_controllen = sizeof(room);
	struct cmsghdr *cm = CMSG_FIRSTHDR(&msg);
	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cm), &s.fd[0], sizeof(int));
	CHECK(urctx_sendmsg(c, s.fd[1], &msg, 0) == 5);
	memset(room, 0, sizeof(room));
	msg.msg_flags = 0;
	CHECK(urctx_recvmsg(c, s.fd[0], &msg, MSG_CMSG_CLOEXEC) == 5);
	cm = CMSG_FIRSTHDR(&msg);
	REQUIRE(cm);
	int fd = -1;
	memcpy(&fd, CMSG_DATA(cm), sizeof(int));
	CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
	close(fd);
}
