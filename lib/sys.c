/* SPDX-License-Identifier: MIT */
/*
 * sys.c - the seam's body for Linux: errno is as it was after each of these
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "context.h"
#include "sys.h"

#define THREAD_STACK	(1 << 20)	/* callbacks of expiries run there */

bool sys_has_membarrier;

/* The result, or -errno. */
static long call(long nr, long a, long b, long c, long d, long e, long f)
{
	int saved = errno;
	long ret = syscall(nr, a, b, c, d, e, f);

	if (ret < 0) {
		ret = -errno;
		errno = saved;
	}
	return ret;
}

void *sys_pages(size_t size)
{
	int saved = errno;
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       /* cppcheck-suppress invalidFunctionArg ; there is no file */
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	errno = saved;
	/* cppcheck-suppress memleak ; what is not returned is no memory */
	return p == MAP_FAILED ? NULL : p;
}

void sys_pages_free(void *p, size_t size)
{
	int saved = errno;

	munmap(p, size);
	errno = saved;
}

void sys_pages_clear(void *p, size_t size)
{
	int saved = errno;

	if (madvise(p, size, MADV_DONTNEED))
		__builtin_memset(p, 0, size);
	errno = saved;
}

void *sys_alloc(size_t size)
{
	int saved = errno;
	void *p = malloc(size);

	errno = saved;
	return p;
}

void sys_free(void *p)
{
	free(p);
}

void sys_futex_wake(const uint32_t *addr)
{
	call(SYS_futex, (long)addr, FUTEX_WAKE_PRIVATE, INT_MAX, 0, 0, 0);
}

void sys_membarrier_register(void)
{
	if (sys_asymmetric())
		return;
	if (!call(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0,
		  0, 0, 0))
		store_relaxed(&sys_has_membarrier, true);
}

bool sys_membarrier(void)
{
	/* real fences then: of who leaves a slot, and of who put it on a list */
	if (!sys_asymmetric())
		return true;
	if (!call(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0, 0, 0, 0))
		return true;
	store_relaxed(&sys_has_membarrier, false);
	return false;
}

static void *thread_main(void *arg)
{
	void (*fn)(void);

	__builtin_memcpy(&fn, &arg, sizeof(fn));
	prctl(PR_SET_NAME, "urctx");
	prctl(PR_SET_TIMERSLACK, 1UL);
	fn();
	return NULL;
}

void sys_calm_begin(struct sys_calm *c)
{
	sigset_t all;

	c->err = errno;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &c->signals);
}

void sys_calm_end(const struct sys_calm *c)
{
	pthread_sigmask(SIG_SETMASK, &c->signals, NULL);
	errno = c->err;
}

static int start(pthread_attr_t *attr, void *arg)
{
	struct sys_calm c;
	pthread_t id;
	int ret;

	sys_calm_begin(&c);
	ret = pthread_create(&id, attr, thread_main, arg);
	sys_calm_end(&c);
	return -ret;
}

int sys_thread_start(void (*fn)(void))
{
	int saved = errno, ret;
	pthread_attr_t attr;
	void *arg;

	__builtin_memcpy(&arg, &fn, sizeof(arg));
	ret = -pthread_attr_init(&attr);
	if (ret)
		return ret;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	ret = start(&attr, arg);
	if (ret == -EINVAL) {	/* thread-local data larger than that stack */
		pthread_attr_destroy(&attr);
		pthread_attr_init(&attr);
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		ret = start(&attr, arg);
	}
	pthread_attr_destroy(&attr);
	errno = saved;
	return ret;
}

static pthread_key_t exit_key;
static bool exit_key_made;

static void exit_run(void *arg)
{
	void (*fn)(void);

	__builtin_memcpy(&fn, &arg, sizeof(fn));
	fn();
}

static void exit_key_make(void)
{
	exit_key_made = !pthread_key_create(&exit_key, exit_run);
}

void sys_thread_exits(void (*fn)(void))
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int saved = errno;
	void *arg;

	__builtin_memcpy(&arg, &fn, sizeof(arg));
	pthread_once(&once, exit_key_make);
	if (exit_key_made)	/* no memory: what this thread caches stays its */
		pthread_setspecific(exit_key, arg);
	errno = saved;
}
