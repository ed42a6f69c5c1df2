/* SPDX-License-Identifier: MIT */
/* ring_api.cpp - what each call of urctx/ring.h promises, and what it refuses */
#include "ring_support.hpp"
#include <poll.h>
#include <signal.h>

static const struct urctx_cause why = { "why", nullptr, nullptr, 0, -1 };

TEST_CASE("attach refuses what it cannot keep", "[ring][api]")
{
	struct urctx_ring_params params = {};
	struct urctx_ring *out = nullptr;

	ring r(8);
	OR_SKIP(r);
	CHECK(urctx_ring_attach(nullptr, nullptr, &out) == -EINVAL);
	CHECK(urctx_ring_attach(&r.u, nullptr, nullptr) == -EINVAL);
	params.flags = 1U << 3;
	CHECK(urctx_ring_attach(&r.u, &params, &out) == -EINVAL);
	params.flags = 0;
	params.reserved[3] = 1;
	CHECK(urctx_ring_attach(&r.u, &params, &out) == -EINVAL);
	params.reserved[3] = 0;
	params.ops = UINT32_MAX;
	CHECK(urctx_ring_attach(&r.u, &params, &out) == -EINVAL);
	struct io_uring old = r.u;
	old.features &= ~IORING_FEAT_NODROP;
	CHECK(urctx_ring_attach(&old, nullptr, &out) == -EOPNOTSUPP);
	CHECK(!out);
}

TEST_CASE("attach submits nothing and leaves no fd behind", "[ring][api]")
{
	size_t before = open_fds();

	{
		ring r(8);
		OR_SKIP(r);
		CHECK(io_uring_sq_ready(&r.u) == 0);
		CHECK(r.turn() == URCTX_NEVER);
		CHECK(io_uring_sq_ready(&r.u) == 0);
	}
	CHECK(open_fds() == before);
}

TEST_CASE("bind refuses, and says why", "[ring][api]")
{
	ends p;
	an_op op, other;

	ring r(8);
	OR_SKIP(r);
	struct io_uring_sqe *s = r.sqe();
	CHECK(urctx_ring_bind(nullptr, s, nullptr, &op.op) == -EINVAL);
	CHECK(urctx_ring_bind(r.r, nullptr, nullptr, &op.op) == -EINVAL);
	CHECK(urctx_ring_bind(r.r, s, nullptr, nullptr) == -EINVAL);
	CHECK(urctx_ring_bind_flags(r.r, s, nullptr, &op.op, URCTX_NEVER, 1U << 7) ==
	      -EINVAL);
	io_uring_prep_read(s, p.in(), op.buf, 8, 0);
	s->flags |= IOSQE_CQE_SKIP_SUCCESS;
	CHECK(urctx_ring_bind(r.r, s, nullptr, &op.op) == -EINVAL);
	r.read(p.in(), nullptr, op);
	s = r.sqe();
	CHECK(urctx_ring_bind(r.r, s, nullptr, &op.op) == -EBUSY);
	p.put();
	REQUIRE(r.until_ended(op));
	CHECK(op.calls == 1);
	r.read(p.in(), nullptr, op);		/* ended: free again */
	p.put();
	REQUIRE(r.until([&] { return op.calls == 2; }));
	CHECK(r.stats().in_flight == 0);
}

