/* SPDX-License-Identifier: MIT */
/*
 * sys_futex.h - sleep on two words at once: part of the seam, see sys.h
 */
#ifndef URCTX_SYS_FUTEX_H
#define URCTX_SYS_FUTEX_H

#include "sys.h"

#ifdef URCTX_MC

#define sys_futex_wait2(a, v, b, w, d) mc_sleep2(a, v, b, w, d)
#define sys_futex_slice(a, v, ns)      mc_sleep(a, v, mc_time() + (ns))
#define sys_relax()		       ((void)0)

#else

/*
 * 0: woken on @a; 1: woken on @b, on @a too perhaps.  -EAGAIN: one of them did not
 * hold its value, and nobody's wake-up of @b was used up; -EINTR; -ETIMEDOUT at
 * @deadline; -ENOSYS, -EPERM: not here.
 */
int sys_futex_wait2(const uint32_t *a, uint32_t val_a, const uint32_t *b,
		    uint32_t val_b, int64_t deadline);

/* As sys_futex_wait(), for so long by the machine's clock, not by a test's. */
int sys_futex_slice(const uint32_t *addr, uint32_t val, int64_t ns);

/* In a loop that waits for another thread. */
static inline void sys_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#else
	compiler_barrier();
#endif
}

#endif

#endif
