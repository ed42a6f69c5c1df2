/* SPDX-License-Identifier: MIT */
/*
 * files.c - descriptors, as memory: instrumented, like the library that uses them
 *
 * Making one allocates, closing frees: one that is used after its close, or closed
 * twice, or lost, is found as memory is.
 */
#include <errno.h>

#include "mc.h"

#define FILES	4

static int *file[FILES];
static unsigned files;

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
	__atomic_store_n(f, when <= mc_now(), __ATOMIC_RELAXED);
	i = __atomic_fetch_add(&files, 1, __ATOMIC_RELAXED);
	mc_assert(i < FILES);
	__atomic_store_n(&file[i], f, __ATOMIC_RELAXED);
	return (int)i + 3;
}

void mc_timerfd_set(int fd, int64_t when)
{
	__atomic_store_n(file_of(fd), when <= mc_now(), __ATOMIC_RELAXED);
}

int mc_readable(int fd)
{
	return __atomic_load_n(file_of(fd), __ATOMIC_RELAXED);
}

void mc_close(int fd)
{
	mc_free(file_of(fd));
}
