/* SPDX-License-Identifier: MIT */
/* edges_bind.cpp - ops that come and go: their SQEs, their CQEs, and room for them */
#include "edges_kernel.hpp"
#include "ring_cover.hpp"

#include <random>

namespace
{
const struct urctx_cause why = { "why", __FILE__, "edges", __LINE__, -EPROTO };

/* user_data of the library's own that says nothing. */
constexpr uint64_t NOTHING = URCTX_UDATA_TAG | 4;

uint64_t cancel_of(uint64_t op)
{
	return op | 1;
}

int64_t time_of(const struct io_uring_sqe *s)
{
	const auto *ts = (const struct __kernel_timespec *)(uintptr_t)s->addr;

	CHECK(ts->tv_nsec < 1000000000);
	return ts->tv_sec * 1000000000 + ts->tv_nsec;
}
}

TEST_CASE("ring: codes of the kernel's own are one interruption", "[ring][edges]")
{
	for (int res = -520; res <= -508; res++) {
		INFO(res);
		an_op op;

		ring r(8);
		OR_SKIP(r);
		uint64_t ud = read_nowhere(r, nullptr, op);
		drop_queued(r);
		REQUIRE(r.feed(ud, res));
		CHECK(op.res == (res >= -516 && res <= -512 ? -EINTR : res));
	}
}

/* A told one is stuck from its eighth answer on, until it has left. */
TEST_CASE("ring: an op that is used again begins anew", "[ring][edges]")
{
	an_op op;

	ring r(8);
	OR_SKIP(r);
	held clock;
	for (int round = 0; round < 2; round++) {
		uint64_t ud = read_nowhere(r, nullptr, op);
		urctx_op_cancel(&op.op, &why);
		for (int tries = 0; tries < 8; tries++) {
			REQUIRE(urctx_clock_advance(SEC) == 0);
			r.turn();
			REQUIRE(r.cancels().size() == 1);
			drop_queued(r);
			CHECK(r.stats().retries == (unsigned)(7 * round + tries));
			REQUIRE(r.feed(cancel_of(ud), -ENOENT));
		}
		CHECK(r.stats().stuck == 1);
		REQUIRE(r.feed(ud, -ECANCELED));
		CHECK(r.stats().stuck == 0);
	}
}

TEST_CASE("ring: who was never issued keeps to its cause", "[ring][edges]")
{
	an_op op;
	context ctx;

	ring r(8);
	OR_SKIP(r);
	urctx_cancel_cause(ctx, &why);
	uint64_t ud = read_nowhere(r, ctx, op);
	urctx_op_cancel(&op.op, nullptr);
	urctx_op_deadline(&op.op, 1);
	CHECK(r.stats().told == 1);
	while (r.turn() == 0)
		;
	CHECK(r.cancels().empty());
	drop_queued(r);
	REQUIRE(r.feed(ud, -EBADF));
	CHECK(op.res == -ECANCELED);
	CHECK(op.cause == &why);
}

/* As one that is due is told in the next turn, and is not late. */
TEST_CASE("ring: a deadline that has passed, on a ring that never turned", "[ring][edges]")
{
	an_op op;

	ring r(8);
	OR_SKIP(r);
	held clock;
	uint64_t ud = read_nowhere(r, nullptr, op);
	urctx_op_deadline(&op.op, 1);
	r.turn();
	CHECK(r.stats().told == 1);
	CHECK(r.stats().late_max == 0);
	drop_queued(r);
	REQUIRE(r.feed(ud, -ECANCELED));
}

/* An SQE that was refused fails; what comes of it is the library's. */
TEST_CASE("ring: what was refused is no stale CQE", "[ring][edges]")
{
	for (bool again : { false, true }) {
		an_op op;

		INFO(again);
		ring r(8);
		OR_SKIP(r);
		struct io_uring_sqe *s = r.sqe();
		CHECK(urctx_ring_bind(r.r, s, nullptr, nullptr) == -EINVAL);
		if (again)		/* the same SQE, or another */
			io_uring_prep_nop(s);
		else
			s = r.sqe();
		REQUIRE(urctx_ring_bind(r.r, s, nullptr, &op.op) == 0);
		REQUIRE(r.until_ended(op));
		CHECK(op.res == 0);
		CHECK(urctx_ring_wait(r.r, urctx_now()) == 0);
		CHECK(r.stats().stale == 0);
		if (!again)
			CHECK(op.calls == 1);
	}
}

TEST_CASE("ring: an SQ of one, over and over", "[ring][edges]")
{
	an_op op;
	char buf[4];

	ring r(1);
	OR_SKIP(r);
	for (int i = 0; i < 4; i++) {
		struct io_uring_sqe *s = r.sqe();

		/* as if nobody had used it */
		CHECK(s->opcode == IORING_OP_NOP);
		CHECK(s->flags == 0);
		CHECK(s->user_data == NOTHING);
		io_uring_prep_read(s, -1, buf, 1, 0);
		s->flags = i % 2 ? IOSQE_ASYNC : 0;
		s->user_data = NOTHING + 8;
	}
	REQUIRE(urctx_ring_bind(r.r, r.sqe(), nullptr, &op.op) == 0);
	REQUIRE(r.until_ended(op));
	CHECK(op.res == 0);
}

