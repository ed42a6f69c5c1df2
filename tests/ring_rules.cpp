/* SPDX-License-Identifier: MIT */
/*
 * ring_rules.cpp - what a CQE means and an SQE must be: rules of lib/ring_rules.h
 *
 * Each test has the number of its rule and fails where that is taken out, which
 * ring_controls.sh shows.
 */
#include "ring_support.hpp"
#include <poll.h>
#include <arpa/inet.h>
#include <netinet/in.h>

static const struct urctx_cause why = { "why", nullptr, nullptr, 0, -1 };

TEST_CASE("an op ends with its own CQE, not with its cancel's", "[ring][rule1][G10]")
{
	ends p;
	an_op op;

	ring r(8);
	OR_SKIP(r);
	uint64_t ud = r.read(p.in(), nullptr, op);
	r.submit();
	urctx_op_cancel(&op.op, &why);
	REQUIRE(r.turn() > 0);
	REQUIRE(r.cancels().size() == 1);
	uint64_t cancel_ud = r.cancels()[0]->user_data;
	REQUIRE(r.feed(cancel_ud, 0));
	CHECK(op.calls == 0);
	REQUIRE(io_uring_submit_and_wait(&r.u, 1) >= 0);
	for (struct io_uring_cqe *cqe; !io_uring_peek_cqe(&r.u, &cqe);) {
		bool own = cqe->user_data == ud;
		int before = op.calls;

		REQUIRE(urctx_ring_dispatch(r.r, cqe));
		io_uring_cqe_seen(&r.u, cqe);
		CHECK(op.calls == before + own);
	}
	CHECK(op.calls == 1);
	CHECK(op.res == -ECANCELED);
	CHECK(op.cause == &why);
	CHECK(r.stats().stale == 0);
}

/* A CQE that is in the CQ when its op is told to end. */
static void told_too_late(ring &r, an_op &op)
{
	struct io_uring_cqe *cqe;

	REQUIRE(io_uring_wait_cqe(&r.u, &cqe) == 0);
	urctx_op_cancel(&op.op, &why);
	REQUIRE(urctx_ring_dispatch(r.r, cqe));
	io_uring_cqe_seen(&r.u, cqe);
	REQUIRE(op.calls == 1);
	CHECK(op.cause == &why);
}

TEST_CASE("an accepted fd is delivered though the op was cancelled", "[ring][rule2][G10]")
{
	struct sockaddr_in addr = {};
	socklen_t len = sizeof(addr);
	an_op op;

	ring r(8);
	OR_SKIP(r);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	addr.sin_family = AF_INET;
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	REQUIRE(bind(listener, (struct sockaddr *)&addr, len) == 0);
	REQUIRE(listen(listener, 4) == 0);
	REQUIRE(getsockname(listener, (struct sockaddr *)&addr, &len) == 0);
	struct io_uring_sqe *s = r.sqe();
	io_uring_prep_accept(s, listener, nullptr, nullptr, SOCK_CLOEXEC);
	REQUIRE(urctx_ring_bind(r.r, s, nullptr, &op.op) == 0);
	r.submit();
	REQUIRE(connect(client, (struct sockaddr *)&addr, len) == 0);
	told_too_late(r, op);
	CHECK(op.res >= 0);
	if (op.res >= 0)
		close(op.res);
	close(client);
	close(listener);
}

TEST_CASE("what was received before the cancel is delivered", "[ring][rule3][G10]")
{
	ends s(SOCK_STREAM);
	an_op op;

	ring r(8);
	OR_SKIP(r);
	context ctx;
	struct io_uring_sqe *sqe = r.sqe();
	io_uring_prep_recv(sqe, s.in(), op.buf, 10, MSG_WAITALL);
	REQUIRE(urctx_ring_bind(r.r, sqe, ctx, &op.op) == 0);
	s.put(4);
	r.submit();
	urctx_cancel_cause(ctx, &why);
	REQUIRE(r.until_ended(op));
	CHECK(op.res == 4);
	CHECK(op.cause == &why);
	CHECK(std::string(op.buf, 4) == "0123");
}

