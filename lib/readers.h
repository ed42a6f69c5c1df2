/* SPDX-License-Identifier: MIT */
/*
 * readers.h - who may be inside a read-side section: sections, and a look at them
 */
#ifndef URCTX_READERS_H
#define URCTX_READERS_H

#include "rcu.h"
#include "thread.h"

/* This thread is one; its sections count from here. */
void readers_join(struct thread *t);
void readers_left(struct thread *t);

/*
 * Has every section ended that began before this call?  Passes a full barrier
 * through all threads; waits for nobody.  False also where it cannot be known.
 */
bool readers_quiet(void);

/* In a child of fork(): nobody but this thread is left. */
void readers_forked(void);

#ifdef URCTX_MC
/* The checker's own readers, and beside them what liburcu's inlines would do. */
static inline void *rcu_reader(void)
{
	return &this_thread()->mc_ctr;
}

static inline void mc_reader(unsigned long more)
{
	unsigned long *ctr = (unsigned long *)rcu_reader();

	store_relaxed(ctr, load_relaxed(ctr) + more);
}

static inline bool rcu_reader_inside(void *reader)
{
	return load_relaxed((unsigned long *)reader);
}

#define rcu_reader_gone(reader) store_relaxed((unsigned long *)(reader), 0UL)
#else
#define mc_reader(more) ((void)0)
#endif

static inline void section_enter(void)
{
	struct thread *t = this_thread();

	if (__builtin_expect(rcu_reader_new() || t->reader != rcu_reader(), 0))
		section_first(t);
	rcu_enter();
	mc_reader(1);
}

static inline void section_exit(void)
{
	mc_reader(-1UL);
	rcu_exit();
}

#endif
