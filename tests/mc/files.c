/* SPDX-License-Identifier: MIT */
/*
 * files.c - time and descriptors, as memory: instrumented, like their users
 *
 * Time is a word that whoever asks finds as it is now, and so is a descriptor: the
 * kernel has a lock there.  Making a descriptor allocates, closing frees: one that
 * is used after its close, or closed twice, or lost, is found as memory is.
 */
#include <errno.h>

#include "mc.h"

#define FILES	4

static int *file[FILES];
static unsigned files;

static int64_t passed;

int64_t mc_time(void)
{
	return mc_start() + __atomic_fetch_add(&passed, 0, __ATOMIC_RELAXED);
}

void mc_time_is(int64_t when)
{
	int64_t was = __atomic_load_n(&passed, __ATOMIC_RELAXED);
	int64_t now = when - mc_start();

	while (was < now &&
	       !__atomic_compare_exchange_n(&passed, &was, now, 0, __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED))
		;
}

int mc_sleep(const uint32_t *addr, uint32_t val, int64_t deadline)
{
	int ret = mc_futex_wait(addr, val, deadline);

	if (ret == -ETIMEDOUT)
		mc_time_is(deadline);
	return ret;
}

int mc_sleep2(const uint32_t *a, uint32_t val_a, const uint32_t *b, uint32_t val_b,
	      int64_t deadline)
{
	int ret = mc_futex_wait2(a, val_a, b, val_b, deadline);

	if (ret == -ETIMEDOUT)
		mc_time_is(deadline);
	return ret;
}

static int *file_of(int fd)
{
	return __atomic_load_n(&file[fd - 3], __ATOMIC_RELAXED);
}

int mc_timerfd(int64_t when)
{
	int *f = (int *)mc_malloc(sizeof(*f));
	unsigned i;

	if (!f)
		return -EMFILE;
	__atomic_store_n(f, when <= mc_time(), __ATOMIC_RELAXED);
	i = __atomic_fetch_add(&files, 1, __ATOMIC_RELAXED);
	mc_assert(i < FILES);
	__atomic_store_n(&file[i], f, __ATOMIC_RELAXED);
	return (int)i + 3;
}

void mc_timerfd_set(int fd, int64_t when)
{
	__atomic_exchange_n(file_of(fd), when <= 1 || when <= mc_time(), __ATOMIC_ACQ_REL);
}

int mc_readable(int fd)
{
	return __atomic_fetch_or(file_of(fd), 0, __ATOMIC_ACQ_REL);
}

/* Whoever has the number @onto has the other file from now on. */
int mc_dup_over(int fd, int onto)
{
	int readable = __atomic_fetch_or(file_of(fd), 0, __ATOMIC_ACQ_REL);

	__atomic_exchange_n(file_of(onto), readable, __ATOMIC_ACQ_REL);
	return 0;
}

void mc_close(int fd)
{
	mc_free(file_of(fd));
}