TEST_CASE("a cancel's CQE before its op's, behind it, or not at all", "[ring][rule9]")
{
	ends p;
	an_op op;

	ring r(8);
	OR_SKIP(r);
	uint64_t ud = r.read(p.in(), nullptr, op);
	r.submit();
	urctx_op_cancel(&op.op, &why);
	REQUIRE(r.turn() > 0);
	uint64_t cancel_ud = r.cancels()[0]->user_data;
	REQUIRE(r.until_ended(op));
	CHECK(op.calls == 1);
	/* behind it, and the slot is another's by now */
	an_op next;
	REQUIRE(r.read(p.in(), nullptr, next) != ud);
	r.submit();
	REQUIRE(r.feed(cancel_ud, -ENOENT));
	REQUIRE(r.turn() == URCTX_NEVER);
	CHECK(r.cancels().empty());
	CHECK(next.calls == 0);
	p.put();
	REQUIRE(r.until_ended(next));
	CHECK(next.res == 1);
	CHECK(!next.cause);
}

static std::vector<uint64_t> foreign_uds;

TEST_CASE("who drains gives every CQE to its owner", "[ring][rule10]")
{
	struct urctx_ring_params params = {};
	an_op a, b;

	foreign_uds.clear();
	params.foreign = [](void *, const struct io_uring_cqe *cqe) {
		foreign_uds.push_back(cqe->user_data);
	};
	ring r(8, 0, &params);
	OR_SKIP(r);
	context ca, cb;
	struct io_uring_sqe *s = io_uring_get_sqe(&r.u);
	io_uring_prep_nop(s);
	s->user_data = 7;
	/* what the kernel completes as it takes it, one behind the other */
	REQUIRE(urctx_ring_bind(r.r, r.sqe(), cb, &b.op) == 0);
	REQUIRE(urctx_ring_bind(r.r, r.sqe(), ca, &a.op) == 0);
	REQUIRE(urctx_ring_drain(r.r, ca, urctx_now() + PATIENCE) == 0);
	CHECK(a.calls == 1);
	CHECK(b.calls == 1);
	CHECK(foreign_uds == std::vector<uint64_t>{ 7 });
}

TEST_CASE("a CQE of an earlier user of the slot is not followed", "[ring][rule12]")
{
	ends p;
	an_op op;

	ring r(8);
	OR_SKIP(r);
	p.put();
	uint64_t ud = r.read(p.in(), nullptr, op);
	REQUIRE(r.until_ended(op));
	uint64_t again = r.read(p.in(), nullptr, op);
	CHECK(ud != again);
	CHECK(r.feed(ud, 99));
	CHECK(op.calls == 1);
	CHECK(r.stats().stale == 1);
	/* forged: slots that there are not, kinds that there are not */
	CHECK(r.feed(again ^ (UINT64_C(1) << 40), 99));
	CHECK(r.feed(again | 0x1fffff8, 99));
	CHECK(r.feed(again | 3, 99));
	CHECK(r.stats().stale == 4);
	CHECK(op.calls == 1);
	p.put();
	REQUIRE(r.until([&] { return op.calls == 2; }));
	CHECK(op.res == 1);
}

TEST_CASE("a wait of no length completes what can be completed", "[ring][rule34]")
{
	for (auto mode : MODES) {
		INFO(mode.name);
		ends p;
		an_op op;
		ring r(8, mode.flags);
		OR_SKIP(r);

		/* a read is a worker's on 6.1, a poll nowhere */
		struct io_uring_sqe *s = r.sqe();
		io_uring_prep_poll_add(s, p.in(), POLLIN);
		REQUIRE(urctx_ring_bind(r.r, s, nullptr, &op.op) == 0);
		r.submit();
		p.put();
		for (int i = 0; i < 3 && !op.calls; i++)
			REQUIRE(urctx_ring_wait(r.r, 0) >= 0);
		CHECK(op.calls == 1);
	}
}

TEST_CASE("one CQE ends a wait, however many ops there are", "[ring][rule35]")
{
	for (auto mode : MODES) {
		INFO(mode.name);
		ends p, q;
		an_op op[8], told;
		ring r(16, mode.flags);
		OR_SKIP(r);
		context ctx;
		int64_t deadline = urctx_now() + PATIENCE;

		for (auto &o : op)
			r.read(p.in(), nullptr, o);
		r.read(q.in(), ctx, told);
		thread other([&] { urctx_cancel_cause(ctx, &why); });
		while (!told.ended() && urctx_now() < deadline)
			REQUIRE(urctx_ring_wait(r.r, deadline) >= 0);
		CHECK(urctx_now() < deadline);
		CHECK(told.ended());
	}
}

