/* SPDX-License-Identifier: MIT */
/*
 * sys.h - the one seam to the machine: memory, clocks, threads, system calls
 *
 * The model checker, fault injection and the test clock put their own behind
 * these names.  Nothing here changes errno; failures are returned as -errno.
 */
#ifndef URCTX_SYS_H
#define URCTX_SYS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "atomic.h"

/* This thread's signals and errno, as they were. */
struct sys_calm {
	sigset_t signals;
	int err;
};

#ifdef URCTX_MC

#include "mc_lib.h"

#define sys_pages(size)		 mc_alloc(size, 512)
#define sys_pages_free(p, size)	 mc_free(p)
#define sys_pages_clear(p, size) __builtin_memset(p, 0, size)
#define sys_alloc(size)		 mc_alloc(size, 16)
#define sys_free(p)		 mc_free(p)
#define sys_now()		 mc_time()
#define sys_now_coarse()	 mc_start()
#define sys_now_real()		 mc_time()
#define sys_clock_held()	 false
#define sys_futex_wait(a, v, d)	 mc_sleep(a, v, d)
#define sys_futex_wait_real(a, v, d) mc_sleep(a, v, d)
#define sys_futex_wake(a)	 mc_futex_wake(a, 1 << 30)
#ifndef URCTX_MC_NO_MEMBARRIER
#define sys_asymmetric()	 true
#define sys_membarrier()	 (mc_membarrier(), true)
#else
#define sys_asymmetric()	 false
#define sys_membarrier()	 true
#endif
#define sys_membarrier_register() ((void)0)
#define sys_timerfd(when)	 mc_timerfd(when)
#define sys_timerfd_set(fd, at)	 mc_timerfd_set(fd, at)
#define sys_dup_over(fd, onto)	 mc_dup_over(fd, onto)
#define sys_close(fd)		 mc_close(fd)
#define sys_thread_start(fn)	 mc_thread_start(fn)
#define sys_threads_run		 false	/* scenarios run it, or do not */
#define sys_thread_exits(fn)	 ((void)(fn))
#define sys_calm_begin(c)	 ((void)(c))
#define sys_calm_end(c)		 ((void)(c))
#define sys_poison(p, n)	 mc_poison(p, n)
#define sys_unpoison(p, n)	 mc_unpoison(p, n)

#else

/* Zeroed pages, aligned to a page; NULL when there are none. */
void *sys_pages(size_t size);
void sys_pages_free(void *p, size_t size);
/* Zero whole pages by giving their memory back. */
void sys_pages_clear(void *p, size_t size);

/* In between no signal comes; what happens to errno is undone. */
void sys_calm_begin(struct sys_calm *c);
void sys_calm_end(const struct sys_calm *c);

/* Blocks of any size, for what is rare. */
void *sys_alloc(size_t size);
void sys_free(void *p);

int64_t sys_now(void);			/* CLOCK_MONOTONIC, ns, or the test's clock */
int64_t sys_now_coarse(void);		/* the same, late by a tick, at a third of the cost */
int64_t sys_now_real(void);		/* CLOCK_MONOTONIC */
extern int64_t sys_held_at __attribute__((visibility("hidden")));
static inline bool sys_clock_held(void)	/* is it the test's clock? */
{
	return load_relaxed(&sys_held_at) >= 0;
}

/* A timerfd that is set to @when, or to nothing; an absolute time; -errno. */
int sys_timerfd(int64_t when);
void sys_timerfd_set(int fd, int64_t when);
int sys_dup_over(int fd, int onto);
void sys_close(int fd);

/* 0 woken, -EAGAIN *@addr was not @val, -EINTR, -ETIMEDOUT at @deadline. */
int sys_futex_wait(const uint32_t *addr, uint32_t val, int64_t deadline);
/* The same by sys_now_real(), and of no interest to a test: locks, our own thread. */
int sys_futex_wait_real(const uint32_t *addr, uint32_t val, int64_t deadline);
void sys_futex_wake(const uint32_t *addr);	/* everybody */

/*
 * A full fence in every running thread of the process.  Not there (seccomp,
 * gVisor): the other half of the pair must be a real fence too.
 */
extern bool sys_has_membarrier __attribute__((visibility("hidden")));
static inline bool sys_asymmetric(void)	/* it is there */
{
	return load_relaxed(&sys_has_membarrier);
}
void sys_membarrier_register(void);
/* False: it is refused from now on, and what should have been ordered is not. */
bool sys_membarrier(void);

/* A detached thread, all signals blocked, small stack, timer slack 1 ns. */
int sys_thread_start(void (*fn)(void));
#define sys_threads_run		true
/* @fn is to run when this thread exits; again if the library is used after it. */
void sys_thread_exits(void (*fn)(void));

/*
 * Free memory of a slab stays readable, so that late looks are harmless; tell
 * the tools that a user's access to it is none.
 */
#if defined(__SANITIZE_ADDRESS__)
#define URCTX_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define URCTX_ASAN 1
#endif
#endif

#if defined(URCTX_ASAN)
#include <sanitizer/asan_interface.h>
#define sys_poison(p, n)	 ASAN_POISON_MEMORY_REGION(p, n)
#define sys_unpoison(p, n)	 ASAN_UNPOISON_MEMORY_REGION(p, n)
#elif defined(URCTX_DEBUG) && defined(HAVE_VALGRIND)
#include <valgrind/memcheck.h>
#define sys_poison(p, n)	 (void)VALGRIND_MAKE_MEM_NOACCESS(p, n)
#define sys_unpoison(p, n)	 (void)VALGRIND_MAKE_MEM_UNDEFINED(p, n)
#else
#define sys_poison(p, n)	 ((void)0)
#define sys_unpoison(p, n)	 ((void)0)
#endif

#endif

#endif
