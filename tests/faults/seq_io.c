/* SPDX-License-Identifier: MIT */
/*
 * seq_io.c - <urctx/io.h>, each call: what is there, what has to be waited for
 *
 * A thread that waits has its own eventfd and ring, and is gone at the end.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <urctx/io.h>

#include "faults.h"

#define MSEC	1000000LL
#define HOUR	(3600 * 1000 * MSEC)

#define IO	-EINTR, MACHINE

static void one_byte(void *fd)
{
	CHECK(write(*(int *)fd, "b", 1) == 1);
}

static void take_all(void *fd)
{
	static char page[65536];

	CHECK(read(*(int *)fd, page, sizeof(page)) > 0);
}

static struct urctx *context(int64_t timeout)
{
	struct urctx *ctx;

	EXPECT(0, urctx_with_timeout(NULL, timeout, &ctx), -ENOMEM);
	return ctx;
}

static void pipes(struct urctx *ctx)
{
	static char page[65536];
	struct iovec iov = { page, 1 };
	struct helper *h;
	int p[2];
	ssize_t n;

	CHECK(!pipe2(p, O_CLOEXEC));
	h = later(one_byte, &p[1]);
	EXPECT(1, urctx_read(ctx, p[0], page, sizeof(page)), IO);
	helper_join(h);
	h = later(one_byte, &p[1]);
	EXPECT(1, urctx_readv(ctx, p[0], &iov, 1), IO);
	helper_join(h);
	EXPECT(1, urctx_write(ctx, p[1], "c", 1), IO);
	EXPECT(1, urctx_writev(ctx, p[1], &iov, 1), IO);
	EXPECT(2, urctx_read(ctx, p[0], page, 2), IO);
	/* until it is full, and one more, which waits; less is no error */
	for (n = 0; n < 65536; )
		n += RESULT(urctx_write(ctx, p[1], page, (size_t)(65536 - n)), IO);
	h = later(take_all, &p[0]);
	EXPECT(1, urctx_write(ctx, p[1], "d", 1), IO);
	helper_join(h);
	EXPECT(1, urctx_read(ctx, p[0], page, 2), IO);
	close(p[0]);
	close(p[1]);
}

static void ended(void)
{
	struct urctx *ctx = context(URCTX_NEVER), *timed = context(2 * MSEC);
	struct helper *h;
	char c;
	int p[2];

	CHECK(!pipe2(p, O_CLOEXEC));
	EXPECT(-ETIME, urctx_read(timed, p[0], &c, 1), IO);
	h = later(end_it, ctx);
	EXPECT(-ECANCELED, urctx_read(ctx, p[0], &c, 1), IO);
	helper_join(h);
	EXPECT(-ECANCELED, urctx_sleep(ctx, HOUR), -EINTR);
	urctx_put(ctx);
	urctx_put(timed);
	close(p[0]);
	close(p[1]);
}

static void files(struct urctx *ctx)
{
	char buf[32], name[] = "/dev/shm/urctx-faults-XXXXXX";
	struct iovec iov = { buf, 4 };
	int fd = mkstemp(name), again;
	ssize_t n;

	if (fd < 0)
		return;
	memset(buf, 'f', sizeof(buf));
	for (n = 0; n < 32; )
		n += RESULT(urctx_write(ctx, fd, buf + n, (size_t)(32 - n)), IO);
	for (n = 0; n < 8; )
		n += RESULT(urctx_pwrite(ctx, fd, "pwritten" + n, (size_t)(8 - n), n), IO);
	for (n = 0; n < 32; )
		n += RESULT(urctx_pread(ctx, fd, buf + n, (size_t)(32 - n), n), IO);
	CHECK(!memcmp(buf, "pwrittenffff", 12));
	EXPECT(0, urctx_read(ctx, fd, buf, 4), IO);
	EXPECT(4, urctx_writev(ctx, fd, &iov, 1), IO);
	EXPECT(0, urctx_fsync(ctx, fd), IO);
	again = (int)RESULT(urctx_openat(ctx, AT_FDCWD, name, O_RDONLY | O_CLOEXEC, 0), IO);
	EXPECT(4, urctx_readv(ctx, again, &iov, 1), IO);
	CHECK(!memcmp(buf, "pwri", 4));
	/* the number is free, whatever it says: it is not closed again */
	(void)TRY(ret_ == 0 || ret_ == -shared->plan.err, urctx_close(ctx, again), ENOUGH);
	CHECK(fcntl(again, F_GETFD) < 0);
	close(fd);
	unlink(name);
}

void seq_io(void)
{
	struct urctx *ctx = context(URCTX_NEVER), *timed = context(HOUR);

	pipes(ctx);
	files(timed);
	ended();
	pipes(timed);
	urctx_put(timed);
	urctx_put(ctx);
}

#define LOTS	(1 << 20)
static char lots[LOTS];

static void take_some(void *fd)
{
	static char taken[LOTS];
	ssize_t n = 0, got;

	while (n < LOTS && (got = read(*(int *)fd, taken, sizeof(taken))) > 0)
		n += got;
}

