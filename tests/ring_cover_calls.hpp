/* SPDX-License-Identifier: MIT */
/*
 * ring_cover_calls.hpp - calls that come to nothing, for a while and on one thread
 *
 * The program has functions of libc's and liburing's names, which do what those do
 * unless a refusal of that name lives on the thread.  Programs of their own: the
 * others are not to run on these.
 */
#ifndef URCTX_TESTS_RING_COVER_CALLS_HPP
#define URCTX_TESTS_RING_COVER_CALLS_HPP

#include <functional>

struct refusal {
	/* @name says @err, a negative errno, @times times, after it was called @first times */
	refusal(const char *name, long err, unsigned times = ~0U, unsigned first = 0);
	refusal(const refusal &) = delete;
	~refusal();

	const char *const name;
	const long err;
	unsigned times, first;
	unsigned met = 0;
	bool is_done = false;			/* it is done all the same */
	std::function<void()> instead;		/* what comes of it beside */
	refusal *next;
};

/* The ring of the wait that is refused, or was last. */
extern thread_local struct io_uring *refused_ring;

/* Of syscall(2): "syscall 17" for number 17. */
struct refused_number {
	refused_number(long nr, long err, unsigned times = ~0U, unsigned first = 0);
	char name[32];
	refusal is;
};

#endif
