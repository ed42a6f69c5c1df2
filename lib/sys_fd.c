/* SPDX-License-Identifier: MIT */
/*
 * sys_fd.c - the seam's body for Linux: descriptors; errno is as it was after each
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "sys.h"
#include "uncancelled.h"

#define NSEC	1000000000LL

void sys_timerfd_set(int fd, int64_t when)
{
	struct itimerspec its = { 0 };
	int saved = errno;

	/* 0 would take it back */
	if (when <= 0)
		when = 1;
	its.it_value.tv_sec = when / NSEC;
	its.it_value.tv_nsec = when % NSEC;
	(void)timerfd_settime(fd, TFD_TIMER_ABSTIME, &its, NULL);
	errno = saved;
}

int sys_timerfd(int64_t when)
{
	int saved = errno;
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd < 0)
		fd = -errno;
	else if (when != INT64_MAX)
		sys_timerfd_set(fd, when);
	errno = saved;
	return fd;
}

int sys_dup_over(int fd, int onto)
{
	int saved = errno, ret = dup3(fd, onto, O_CLOEXEC);

	if (ret < 0)
		ret = -errno;
	errno = saved;
	return ret;
}

void sys_close(int fd)
{
	int was = uncancelled(), saved = errno;

	close(fd);
	errno = saved;
	uncancelled_end(was);
}
