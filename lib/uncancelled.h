/* SPDX-License-Identifier: MIT */
/*
 * uncancelled.h - system calls in which pthread_cancel() ends a thread
 *
 * close(2), read(2), write(2), poll(2) and pthread_join(3) are such: around ours, for
 * who ends there leaves a read section open, or a word that others wait for.
 */
#ifndef URCTX_UNCANCELLED_H
#define URCTX_UNCANCELLED_H

#include <pthread.h>

static inline int uncancelled(void)
{
	int was;

	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &was);
	return was;
}

static inline void uncancelled_end(int was)
{
	if (was != PTHREAD_CANCEL_DISABLE)
		(void)pthread_setcancelstate(was, &was);
}

#endif
