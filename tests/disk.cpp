/* SPDX-License-Identifier: MIT */
/*
 * disk.cpp - ops that the kernel does not let go of
 *
 * Told to end, asked for again and again, and in the disk until the disk answers:
 * a deadline ends the waiting and not the read.  Each test over FUSE, and over the
 * block layer where there is a device that takes its time.
 */
#include "disk.hpp"

static const struct urctx_cause why = { "why", nullptr, nullptr, 0, -1 };

static void after_deadline(enum kind kind)
{
	disk d(kind);
	DISK_OR_SKIP(d);
	struct urctx *ctx = nullptr;
	counted answer;
	a_read op;
	ring r;
	OR_SKIP(r);

	REQUIRE(urctx_with_timeout(nullptr, SEC / 2, &ctx) == 0);
	op.start(r, d, ctx);
	REQUIRE(urctx_ring_after(r.r, ctx, &answer.cb, counted::fn) == 0);
	REQUIRE(r.until([&] { return answer.ran == 1; }, DISK_PATIENCE));
	/* the first phase: the user has his answer, and the kernel the buffer */
	CHECK(!op.ended());
	CHECK(r.stats().in_flight == 1);
	CHECK(op.all('.'));
	d.let_go();
	REQUIRE(r.until([&] { return op.ended(); }, DISK_PATIENCE));
	op.came_from(d, &urctx_deadline_exceeded);
	CHECK(r.stats().in_flight == 0);
	urctx_put(ctx);
}

TEST_CASE("fuse: an answer at the deadline, the bytes when they come", "[disk][rule8][G10]")
{
	after_deadline(FUSE);
}

TEST_CASE("block: an answer at the deadline, the bytes when they come", "[disk][rule8][G10]")
{
	after_deadline(BLOCK);
}

static void stuck(enum kind kind)
{
	for (auto mode : MODES) {
		INFO(mode.name);
		disk d(kind);
		DISK_OR_SKIP(d);
		context ctx;
		a_read op;
		ring r(64, mode.flags);
		OR_SKIP(r);

		op.start(r, d, ctx);
		cancel_elsewhere(ctx, &why);
		REQUIRE(r.until([&] { return r.stats().stuck == 1; }, DISK_PATIENCE));
		CHECK(!op.ended());
		CHECK(op.all('.'));
		CHECK(r.stats().told == 1);
		CHECK(r.stats().retries >= 7);
		while (d.kind == FUSE && d.interrupted() == 0)
			;	/* the worker was: it says so when it runs */
		d.let_go();
		REQUIRE(r.until([&] { return op.ended(); }, DISK_PATIENCE));
		op.came_from(d, &why);
		CHECK(r.stats().stuck == 0);
		CHECK(r.stats().stale == 0);
	}
}

TEST_CASE("fuse: what is asked for and does not come is stuck, until it comes",
	  "[disk][rule5][G11]")
{
	stuck(FUSE);
}

TEST_CASE("block: what is asked for and does not come is stuck, until it comes",
	  "[disk][rule6][G11]")
{
	stuck(BLOCK);
}

/* The results of the cancels of one turn after the other, until there are @nr. */
static std::vector<int> answers(ring &r, size_t nr)
{
	std::vector<int> v;
	int64_t end = urctx_now() + DISK_PATIENCE;

	while (v.size() < nr && urctx_now() < end) {
		struct __kernel_timespec ts = {};
		struct io_uring_cqe *cqe;
		int64_t ns = r.turn();

		REQUIRE(ns >= 0);
		ts.tv_nsec = ns < SEC / 100 ? ns : SEC / 100;
		io_uring_submit_and_wait_timeout(&r.u, &cqe, 1, &ts, nullptr);
		while (io_uring_peek_cqe(&r.u, &cqe) == 0) {
			bool wake = cqe->res > 0;

			if (!wake)
				v.push_back(cqe->res);
			CHECK(urctx_ring_dispatch(r.r, cqe));
			io_uring_cqe_seen(&r.u, cqe);
		}
	}
	return v;
}