TEST_CASE("what is bound to an ended context is never issued", "[ring][rule40][G3]")
{
	for (auto mode : MODES) {
		INFO(mode.name);
		ends p;
		an_op op;
		ring r(8, mode.flags);
		OR_SKIP(r);
		context ctx;
		char c;

		urctx_cancel_cause(ctx, &why);
		struct io_uring_sqe *s = r.sqe();
		io_uring_prep_write(s, p.fd[1], "x", 1, 0);
		REQUIRE(urctx_ring_bind(r.r, s, ctx, &op.op) == 0);
		CHECK(op.calls == 0);
		REQUIRE(r.until_ended(op));
		CHECK(op.res == -ECANCELED);
		CHECK(op.cause == &why);
		fcntl(p.in(), F_SETFL, O_NONBLOCK);
		CHECK(read(p.in(), &c, 1) == -1);
	}
}

TEST_CASE("rings that look otherwise than known are refused", "[ring][rule55]")
{
	struct urctx_ring *out = (struct urctx_ring *)16;

	ring r(8);
	OR_SKIP(r);
	for (unsigned bit = 17; bit < 32; bit++) {
		struct io_uring strange = r.u;

		strange.flags |= 1U << bit;
		CHECK(urctx_ring_attach(&strange, nullptr, &out) == -EOPNOTSUPP);
	}
	CHECK(out == (struct urctx_ring *)16);
}

TEST_CASE("what has not our tag is handed back", "[ring][rule56]")
{
	ends p;
	an_op op;

	ring r(8);
	OR_SKIP(r);
	CHECK(!r.feed(~UINT64_C(0), -ETIME));	/* liburing's own */
	CHECK(!r.feed(0, 0));
	CHECK(!r.feed((uintptr_t)&r, 0));
	CHECK(!r.feed(URCTX_UDATA_TAG ^ (UINT64_C(1) << 48), 0));
	CHECK(r.stats().stale == 0);
	CHECK((r.read(p.in(), nullptr, op) & URCTX_UDATA_MASK) == URCTX_UDATA_TAG);
}

TEST_CASE("flags of the caller stay, and none of his predecessor", "[ring][rule57]")
{
	ends p;
	an_op first, op;

	ring r(2);
	OR_SKIP(r);
	for (int i = 0; i < 2; i++) {
		struct io_uring_sqe *s = io_uring_get_sqe(&r.u);

		io_uring_prep_nop(s);
		s->flags = IOSQE_ASYNC | IOSQE_IO_HARDLINK;
		s->user_data = 1;
	}
	REQUIRE(io_uring_submit_and_wait(&r.u, 2) == 2);
	io_uring_cq_advance(&r.u, 2);

	struct io_uring_sqe *s = r.sqe();
	CHECK(s->opcode == IORING_OP_NOP);
	CHECK(s->flags == 0);
	io_uring_prep_read(s, p.in(), first.buf, 1, 0);
	s->flags |= IOSQE_IO_LINK | IOSQE_ASYNC;
	REQUIRE(urctx_ring_bind(r.r, s, nullptr, &first.op) == 0);
	CHECK(s->flags == (IOSQE_IO_LINK | IOSQE_ASYNC));
	s = r.sqe();
	io_uring_prep_nop(s);
	REQUIRE(urctx_ring_bind(r.r, s, nullptr, &op.op) == 0);
	REQUIRE(urctx_ring_wait(r.r, 0) == 0);
	CHECK(op.calls == 0);
	p.put();
	REQUIRE(r.until_ended(op));
	CHECK(first.res == 1);
	CHECK(op.res == 0);
}

TEST_CASE("a chain breaks at an op whose context has ended", "[ring][rule58]")
{
	for (auto mode : MODES) {
		INFO(mode.name);
		ends p;
		an_op first, second;
		ring r(8, mode.flags);
		OR_SKIP(r);
		context ctx;
		char c;

		urctx_cancel_cause(ctx, &why);
		struct io_uring_sqe *s = r.sqe();
		io_uring_prep_nop(s);
		s->flags |= IOSQE_IO_LINK;
		REQUIRE(urctx_ring_bind(r.r, s, ctx, &first.op) == 0);
		s = r.sqe();
		io_uring_prep_write(s, p.fd[1], "x", 1, 0);
		REQUIRE(urctx_ring_bind(r.r, s, nullptr, &second.op) == 0);
		REQUIRE(r.until_ended(second));
		CHECK(first.res == -ECANCELED);
		CHECK(first.cause == &why);
		CHECK(second.res == -ECANCELED);
		CHECK(!second.cause);
		fcntl(p.in(), F_SETFL, O_NONBLOCK);
		CHECK(read(p.in(), &c, 1) == -1);
	}
}
