/* SPDX-License-Identifier: MIT */
/*
 * io.c - reads and writes: a look at the context, and a try that does not wait
 *
 * That is all that most calls do; the rest is out of the way, in io_wait.c.
 */
#include "io.h"

static __attribute__((noinline, cold)) ssize_t
slow_file(struct urctx *ctx, enum io_kind kind, int fd, const struct iovec *iov,
	  int nr, off_t off, long ret)
{
	static const struct iovec none;
	struct io_move m = {
		.kind = kind, .fd = fd, .off = off,
		.iov = nr ? iov : &none, .nr = (size_t)nr,
	};

	return nr < 0 ? -EINVAL : io_move_slow(ctx, &m, ret);
}

/* One buffer. */
static __attribute__((noinline, cold)) ssize_t
slow_one(struct urctx *ctx, enum io_kind kind, int fd, const struct iovec *iov, off_t off,
	 long ret)
{
	struct io_move m = { .kind = kind, .fd = fd, .off = off, .part = *iov };

	return io_move_slow(ctx, &m, ret);
}

static __attribute__((noinline, cold)) ssize_t
slow_socket(struct urctx *ctx, enum io_kind kind, int fd, const void *buf, size_t len,
	    int flags, long ret)
{
	struct io_move m = {
		.kind = kind, .fd = fd, .flags = flags, .off = IO_CURRENT,
		.part = { (void *)buf, len },
	};

	return io_move_slow(ctx, &m, ret);
}

static __attribute__((noinline, cold)) ssize_t
slow_message(struct urctx *ctx, enum io_kind kind, int fd, struct msghdr *msg,
	     size_t room, int flags, long ret)
{
	struct io_move m = {
		.kind = kind, .fd = fd, .flags = flags, .off = IO_CURRENT, .msg = msg,
		.room = room, .iov = msg->msg_iov, .nr = msg->msg_iovlen,
	};

	return io_move_slow(ctx, &m, ret);
}

static inline ssize_t read_one(struct urctx *ctx, int fd, void *buf, size_t len,
			       off_t off)
{
	struct iovec iov = { buf, len < IO_MAX ? len : IO_MAX };
	long ret = urctx_err(ctx);

	if (unlikely(ret))
		return ret;
	ret = io_sys_read_now(fd, &iov, 1, off);
	if (likely(ret == (long)iov.iov_len && ret))
		return ret;
	return slow_one(ctx, IO_READ, fd, &iov, off, ret);
}

static inline ssize_t write_one(struct urctx *ctx, int fd, const void *buf, size_t len,
				off_t off)
{
	struct iovec iov = { (void *)buf, len < IO_MAX ? len : IO_MAX };
	long ret = urctx_err(ctx);

	if (unlikely(ret))
		return ret;
	ret = io_sys_write_now(fd, &iov, 1, off);
	if (likely(ret == (long)iov.iov_len && ret))
		return ret;
	return slow_one(ctx, IO_WRITE, fd, &iov, off, ret);
}

ssize_t urctx_read(struct urctx *ctx, int fd, void *buf, size_t len)
{
	int saved = errno;

	return ctx ? read_one(ctx, fd, buf, len, IO_CURRENT) :
		     io_plain(read(fd, buf, len), saved);
}

ssize_t urctx_write(struct urctx *ctx, int fd, const void *buf, size_t len)
{
	int saved = errno;

	return ctx ? write_one(ctx, fd, buf, len, IO_CURRENT) :
		     io_plain(write(fd, buf, len), saved);
}

/* An offset of -1 would be the file's own. */
ssize_t urctx_pread(struct urctx *ctx, int fd, void *buf, size_t len, off_t off)
{
	int saved = errno;

	if (unlikely(off < 0))
		return -EINVAL;
	return ctx ? read_one(ctx, fd, buf, len, off) :
		     io_plain(pread(fd, buf, len, off), saved);
}

ssize_t urctx_pwrite(struct urctx *ctx, int fd, const void *buf, size_t len, off_t off)
{
	int saved = errno;

	if (unlikely(off < 0))
		return -EINVAL;
	return ctx ? write_one(ctx, fd, buf, len, off) :
		     io_plain(pwrite(fd, buf, len, off), saved);
}

