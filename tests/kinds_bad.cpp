/* SPDX-License-Identifier: MIT */
/* kinds_bad.cpp - what cannot be right: said so, once, and nothing else suffers */
#include "ring_support.hpp"

static const struct urctx_cause why = { "why", nullptr, nullptr, 0, -1 };

struct bad {
	const char *name;
	int res;
	void (*prep)(struct io_uring_sqe *s, an_op &op, int pipe);
};

static const struct bad BAD[] = {
	{ "a read of no file", -EBADF, [](struct io_uring_sqe *s, an_op &op, int) {
		 io_uring_prep_read(s, -1, op.buf, 8, 0);
	 } },
	{ "a read of a file that is closed", -EBADF,
	  [](struct io_uring_sqe *s, an_op &op, int) {
		 int fd = dup(0);

		 close(fd);
		 io_uring_prep_read(s, fd, op.buf, 8, 0);
	 } },
	{ "a read into nowhere", -EFAULT, [](struct io_uring_sqe *s, an_op &, int fd) {
		 io_uring_prep_read(s, fd, reinterpret_cast<void *>(8), 1, 0);
	 } },
	{ "recv of what is no socket", -ENOTSOCK,
	  [](struct io_uring_sqe *s, an_op &op, int fd) {
		 io_uring_prep_recv(s, fd, op.buf, 8, 0);
	 } },
	{ "accept on what is no socket", -ENOTSOCK, [](struct io_uring_sqe *s, an_op &, int fd) {
		 io_uring_prep_accept(s, fd, nullptr, nullptr, 0);
	 } },
	{ "a registered file, and none is", -EBADF,
	  [](struct io_uring_sqe *s, an_op &op, int) {
		 io_uring_prep_read(s, 7, op.buf, 8, 0);
		 s->flags |= IOSQE_FIXED_FILE;
	 } },
	{ "a provided buffer, and none is", -ENOBUFS,
	  [](struct io_uring_sqe *s, an_op &, int fd) {
		 io_uring_prep_read(s, fd, nullptr, 8, 0);
		 s->flags |= IOSQE_BUFFER_SELECT;
		 s->buf_group = 99;
	 } },
	{ "an opcode that nobody has", -EINVAL, [](struct io_uring_sqe *s, an_op &, int) {
		 s->opcode = 255;
	 } },
	{ "flags that nobody has", -EINVAL, [](struct io_uring_sqe *s, an_op &op, int fd) {
		 io_uring_prep_recv(s, fd, op.buf, 8, 0);
		 s->ioprio = 0xffff;
	 } },
	{ "a time before the beginning", -EINVAL, [](struct io_uring_sqe *s, an_op &op, int) {
		 auto *ts = reinterpret_cast<struct __kernel_timespec *>(op.buf);

		 *ts = { -1, 0 };
		 io_uring_prep_timeout(s, ts, 0, 0);
	 } },
};

/* The kernel stops at an SQE that it refuses: those behind it are not forgotten. */
TEST_CASE("ops that the kernel refuses, between others", "[kinds][bad][G10]")
{
	for (auto mode : MODES)
		for (const bad &b : BAD)
			for (int64_t deadline : { URCTX_NEVER, urctx_now() + 1000 * SEC }) {
				INFO(b.name << ", " << mode.name);
				ends p, waits;
				an_op before, op, behind;
				ring r(8, mode.flags);
				OR_SKIP(r);
				context ctx;

				p.put();
				r.read(waits.in(), ctx, before);
				struct io_uring_sqe *s = r.sqe();
				b.prep(s, op, p.in());
				REQUIRE(urctx_ring_bind_flags(r.r, s, ctx, &op.op, deadline,
							      0) == 0);
				r.read(waits.in(), ctx, behind);
				REQUIRE(r.until_ended(op));
				CHECK(op.res == b.res);
				CHECK(!op.cause);
				CHECK(before.calls + behind.calls == 0);
				cancel_elsewhere(ctx, &why);
				REQUIRE(r.until_ended(before));
				REQUIRE(r.until_ended(behind));
				CHECK(behind.res == -ECANCELED);
				CHECK(behind.cause == &why);
				CHECK(op.calls == 1);
			}
}

TEST_CASE("a file that is closed under an op", "[kinds][bad][G11]")
{
	for (auto mode : MODES) {
		INFO(mode.name);
		int fd[2];
		an_op op;
		ring r(8, mode.flags);
		OR_SKIP(r);
		context ctx;

		REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == 0);
		r.read(fd[0], ctx, op);
		r.submit();
		close(fd[0]);
		CHECK(urctx_ring_wait(r.r, 0) == 0);
		cancel_elsewhere(ctx, &why);
		REQUIRE(r.until_ended(op));
		CHECK(op.res == -ECANCELED);
		CHECK(op.cause == &why);
		close(fd[1]);
	}
}

