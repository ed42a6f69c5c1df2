/* SPDX-License-Identifier: MIT */
/*
 * atomic.h - typed wrappers over __atomic: nothing else in lib/ has them
 *
 * An ordered access names its row of order.h.  Data is ordered by release and
 * acquire on the word that announces it; seq_cst is for fences only, in the
 * store-buffering pattern.  A failed cas() stores what it found and orders
 * nothing: who relies on what it found says cas_or_read().
 */
#ifndef URCTX_ATOMIC_H
#define URCTX_ATOMIC_H

#include "order.h"

#define load(p, row)		__atomic_load_n(p, ORDER_##row)
#define load_relaxed(p)		__atomic_load_n(p, __ATOMIC_RELAXED)
#define store(p, v, row)	__atomic_store_n(p, v, ORDER_##row)
#define store_relaxed(p, v)	__atomic_store_n(p, v, __ATOMIC_RELAXED)
#define xchg(p, v, row)		__atomic_exchange_n(p, v, ORDER_##row)
#define xchg_relaxed(p, v)	__atomic_exchange_n(p, v, __ATOMIC_RELAXED)
#define cas(p, old, v, row)                                                    \
	__atomic_compare_exchange_n(p, old, v, 0, ORDER_##row, __ATOMIC_RELAXED)
#define cas_relaxed(p, old, v)                                                 \
	__atomic_compare_exchange_n(p, old, v, 0, __ATOMIC_RELAXED,            \
				    __ATOMIC_RELAXED)
/* @won orders the exchange, @lost the read of a word that somebody else wrote. */
#define cas_or_read(p, old, v, won, lost)                                      \
	__atomic_compare_exchange_n(p, old, v, 0,                              \
				    (int)ORDER_##won == __ATOMIC_RELEASE &&    \
				    (int)ORDER_##lost == __ATOMIC_ACQUIRE ?    \
					    __ATOMIC_ACQ_REL :                 \
				    (int)ORDER_##won == __ATOMIC_RELAXED ?     \
					    (int)ORDER_##lost :                \
					    (int)ORDER_##won,                  \
				    ORDER_##lost)
#define fetch_add(p, v, row)	__atomic_fetch_add(p, v, ORDER_##row)
#define fetch_add_relaxed(p, v) __atomic_fetch_add(p, v, __ATOMIC_RELAXED)
#define fetch_sub(p, v, row)	__atomic_fetch_sub(p, v, ORDER_##row)
#define fetch_sub_relaxed(p, v) __atomic_fetch_sub(p, v, __ATOMIC_RELAXED)
#define fetch_or(p, v, row)	__atomic_fetch_or(p, v, ORDER_##row)
#define fetch_or_relaxed(p, v)	__atomic_fetch_or(p, v, __ATOMIC_RELAXED)
#define fetch_and(p, v, row)	__atomic_fetch_and(p, v, ORDER_##row)

/* Two names for a row that is weakened to nothing: the fence is left out. */
#define fence(row)                                                             \
	do {                                                                   \
		if ((int)ORDER_##row != __ATOMIC_RELAXED)                      \
			__atomic_thread_fence(ORDER_##row);                    \
	} while (0)

/*
 * A full fence directly behind a read-modify-write.  On x86 the locked
 * instruction is one already; gcc does not merge the two, which costs 5.7 ns.
 */
#if (defined(__x86_64__) || defined(__i386__)) && !defined(URCTX_MC)
#define fence_after_rmw(row)	compiler_barrier()
#else
#define fence_after_rmw(row)	fence(row)
#endif

/* The cheap half of sys_membarrier(): keeps the compiler's order only. */
#define compiler_barrier()	__asm__ __volatile__("" ::: "memory")

/* TSan sees no fences: what is not atomic, and two of them order, it is told of. */
#ifdef URCTX_TSAN
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
#define fence_gives(p)		__tsan_release(p)
#define fence_takes(p)		__tsan_acquire(p)
#else
#define fence_gives(p)		((void)0)
#define fence_takes(p)		((void)0)
#endif

#endif
