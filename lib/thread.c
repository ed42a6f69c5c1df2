/* SPDX-License-Identifier: MIT */
/*
 * thread.c - a thread's first use of the library, and its exit
 */
#include "fork.h"
#include "rcu.h"
#include "readers.h"
#include "slab.h"
#include "thread.h"

struct slot no_slot;
static struct chunk nowhere;	/* owned by nobody: where hints point at first */

const struct thread thread_new = {
	.hint = { [0 ... HINTS - 1] = &nowhere.slot[0] },
};

#ifndef URCTX_MC
__thread struct thread urctx_thread = {
	.hint = { [0 ... HINTS - 1] = &nowhere.slot[0] },
};
#endif

static uint32_t ids;

/* May run more than once: a later destructor may have used the library again. */
static void thread_exit(void)
{
	struct thread *t = this_thread();

	cache_flush(t);
	readers_left(t);
	t->id = 0;
}

void thread_register(struct thread *t)
{
	sys_membarrier_register();
	do
		t->id = fetch_add_relaxed(&ids, 1) + 1;
	while (!t->id);		/* uncovered: thread 2^32 */
	t->contexts.room = CACHE_CONTEXTS;
	t->chunks.room = CACHE_CHUNKS;
	t->extras.room = CACHE_CHUNKS;
	sys_thread_exits(thread_exit);
	/*
	 * liburcu maps memory for a thread's first section: here, where there
	 * may be some to map, and not in a cancel, which a signal may bring.
	 */
	section_enter();
	section_exit();
}

void section_first(struct thread *t)
{
	if (!t->id)		/* its exit takes it out of the table */
		thread_register(t);
	if (rcu_reader_new()) {
		struct sys_calm c;

		sys_calm_begin(&c);
		fork_hold_join();
		rcu_enter();
		readers_join(t);
		rcu_exit();
		fork_release_join();
		sys_calm_end(&c);
	} else {
		readers_join(t);
	}
}