TEST_CASE("an op is in flight until its CQE, whatever it was told", "[kinds][bad]")
{
	ends p;
	an_op op;
	ring r(8), other(8);
	OR_SKIP(r);
	OR_SKIP(other);
	auto again = [&](ring &on) {
		return urctx_ring_bind(on.r, on.sqe(), nullptr, &op.op);
	};

	r.read(p.in(), nullptr, op);
	CHECK(again(r) == -EBUSY);
	CHECK(again(other) == -EBUSY);
	r.submit();
	CHECK(again(r) == -EBUSY);
	urctx_op_cancel(&op.op, &why);
	CHECK(again(r) == -EBUSY);
	CHECK(r.turn() > 0);
	CHECK(again(r) == -EBUSY);
	REQUIRE(r.until_ended(op));
	CHECK(op.calls == 1);
	CHECK(op.cause == &why);
	CHECK(r.stats().in_flight == 0);
	CHECK(again(other) == 0);
	REQUIRE(other.until([&] { return op.calls == 2; }));
	CHECK(op.res == 0);
	CHECK(!op.cause);
}

/* Others' ops in front of it and behind it. */
TEST_CASE("an op in the middle of a chain that is not ours", "[kinds][bad][chain][G11]")
{
	std::vector<std::pair<uint64_t, int>> seen;
	struct urctx_ring_params params = {};

	params.arg = &seen;
	params.foreign = [](void *arg, const struct io_uring_cqe *cqe) {
		static_cast<decltype(seen) *>(arg)->push_back({ cqe->user_data, cqe->res });
	};
	for (auto mode : MODES)
		for (unsigned link : { IOSQE_IO_LINK, IOSQE_IO_HARDLINK }) {
			INFO(mode.name << " " << link);
			ends first, second;
			an_op op;
			char buf[8];
			ring r(8, mode.flags, &params);
			OR_SKIP(r);
			context ctx;

			seen.clear();
			struct io_uring_sqe *s = r.sqe();
			io_uring_prep_read(s, first.in(), buf, 1, 0);
			s->flags |= (__u8)link;
			s->user_data = 1;
			r.read(second.in(), ctx, op, link);
			s = r.sqe();
			s->user_data = 2;
			CHECK(urctx_ring_wait(r.r, 0) == 0);
			urctx_cancel_cause(ctx, &why);
			/* not begun, so there is nothing that could be cancelled */
			CHECK(urctx_ring_wait(r.r, 0) == 0);
			CHECK(op.calls == 0);
			first.put();
			REQUIRE(r.until([&] { return op.ended() && seen.size() == 2; }));
			/* begun and ended, or not begun at all */
			CHECK((op.res == -ECANCELED || op.res == -EINTR));
			CHECK(op.cause == &why);
			CHECK(seen[0] == std::make_pair((uint64_t)1, 1));
			CHECK(seen[1].second == (link == IOSQE_IO_LINK ? -ECANCELED : 0));
		}
}

TEST_CASE("deadlines at the ends of what an integer can say", "[kinds][bad][deadline]")
{
	for (int64_t when : { INT64_MIN, INT64_MIN + 1, (int64_t)-1, (int64_t)0, (int64_t)1,
			      INT64_MAX - 1, INT64_MAX })
		for (unsigned flags : { 0U, URCTX_OP_LINK_TIMEOUT }) {
			INFO(when << " " << flags);
			bool passed = when <= 1;
			ends p;
			an_op op, moved, by_context;
			ring r(16);
			OR_SKIP(r);
			struct urctx *ctx = nullptr;

			REQUIRE(urctx_with_deadline(nullptr, when, &ctx) == 0);
			struct io_uring_sqe *s = r.sqe();
			io_uring_prep_read(s, p.in(), op.buf, 1, 0);
			int ret = urctx_ring_bind_flags(r.r, s, nullptr, &op.op, when, flags);
			CHECK(ret == (flags && when == URCTX_NEVER ? -EINVAL : 0));
			r.read(p.in(), ctx, by_context);
			r.read(p.in(), nullptr, moved);
			urctx_op_deadline(&moved.op, when);
			CHECK(urctx_ring_wait(r.r, when < INT64_MAX - 1 ? when : 0) >= 0);
			if (!passed)
				CHECK(op.calls + moved.calls + by_context.calls == 0);
			/* a byte for each of them */
			for (uint64_t left = r.stats().in_flight; left--;) {
				if (!passed)
					p.put();
				REQUIRE(r.until([&] { return r.stats().in_flight <= left; }));
			}
			for (an_op *o : { &op, &moved, &by_context }) {
				if (ret && o == &op)
					continue;
				CHECK(o->calls == 1);
				CHECK(o->res == (passed ? -ECANCELED : 1));
				CHECK(o->cause == (passed ? &urctx_deadline_exceeded : nullptr));
			}
			CHECK(urctx_ring_drain(r.r, nullptr, when) == 0);
			CHECK(urctx_ring_detach(r.r, when) == 0);
			r.r = nullptr;
			urctx_put(ctx);
		}
}
