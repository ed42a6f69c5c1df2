/* SPDX-License-Identifier: MIT */
/*
 * sys_peek.h - look at memory that may be gone: part of the seam, see sys.h
 */
#ifndef URCTX_SYS_PEEK_H
#define URCTX_SYS_PEEK_H

#include "sys.h"

/*
 * Copy @size bytes of this process's own memory by way of the kernel.  False: it
 * is not there any more, or the kernel does not do that (seccomp).
 */
#ifdef URCTX_MC
#define sys_peek(to, from, size) ((void)(to), (void)(from), (void)(size), false)
#else
bool sys_peek(void *to, const void *from, size_t size);
#endif

/* Free memory of ours is looked at on purpose: the tools are not to report it. */
#define SYS_LATE __attribute__((noinline, no_sanitize("address")))
#if defined(URCTX_DEBUG) && defined(HAVE_VALGRIND) && !defined(URCTX_MC)
#include <valgrind/valgrind.h>
#define sys_late_begin() VALGRIND_DISABLE_ERROR_REPORTING
#define sys_late_end()	 VALGRIND_ENABLE_ERROR_REPORTING
#else
#define sys_late_begin() ((void)0)
#define sys_late_end()	 ((void)0)
#endif

#endif
