/* SPDX-License-Identifier: MIT */
/*
 * io_calls.c - accept, connect, openat, close, fsync: the kernel has no way to say
 * whether these would wait, but to do them
 */
#include "io.h"

/* The socket is O_NONBLOCK, or nothing can be done: @ret is the answer. */
static bool answered(struct urctx *ctx, int fd, int *ret)
{
	*ret = urctx_err(ctx);
	if (!*ret)
		*ret = io_sys_nonblock(fd);
	return *ret < 0;
}

static int accept_over_poll(struct urctx *ctx, int fd, struct sockaddr *addr,
			    socklen_t *len, int flags)
{
	int ret = io_await(ctx, fd, POLLIN);

	return ret ? ret : (int)io_sys(SYS_accept4, fd, (long)addr, (long)len, flags,
				       0, 0);
}

static int accept_wait(struct urctx *ctx, int fd, struct sockaddr *addr,
		       socklen_t *len, int flags)
{
	struct io_calm calm = io_calm();
	struct io_uring_sqe sqe = { 0 };
	int ret;

	io_uring_prep_accept(&sqe, fd, addr, len, flags);
	if (!io_run(ctx, &sqe, &ret))
		ret = accept_over_poll(ctx, fd, addr, len, flags);
	io_calm_end(&calm);
	return ret;
}

int urctx_accept(struct urctx *ctx, int fd, struct sockaddr *addr, socklen_t *len,
		 int flags)
{
	int saved = errno, ret;

	if (!ctx)
		return (int)io_plain(accept4(fd, addr, len, flags), saved);
	if (answered(ctx, fd, &ret))
		return ret;
	/* what is wrong is wrong before somebody comes */
	if (ret || flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC))
		return (int)io_sys(SYS_accept4, fd, (long)addr, (long)len, flags, 0, 0);
	return accept_wait(ctx, fd, addr, len, flags);
}

static int connect_now(int fd, const struct sockaddr *addr, socklen_t len)
{
	return (int)io_sys(SYS_connect, fd, (long)addr, (long)len, 0, 0, 0);
}

static int connected(int fd)
{
	int err = 0, saved = errno;
	socklen_t len = sizeof(err);
	long ret = io_plain(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len), saved);

	return ret ? (int)ret : -err;
}

/* -EAGAIN: a Unix socket whose peer's queue is full; nothing to wait for by poll(2). */
static int connect_try(struct urctx *ctx, int fd, const struct sockaddr *addr,
		       socklen_t len)
{
	int64_t nap = IO_NAP_FIRST;
	int ret;

	for (;;) {
		ret = connect_now(fd, addr, len);
		if (ret != -EAGAIN)
			break;
		ret = io_nap(ctx, &nap);
		if (ret)
			return ret;
	}
	if (ret != -EINPROGRESS && ret != -EALREADY)
		return ret;
	ret = io_await(ctx, fd, POLLOUT);
	return ret ? ret : connected(fd);
}

static int connect_over_poll(struct urctx *ctx, int fd, const struct sockaddr *addr,
			     socklen_t len)
{
	int saved = errno, flags = fcntl(fd, F_GETFL), ret;

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return (int)io_plain(-1, saved);
	ret = connect_try(ctx, fd, addr, len);
	(void)fcntl(fd, F_SETFL, flags);
	return ret;
}

static int connect_wait(struct urctx *ctx, int fd, const struct sockaddr *addr,
			socklen_t len)
{
	struct io_calm calm = io_calm();
	struct io_uring_sqe sqe = { 0 };
	int ret;

	io_uring_prep_connect(&sqe, fd, addr, len);
	/* who is connecting already is waited for by connect(2), by a ring not */
	if (!io_run(ctx, &sqe, &ret) || ret == -EALREADY)
		ret = connect_over_poll(ctx, fd, addr, len);
	io_calm_end(&calm);
	return ret;
}

int urctx_connect(struct urctx *ctx, int fd, const struct sockaddr *addr, socklen_t len)
{
	int saved = errno, ret;

	if (!ctx)
		return (int)io_plain(connect(fd, addr, len), saved);
	if (answered(ctx, fd, &ret))
		return ret;
	return ret ? connect_now(fd, addr, len) : connect_wait(ctx, fd, addr, len);
}

int urctx_openat(struct urctx *ctx, int dir, const char *path, int flags, mode_t mode)
{
	int saved = errno, ret;
	struct io_uring_sqe sqe = { 0 };
	struct io_calm calm;

	if (!ctx)
		return (int)io_plain(openat(dir, path, flags, mode), saved);
	ret = urctx_err(ctx);
	if (ret)
		return ret;
	calm = io_calm();
	io_uring_prep_openat(&sqe, dir, path, flags | O_LARGEFILE, mode);
	/* a first try would open a FIFO without waiting for its other end */
	sqe.flags |= IOSQE_ASYNC;
	if (!io_run(ctx, &sqe, &ret)) {
		ret = urctx_err(ctx);
		if (!ret)
			ret = (int)io_sys(SYS_openat, dir, (long)path,
					  flags | O_LARGEFILE, (long)mode, 0, 0);
	}
	io_calm_end(&calm);
	return ret;
}

/*
 * Not over a ring: what a worker answers does not tell whether it closed the
 * number, and to close it twice is to close somebody else's.
 */
int urctx_close(struct urctx *ctx, int fd)
{
	(void)ctx;
	return (int)io_sys(SYS_close, fd, 0, 0, 0, 0, 0);
}

int urctx_fsync(struct urctx *ctx, int fd)
{
	int saved = errno, ret;
	struct io_uring_sqe sqe = { 0 };
	struct io_calm calm;

	if (!ctx)
		return (int)io_plain(fsync(fd), saved);
	ret = urctx_err(ctx);
	if (ret)
		return ret;
	calm = io_calm();
	io_uring_prep_fsync(&sqe, fd, 0);
	if (!io_run(ctx, &sqe, &ret)) {
		ret = urctx_err(ctx);
		if (!ret)
			ret = (int)io_sys(SYS_fsync, fd, 0, 0, 0, 0, 0);
	}
	io_calm_end(&calm);
	return ret;
}
