/* SPDX-License-Identifier: MIT */
/*
 * rcu.h - read-side sections and grace periods: the only file that knows liburcu
 *
 * The flavour is bp: the application's threads need not register.  A section may
 * be nested, also by a signal handler.  Grace periods are the housekeeper's alone
 * (house.c).
 */
#ifndef URCTX_RCU_H
#define URCTX_RCU_H

#if defined(URCTX_MC)

#include "mc_lib.h"

#define rcu_enter()		mc_rcu_read_lock()
#define rcu_exit()		mc_rcu_read_unlock()
#define rcu_wait_readers()	mc_synchronize_rcu()
#define rcu_readers_seen()	((void)0)

#elif defined(URCTX_TSAN)

/*
 * TSan sees neither liburcu's volatile accesses nor its fences.  What it has to
 * know is that a section that has ended happens before the grace period's end.
 */
#include "atomic.h"
#include <urcu/tls-compat.h>
#include <urcu/urcu-bp.h>
extern char urctx_grace_period __attribute__((visibility("hidden")));

#define rcu_enter()		urcu_bp_read_lock()
#define rcu_exit()                                                             \
	do {                                                                   \
		__tsan_release(&urctx_grace_period);                           \
		urcu_bp_read_unlock();                                         \
	} while (0)
#define rcu_wait_readers()                                                     \
	do {                                                                   \
		urcu_bp_synchronize_rcu();                                     \
		__tsan_acquire(&urctx_grace_period);                           \
	} while (0)
#define rcu_readers_seen()	__tsan_acquire(&urctx_grace_period)

#else

#define _LGPL_SOURCE		/* its small read-side functions inline */
#include <urcu/urcu-bp.h>

#define rcu_enter()		urcu_bp_read_lock()
#define rcu_exit()		urcu_bp_read_unlock()
#define rcu_wait_readers()	urcu_bp_synchronize_rcu()
#define rcu_readers_seen()	((void)0)

#endif

#if defined(URCTX_MC)
/* readers.h has its own. */
#elif defined(URCTX_TSAN)

/* Without the inline functions their state is not seen: never known to be out. */
static inline void *rcu_reader(void)
{
	static __thread char reader;

	return &reader;
}

static inline bool rcu_reader_inside(void *reader)
{
	return reader;
}

static inline void rcu_reader_gone(void *reader)
{
	(void)reader;
}

extern DECLARE_URCU_TLS(struct urcu_bp_reader *, urcu_bp_reader);

#else

/*
 * This thread's state as liburcu's inline functions know it; is the thread of such
 * a state in a section; and: it left for good.
 */
static inline void *rcu_reader(void)
{
	return URCU_TLS(urcu_bp_reader);
}

static inline bool rcu_reader_inside(void *reader)
{
	return CMM_LOAD_SHARED(((struct urcu_bp_reader *)reader)->ctr) &
	       URCU_BP_GP_CTR_NEST_MASK;
}

static inline void rcu_reader_gone(void *reader)
{
	CMM_STORE_SHARED(((struct urcu_bp_reader *)reader)->ctr, 0);
}

#endif

#ifdef URCTX_MC
#define rcu_reader_new()	false
#else
/* This thread has not been in a section: liburcu will take mutexes for its first. */
static inline bool rcu_reader_new(void)
{
	return !URCU_TLS(urcu_bp_reader);
}
#endif

#endif