#ifndef URCTX_DEBUG
TEST_CASE("another thread than the owner's is refused", "[ring][api]")
{
	findings f;
	ends p;
	an_op op;

	ring r(8);
	OR_SKIP(r);
	context ctx;
	uint64_t ud = r.read(p.in(), ctx, op);
	struct io_uring_sqe *s = r.sqe();
	thread([&] {
		struct io_uring_cqe cqe = {};
		an_op own;

		cqe.user_data = ud;
		f.expect(!urctx_ring_dispatch(r.r, &cqe), "dispatch");
		f.expect(!urctx_ring_sqe(r.r), "sqe");
		f.expect(urctx_ring_bind(r.r, s, ctx, &own.op) == -EPERM, "bind");
		f.expect(urctx_ring_turn(r.r) == -EPERM, "turn");
		f.expect(urctx_ring_wait(r.r, 0) == -EPERM, "wait");
		f.expect(urctx_ring_drain(r.r, nullptr, 0) == -EPERM, "drain");
		f.expect(urctx_ring_detach(r.r, 0) == -EPERM, "detach");
		urctx_op_cancel(&op.op, &why);
		urctx_op_deadline(&op.op, 0);
	}).join();
	REQUIRE_NOTHING_IN(f);
	CHECK(op.calls == 0);
	CHECK(r.turn() == URCTX_NEVER);
	p.put();
	REQUIRE(r.until_ended(op));
	CHECK(op.res == 1);
	CHECK(!op.cause);
}
#else
TEST_CASE("another thread than the owner's ends the process", "[ring][api]")
{
	ring r(8);
	OR_SKIP(r);
	struct ending end = in_child([&] {
		int64_t ns = 0;

		thread([&] { ns = urctx_ring_turn(r.r); }).join();
		return ns == -EPERM;
	});
	CHECK(end.signal == SIGABRT);
	CHECK(end.said.find("urctx_ring_turn") != std::string::npos);
}
#endif

TEST_CASE("a NULL ring", "[ring][api]")
{
	struct io_uring_cqe cqe = {};
	struct urctx_ring_stats stats;

	cqe.user_data = URCTX_UDATA_TAG;
	CHECK(!urctx_ring_sqe(nullptr));
	CHECK(!urctx_ring_dispatch(nullptr, &cqe));
	CHECK(urctx_ring_turn(nullptr) == -EINVAL);
	CHECK(urctx_ring_wait(nullptr, 0) == -EINVAL);
	CHECK(urctx_ring_drain(nullptr, nullptr, 0) == -EINVAL);
	CHECK(urctx_ring_detach(nullptr, 0) == -EINVAL);
	urctx_ring_stats(nullptr, &stats, sizeof(stats));
	urctx_op_cancel(nullptr, nullptr);
	urctx_op_deadline(nullptr, 0);
}

TEST_CASE("inside complete() all but waiting is allowed", "[ring][api]")
{
	ends p;
	an_op op, next;
	struct urctx *ctx = derive(nullptr);
	int ret[3] = {};

	ring r(8);
	OR_SKIP(r);
	op.then = [&] {
		if (op.calls == 2)
			return;
		ret[0] = urctx_ring_wait(r.r, 0);
		ret[1] = urctx_ring_drain(r.r, nullptr, 0);
		ret[2] = urctx_ring_detach(r.r, 0);
		r.read(p.in(), nullptr, next);
		r.read(p.in(), ctx, op);	/* itself */
		urctx_op_cancel(&next.op, &why);
		CHECK(r.turn() >= 0);
		urctx_end(ctx);			/* the last reference of ours */
	};
	r.read(p.in(), ctx, op);
	r.submit();
	p.put();
	REQUIRE(r.until([&] { return op.calls == 2 && next.ended(); }));
	CHECK(ret[0] == -EDEADLK);
	CHECK(ret[1] == -EDEADLK);
	CHECK(ret[2] == -EDEADLK);
	CHECK(op.res == -ECANCELED);
	CHECK(op.cause == &urctx_canceled);
	CHECK(next.cause == &why);
}

TEST_CASE("complete() may free the op and put the context", "[ring][api]")
{
	struct freed {
		struct urctx_op op;
		struct urctx *ctx;
		int *ended;
	};
	int ended = 0;
	ends p;

	ring r(8);
	OR_SKIP(r);
	for (int i = 0; i < 100; i++) {
		freed *f = new freed{ {}, derive(nullptr), &ended };

		f->op.complete = [](struct urctx_op *op) {
			freed *self = reinterpret_cast<freed *>(op);

			++*self->ended;
			urctx_put(self->ctx);
			delete self;
		};
		struct io_uring_sqe *s = r.sqe();
		io_uring_prep_poll_add(s, p.in(), POLLIN);
		REQUIRE(urctx_ring_bind(r.r, s, f->ctx, &f->op) == 0);
		if (i % 2)
			urctx_cancel(f->ctx);
	}
	p.put();
	REQUIRE(r.until([&] { return ended == 100; }));
	CHECK(r.stats().in_flight == 0);
}

