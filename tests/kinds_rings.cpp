/* SPDX-License-Identifier: MIT */
/* kinds_rings.cpp - rings at their ends: too small, too early, too late */
#include "ring_support.hpp"

#include <sys/wait.h>

static const struct urctx_cause why = { "why", nullptr, nullptr, 0, -1 };

constexpr unsigned LAST_KNOWN = 16;	/* IORING_SETUP_NO_SQARRAY */

TEST_CASE("setup flags that nobody here knows", "[kinds][attach]")
{
	struct urctx_ring *out = nullptr;
	ring r(8);
	OR_SKIP(r);

	for (unsigned bit = LAST_KNOWN + 1; bit < 32; bit++) {
		struct io_uring unknown = r.u;

		INFO("bit " << bit);
		unknown.flags |= 1U << bit;
		CHECK(urctx_ring_attach(&unknown, nullptr, &out) == -EOPNOTSUPP);
	}
	CHECK(!out);
}

TEST_CASE("a ring that is enabled later", "[kinds][disabled][G11]")
{
	for (unsigned flags : { 0U, DEFER }) {
		ends p;
		an_op ended, told, live;
		ring r(8, IORING_SETUP_R_DISABLED | flags);
		OR_SKIP(r);
		context a, b;

		urctx_cancel_cause(a, &why);
		r.read(p.in(), a, ended);
		r.read(p.in(), b, told);
		r.read(p.in(), nullptr, live);
		cancel_elsewhere(b, &why);
		/* nothing can be submitted, and nothing is lost */
		CHECK(urctx_ring_wait(r.r, 0) == -EBADFD);
		CHECK(urctx_ring_drain(r.r, nullptr, urctx_now()) == -EBADFD);
		CHECK(r.stats().in_flight == 3);
		REQUIRE(io_uring_register((unsigned)r.u.ring_fd, IORING_REGISTER_ENABLE_RINGS,
					  nullptr, 0) == 0);
		REQUIRE(r.until([&] { return ended.ended() && told.ended(); }));
		CHECK(ended.cause == &why);
		CHECK(told.cause == &why);
		CHECK(told.res == -ECANCELED);
		CHECK(live.calls == 0);
		p.put();
		REQUIRE(r.until_ended(live));
		CHECK(live.res == 1);
	}
}

#ifndef URCTX_DEBUG
static bool all_refused(ring &r, struct io_uring_sqe *s, an_op &op, uint64_t ud)
{
	struct io_uring_cqe cqe = {};
	struct urctx_callback cb = {};
	an_op other;

	cqe.user_data = ud;
	urctx_op_cancel(&op.op, &why);
	urctx_op_deadline(&op.op, 0);
	return !urctx_ring_sqe(r.r) && !urctx_ring_dispatch(r.r, &cqe) &&
	       urctx_ring_bind(r.r, s, nullptr, &other.op) == -EPERM &&
	       urctx_ring_bind_flags(r.r, s, nullptr, &other.op, 0, 0) == -EPERM &&
	       urctx_ring_after(r.r, nullptr, &cb, nullptr) < 0 &&
	       urctx_ring_turn(r.r) == -EPERM && urctx_ring_wait(r.r, 0) == -EPERM &&
	       urctx_ring_drain(r.r, nullptr, 0) == -EPERM &&
	       urctx_ring_detach(r.r, 0) == -EPERM && op.calls == 0;
}

TEST_CASE("a fork while ops are in flight", "[kinds][fork]")
{
	for (auto mode : MODES) {
		INFO(mode.name);
		ends p;
		an_op told, live;
		ring r(8, mode.flags);
		OR_SKIP(r);
		context a, b;
		int status;

		r.read(p.in(), a, told);
		uint64_t ud = r.read(p.in(), b, live);
		while (r.turn() == 0)
			r.submit();
		r.submit();
		struct io_uring_sqe *s = r.sqe();
		pid_t child = fork();
		if (!child) {
			/* these are the child's, and nobody else hears of them */
			urctx_cancel_cause(a, &why);
			urctx_cancel_cause(b, &why);
			_exit(!all_refused(r, s, live, ud));
		}
		REQUIRE(waitpid(child, &status, 0) == child);
		CHECK(status == 0);
		CHECK(!urctx_done(a));
		CHECK(urctx_ring_wait(r.r, 0) == 0);
		CHECK(told.calls + live.calls == 0);
		CHECK(r.stats().told == 0);
		cancel_elsewhere(a, &why);
		REQUIRE(r.until_ended(told));
		CHECK(told.cause == &why);
		p.put();
		REQUIRE(r.until_ended(live));
		CHECK(live.res == 1);
		CHECK(!live.cause);
	}
}
#endif