static inline size_t total(const struct iovec *iov, int nr)
{
	size_t sum = 0;

	for (int i = 0; i < nr; i++)
		sum += iov[i].iov_len;
	return sum;
}

ssize_t urctx_readv(struct urctx *ctx, int fd, const struct iovec *iov, int nr)
{
	int saved = errno;
	long ret;

	if (!ctx)
		return io_plain(readv(fd, iov, nr), saved);
	ret = urctx_err(ctx);
	if (unlikely(ret))
		return ret;
	ret = io_sys_read_now(fd, iov, (size_t)nr, IO_CURRENT);
	if (likely(ret > 0 && (size_t)ret == total(iov, nr)))
		return ret;
	return slow_file(ctx, IO_READ, fd, iov, nr, IO_CURRENT, ret);
}

ssize_t urctx_writev(struct urctx *ctx, int fd, const struct iovec *iov, int nr)
{
	int saved = errno;
	long ret;

	if (!ctx)
		return io_plain(writev(fd, iov, nr), saved);
	ret = urctx_err(ctx);
	if (unlikely(ret))
		return ret;
	ret = io_sys_write_now(fd, iov, (size_t)nr, IO_CURRENT);
	if (likely(ret > 0 && (size_t)ret == total(iov, nr)))
		return ret;
	return slow_file(ctx, IO_WRITE, fd, iov, nr, IO_CURRENT, ret);
}

ssize_t urctx_recv(struct urctx *ctx, int fd, void *buf, size_t len, int flags)
{
	int saved = errno;
	long ret;

	if (!ctx)
		return io_plain(recv(fd, buf, len, flags), saved);
	ret = urctx_err(ctx);
	if (unlikely(ret))
		return ret;
	ret = io_sys_recv(fd, buf, len, flags | MSG_DONTWAIT);
	if (likely(ret >= 0 && !(flags & MSG_WAITALL)))
		return ret;
	return slow_socket(ctx, IO_RECV, fd, buf, len, flags, ret);
}

ssize_t urctx_send(struct urctx *ctx, int fd, const void *buf, size_t len, int flags)
{
	int saved = errno;
	long ret;

	if (!ctx)
		return io_plain(send(fd, buf, len, flags), saved);
	ret = urctx_err(ctx);
	if (unlikely(ret))
		return ret;
	ret = io_sys_send(fd, buf, len, flags | MSG_DONTWAIT);
	if (likely(ret == (long)len))
		return ret;
	return slow_socket(ctx, IO_SEND, fd, buf, len, flags, ret);
}

ssize_t urctx_recvmsg(struct urctx *ctx, int fd, struct msghdr *msg, int flags)
{
	int saved = errno;
	size_t room;
	long ret;

	if (!ctx)
		return io_plain(recvmsg(fd, msg, flags), saved);
	ret = urctx_err(ctx);
	if (unlikely(ret))
		return ret;
	room = msg->msg_controllen;
	ret = io_sys(SYS_recvmsg, fd, (long)msg, flags | MSG_DONTWAIT, 0, 0, 0);
	if (likely(ret >= 0 && !(flags & MSG_WAITALL)))
		return ret;
	return slow_message(ctx, IO_RECV, fd, msg, room, flags, ret);
}

ssize_t urctx_sendmsg(struct urctx *ctx, int fd, const struct msghdr *msg, int flags)
{
	int saved = errno;
	long ret;

	if (!ctx)
		return io_plain(sendmsg(fd, msg, flags), saved);
	ret = urctx_err(ctx);
	if (unlikely(ret))
		return ret;
	ret = io_sys(SYS_sendmsg, fd, (long)msg, flags | MSG_DONTWAIT, 0, 0, 0);
	if (likely(ret >= 0 && (size_t)ret == total(msg->msg_iov, (int)msg->msg_iovlen)))
		return ret;
	return slow_message(ctx, IO_SEND, fd, (struct msghdr *)msg, 0, flags, ret);
}
