/* SPDX-License-Identifier: MIT */
/*
 * sys_signal.h - signals, read like data: part of the seam, see sys.h
 */
#ifndef URCTX_SYS_SIGNAL_H
#define URCTX_SYS_SIGNAL_H

#include <errno.h>
#include <signal.h>

#include "sys.h"

#ifdef URCTX_MC

#define sys_signals_blocked(set) ((void)(set), false)
#define sys_signalfd(fd, set)	 ((void)(fd), (void)(set), -ENOSYS)
#define sys_signal_read(fd)	 ((void)(fd), 0)
#define sys_signal_take(set)	 ((void)(set), 0)
#define sys_readable(a, b)	 ((void)(a), (void)(b))

#else

/* Does the calling thread block all of @set? */
bool sys_signals_blocked(const sigset_t *set);

/* A descriptor to read @set from; @fd, not -1: the same one, from now on.  -errno. */
int sys_signalfd(int fd, const sigset_t *set);

/* One that is pending, which it is no more: its number, or 0. */
int sys_signal_read(int fd);
int sys_signal_take(const sigset_t *set);

/* Sleep until one of two descriptors can be read, or for nothing. */
void sys_readable(int a, int b);

#endif

#endif
