/* SPDX-License-Identifier: MIT */
/*
 * mc_lib.h - what the library sees of the checker: its machine
 *
 * lib/sys.h and lib/rcu.h put these behind their own names under URCTX_MC.
 */
#ifndef MC_LIB_H
#define MC_LIB_H

#include <stddef.h>
#include <stdint.h>

/*
 * Readers and grace periods, at the weakest that any flavour of liburcu gives:
 * a section that a grace period did not wait for sees what was done before it,
 * one that it waited for is seen after it, and nothing else is ordered.
 */
void mc_rcu_read_lock(void);
void mc_rcu_read_unlock(void);
void mc_synchronize_rcu(void);
void mc_membarrier(void);		/* a full fence in every thread */

/* 0, -EAGAIN, -ETIMEDOUT (if @deadline is not INT64_MAX), -EINTR (a fault). */
int mc_futex_wait(const uint32_t *addr, uint32_t val, int64_t deadline);
/*
 * On two words: 0 or 1, the word it was woken on, 1 if on both.  The first is
 * compared and queued before the second.
 */
int mc_futex_wait2(const uint32_t *a, uint32_t val_a, const uint32_t *b,
		   uint32_t val_b, int64_t deadline);
int mc_futex_wake(const uint32_t *addr, int nr);

/* Zeroed, never at an address that was used before; NULL is a fault. */
void *mc_alloc(size_t size, size_t align);
void mc_free(void *p);
/* While poisoned only atomic accesses are allowed: late looks. */
void mc_poison(const void *p, size_t size);
void mc_unpoison(const void *p, size_t size);

/* A timerfd, as a word: 1 readable.  -EMFILE where memory fails. */
int mc_timerfd(int64_t when);
void mc_timerfd_set(int fd, int64_t when);
int mc_readable(int fd);
int mc_dup_over(int fd, int onto);
void mc_close(int fd);

/* An eventfd that counts; which thread a ring's owner is (uring.c, s_ring_wake.c). */
int mc_eventfd(void);
void mc_eventfd_write(int fd);
uint64_t mc_eventfd_read(int fd);
void mc_eventfd_close(int fd);
uintptr_t mc_thread(void);

/* What the scenario says the time is at first; now; it becomes so late, at least. */
int64_t mc_start(void);
int64_t mc_time(void);
void mc_time_is(int64_t when);
/* Futex waits of which a timeout takes time. */
int mc_sleep(const uint32_t *addr, uint32_t val, int64_t deadline);
int mc_sleep2(const uint32_t *a, uint32_t val_a, const uint32_t *b, uint32_t val_b,
	      int64_t deadline);
void *mc_tls(size_t size, const void *init);	/* of this thread; @init may be NULL */
int mc_thread_start(void (*fn)(void));		/* no thread: mc_started() */

#endif
