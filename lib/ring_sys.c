/* SPDX-License-Identifier: MIT */
/* ring_sys.c - the eventfd that wakes a ring's owner, and forks */
#include "ring_sys.h"
#include "uncancelled.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

unsigned ring_process_nr;

static void forked(void)
{
	ring_process_nr++;
}

static void watch_forks(void)
{
	(void)pthread_atfork(NULL, NULL, forked);
}

/* Of the kernel, late by its tick; a clock that a test holds is not looked at. */
int64_t ring_now_coarse(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

int ring_eventfd(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int saved = errno, fd;

	(void)pthread_once(&once, watch_forks);
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		fd = -errno;
	errno = saved;
	return fd;
}

void ring_eventfd_write(int fd)
{
	const uint64_t one = 1;
	int was = uncancelled(), saved = errno;

	while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	errno = saved;
	uncancelled_end(was);
}

uint64_t ring_eventfd_read(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint64_t sum = 0;
	int was = uncancelled(), saved = errno;

	while (read(fd, &sum, sizeof(sum)) < 0) {
		if (errno != EAGAIN && errno != EINTR) {
			sum = UINT64_MAX;	/* not ours any more: no use waiting */
			break;
		}
		(void)poll(&pfd, 1, -1);
	}
	errno = saved;
	uncancelled_end(was);
	return sum;
}

void ring_eventfd_close(int fd)
{
	int was = uncancelled(), saved = errno;

	(void)close(fd);
	errno = saved;
	uncancelled_end(was);
}
