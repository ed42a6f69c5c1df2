/* SPDX-License-Identifier: MIT */
/*
 * fork.c - a child of fork() in which the library goes on working
 *
 * Of all threads the child has one.  Another one that was inside a read-side
 * section would hold every grace period back for ever, and liburcu's own hooks
 * take a mutex that an application which calls them as well would wait for twice.
 * So the child says for the threads that are gone that they have left (readers.c).
 * The housekeeper is gone too: the next retired context starts another.  What the
 * caches of those threads held is written off.
 *
 * A fork in the middle of the housekeeper's grace period would leave liburcu's
 * mutex taken in the child: fork waits for its end, HOLD_LIMIT at most (whoever
 * forks inside a section would wait for himself).  And for the end of a thread's
 * first section.  What nobody can wait for is the end of a thread: liburcu's own
 * destructor takes these mutexes for some 100 ns after all that is ours to call.
 */
#include "fork.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "clock.h"
#include "house.h"
#include "readers.h"
#include "signals.h"
#include "timer.h"

#define HOLD_LIMIT	(100LL * 1000 * 1000)	/* ns */

static pthread_mutex_t grace = PTHREAD_MUTEX_INITIALIZER;
static uint32_t forks;
static __thread bool held, held_join;	/* glibc runs forks side by side */

/* Around a thread's first section: liburcu has mutexes taken in there, too. */
static pthread_mutex_t joining = PTHREAD_MUTEX_INITIALIZER;

void fork_hold_join(void)
{
	if (!held_join)		/* a hook of the application's, around this fork */
		pthread_mutex_lock(&joining);
}

void fork_release_join(void)
{
	if (!held_join)
		pthread_mutex_unlock(&joining);
}

void fork_hold(void)
{
	pthread_mutex_lock(&grace);
}

void fork_release(void)
{
	pthread_mutex_unlock(&grace);
}

static bool hold(pthread_mutex_t *m, const struct timespec *until)
{
	return !pthread_mutex_clocklock(m, CLOCK_MONOTONIC, until);
}

/* Of the one who forks: a handler that forked meanwhile would wait for himself. */
static struct sys_calm calm;

/* Signals first: so forks come one after the other, each with patience of its own. */
static void fork_prepare(void)
{
	int64_t until;
	struct timespec ts;
	struct sys_calm mine;

	sys_calm_begin(&mine);
	signals_fork_hold();
	calm = mine;
	until = sys_now_real() + HOLD_LIMIT;
	ts = (struct timespec){ until / 1000000000, until % 1000000000 };
	held = hold(&grace, &ts);
	held_join = hold(&joining, &ts);
	errno = mine.err;
}

static void fork_parent(void)
{
	struct sys_calm mine = calm;

	mine.err = errno;	/* why there is no child */
	if (held_join)
		pthread_mutex_unlock(&joining);
	held_join = false;
	if (held)
		pthread_mutex_unlock(&grace);
	signals_fork_release();
	sys_calm_end(&mine);
}

static void fork_child(void)
{
	if (held_join)
		pthread_mutex_unlock(&joining);
	else
		pthread_mutex_init(&joining, NULL);
	held_join = false;
	if (held)
		pthread_mutex_unlock(&grace);
	else			/* the housekeeper's, for ever */
		pthread_mutex_init(&grace, NULL);
	store_relaxed(&forks, load_relaxed(&forks) + 1);
	clock_forked();
	readers_forked();
	timers_forked(held);
	signals_forked();
	house_forked();
	sys_calm_end(&calm);
}

/*
 * As the library is loaded.  The application's hooks are newer: what they wait for
 * before a fork is not held up by us, and in a child they find all of this done.
 * (101: of a static library, before what is the program's.)
 */
__attribute__((constructor(101))) static void hooks_install(void)
{
	pthread_atfork(fork_prepare, fork_parent, fork_child);
}

uint32_t fork_count(void)
{
	return load_relaxed(&forks);
}
