/* SPDX-License-Identifier: MIT */
/* io_sys.c - what a descriptor is, readv(2) and writev(2), ppoll(2) */
#include "io_sys.h"

#include <linux/time_types.h>
#include <urctx.h>

int io_sys_nonblock(int fd)
{
	int saved = errno;
	long ret = io_plain(fcntl(fd, F_GETFL), saved);

	return ret < 0 ? (int)ret : !!(ret & O_NONBLOCK);
}

int io_sys_seekable(int fd)
{
	int saved = errno;
	off_t at = lseek(fd, 0, SEEK_CUR);

	return at < 0 ? (int)io_plain(-1, saved) : 0;
}

/* Not preadv2() without flags: a filter that knows not the one knows not the other. */
long io_sys_read(int fd, const struct iovec *iov, size_t nr, off_t off)
{
	if (off < 0)
		return io_sys(SYS_readv, fd, (long)iov, (long)nr, 0, 0, 0);
	return io_sys_vec2(SYS_preadv, fd, iov, nr, off, 0);
}

long io_sys_write(int fd, const struct iovec *iov, size_t nr, off_t off)
{
	if (off < 0)
		return io_sys(SYS_writev, fd, (long)iov, (long)nr, 0, 0, 0);
	return io_sys_vec2(SYS_pwritev, fd, iov, nr, off, 0);
}

static bool is_stream(int fd)
{
	int type = 0, saved = errno;
	socklen_t len = sizeof(type);

	(void)io_plain(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len), saved);
	return type == SOCK_STREAM;
}

enum io_file io_sys_file(int fd, off_t *size)
{
	struct stat st;
	int saved = errno;

	*size = -1;
	if (io_plain(fstat(fd, &st), saved))
		return IO_OTHER;
	if (S_ISSOCK(st.st_mode))
		return is_stream(fd) ? IO_STREAM : IO_OTHER;
	if (S_ISFIFO(st.st_mode))
		return IO_PIPE;
	if (S_ISREG(st.st_mode))
		*size = st.st_size;
	return S_ISREG(st.st_mode) || S_ISBLK(st.st_mode) ? IO_FILE : IO_OTHER;
}

#ifdef SYS_ppoll_time64
#define PPOLL SYS_ppoll_time64
#else
#define PPOLL SYS_ppoll
#endif

long io_sys_poll(struct pollfd *fds, unsigned long nr, int64_t ns)
{
	struct __kernel_timespec ts = { ns / 1000000000, ns % 1000000000 };

	return io_sys(PPOLL, (long)fds, (long)nr,
		      ns == URCTX_NEVER ? 0 : (long)&ts, 0, 0, 0);
}