static void stream(struct urctx *ctx)
{
	char buf[16];
	ssize_t n;
	struct iovec iov = { buf, 8 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct helper *h;
	int s[2];

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s));
	memset(buf, 's', sizeof(buf));
	h = later(one_byte, &s[1]);
	EXPECT(1, urctx_recv(ctx, s[0], buf, sizeof(buf), 0), IO);
	helper_join(h);
	EXPECT(8, urctx_send(ctx, s[0], buf, 8, 0), IO);
	EXPECT(8, urctx_sendmsg(ctx, s[0], &msg, 0), IO);
	EXPECT(16, urctx_recv(ctx, s[1], buf, 16, MSG_WAITALL), IO);
	h = later(one_byte, &s[1]);
	EXPECT(1, urctx_recvmsg(ctx, s[0], &msg, 0), IO);
	helper_join(h);
	EXPECT(1, urctx_write(ctx, s[0], "x", 1), IO);
	EXPECT(1, urctx_read(ctx, s[1], buf, 1), IO);
	EXPECT(0, urctx_write(ctx, s[0], buf, 0), IO);
	/* more than fits at once */
	h = later(take_some, &s[1]);
	for (n = 0; n < LOTS; )
		n += RESULT(urctx_write(ctx, s[0], lots, (size_t)(LOTS - n)), IO);
	helper_join(h);
	close(s[0]);
	close(s[1]);
}

static struct sockaddr_in addr;
static socklen_t addr_len;

static void connect_one(void *fd)
{
	CHECK(!connect(*(int *)fd, (struct sockaddr *)&addr, addr_len));
}

/* After a failure the socket may still be connecting: another one. */
static int connects(struct urctx *ctx, int *fd)
{
	close(*fd);
	*fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return urctx_connect(ctx, *fd, (struct sockaddr *)&addr, addr_len);
}

static void listening(struct urctx *ctx)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one, two, i;
	int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct helper *h;

	memset(&addr, 0, sizeof(addr));
	addr.sin_family = AF_INET;
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	addr_len = sizeof(addr);
	CHECK(!bind(fd, (struct sockaddr *)&addr, sizeof(addr)) && !listen(fd, 8));
	CHECK(!getsockname(fd, (struct sockaddr *)&addr, &addr_len));
	h = later(connect_one, &other);
	one = (int)RESULT(urctx_accept(ctx, fd, NULL, NULL, SOCK_CLOEXEC), IO);
	helper_join(h);
	close(one);
	close(other);
	two = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	EXPECT(0, connects(ctx, &two), IO);
	one = (int)RESULT(urctx_accept(ctx, fd, NULL, NULL, SOCK_CLOEXEC), IO);
	close(one);
	close(two);
	/* those that were given up */
	CHECK(!fcntl(fd, F_SETFL, O_NONBLOCK));
	for (i = 0; i < 8 && (one = accept(fd, NULL, NULL)) >= 0; i++)
		close(one);
	close(fd);
}

void seq_io_sockets(void)
{
	struct urctx *ctx = context(HOUR);

	stream(ctx);
	listening(ctx);
	urctx_put(ctx);
}

static void splices(struct urctx *ctx)
{
	struct helper *h;
	int a[2], b[2];

	CHECK(!pipe2(a, O_CLOEXEC) && !pipe2(b, O_CLOEXEC));
	CHECK(write(a[1], "sp", 2) == 2);
	EXPECT(2, urctx_splice(ctx, a[0], NULL, b[1], NULL, 16, 0), IO);
	h = later(one_byte, &a[1]);
	EXPECT(1, urctx_splice(ctx, a[0], NULL, b[1], NULL, 16, 0), IO);
	helper_join(h);
	close(a[0]);
	close(a[1]);
	close(b[0]);
	close(b[1]);
}

static void polls(struct urctx *ctx)
{
	struct pollfd p[20] = { 0 };
	struct helper *h;
	int a[2], i;
	char c;

	CHECK(!pipe2(a, O_CLOEXEC));
	for (i = 0; i < 20; i++)
		p[i] = (struct pollfd){ .fd = a[0], .events = POLLIN };
	h = later(one_byte, &a[1]);
	EXPECT(1, urctx_poll(ctx, p, 1), IO);
	helper_join(h);
	CHECK(read(a[0], &c, 1) == 1);
	h = later(one_byte, &a[1]);
	EXPECT(20, urctx_poll(ctx, p, 20), IO, -ENOMEM);
	helper_join(h);
	EXPECT(0, urctx_sleep(ctx, MSEC), -EINTR);
	close(a[0]);
	close(a[1]);
}

static void go(void *fd)
{
	close(*(int *)fd);
}

static void children(struct urctx *ctx, int idtype)
{
	struct helper *h;
	siginfo_t info;
	int a[2];
	pid_t pid;
	char c;

	CHECK(!pipe2(a, O_CLOEXEC));
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		close(a[1]);
		_exit(read(a[0], &c, 1) ? 1 : 7);
	}
	close(a[0]);
	h = later(go, &a[1]);
	memset(&info, 0, sizeof(info));
	EXPECT(0, urctx_waitid(ctx, idtype, idtype == P_PID ? (id_t)pid : 0, &info, WEXITED),
	       IO);
	helper_join(h);
	CHECK(info.si_pid == pid && info.si_status == 7);
}

void seq_io_others(void)
{
	struct urctx *ctx = context(HOUR);

	splices(ctx);
	polls(ctx);
	children(ctx, P_PID);
	children(ctx, P_ALL);
	urctx_put(ctx);
}

/* Nothing is read and written, of what says so at once. */
void seq_io_nothing(void)
{
	struct urctx *ctx = context(HOUR);
	char c;
	int p[2];

	CHECK(!pipe2(p, O_CLOEXEC));
	EXPECT(0, urctx_write(ctx, p[1], &c, 0), IO);
	EXPECT(0, urctx_read(ctx, p[0], &c, 0), IO);
	urctx_put(ctx);
	close(p[0]);
	close(p[1]);
}

/* Without a context: the plain calls. */
void seq_io_null(void)
{
	pipes(NULL);
	files(NULL);
	stream(NULL);
	listening(NULL);
	splices(NULL);
	polls(NULL);
	children(NULL, P_PID);
}
