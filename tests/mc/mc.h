/* SPDX-License-Identifier: MIT */
/*
 * mc.h - write a scenario for the model checker
 *
 * A scenario is ordinary C: init() runs alone, then the threads run against
 * each other in every way that the memory model allows, then fini() runs alone
 * on the outcome.  It fails on a false mc_assert(), a data race, a use after
 * free, a plain access to poisoned memory, a deadlock, memory that is lost, or a
 * crash; the failing execution is printed.
 *
 * Code is compiled with -fsanitize=thread, so that each of its accesses is a
 * call into the checker.  Functions of libc that write memory are not seen
 * (memset, memcpy and memmove are): do not call others from a scenario.
 */
#ifndef MC_H
#define MC_H

#include "mc_lib.h"

#define MC_THREADS	5

enum {
	MC_QUICK	= 1 << 0,	/* part of the quick run */
	MC_TYPE_STABLE	= 1 << 1,	/* slabs may stay at the end */
	MC_REUSE	= 1 << 2,	/* mc_malloc() hands freed blocks out again */
	MC_FAIL_MALLOC	= 1 << 3,	/* faults: mc_alloc(), mc_malloc() give NULL */
	MC_FAIL_THREAD	= 1 << 4,	/* faults: mc_thread_start() gives -EAGAIN */
	MC_FAIL_EINTR	= 1 << 5,	/* faults: a futex wait gives -EINTR */
	MC_FAIL_WEAK	= 1 << 6,	/* faults: a weak compare-and-swap fails */
	MC_NO_THREADS	= 1 << 7,	/* mc_thread_start() always gives -EAGAIN */
	MC_BARRIER_STEPS = 1 << 9,	/* a membarrier reaches one thread after another */
	MC_MUST_FAIL	= 1 << 8,	/* a planted mistake: passes if it is found */
};

struct mc_scenario {
	const char *name;
	const char *guarantees;			/* "G2 G4", for the table */
	void (*init)(void);
	void (*threads[MC_THREADS + 1])(void);	/* NULL terminated */
	void (*fini)(void);			/* or NULL */
	unsigned flags;
	unsigned faults;			/* so many of the above, at most */
	int64_t now;				/* what time starts with */
};

/* main() of a scenario program; see --help.  Scenarios are pointers, then NULL. */
int mc_main(int argc, char **argv, const struct mc_scenario *first, ...);

void mc_assert_fail(const char *expr, const char *file, int line);
#define mc_assert(e) ((e) ? (void)0 : mc_assert_fail(#e, __FILE__, __LINE__))

unsigned mc_choose(unsigned n);		/* 0 … n-1: each is tried */
void mc_pause(void);			/* in a loop that waits: others go first */
int64_t mc_now(void);			/* the latest deadline that a futex wait came to */
void (*mc_started(void))(void);		/* what mc_thread_start() was given, or NULL */
int mc_self(void);			/* 1 … in threads, 0 in init and fini */

/* Memory of the application: must be freed; use after free is found. */
void *mc_malloc(size_t size);
#define mc_release(p) mc_free(p)

/* Names @size bytes at @p in the printed execution.  @name stays yours. */
void mc_name(const void *p, size_t size, const char *name);

#endif
