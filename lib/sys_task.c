/* SPDX-License-Identifier: MIT */
/*
 * sys_task.c - the application's tasks as threads; errno is as it was
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "sys_task.h"
#include "uncancelled.h"

int sys_task_start(void *(*fn)(void *arg), void *arg)
{
	int saved = errno, ret;
	sigset_t all, before;
	pthread_t id;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(&id, NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = saved;
	return -ret;
}

uintptr_t sys_task_self(void)
{
	return (uintptr_t)pthread_self();
}

void sys_task_join(uintptr_t task)
{
	int was = uncancelled(), saved = errno;

	pthread_join((pthread_t)task, NULL);
	errno = saved;
	uncancelled_end(was);
}
