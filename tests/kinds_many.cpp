/* SPDX-License-Identifier: MIT */
/* kinds_many.cpp - one context, and ops of it on many rings, in two processes */
#include "ring_support.hpp"

#include <sys/wait.h>

static const struct urctx_cause why = { "why", nullptr, nullptr, 0, -1 };

constexpr unsigned RINGS = 3, OPS = 16;

/* What ends is heard on each of them, whoever was first, and whoever goes first. */
static void own_one(unsigned flags, struct urctx *root, int fd, pthread_barrier_t *ready,
		    findings &f)
{
	struct io_uring u;
	struct urctx_ring *r;
	std::vector<an_op> op(OPS);
	struct urctx *child = derive(root);

	f.expect(io_uring_queue_init(8, &u, flags) == 0, "ring");
	f.expect(urctx_ring_attach(&u, nullptr, &r) == 0, "attach");
	for (unsigned i = 0; i < OPS; i++) {
		struct io_uring_sqe *s = urctx_ring_sqe(r);

		io_uring_prep_read(s, fd, op[i].buf, 1, 0);
		if (i == OPS / 2)
			pthread_barrier_wait(ready);	/* the rest in the race */
		f.expect(urctx_ring_bind(r, s, i % 2 ? root : child, &op[i].op) == 0, "bind");
	}
	for (bool all = false; !all;) {
		f.expect(urctx_ring_wait(r, URCTX_NEVER) >= 0, "wait");
		all = true;
		for (an_op &o : op)
			all &= o.ended();
	}
	for (an_op &o : op)
		f.expect(o.calls == 1 && o.res == -ECANCELED && o.cause == &why, "an op");
	urctx_put(child);
	f.expect(urctx_ring_detach(r, urctx_now() + PATIENCE) == 0, "detach");
	io_uring_queue_exit(&u);
}

TEST_CASE("one context ends ops on many rings", "[kinds][many][G2][G11]")
{
	findings f;
	size_t before = open_fds();

	{
		ring probe(8);
		OR_SKIP(probe);
	}
	for (size_t n = scaled(200); n--;) {
		ends p;
		context root;
		pthread_barrier_t ready;

		pthread_barrier_init(&ready, nullptr, RINGS + 1);
		together({ [&] { own_one(MODES[0].flags, root, p.in(), &ready, f); },
			   [&] { own_one(MODES[1].flags, root, p.in(), &ready, f); },
			   [&] { own_one(MODES[2].flags, root, p.in(), &ready, f); },
			   [&] {
				   pthread_barrier_wait(&ready);
				   urctx_cancel_cause(root, &why);
			   } });
		pthread_barrier_destroy(&ready);
		f.expect(urctx_wait_idle(root, urctx_now() + PATIENCE) == 0, "a context is left");
	}
	REQUIRE_NOTHING_IN(f);
	CHECK(open_fds() == before);
}

/* A ring that is detached leaves the others what they have. */
TEST_CASE("two rings of one thread, one context", "[kinds][many][G10]")
{
	for (auto mode : MODES) {
		INFO(mode.name);
		ends p;
		an_op a, b;
		ring first(8), second(8, mode.flags);
		OR_SKIP(first);
		OR_SKIP(second);
		context ctx;

		first.read(p.in(), ctx, a);
		second.read(p.in(), ctx, b);
		second.submit();
		CHECK(urctx_ring_detach(first.r, urctx_now() + PATIENCE) == 0);
		first.r = nullptr;
		CHECK(a.cause == &urctx_canceled);
		CHECK(!urctx_done(ctx));
		CHECK(urctx_ring_wait(second.r, 0) == 0);
		CHECK(!b.calls);
		cancel_elsewhere(ctx, &why);
		REQUIRE(second.until_ended(b));
		CHECK(b.cause == &why);
		CHECK(a.calls == 1);
	}
}

/* 0, or which step it was that went wrong. */
static int live_in_child(struct urctx *inherited)
{
	struct io_uring u;
	struct urctx_ring *r;
	struct urctx *ctx = nullptr;
	an_op op;
	char byte;
	int fd[2];

	if (pipe(fd) || io_uring_queue_init(8, &u, 0))
		return 1;
	if (urctx_ring_attach(&u, nullptr, &r))
		return 2;
	if (urctx_with_cancel(inherited, &ctx))
		return 3;
	struct io_uring_sqe *s = urctx_ring_sqe(r);
	io_uring_prep_read(s, fd[0], &byte, 1, 0);
	if (urctx_ring_bind(r, s, ctx, &op.op))
		return 4;
	if (urctx_ring_wait(r, 0) != 0)
		return 5;
	thread([&] { urctx_cancel_cause(inherited, &why); }).join();
	while (!op.ended())
		if (urctx_ring_wait(r, URCTX_NEVER) < 0)
			return 6;
	if (op.res != -ECANCELED || op.cause != &why || op.calls != 1)
		return 7;
	urctx_put(ctx);
	return urctx_ring_detach(r, URCTX_NEVER) ? 8 : 0;
}

TEST_CASE("a forked child has rings of its own", "[kinds][many][fork]")
{
	ends p;
	an_op op;
	ring r(8);
	OR_SKIP(r);
	context ctx;

	r.read(p.in(), ctx, op);
	while (r.turn() == 0)
		r.submit();
	r.submit();
	/* bound on the parent's ring, ended in the child: the parent hears nothing */
	struct ending end = in_child([&] { return live_in_child(ctx); });
	CHECK(!end.late);
	CHECK(end.signal == 0);
	CHECK(end.code == 0);
	CHECK(!urctx_done(ctx));
	CHECK(urctx_ring_wait(r.r, 0) == 0);
	CHECK(op.calls == 0);
	p.put();
	REQUIRE(r.until_ended(op));
	CHECK(op.res == 1);
}