TEST_CASE("a multishot op completes many times and ends once", "[ring][api][G10]")
{
	for (auto mode : MODES) {
		INFO(mode.name);
		ends p;
		an_op op;
		char c;
		ring r(8, mode.flags);
		OR_SKIP(r);
		context ctx;
		struct io_uring_sqe *s = r.sqe();

		io_uring_prep_poll_multishot(s, p.in(), POLLIN);
		REQUIRE(urctx_ring_bind(r.r, s, ctx, &op.op) == 0);
		for (int i = 1; i <= 3; i++) {
			r.submit();
			p.put();
			REQUIRE(r.until([&] { return op.calls >= i; }));
			CHECK(!op.last);
			CHECK(!op.cause);
			REQUIRE(::read(p.in(), &c, 1) == 1);
		}
		CHECK(r.stats().in_flight == 1);
		cancel_elsewhere(ctx, &why);
		REQUIRE(r.until_ended(op));
		CHECK(op.res == -ECANCELED);
		CHECK(op.cause == &why);
		CHECK(r.stats().in_flight == 0);
	}
}

TEST_CASE("restart codes of the kernel come as -EINTR", "[ring][api][G10]")
{
	for (int res : { -512, -513, -514, -516 }) {
		an_op op;
		ring r(8);
		OR_SKIP(r);
		struct io_uring_sqe *s = r.sqe();

		io_uring_prep_nop(s);
		REQUIRE(urctx_ring_bind(r.r, s, nullptr, &op.op) == 0);
		s->flags = IOSQE_CQE_SKIP_SUCCESS;
		r.submit();
		REQUIRE(r.feed(s->user_data, res));
		CHECK(op.res == -EINTR);
		CHECK(!op.cause);
	}
}

TEST_CASE("an op that is told and not aborted", "[ring][api]")
{
	ends p;
	an_op op;

	ring r(8);
	OR_SKIP(r);
	context ctx;
	struct io_uring_sqe *s = r.sqe();
	io_uring_prep_read(s, p.in(), op.buf, 8, 0);
	REQUIRE(urctx_ring_bind_flags(r.r, s, ctx, &op.op, URCTX_NEVER,
				      URCTX_OP_NO_ABORT) == 0);
	r.submit();
	urctx_cancel_cause(ctx, &why);
	CHECK(r.turn() == URCTX_NEVER);
	CHECK(r.cancels().empty());
	CHECK(r.stats().told == 1);
	CHECK(r.stats().in_flight == 1);
	p.put();
	REQUIRE(r.until_ended(op));
	CHECK(op.res == 1);
	CHECK(op.cause == &why);
}

TEST_CASE("drain waits for a subtree and cancels nothing", "[ring][api]")
{
	ends p, q;
	an_op a, b, c;

	ring r(8);
	OR_SKIP(r);
	context root, child(root.c), other;
	r.read(p.in(), root, a);
	r.read(p.in(), child, b);
	r.read(q.in(), other, c);
	CHECK(urctx_ring_drain(r.r, root, 0) == 2);
	CHECK(urctx_ring_drain(r.r, child, urctx_now() + SEC / 1000) == 1);
	CHECK(urctx_ring_drain(r.r, nullptr, 0) == 3);
	CHECK(r.stats().cancels == 0);
	cancel_elsewhere(root, &why);
	CHECK(urctx_ring_drain(r.r, root, urctx_now() + PATIENCE) == 0);
	CHECK(a.cause == &why);
	CHECK(b.cause == &why);
	CHECK(!c.calls);
	CHECK(urctx_ring_drain(r.r, root, 0) == 0);
	q.put();
	CHECK(urctx_ring_drain(r.r, nullptr, urctx_now() + PATIENCE) == 0);
	CHECK(c.res == 1);
}

