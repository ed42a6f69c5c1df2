/* SPDX-License-Identifier: MIT */
/*
 * ring_sys.h - what the ring binding needs of the machine beside sys.h
 *
 * Part of the same seam: the model checker has its own behind these names.
 * Nothing here changes errno.
 */
#ifndef URCTX_RING_SYS_H
#define URCTX_RING_SYS_H

#include "sys.h"

#ifdef URCTX_MC

#define ring_eventfd()		mc_eventfd()
#define ring_eventfd_write(fd)	mc_eventfd_write(fd)
#define ring_eventfd_read(fd)	mc_eventfd_read(fd)
#define ring_eventfd_close(fd)	mc_eventfd_close(fd)
#define ring_process()		0U
#define ring_now_coarse()	urctx_now()
#define ring_thread()		mc_thread()

#else

#include <pthread.h>

int ring_eventfd(void);			/* or -errno */
void ring_eventfd_write(int fd);	/* adds 1 */
uint64_t ring_eventfd_read(int fd);	/* waits until it is not 0 */
void ring_eventfd_close(int fd);

int64_t ring_now_coarse(void);

extern unsigned ring_process_nr __attribute__((visibility("hidden")));

/* Changes in a forked child. */
static inline unsigned ring_process(void)
{
	return ring_process_nr;
}

/* One number a thread.  Asked by each call: pthread_self() is a jump away. */
static inline uintptr_t ring_thread(void)
{
#if defined(__x86_64__) && defined(__LP64__)
	uintptr_t self;

	__asm__("mov %%fs:0, %0" : "=r"(self));
	return self;
#else
	return (uintptr_t)pthread_self();
#endif
}

#endif

#endif
