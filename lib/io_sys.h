/* SPDX-License-Identifier: MIT */
/*
 * io_sys.h - the system calls of <urctx/io.h>: the result or -errno, errno untouched
 *
 * By number, for the functions of libc are points of cancellation; those of libc
 * are for who has no context, see io_plain().
 */
#ifndef URCTX_IO_SYS_H
#define URCTX_IO_SYS_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "ring_sys.h"

#define IO_MAX		0x7ffff000UL	/* what one system call moves at most */

static inline long io_sys(long nr, long a, long b, long c, long d, long e, long f)
{
	int saved = errno;
	long ret = syscall(nr, a, b, c, d, e, f);

	if (ret < 0) {
		ret = -errno;
		errno = saved;
	}
	return ret;
}

/* The result of a function of libc that was called with errno as @saved. */
static inline long io_plain(long ret, int saved)
{
	if (ret < 0) {
		ret = -errno;
		errno = saved;
	}
	return ret;
}

/* @nr_: of readv() or writev() with flags; @off -1: the file's own position. */
static inline long io_sys_vec2(long nr_, int fd, const struct iovec *iov, size_t nr,
			       off_t off, int flags)
{
	return io_sys(nr_, fd, (long)iov, (long)nr, (long)off,
		      (long)((uint64_t)off >> 32), flags);
}

/* What can be had without waiting; the file may not be able to say. */
static inline long io_sys_read_now(int fd, const struct iovec *iov, size_t nr, off_t off)
{
	return io_sys_vec2(SYS_preadv2, fd, iov, nr, off, RWF_NOWAIT);
}

static inline long io_sys_write_now(int fd, const struct iovec *iov, size_t nr, off_t off)
{
	return io_sys_vec2(SYS_pwritev2, fd, iov, nr, off, RWF_NOWAIT);
}

long io_sys_read(int fd, const struct iovec *iov, size_t nr, off_t off);
long io_sys_write(int fd, const struct iovec *iov, size_t nr, off_t off);

static inline long io_sys_recv(int fd, void *buf, size_t len, int flags)
{
	return io_sys(SYS_recvfrom, fd, (long)buf, (long)len, flags, 0, 0);
}

static inline long io_sys_send(int fd, const void *buf, size_t len, int flags)
{
	return io_sys(SYS_sendto, fd, (long)buf, (long)len, flags, 0, 0);
}

/* The descriptor is O_NONBLOCK: 1, 0, or -EBADF. */
int io_sys_nonblock(int fd);

/* 0: it has offsets; -ESPIPE, -EBADF. */
int io_sys_seekable(int fd);

/*
 * What a transfer that came to a stop half way does next.  A file goes on until it
 * is full or at its end, pipes and stream sockets until all has gone; the rest stops.
 */
enum io_file { IO_UNKNOWN, IO_FILE, IO_PIPE, IO_STREAM, IO_OTHER };
enum io_file io_sys_file(int fd, off_t *size);		/* @size: of a file, or -1 */

/* @ns: for that long at most, URCTX_NEVER: until something comes.  Never restarted. */
long io_sys_poll(struct pollfd *fds, unsigned long nr, int64_t ns);

#endif
