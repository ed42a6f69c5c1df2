/* SPDX-License-Identifier: MIT */
/* edges_links.cpp - a ring's callbacks, and who leaves their contexts */
#include "edges_kernel.hpp"
#include "ring_cover.hpp"

#include <algorithm>

/* The first callback of a context takes the other one back, which was due as well. */
TEST_CASE("ring: a callback that stops another of its context", "[ring][edges]")
{
	struct stops {
		struct urctx_callback cb = {};	/* first */
		struct urctx_callback *other = nullptr;
		bool could = false;
		static void fn(struct urctx_callback *cb)
		{
			auto *self = reinterpret_cast<stops *>(cb);

			self->could = urctx_try_stop(self->other);
		}
	} first;
	call second;
	context ctx;

	ring r(8);
	OR_SKIP(r);
	first.other = &second.cb;
	REQUIRE(urctx_ring_after(r.r, ctx, &first.cb, stops::fn) == 0);
	REQUIRE(urctx_ring_after(r.r, ctx, &second.cb, call::fn) == 0);
	urctx_cancel(ctx);
	CHECK(r.turn() == 0);
	CHECK(first.could);
	CHECK(second.ran == 0);
	CHECK_FALSE(urctx_try_stop(&first.cb));
	CHECK_FALSE(urctx_try_stop(&second.cb));
	while (r.turn() == 0)
		r.submit();
}

/* Its context lives on: neither callback is due. */
TEST_CASE("ring: an op leaves a context that has callbacks", "[ring][edges]")
{
	an_op op;
	call after, idle;
	context ctx;

	ring r(8);
	OR_SKIP(r);
	uint64_t ud = read_nowhere(r, ctx, op);
	drop_queued(r);
	REQUIRE(urctx_ring_after(r.r, ctx, &after.cb, call::fn) == 0);
	REQUIRE(urctx_ring_idle(r.r, ctx, &idle.cb, call::fn) == 0);
	REQUIRE(r.feed(ud, 1));
	while (r.turn() == 0)
		drop_queued(r);
	CHECK(after.ran + idle.ran == 0);
	CHECK(urctx_try_stop(&after.cb));
	urctx_cancel(ctx);
	while (r.turn() == 0)
		drop_queued(r);
	CHECK(after.ran == 0);
	CHECK(idle.ran == 1);
}

/* In line and stopped: its context is not looked at any more. */
TEST_CASE("ring: the only callback of a context is stopped in line", "[ring][edges]")
{
	an_op op[2];
	call idle;

	ring r(8);
	OR_SKIP(r);
	for (auto &some : op) {
		context ctx;
		uint64_t ud = read_nowhere(r, ctx, some);

		REQUIRE(urctx_ring_idle(r.r, ctx, &idle.cb, call::fn) == 0);
		urctx_cancel(ctx);
		r.turn();
		drop_queued(r);
		REQUIRE(r.feed(ud, -ECANCELED));
		CHECK(urctx_try_stop(&idle.cb));
	}
	CHECK(r.turn() == URCTX_NEVER);
	CHECK(idle.ran == 0);
}

/* What a worker does for such a thread only the thread finds. */
TEST_CASE("ring: a thread of the kernel's is asked every second time", "[ring][edges][sqpoll]")
{
	struct urctx_ring_params params = {};
	an_op op;

	params.flags = URCTX_RING_DRAIN;
	ring r(8, IORING_SETUP_SQPOLL, &params);
	OR_SKIP(r);
	held clock;
	uint64_t ud = read_nowhere(r, nullptr, op);
	for (auto s : r.queued())
		s->flags = 0, s->user_data = URCTX_UDATA_TAG | 4;
	r.submit();
	kernel k([](const entered &e) {
		return e.what == entered::SYNC ? std::optional<int>(-EALREADY) : std::nullopt;
	});
	auto by_call = [](const entered &e) { return e.what == entered::SYNC; };
	urctx_op_cancel(&op.op, nullptr);
	for (unsigned tries = 0; tries < 600; tries++) {
		INFO(tries);
		REQUIRE(urctx_clock_advance(SEC) == 0);
		k.asked.clear();
		r.turn();
		CHECK(std::count_if(k.asked.begin(), k.asked.end(), by_call) == !(tries & 1));
		REQUIRE(r.cancels().size() == (tries & 1));
		for (auto s : r.cancels()) {
			io_uring_prep_nop(s);
			s->flags = 0;
			s->user_data = URCTX_UDATA_TAG | 4;
			r.submit();
			REQUIRE(r.feed(ud | 1, -EALREADY));
		}
	}
	REQUIRE(r.feed(ud, -ECANCELED));
}

/* It stays as long as it says so; then there is another, and that is no limit. */
TEST_CASE("ring: the poll that wakes is made again when it has ended", "[ring][edges]")
{
	an_op op;
	context ctx;

	ring r(8);
	OR_SKIP(r);
	uint64_t ud = read_nowhere(r, ctx, op), wake = 0, stale = 0;
	for (int res : { 1, -ECANCELED, 0 }) {
		INFO(res);
		while (r.turn() == 0)
			;
		REQUIRE(!r.queued().empty());
		struct io_uring_sqe *s = r.queued().back();
		CHECK(s->opcode == IORING_OP_POLL_ADD);
		CHECK(s->user_data != wake);
		wake = s->user_data;
		/* the kernel has none of them: it is said what they say */
		io_uring_prep_nop(s);
		s->flags = IOSQE_CQE_SKIP_SUCCESS;
		drop_queued(r);
		REQUIRE(r.feed(wake + (UINT64_C(7) << 25), 1));
		CHECK(r.stats().stale == ++stale);
		REQUIRE(r.feed(wake, 1, IORING_CQE_F_MORE));
		CHECK(r.turn() == URCTX_NEVER);
		CHECK(r.queued().empty());
		if (!res)
			break;
		REQUIRE(r.feed(wake, res));
		CHECK(r.stats().limits == 0);
		REQUIRE(r.feed(wake, 1));
		CHECK(r.stats().stale == ++stale);
	}
	REQUIRE(r.feed(ud, 1));
	REQUIRE(r.feed(wake, -ECANCELED));
}
