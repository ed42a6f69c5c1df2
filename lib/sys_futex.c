/* SPDX-License-Identifier: MIT */
/*
 * sys_futex.c - futex_waitv(2), since Linux 5.16; errno is as it was
 */
#include <errno.h>
#include <linux/futex.h>
#include <linux/time_types.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <urctx.h>

#include "sys_clock.h"
#include "sys_futex.h"

#define NSEC 1000000000LL

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449	/* everywhere but on alpha */
#endif

/* struct futex_waitv of linux/futex.h, which may be older than it. */
struct waitv {
	uint64_t val, addr;
	uint32_t flags, reserved;
};

#define WAITV_FLAGS (2 /* FUTEX_32 */ | FUTEX_PRIVATE_FLAG)

/* The result, or -errno. */
static int call(long nr, long a, long b, long c, long d, long e)
{
	int saved = errno;
	long ret = syscall(nr, a, b, c, d, e);

	if (ret < 0) {
		ret = -errno;
		errno = saved;
	}
	return (int)ret;
}

static int wait2_real(const uint32_t *a, uint32_t val_a, const uint32_t *b,
		      uint32_t val_b, int64_t deadline)
{
	/*
	 * The kernel compares and queues one after the other, and of several that
	 * were woken it says the last: so @b's wake-up is never kept to itself.
	 */
	struct waitv v[2] = {
		{ .val = val_a, .addr = (uintptr_t)a, .flags = WAITV_FLAGS },
		{ .val = val_b, .addr = (uintptr_t)b, .flags = WAITV_FLAGS },
	};
	struct __kernel_timespec ts = { 0 }, *until = NULL;

	if (deadline != URCTX_NEVER) {
		if (deadline > 0) {	/* uncovered: it would be over */
			ts.tv_sec = deadline / NSEC;
			ts.tv_nsec = deadline % NSEC;
		}
		until = &ts;
	}
	return call(SYS_futex_waitv, (long)v, 2, 0, (long)until, CLOCK_MONOTONIC);
}

/* Again, if a test took the clock, or let it go, while this slept. */
int sys_futex_wait2(const uint32_t *a, uint32_t val_a, const uint32_t *b,
		    uint32_t val_b, int64_t deadline)
{
	int ret;

	do
		if (__builtin_expect(sys_clock_held(), 0))
			ret = clock_sleep(a, val_a, b, val_b, deadline);
		else
			ret = wait2_real(a, val_a, b, val_b, deadline);
	while (ret == CLOCK_LOOK);
	return ret;
}

int sys_futex_slice(const uint32_t *addr, uint32_t val, int64_t ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(ns / NSEC),
		.tv_nsec = (long)(ns % NSEC),
	};

	return call(SYS_futex, (long)addr, FUTEX_WAIT_PRIVATE, val, (long)&ts, 0);
}
