/* SPDX-License-Identifier: MIT */
/* ring_cover_full.cpp - an SQ without room, and a kernel that takes nothing */
#include "ring_cover.hpp"

#include "ring_cover_calls.hpp"

static const struct urctx_cause why = { "why", nullptr, nullptr, 0, -1 };

/* Whatever the kernel says of a submission, a cancel is queued when there is room. */
TEST_CASE("a full SQ that is not submitted delays what the turn queues", "[ring][rule47]")
{
	struct urctx_ring_params params = {};
	an_op op, other;
	ends p;

	params.flags = URCTX_RING_TIMER;
	ring r(4, 0, &params);
	OR_SKIP(r);
	context ctx;
	r.read(p.in(), nullptr, op);
	r.submit();
	for (int i = 0; i < 4; i++)
		(void)r.sqe();
	{
		refusal busy("io_uring_submit", -EBUSY);

		CHECK(urctx_ring_sqe(r.r) == nullptr);
		/* a cancel */
		urctx_op_cancel(&op.op, &why);
		CHECK(r.turn() == 0);
		CHECK(r.cancels().empty());
		CHECK(busy.met);
	}
	CHECK(r.turn() > 0);
	CHECK(r.cancels().size() == 1);
	REQUIRE(r.until_ended(op));
	CHECK(op.cause == &why);
	/* the poll that wakes */
	while (io_uring_sq_space_left(&r.u) > 1)
		(void)r.sqe();
	r.read(p.in(), ctx, other);
	{
		refusal busy("io_uring_submit", -EBUSY);

		CHECK(r.turn() == 0);
		CHECK(busy.met);
	}
	CHECK(r.turn() == URCTX_NEVER);
}

/* Of a ring that has none in flight: it would do, if it came before the deadline. */
TEST_CASE("a full SQ that is not submitted delays the alarm", "[ring][timer]")
{
	struct urctx_ring_params params = {};
	an_op op;
	ends p;

	params.flags = URCTX_RING_TIMER;
	ring r(4, 0, &params);
	OR_SKIP(r);
	r.read(p.in(), nullptr, op);
	r.submit();
	while (io_uring_sq_space_left(&r.u))
		(void)r.sqe();
	urctx_op_deadline(&op.op, urctx_now() + SEC / 50);
	{
		refusal busy("io_uring_submit", -EBUSY);

		CHECK(r.turn() == 0);
		CHECK(busy.met);
	}
	REQUIRE(r.until_ended(op));
	CHECK(op.cause == &urctx_deadline_exceeded);
}
