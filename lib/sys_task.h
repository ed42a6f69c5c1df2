/* SPDX-License-Identifier: MIT */
/*
 * sys_task.h - threads that somebody joins: part of the seam, see sys.h
 */
#ifndef URCTX_SYS_TASK_H
#define URCTX_SYS_TASK_H

#include "sys.h"

#ifdef URCTX_MC

/* of the scenarios that need them */
#define sys_task_start(fn, arg)	mc_task_start(fn, arg)
#define sys_task_self()		mc_task_self()
#define sys_task_join(task)	mc_task_join(task)
int mc_task_start(void *(*fn)(void *arg), void *arg) __attribute__((weak));
uintptr_t mc_task_self(void) __attribute__((weak));
void mc_task_join(uintptr_t task) __attribute__((weak));

#else

/* Default attributes, all signals blocked.  0, -EAGAIN; it must be joined. */
int sys_task_start(void *(*fn)(void *arg), void *arg);
uintptr_t sys_task_self(void);		/* of this thread, never 0 */
void sys_task_join(uintptr_t task);

#endif

#endif
