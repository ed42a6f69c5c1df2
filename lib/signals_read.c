/* SPDX-License-Identifier: MIT */
/*
 * signals_read.c - the housekeeper reads signals, and sleeps until there are some
 *
 * While a context names a signal he has a signalfd, and a timerfd beside it: that
 * is his alarm clock, to the nanosecond, and his door bell, as whoever wants him
 * awake sets it to a time long past.  He opens both and closes both; others change
 * what is read, at once.  Out of descriptors he looks for signals now and then.
 *
 * Who rings does so behind its cas of the house's word, and the number it uses was
 * in that word.  So one ring at most is due for each sleep, and as long as one is,
 * the bell stays: nobody ever sets a stranger's timer.
 */
#include "signals_read.h"

#define LOOK_AGAIN	(50LL * 1000 * 1000)	/* ns */

uint32_t signals_lock;
sigset_t signals_wanted;
uint32_t signals_kept;
bool signals_moved;

static int reader = -1, bell = -1;	/* both or none */
static uint32_t due;			/* rings: the housekeeper's count */
static uint32_t rung;			/* the others' */

uint32_t signals_contexts(void)
{
	return load_relaxed(&signals_kept) - (reader >= 0);
}

void signals_want(void)
{
	if (reader >= 0)
		sys_signalfd(reader, &signals_wanted);
	if ((reader >= 0) != (signals_contexts() > 0))
		store_relaxed(&signals_moved, true);
}

int signals_next(void)
{
	return reader >= 0 ? sys_signal_read(reader) :
			     sys_signal_take(&signals_wanted);
}

static void open_both(void)
{
	int fd = sys_signalfd(-1, &signals_wanted), timer;

	if (fd < 0)
		return;
	timer = sys_timerfd(URCTX_NEVER);
	if (timer < 0) {
		sys_close(fd);
		return;
	}
	reader = fd;
	bell = timer;
	fetch_add_relaxed(&signals_kept, 1);
}

static void close_both(void)
{
	sys_close(reader);
	sys_close(bell);
	reader = bell = -1;
	fetch_sub_relaxed(&signals_kept, 1);
}

void signals_follow(void)
{
	store_relaxed(&signals_moved, false);
	if (signals_contexts() && reader < 0)
		open_both();
	else if (!signals_contexts() && reader >= 0 &&	/* seldom: refused while there were */
		 fetch_or(&rung, 0, FD_USED) == due)	/* seldom: it is being rung */
		close_both();
}

int64_t signals_until(void)
{
	if (signals_contexts() && reader >= 0)
		return URCTX_NEVER;
	/* no descriptors to be had, or a ring that is due */
	return sys_now_real() + LOOK_AGAIN;
}

int signals_bell(int64_t until)
{
	if (bell >= 0)
		sys_timerfd_set(bell, until);
	return bell;
}

void signals_sleep(void)
{
	sys_readable(reader, bell);
}

void signals_ring(int fd)
{
	sys_timerfd_set(fd, 1);
	fetch_add(&rung, 1, FD_USED);
}

void signals_ring_due(void)
{
	due++;
}

void signals_fork_hold(void)
{
	lock_take(&signals_lock);
}

void signals_fork_release(void)
{
	lock_drop(&signals_lock);
}

/* A signalfd shows whoever reads it his own signals, but the bell is the parent's. */
void signals_forked(void)
{
	if (reader >= 0)
		close_both();
	due = 0;
	store_relaxed(&rung, 0);
	store_relaxed(&signals_moved, signals_any());
	lock_drop(&signals_lock);
}