TEST_CASE("detach says how many ops the kernel keeps", "[ring][api]")
{
	for (auto mode : MODES) {
		INFO(mode.name);
		ends p;
		an_op kept, a, refused;
		ring r(8, mode.flags);
		OR_SKIP(r);
		context ctx;
		struct io_uring_sqe *s = r.sqe();

		io_uring_prep_read(s, p.in(), kept.buf, 8, 0);
		REQUIRE(urctx_ring_bind_flags(r.r, s, ctx, &kept.op, URCTX_NEVER,
					      URCTX_OP_NO_ABORT) == 0);
		r.read(p.in(), ctx, a);
		CHECK(urctx_ring_detach(r.r, urctx_now() + SEC / 100) == 1);
		CHECK(a.res == -ECANCELED);
		CHECK(a.cause == &urctx_canceled);
		s = r.sqe();
		CHECK(urctx_ring_bind(r.r, s, ctx, &refused.op) == -ESHUTDOWN);
		CHECK(kept.calls == 0);
		p.put();
		CHECK(urctx_ring_detach(r.r, urctx_now() + PATIENCE) == 0);
		r.r = nullptr;
		CHECK(kept.res == 1);
		CHECK(kept.cause == &urctx_canceled);
		CHECK(io_uring_cq_ready(&r.u) == 0);
	}
}

TEST_CASE("a foreign CQE without anybody to give it to", "[ring][api]")
{
	struct io_uring_cqe *cqe;

	ring r(8);
	OR_SKIP(r);
	struct io_uring_sqe *s = io_uring_get_sqe(&r.u);
	io_uring_prep_nop(s);
	s->user_data = 42;
	CHECK(urctx_ring_wait(r.r, urctx_now() + PATIENCE) == -EBADMSG);
	REQUIRE(io_uring_peek_cqe(&r.u, &cqe) == 0);
	CHECK(cqe->user_data == 42);
	io_uring_cqe_seen(&r.u, cqe);
	CHECK(urctx_ring_wait(r.r, 0) == 0);
}

TEST_CASE("a ring of which more is asked than was said grows", "[ring][api]")
{
	struct urctx_ring_params params = {};
	size_t nr = 1000, ended = 0;
	ends p;
	std::vector<an_op> op(nr);
	std::vector<std::unique_ptr<context>> ctx;

	params.ops = 1;
	ring r(64, 0, &params);
	OR_SKIP(r);
	context root;
	for (auto &o : op) {
		o.then = [&] { ended++; };
		ctx.push_back(std::make_unique<context>(root.c));
		r.read(p.in(), *ctx.back(), o);
	}
	CHECK(r.stats().in_flight == nr);
	ctx.clear();				/* the ops hold them */
	cancel_elsewhere(root, &why);
	REQUIRE(r.until([&] { return ended == nr; }));
	for (auto &o : op)
		if (o.cause != &why)
			FAIL("not told");
}

TEST_CASE("errno stays as it was", "[ring][api]")
{
	ends p;
	an_op op;

	errno = 4321;
	{
		ring r(2);
		OR_SKIP(r);
		context ctx;
		for (int i = 0; i < 8; i++) {
			an_op o;

			r.read(p.in(), ctx, o);
			CHECK(urctx_ring_wait(r.r, 0) >= 0);
			urctx_op_cancel(&o.op, &why);
			CHECK(urctx_ring_drain(r.r, ctx, urctx_now() + PATIENCE) == 0);
		}
		r.read(p.in(), ctx, op);
		urctx_cancel(ctx);
		CHECK(r.until_ended(op));
		CHECK(errno == 4321);
	}
	CHECK(errno == 4321);
}

TEST_CASE("stats of another size", "[ring][api]")
{
	uint64_t words[12];

	ring r(8);
	OR_SKIP(r);
	memset(words, 0xff, sizeof(words));
	urctx_ring_stats(r.r, (struct urctx_ring_stats *)words, sizeof(words));
	CHECK(words[0] == 0);
	CHECK(words[11] == 0);
	memset(words, 0xff, sizeof(words));
	urctx_ring_stats(r.r, (struct urctx_ring_stats *)words, 8);
	CHECK(words[0] == 0);
	CHECK(words[1] == UINT64_MAX);
}

TEST_CASE("what does not fit into a callback", "[ring][api]")
{
	struct urctx_callback cb = {};
	auto fn = [](struct urctx_callback *) {};

	ring r(8);
	OR_SKIP(r);
	CHECK(urctx_ring_after(r.r, nullptr, &cb, nullptr) == -EINVAL);
	CHECK(urctx_ring_after(nullptr, nullptr, &cb, fn) == -EINVAL);
}