static void no_answer_ends_it(enum kind kind, int expected)
{
	disk d(kind);
	DISK_OR_SKIP(d);
	a_read op;
	ring r;
	OR_SKIP(r);

	op.start(r, d, nullptr);
	urctx_op_cancel(&op.op, &why);
	for (int res : answers(r, 4))
		CHECK(res == expected);
	CHECK(!op.ended());
	CHECK(r.stats().in_flight == 1);
	CHECK(r.stats().retries >= 3);
	d.let_go();
	REQUIRE(r.until([&] { return op.ended(); }, DISK_PATIENCE));
	op.came_from(d, &why);
}

TEST_CASE("fuse: -EALREADY, as often as it is asked", "[disk][rule5][G11]")
{
	no_answer_ends_it(FUSE, -EALREADY);
}

TEST_CASE("block: -ENOENT, and the read is under way", "[disk][rule6][G11]")
{
	no_answer_ends_it(BLOCK, -ENOENT);
}

static void told_not_asked(enum kind kind)
{
	disk d(kind);
	DISK_OR_SKIP(d);
	context ctx;
	a_read by_context, by_deadline;
	an_op other;
	ends p;
	ring r;
	OR_SKIP(r);

	by_context.start(r, d, ctx, 1, URCTX_NEVER, URCTX_OP_NO_ABORT);
	by_deadline.start(r, d, nullptr, 2, URCTX_NEVER, URCTX_OP_NO_ABORT);
	urctx_op_deadline(&by_deadline.op, urctx_now());
	urctx_cancel_cause(ctx, &why);
	CHECK(r.turn() >= 0);
	CHECK(r.stats().told == 2);
	/* an op that can be aborted goes through the same turns, and ends */
	r.read(p.in(), nullptr, other);
	r.submit();
	urctx_op_cancel(&other.op, &why);
	REQUIRE(r.until_ended(other));
	CHECK(r.stats().cancels == 1);
	CHECK(r.stats().stuck == 0);
	CHECK(!by_context.ended());
	CHECK(!by_deadline.ended());
	CHECK(d.interrupted() == 0);
	d.let_go();
	REQUIRE(r.until([&] { return by_context.ended() && by_deadline.ended(); },
			DISK_PATIENCE));
	by_context.came_from(d, &why);
	by_deadline.came_from(d, &urctx_deadline_exceeded);
	CHECK(r.stats().cancels == 1);
}

TEST_CASE("fuse: URCTX_OP_NO_ABORT tells the op and asks nobody", "[disk][rule8]")
{
	told_not_asked(FUSE);
}

TEST_CASE("block: URCTX_OP_NO_ABORT tells the op and asks nobody", "[disk][rule8]")
{
	told_not_asked(BLOCK);
}

/* "its deadline is the ring's alone", says the manual of a kernel's timer there */
TEST_CASE("block: a linked timeout does nothing, the ring's does", "[disk][rule21][rule22]")
{
	disk d(BLOCK);
	DISK_OR_SKIP(d);
	a_read op;
	ring r;
	OR_SKIP(r);

	op.start(r, d, nullptr, 1, urctx_now() + SEC / 2, URCTX_OP_LINK_TIMEOUT);
	REQUIRE(r.until([&] { return r.stats().told == 1; }, DISK_PATIENCE));
	CHECK(!op.ended());
	d.let_go();
	REQUIRE(r.until([&] { return op.ended(); }, DISK_PATIENCE));
	op.came_from(d, &urctx_deadline_exceeded);
}

TEST_CASE("fuse: what the disk says is delivered, told or not", "[disk][G10]")
{
	disk d;
	DISK_OR_SKIP(d);
	a_read told, untold;
	ring r;
	OR_SKIP(r);

	told.start(r, d, nullptr);
	untold.start(r, d, nullptr, 2);
	urctx_op_cancel(&told.op, &why);
	REQUIRE(r.until([&] { return r.stats().stuck == 1; }, DISK_PATIENCE));
	d.let_go(0);
	REQUIRE(r.until([&] { return told.ended() && untold.ended(); }));
	CHECK(told.res == -EIO);
	CHECK(told.cause == &why);
	CHECK(untold.res == -EIO);
	CHECK(untold.cause == nullptr);
}
