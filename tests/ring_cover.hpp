/* SPDX-License-Identifier: MIT */
/* ring_cover.hpp - ops that no kernel has, and a clock that stands */
#ifndef URCTX_TESTS_RING_COVER_HPP
#define URCTX_TESTS_RING_COVER_HPP

#include "held.hpp"
#include "ring_support.hpp"

#include <linux/time_types.h>
#include <sys/wait.h>
#include <urctx/clock.h>

constexpr int64_t MSEC = 1000000;

/* Now, and no later. */
struct held : held_clock {
	held() : held_clock(urctx_now()) {}
};

struct call {
	struct urctx_callback cb = {};	/* first */
	int ran = 0;

	static void fn(struct urctx_callback *cb)
	{
		reinterpret_cast<call *>(cb)->ran++;
	}
};

/* A read that no kernel has: it ends when it is fed. */
inline uint64_t read_nowhere(ring &r, struct urctx *ctx, an_op &op,
			     int64_t deadline = URCTX_NEVER)
{
	struct io_uring_sqe *s = r.sqe();

	io_uring_prep_read(s, -1, op.buf, 1, 0);
	REQUIRE(urctx_ring_bind_flags(r.r, s, ctx, &op.op, deadline, 0) == 0);
	uint64_t ud = s->user_data;
	io_uring_prep_nop(s);
	s->flags = IOSQE_CQE_SKIP_SUCCESS;
	return ud;
}

/* What is queued goes to no kernel, but the poll by which we are woken. */
inline void drop_queued(ring &r)
{
	for (auto s : r.queued()) {
		if (s->opcode == IORING_OP_POLL_ADD)
			continue;
		io_uring_prep_nop(s);
		s->flags = IOSQE_CQE_SKIP_SUCCESS;
	}
	r.submit();
}

#endif