/* Nothing of it is silent that is not submitted yet. */
TEST_CASE("ring: a bind behind a silent chain that was submitted", "[ring][edges]")
{
	ends p;
	an_op op;

	ring r(8);
	OR_SKIP(r);
	struct io_uring_sqe *s = r.sqe();
	s->flags = IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
	s->user_data = NOTHING;
	r.submit();
	r.sqe()->flags = IOSQE_IO_LINK;
	r.read(p.in(), nullptr, op);
	p.put();
	REQUIRE(r.until_ended(op));
	CHECK(op.res == 1);
}

/* In front of it a chain that may not be parted: one place is enough. */
TEST_CASE("ring: the kernel's timer in the last place of an SQ", "[ring][edges]")
{
	an_op op;
	ends p;

	ring r(4);
	OR_SKIP(r);
	for (int i = 0; i < 2; i++)
		r.sqe()->flags = IOSQE_IO_LINK;
	struct io_uring_sqe *s = r.sqe();
	io_uring_prep_read(s, p.in(), op.buf, 1, 0);
	REQUIRE(urctx_ring_bind_flags(r.r, s, nullptr, &op.op, urctx_now() + 3600 * SEC,
				      URCTX_OP_LINK_TIMEOUT) == 0);
	CHECK(r.queued().size() == 4);
	p.put();
	REQUIRE(r.until_ended(op));
	CHECK(op.res == 1);
}

/* Its own deadline was moved: the kernel's timer is where it was. */
TEST_CASE("ring: whether the kernel's timer has fired, to the nanosecond", "[ring][edges]")
{
	for (int64_t more : { -1, 0, 1 }) {
		INFO(more);
		an_op op;

		ring r(8);
		OR_SKIP(r);
		held clock;
		int64_t when = (urctx_now() / SEC + 3) * SEC + 123456789;
		struct io_uring_sqe *s = r.sqe();
		io_uring_prep_read(s, 0, op.buf, 1, 0);
		REQUIRE(urctx_ring_bind_flags(r.r, s, nullptr, &op.op, when,
					      URCTX_OP_LINK_TIMEOUT) == 0);
		uint64_t ud = s->user_data;
		REQUIRE(r.queued().size() == 2);
		struct io_uring_sqe *timer = r.queued()[1];
		CHECK(timer->opcode == IORING_OP_LINK_TIMEOUT);
		CHECK(timer->flags == IOSQE_CQE_SKIP_SUCCESS);
		CHECK(time_of(timer) == when);
		drop_queued(r);
		/* it is not relied upon */
		CHECK(r.turn() == when - urctx_now());
		urctx_op_deadline(&op.op, when + 3600 * SEC);
		REQUIRE(urctx_clock_advance(when + more - urctx_now()) == 0);
		REQUIRE(r.feed(ud, -ECANCELED));
		CHECK(op.cause == (more < 0 ? nullptr : &urctx_deadline_exceeded));
		CHECK(r.stats().told == (more >= 0));
	}
}

TEST_CASE("ring: the alarm is set once, and says when", "[ring][edges]")
{
	struct urctx_ring_params params = {};
	an_op op, sooner;

	params.flags = URCTX_RING_TIMER;
	ring r(8, 0, &params);
	OR_SKIP(r);
	held clock;
	int64_t when = (urctx_now() / SEC + 7) * SEC + 1;
	uint64_t a = read_nowhere(r, nullptr, op, when);
	CHECK(r.turn() == when - urctx_now());
	REQUIRE(r.queued().size() == 2);
	struct io_uring_sqe *s = r.queued()[1];
	CHECK(s->opcode == IORING_OP_TIMEOUT);
	CHECK(s->off == 0);		/* whatever completes meanwhile */
	CHECK(s->timeout_flags == IORING_TIMEOUT_ABS);
	CHECK(time_of(s) == when);
	uint64_t alarm = s->user_data;
	CHECK(r.turn() == when - urctx_now());
	CHECK(r.queued().size() == 2);
	drop_queued(r);
	uint64_t b = read_nowhere(r, nullptr, sooner, when - SEC);
	CHECK(r.turn() == when - SEC - urctx_now());
	REQUIRE(r.queued().size() == 2);
	s = r.queued()[1];
	CHECK(s->opcode == IORING_OP_TIMEOUT_REMOVE);
	CHECK(s->flags == IOSQE_CQE_SKIP_SUCCESS);
	CHECK(s->addr == alarm);
	CHECK(s->user_data != alarm);
	uint64_t moved = s->user_data;
	drop_queued(r);
	/* of one that is long gone */
	REQUIRE(r.feed(alarm + (UINT64_C(7) << 25), -ETIME));
	CHECK(r.stats().stale == 1);
	REQUIRE(r.feed(alarm, -ETIME));
	CHECK(r.stats().stale == 1);
	CHECK(r.stats().limits == 0);
	CHECK(r.turn() == when - SEC - urctx_now());
	REQUIRE(r.queued().size() == 1);
	CHECK(r.queued()[0]->user_data != alarm);
	alarm = r.queued()[0]->user_data;
	drop_queued(r);
	/* it came too late for the one before */
	REQUIRE(r.feed(moved, -ENOENT));
	CHECK(r.stats().stale == 1);
	REQUIRE(r.feed(alarm, -ECANCELED));
	REQUIRE(r.feed(a, 1));
	REQUIRE(r.feed(b, 1));
	CHECK(r.turn() == URCTX_NEVER);
}

