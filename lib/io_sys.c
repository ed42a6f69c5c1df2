/* SPDX-License-Identifier: MIT */
/* io_sys.c - what a descriptor is, and ppoll(2) */
#include "io_sys.h"

#include <linux/time_types.h>
#include <urctx.h>

int io_sys_nonblock(int fd)
{
	int saved = errno;
	long ret = io_plain(fcntl(fd, F_GETFL), saved);

	return ret < 0 ? (int)ret : !!(ret & O_NONBLOCK);
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
