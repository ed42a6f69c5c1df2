/* SPDX-License-Identifier: MIT */
/*
 * readers.c - a table of the threads that walk, beside liburcu's own registry
 *
 * liburcu 0.13 can wait for a grace period but not ask for one.  Who puts a
 * context must not wait, and need not: nearly always nobody is in a section.  The
 * table holds the address of each thread's reader state, as the inline functions
 * of urcu-bp.h know it, so that a batch of retired contexts is reused by whoever
 * retired it when one look finds all of them outside.
 *
 *   reader                             reuse
 *     ctr = in a section                 unlink
 *     (compiler barrier)                 sys_membarrier()
 *     read slots                         any ctr in a section? then not now
 *     ctr = out                          sys_membarrier()
 *                                        reuse
 *
 * A reader whose entry or ctr is not seen entered behind the first barrier, and
 * finds what was unlinked no more.  One that is seen outside has done its reads
 * before the second.  That is liburcu's own argument, without the waiting.
 *
 * Blocks are never freed, entries are: a thread's exit empties its own.
 */
#include "readers.h"

struct block {
	struct block *next;
	void *reader[READERS];
};

static struct block first_block;

/* Out of memory: NULL. */
static struct block *block_after(struct block *b)
{
	struct block *more = load(&b->next, READERS_READ), *theirs = NULL;

	if (more)
		return more;
	more = (struct block *)sys_pages(sizeof(*more));
	if (!more ||	/* seldom: two make one at once */
	    cas_or_read(&b->next, &theirs, more, READERS_LINK, READERS_READ))
		return more;
	sys_pages_free(more, sizeof(*more));
	return theirs;
}

/* Threads that found no room in the table: while there are any, it tells nothing. */
static uint32_t unlisted;

static void unlist(struct thread *t)
{
	if (!t->unlisted)	/* seldom: a signal handler of this thread was in between */
		fetch_add_relaxed(&unlisted, 1);
	t->unlisted = true;
}

static void relist(struct thread *t)
{
	if (t->unlisted)
		fetch_sub_relaxed(&unlisted, 1);
	t->unlisted = false;
}

static void leave_table(struct thread *t)
{
	struct block *b;
	unsigned i;

	for (b = &first_block;	/* uncovered: it is in one of them */
	     t->reader && b; b = load(&b->next, READERS_READ))
		for (i = 0; i < READERS; i++) {
			void *mine = t->reader;

			/* seldom: another thread leaves, whose state was here before */
			if (load_relaxed(&b->reader[i]) == mine &&
			    cas_relaxed(&b->reader[i], &mine, NULL)) {
				t->reader = NULL;
				break;
			}
		}
}

/* All the while it counts as unlisted. */
static void enter_table(struct thread *t, void *mine)
{
	struct block *b;
	unsigned i;

	unlist(t);
	compiler_barrier();
	leave_table(t);
	for (b = &first_block; b; b = block_after(b))
		for (i = 0; i < READERS; i++) {	/* any that is free */
			void *none = NULL;

			if (load_relaxed(&b->reader[i]) ||
			    !cas_relaxed(&b->reader[i], &none, mine))
				continue;
			t->reader = mine;
			compiler_barrier();
			relist(t);
			return;
		}
	compiler_barrier();
}

/* A signal handler's section finds it listed, or counted. */
void readers_join(struct thread *t)
{
	void *mine = rcu_reader();
	struct sys_calm c;

	if (t->reader == mine)
		return;
	/* in an outer section it stays counted: the rest may be seen in any order */
	if (t->unlisted && rcu_reader_inside(mine))	/* seldom: no memory for a table */
		return;
	sys_calm_begin(&c);
	enter_table(t, mine);
	sys_calm_end(&c);
}

void readers_left(struct thread *t)
{
	leave_table(t);
	relist(t);
}

bool readers_quiet(void)
{
	struct block *b;
	unsigned i;

	if (!sys_asymmetric() || !sys_membarrier() ||
	    load_relaxed(&unlisted))
		return false;
	for (b = &first_block; b; b = load(&b->next, READERS_READ))
		for (i = 0; i < READERS; i++) {
			void *reader = load_relaxed(&b->reader[i]);

			if (reader && rcu_reader_inside(reader))
				return false;
		}
	rcu_readers_seen();
	return sys_membarrier();
}

void readers_forked(void)
{
	struct thread *t = this_thread();
	struct block *b;
	unsigned i;

	/* a handler that forks: whom it met in a section is in it still */
	store_relaxed(&unlisted, t->unlisted);
	if (t->reader != rcu_reader())	/* seldom: a destructor forks */
		t->reader = NULL;
	for (b = &first_block; b; b = b->next)
		for (i = 0; i < READERS; i++) {
			void *reader = load_relaxed(&b->reader[i]);

			if (!reader || reader == rcu_reader())
				continue;
			rcu_reader_gone(reader);
			store_relaxed(&b->reader[i], NULL);
		}
}
