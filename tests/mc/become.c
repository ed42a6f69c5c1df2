/* SPDX-License-Identifier: MIT */
/*
 * become.c - set up in init(), and look at in fini(), what a thread keeps for itself
 *
 * Only the storage changes hands: who runs is still nobody's competitor.
 */
#include "model.h"

void mc_become(int thread);

static void *own;
static int is;

void mc_become(int thread)
{
	SAVE(is);
	SAVE(own);
	SAVE(T[0].tls);
	SAVE(T[is].tls);
	if (is)
		T[is].tls = T[0].tls;
	else
		own = T[0].tls;
	T[0].tls = thread ? T[thread].tls : own;
	is = thread;
}
