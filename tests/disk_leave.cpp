/* SPDX-License-Identifier: MIT */
/* disk_leave.cpp - drain, detach, and a ring that is closed under a slow disk */
#include "disk.hpp"

static const struct urctx_cause why = { "why", nullptr, nullptr, 0, -1 };

static void drain(enum kind kind)
{
	for (auto mode : MODES) {
		INFO(mode.name);
		disk d(kind);
		DISK_OR_SKIP(d);
		context ctx, other;
		a_read op[3], others;
		ring r(64, mode.flags);
		OR_SKIP(r);

		for (unsigned i = 0; i < 3; i++)
			op[i].start(r, d, ctx, i + 1);
		others.start(r, d, other, 4);
		urctx_cancel_cause(ctx, &why);
		CHECK(urctx_ring_drain(r.r, ctx, urctx_now()) == 3);
		CHECK(urctx_ring_drain(r.r, other, urctx_now()) == 1);
		CHECK(urctx_ring_drain(r.r, nullptr, urctx_now() + SEC / 50) == 4);
		CHECK(r.stats().in_flight == 4);
		d.let_go();
		CHECK(urctx_ring_drain(r.r, ctx, urctx_now() + DISK_PATIENCE) == 0);
		for (auto &o : op)
			o.came_from(d, &why);
		CHECK(urctx_ring_drain(r.r, nullptr, urctx_now() + DISK_PATIENCE) == 0);
		others.came_from(d, nullptr);
	}
}

TEST_CASE("fuse: drain says how many are left", "[disk][rule46]")
{
	drain(FUSE);
}

TEST_CASE("block: drain says how many are left", "[disk][rule46]")
{
	drain(BLOCK);
}

static void detach(enum kind kind)
{
	for (auto mode : MODES) {
		INFO(mode.name);
		disk d(kind);
		DISK_OR_SKIP(d);
		context ctx;
		a_read op[2], late;
		ring r(64, mode.flags);
		OR_SKIP(r);

		op[0].start(r, d, ctx);
		op[1].start(r, d, nullptr, 2);
		CHECK(urctx_ring_detach(r.r, urctx_now()) == 2);
		CHECK(urctx_ring_detach(r.r, urctx_now() + SEC / 50) == 2);
		CHECK(urctx_ring_bind(r.r, late.prepare(r, d), ctx, &late.op) ==
		      -ESHUTDOWN);
		for (auto &o : op) {
			CHECK(!o.ended());
			CHECK(o.all('.'));
		}
		d.let_go();
		REQUIRE(urctx_ring_detach(r.r, urctx_now() + DISK_PATIENCE) == 0);
		r.r = nullptr;
		for (auto &o : op)
			o.came_from(d, &urctx_canceled);
		CHECK(late.calls == 0);
	}
}

TEST_CASE("fuse: detach lets nothing go before its time", "[disk][rule45][rule46]")
{
	detach(FUSE);
}

TEST_CASE("block: detach lets nothing go before its time", "[disk][rule45][rule46]")
{
	detach(BLOCK);
}

/* Why detach counts: to whom the buffer belongs when nobody does. */
TEST_CASE("fuse: a ring is closed, and its buffer written to after that", "[disk][rule45]")
{
	disk d;
	DISK_OR_SKIP(d);
	struct io_uring u;
	a_read op;
	int ret = io_uring_queue_init(4, &u, 0);

	if (ret) {
		WARN("skipped: io_uring_setup: " << strerror(-ret));
		return;
	}
	struct io_uring_sqe *s = io_uring_get_sqe(&u);
	io_uring_prep_read(s, d.fd, op.data, SECTOR, 0);
	s->flags |= IOSQE_ASYNC;
	REQUIRE(io_uring_submit(&u) == 1);
	d.arrived(1);
	io_uring_queue_exit(&u);
	CHECK(op.all('.'));
	d.let_go();
	/* by now it has been written: the disk answers when it has */
	CHECK(op.all('d'));
}

/* The context is gone, and so are all who knew of it, but for the ring. */
TEST_CASE("fuse: a buffer is written to after its context's end", "[disk][rule1][rule8]")
{
	disk d;
	DISK_OR_SKIP(d);
	a_read op;
	ring r;
	OR_SKIP(r);

	{
		context parent, ctx(parent.c);

		op.start(r, d, ctx);
		urctx_cancel_cause(parent, &why);
	}
	REQUIRE(r.until([&] { return r.stats().stuck == 1; }, DISK_PATIENCE));
	CHECK(op.all('.'));
	d.let_go();
	CHECK(op.all('d'));
	CHECK(!op.ended());
	REQUIRE(r.until_ended(op));
	op.came_from(d, &why);
}

/*
 * What has not begun is let go of at once, however stuck the one in front of it.
 * Workers are limited by thread: this one goes with its own.
 */
static void queued_behind(disk &d, struct findings &f)
{
	unsigned workers[2] = { 1, 1 };
	a_read first, second;
	ring r;

	if (r.error)
		return;
	f.expect(io_uring_register_iowq_max_workers(&r.u, workers) == 0, "workers");
	f.expect(!urctx_ring_bind(r.r, first.prepare(r, d), nullptr, &first.op), "first");
	f.expect(!urctx_ring_bind(r.r, second.prepare(r, d), nullptr, &second.op),
		 "second");
	f.expect(io_uring_submit(&r.u) == 2, "submit");
	f.expect(d.comes(1), "the first is in the disk");
	urctx_op_cancel(&first.op, &why);
	urctx_op_cancel(&second.op, &why);
	f.expect(r.until([&] { return second.ended(); }), "the second ends");
	f.expect(second.res == -ECANCELED && second.all('.'), "it has not begun");
	f.expect(!first.ended(), "the first does not");
	d.let_go();
	f.expect(r.until([&] { return first.ended(); }), "the first ends");
	f.expect(first.res == (int)SECTOR && first.all('d'), "it is whole");
}

TEST_CASE("fuse: what waits for a worker that is stuck ends at once", "[disk][rule46]")
{
	disk d;
	DISK_OR_SKIP(d);
	struct findings f;

	{
		ring r;
		OR_SKIP(r);
	}
	thread([&] { queued_behind(d, f); }).join();
	REQUIRE_NOTHING_IN(f);
}
