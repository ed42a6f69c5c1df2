/* SPDX-License-Identifier: MIT */
/*
 * fork.c - a child of fork() in which the library goes on working
 *
 * Of all threads the child has one.  Another one that was inside a read-side
 * section would hold every grace period back for ever, and liburcu's own hooks
 * take a mutex that an application which calls them as well would wait for twice.
 * So this file keeps the address of each thread's reader state, and the child
 * says for the threads that are gone that they have left.  The housekeeper is
 * gone too: the next retired context starts another.  What the caches of those
 * threads held is written off.
 *
 * A fork in the middle of the housekeeper's grace period would leave liburcu's
 * mutex taken in the child: fork waits for its end, HOLD_LIMIT at most (whoever
 * forks inside a section would wait for himself).
 */
#include "fork.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "rcu.h"
#include "retire.h"

#define HOLD_LIMIT	(100 * 1000 * 1000LL)	/* ns */
#define READERS		509

struct readers {
	struct readers *next;
	void *reader[READERS];
};

static struct readers first_readers;
static pthread_mutex_t grace = PTHREAD_MUTEX_INITIALIZER;
static int held;

void fork_hold(void)
{
	pthread_mutex_lock(&grace);
}

void fork_release(void)
{
	pthread_mutex_unlock(&grace);
}

static void fork_prepare(void)
{
	int64_t until = sys_now() + HOLD_LIMIT;
	struct timespec ts = { until / 1000000000, until % 1000000000 };
	int saved = errno;

	held = !pthread_mutex_clocklock(&grace, CLOCK_MONOTONIC, &ts);
	errno = saved;
}

static void fork_parent(void)
{
	if (held)
		pthread_mutex_unlock(&grace);
}

static void fork_child(void)
{
	struct readers *r;
	unsigned i;

	pthread_mutex_init(&grace, NULL);
	for (r = &first_readers; r; r = r->next)
		for (i = 0; i < READERS; i++) {
			void *reader = load_relaxed(&r->reader[i]);

			if (!reader || reader == rcu_reader())
				continue;
			rcu_reader_gone(reader);
			store_relaxed(&r->reader[i], NULL);
		}
	house_forked();
}

static void hooks_install(void)
{
	pthread_atfork(fork_prepare, fork_parent, fork_child);
}

/* Out of memory: this thread is not forgotten in a child, and nothing else. */
static struct readers *readers_add(struct readers *last)
{
	struct readers *more = (struct readers *)sys_pages(sizeof(*more));
	struct readers *theirs = NULL;

	if (!more || cas(&last->next, &theirs, more, READERS_LINK))
		return more;
	sys_pages_free(more, sizeof(*more));
	return theirs;
}

void fork_register(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct readers *r = &first_readers, *next;
	unsigned i;

	pthread_once(&once, hooks_install);
	for (; r; r = next) {
		for (i = 0; i < READERS; i++) {
			void *none = NULL;

			if (!load_relaxed(&r->reader[i]) &&
			    cas_relaxed(&r->reader[i], &none, rcu_reader()))
				return;
		}
		next = load(&r->next, READERS_READ);
		if (!next)
			next = readers_add(r);
	}
}

void fork_unregister(void)
{
	struct readers *r = &first_readers;
	unsigned i;

	for (; r; r = load(&r->next, READERS_READ))
		for (i = 0; i < READERS; i++)
			if (load_relaxed(&r->reader[i]) == rcu_reader()) {
				store_relaxed(&r->reader[i], NULL);
				return;
			}
}