TEST_CASE("ring: parameters are looked at as far as they go", "[ring][edges]")
{
	struct {
		struct urctx_ring_params params;
		uint64_t behind[4];
	} some = {};
	struct {
		struct urctx_ring_stats stats;
		unsigned char behind[64];
	} all;

	ring r(8);
	OR_SKIP(r);
	REQUIRE(urctx_ring_detach(r.r, URCTX_NEVER) == 0);
	r.r = nullptr;
	memset(some.behind, 0xff, sizeof(some.behind));
	for (auto &word : some.params.reserved) {
		word = 1;
		CHECK(urctx_ring_attach(&r.u, &some.params, &r.r) == -EINVAL);
		word = 0;
	}
	REQUIRE(urctx_ring_attach(&r.u, &some.params, &r.r) == 0);
	/* of a library that has more to say: what this one does not know is 0 */
	memset(&all, 0xff, sizeof(all));
	urctx_ring_stats(r.r, &all.stats, sizeof(all));
	for (unsigned char byte : all.behind)
		CHECK(byte == 0);
	CHECK(all.stats.late[0] == 0);
	CHECK(all.stats.late[31] == 0);
}

/* A deadline of a context goes with the last of its ops. */
TEST_CASE("ring: nobody waits for a context without ops", "[ring][edges]")
{
	an_op op;
	struct urctx *ctx;

	ring r(8);
	OR_SKIP(r);
	held clock;
	REQUIRE(urctx_with_timeout(nullptr, 100 * SEC, &ctx) == 0);
	uint64_t ud = read_nowhere(r, ctx, op);
	while (r.turn() == 0)
		;
	CHECK(r.turn() == 100 * SEC);
	drop_queued(r);
	REQUIRE(r.feed(ud, 1));
	CHECK(r.turn() == URCTX_NEVER);
	urctx_put(ctx);
}

/* As many as there is room for, each with a context of its own; grown, and rounded up. */
TEST_CASE("ring: every place of a ring's tables is used", "[ring][edges]")
{
	std::mt19937 dice(4711);

	for (uint32_t room : { 0, 1, 64, 100 })
		for (int order = 0; order < 3; order++) {
			constexpr size_t N = 256;
			struct urctx_ring_params params = {};

			INFO(room << " in order " << order);
			params.ops = room;
			ring r(64, 0, &params);
			OR_SKIP(r);
			held clock;
			int64_t begin = urctx_now();
			std::vector<an_op> ops(N);
			std::vector<uint64_t> ud(N);
			std::vector<int64_t> when(N), end(N);
			std::vector<struct urctx *> ctx(N);
			/* more have left than there is room for, and no turn has heard of it */
			for (int i = 0; i < 72 && room == 1; i++) {
				context left;
				uint64_t its = read_nowhere(r, left, ops[0]);

				urctx_cancel(left);
				REQUIRE(r.feed(its, 1));
				drop_queued(r);
			}
			ops[0].calls = 0;
			auto take = [&](size_t i, int64_t at) {
				when[i] = begin + 1000 + at;
				end[i] = begin + 1000 + (order == 2 ? dice() % 2000 : at + 1000);
				REQUIRE(urctx_with_deadline_cause(nullptr, end[i], &why,
								  &ctx[i]) == 0);
				ud[i] = read_nowhere(r, ctx[i], ops[i], when[i]);
			};
			for (size_t i = 0; i < N; i++)
				take(i, order == 0 ? i : order == 1 ? N - i : dice() % 1000);
			r.turn();
			/* some leave, and others take their places */
			for (size_t k = 0; k < 3 * N; k++) {
				size_t i = dice() % N;

				drop_queued(r);
				REQUIRE(r.feed(ud[i], 1));
				REQUIRE(ops[i].cause == nullptr);
				urctx_put(ctx[i]);
				take(i, order == 0 ? N + k : order == 1 ? N - i : dice() % 1000);
			}
			for (int64_t now = begin; now < begin + 3500; now += 250) {
				uint64_t due = 0;

				for (size_t i = 0; i < N; i++)
					due += when[i] <= now || end[i] <= now;
				while (r.turn() == 0)
					drop_queued(r);
				REQUIRE(r.stats().told == due);
				drop_queued(r);
				REQUIRE(urctx_clock_advance(250) == 0);
			}
			for (size_t i = 0; i < N; i++) {
				REQUIRE(r.feed(ud[i], -ECANCELED));
				REQUIRE(ops[i].cause != nullptr);
				urctx_put(ctx[i]);
			}
			CHECK(r.stats().in_flight == 0);
			drop_queued(r);
		}
}