/* Contexts outlive it, and so does what its attachment keeps of them. */
TEST_CASE("an owner that exits without a detach", "[kinds][exit]")
{
	for (auto mode : MODES) {
		INFO(mode.name);
		ends p;
		an_op op[4];
		struct io_uring u = {};
		struct urctx_ring *r = nullptr;
		struct urctx_ring_stats stats = {};
		context parent, ctx(parent.c), timed(parent.c);
		findings f;
		int error = 0;

		thread([&] {
			error = io_uring_queue_init(8, &u, mode.flags);
			if (error)
				return;
			f.expect(urctx_ring_attach(&u, nullptr, &r) == 0, "attach");
			for (an_op &o : op) {
				struct io_uring_sqe *s = urctx_ring_sqe(r);

				io_uring_prep_read(s, p.in(), o.buf, 8, 0);
				f.expect(urctx_ring_bind_flags(r, s, &o == op ? timed : ctx,
							       &o.op, urctx_now() + 1000 * SEC,
							       0) == 0,
					 "bind");
			}
			f.expect(urctx_ring_wait(r, 0) == 0, "wait");
		}).join();
		if (error) {
			WARN("skipped: io_uring_setup: " << strerror(-error));
			return;
		}
		REQUIRE_NOTHING_IN(f);
		CHECK(urctx_cancel_cause(ctx, &why));
		cancel_elsewhere(parent, &why);
		CHECK(same_word(timed, &why));
		urctx_ring_stats(r, &stats, sizeof(stats));
		CHECK(stats.in_flight == 4);
		io_uring_queue_exit(&u);
		for (an_op &o : op)
			CHECK(o.calls == 0);	/* who should have called it? */
	}
}

TEST_CASE("a CQ that overflows loses nothing", "[kinds][overflow][G10]")
{
	for (auto mode : MODES)
		for (bool waiting : { false, true }) {
			INFO(mode.name << " " << waiting);
			size_t nr = scaled(1000), once = 0;
			ends p;
			std::vector<an_op> op(nr);
			ring r(4, mode.flags, nullptr, 8);
			OR_SKIP(r);
			context ctx;

			for (an_op &o : op) {
				struct io_uring_sqe *s = r.sqe();

				if (waiting)
					io_uring_prep_read(s, p.in(), o.buf, 1, 0);
				REQUIRE(urctx_ring_bind(r.r, s, ctx, &o.op) == 0);
			}
			if (waiting)
				cancel_elsewhere(ctx, &why);
			CHECK(r.until([&] { return !r.stats().in_flight; }, 5 * PATIENCE));
			for (an_op &o : op)
				once += o.calls == 1 && o.last &&
					o.res == (waiting ? -ECANCELED : 0) &&
					o.cause == (waiting ? &why : nullptr);
			CHECK(once == nr);
			CHECK(r.stats().stale == 0);
		}
}

/* However many there are: one turn asks for 128 at most, whatever the SQ has room for. */
TEST_CASE("10,000 ops are ended in turns that have an end", "[kinds][mass][G11]")
{
	for (unsigned entries : { 4U, 64U, 4096U })
		for (auto mode : MODES) {
			INFO(mode.name << ", an SQ of " << entries);
			size_t nr = scaled(10000), once = 0, most = 0, before;
			ends p;
			std::vector<an_op> op(nr);
			ring r(entries, mode.flags);
			OR_SKIP(r);
			context ctx;
			int64_t end = urctx_now() + 5 * PATIENCE;

			for (an_op &o : op)
				r.read(p.in(), ctx, o);
			CHECK(urctx_ring_wait(r.r, 0) == 0);
			urctx_cancel_cause(ctx, &why);
			while (r.stats().in_flight && urctx_now() < end) {
				before = r.stats().cancels;
				(void)r.turn();
				most = std::max<size_t>(most, r.stats().cancels - before);
				REQUIRE(urctx_ring_wait(r.r, urctx_now() + SEC / 10) >= 0);
			}
			for (an_op &o : op)
				once += o.calls == 1 && o.res == -ECANCELED && o.cause == &why;
			CHECK(once == nr);
			CHECK(most <= 128);
			CHECK(r.stats().stale == 0);
		}
}
