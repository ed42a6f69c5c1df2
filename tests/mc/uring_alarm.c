/* SPDX-License-Identifier: MIT */
/*
 * uring_alarm.c - the kernel's one IORING_OP_TIMEOUT of a ring
 */
#include "uring.h"

#include <errno.h>

static struct {
	uint64_t ud;			/* 0: none */
	int64_t at;
} alarm_;

static int64_t time_of(uint64_t ts)
{
	const struct __kernel_timespec *t = (const struct __kernel_timespec *)(uintptr_t)ts;

	return t->tv_sec * 1000000000 + t->tv_nsec;
}

void mc_alarm_begin(const struct io_uring_sqe *sqe)
{
	mc_assert(!alarm_.ud && sqe->timeout_flags == IORING_TIMEOUT_ABS);
	alarm_.ud = sqe->user_data;
	alarm_.at = time_of(sqe->addr);
}

/* It is too late for one that has fired. */
int mc_alarm_move(const struct io_uring_sqe *sqe)
{
	mc_assert(sqe->timeout_flags == (IORING_TIMEOUT_ABS | IORING_TIMEOUT_UPDATE));
	if (!alarm_.ud || alarm_.ud != sqe->addr)
		return -ENOENT;
	alarm_.at = time_of(sqe->off);
	return 0;
}

bool mc_alarm_cancel(uint64_t ud)
{
	if (!alarm_.ud || alarm_.ud != ud)
		return false;
	alarm_.ud = 0;
	return true;
}

uint64_t mc_alarm_fires(void)
{
	uint64_t ud = alarm_.ud;

	if (!ud || mc_time() < alarm_.at)
		return 0;
	alarm_.ud = 0;
	return ud;
}

int64_t mc_alarm_at(void)
{
	return alarm_.ud ? alarm_.at : INT64_MAX;
}
