/* SPDX-License-Identifier: MIT */
/*
 * uring_wake.c - what reaches a ring's owner: an eventfd, a signal
 */
#include "uring.h"

struct mc_rules mc_rules;

/* ---- the eventfd: a counter that somebody may sleep on ---- */

uint32_t mc_eventfd_counter;

#define counter	mc_eventfd_counter

static bool is_open, handled;

int mc_eventfd(void)
{
	is_open = true;
	return FD_EVENT;
}

/* The kernel has a lock there: what was done before a write is seen by its reader. */
void mc_eventfd_write(int fd)
{
	mc_assert(fd == FD_EVENT && is_open);
	__atomic_fetch_add(&counter, 1, __ATOMIC_ACQ_REL);
	mc_futex_wake(&counter, 1);
}

uint32_t mc_eventfd_seen(void)
{
	return __atomic_fetch_add(&counter, 0, __ATOMIC_ACQ_REL);
}

uint64_t mc_eventfd_read(int fd)
{
	uint32_t sum;

	mc_assert(fd == FD_EVENT && is_open);
	while (!(sum = __atomic_exchange_n(&counter, 0, __ATOMIC_ACQ_REL)))
		mc_futex_wait(&counter, 0, INT64_MAX);
	return sum;
}

void mc_eventfd_close(int fd)
{
	mc_assert(fd == FD_EVENT && is_open);
	is_open = false;
}

bool mc_eventfd_open(void)
{
	return is_open;
}

/* ---- threads and signals ---- */

/* Here a signal may come.  Did it? */
bool mc_signal_point(bool must)
{
	if (!mc_rules.signal || handled || (!must && !mc_choose(2)))
		return false;
	handled = true;
	mc_rules.signal();
	return true;
}

uintptr_t mc_thread(void)
{
	int self = mc_self();

	if (self > 1)
		return (uintptr_t)self;
	(void)mc_signal_point(false);
	return 1;
}
