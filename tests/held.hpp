/* SPDX-License-Identifier: MIT */
/* held.hpp - time that stands still in a scope */
#ifndef URCTX_TESTS_HELD_HPP
#define URCTX_TESTS_HELD_HPP

#include <stdio.h>
#include <stdlib.h>
#include <urctx/clock.h>

class held_clock
{
public:
	explicit held_clock(int64_t now = 0)
	{
		if (urctx_clock_hold(now)) {
			fprintf(stderr, "tests: the clock is held already\n");
			abort();
		}
	}
	held_clock(const held_clock &) = delete;
	~held_clock()
	{
		urctx_clock_release();
	}
	/* until so many threads sleep */
	void await(unsigned sleepers)
	{
		urctx_clock_await(sleepers);
	}
	void advance(int64_t ns)
	{
		if (urctx_clock_advance(ns))
			abort();
	}
};

#endif
