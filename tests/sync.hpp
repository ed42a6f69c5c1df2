/* SPDX-License-Identifier: MIT */
/*
 * sync.hpp - what the tests of urctx/sync.h share
 */
#ifndef URCTX_TESTS_SYNC_HPP
#define URCTX_TESTS_SYNC_HPP

#include <climits>
#include <cstring>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <urctx/clock.h>
#include <urctx/sync.h>
#include "held.hpp"
#include "support.hpp"

constexpr int64_t MS = 1000000;

inline long futex_wake(uint32_t *addr, int nr)
{
	return syscall(SYS_futex, addr, FUTEX_WAKE_PRIVATE, nr, nullptr, nullptr, 0);
}

inline struct urctx *derive_timeout(struct urctx *parent, int64_t ns)
{
	struct urctx *child = nullptr;

	if (urctx_with_timeout(parent, ns, &child)) {
		fprintf(stderr, "tests: urctx_with_timeout\n");
		abort();
	}
	return child;
}

#endif
