/* SPDX-License-Identifier: MIT */
/* ring_enemy.cpp - what an enemy's reading of the ring binding found */
#include "ring_cover.hpp"

#include <csignal>

namespace {

int said;	/* by who is not asked */

const struct urctx_cause early = { "early", nullptr, nullptr, 0, -1 };

struct armed {
	struct urctx_callback cb = {};
	int ran = 0;
	std::function<void()> then;

	static void fn(struct urctx_callback *cb)
	{
		armed *self = reinterpret_cast<armed *>(cb);

		self->ran++;
		if (self->then)
			self->then();
	}
	int after(struct urctx_ring *r, struct urctx *ctx)
	{
		return urctx_ring_after(r, ctx, &cb, fn);
	}
};

/* A context that says when it is gone. */
struct owned {
	std::function<void()> gone;

	static void release(void *self)
	{
		static_cast<owned *>(self)->gone();
	}
	struct urctx *derive_from(struct urctx *parent)
	{
		static const struct urctx_key key = { "owned", release };
		struct urctx *ctx = nullptr;

		REQUIRE(urctx_with_value(parent, &key, this, &ctx) == 0);
		return ctx;
	}
};

int bind_read(ring &r, int fd, struct urctx *ctx, an_op &op, int64_t deadline,
	      unsigned flags = 0)
{
	struct io_uring_sqe *s = r.sqe();

	io_uring_prep_read(s, fd, op.buf, sizeof(op.buf), 0);
	return urctx_ring_bind_flags(r.r, s, ctx, &op.op, deadline, flags);
}

/* How many CQEs with our tag come without any doing of ours. */
unsigned tagged_left(struct io_uring *u)
{
	struct __kernel_timespec ts = { 0, SEC / 50 };
	struct io_uring_cqe *cqe;
	unsigned n = 0;

	while (io_uring_submit_and_wait_timeout(u, &cqe, 1, &ts, nullptr) >= 0 &&
	       io_uring_peek_cqe(u, &cqe) == 0) {
		n += (cqe->user_data & URCTX_UDATA_MASK) == URCTX_UDATA_TAG;
		io_uring_cqe_seen(u, cqe);
	}
	return n;
}

}

TEST_CASE("a callback on NULL is taken back by detach", "[ring][enemy][after]")
{
	armed a;
	ring r(8);
	OR_SKIP(r);

	REQUIRE(a.after(r.r, nullptr) == 0);
	REQUIRE(urctx_ring_detach(r.r, URCTX_NEVER) == 0);
	r.r = nullptr;
	CHECK_FALSE(urctx_try_stop(&a.cb));
}

TEST_CASE("a callback on what is over runs in detach", "[ring][enemy][after]")
{
	armed a;
	ring r(8);
	OR_SKIP(r);
	context ctx;

	urctx_cancel(ctx);
	REQUIRE(a.after(r.r, ctx) == 0);
	REQUIRE(urctx_ring_detach(r.r, URCTX_NEVER) == 0);
	r.r = nullptr;
	CHECK(a.ran == 1);
	CHECK_FALSE(urctx_try_stop(&a.cb));
}

TEST_CASE("a callback that ends the context of another in detach",
	  "[ring][enemy][after]")
{
	armed a, b;
	ring r(8);
	OR_SKIP(r);
	context one, two;

	a.then = [&] { urctx_cancel(two); };
	REQUIRE(a.after(r.r, one) == 0);
	REQUIRE(b.after(r.r, two) == 0);
	urctx_cancel(one);
	REQUIRE(urctx_ring_detach(r.r, URCTX_NEVER) == 0);
	r.r = nullptr;
	CHECK(a.ran == 1);
	CHECK(b.ran == 1);
}

/* What a context carries may be what the op is a part of. */
TEST_CASE("a context is held until complete() has returned", "[ring][enemy]")
{
	for (bool ended : { false, true }) {
		INFO((ended ? "not issued" : "issued"));
		bool gone = false, before = false;
		ends p;
		an_op op;
		owned mine = { [&] { gone = true; } };
		ring r(8);
		OR_SKIP(r);
		struct urctx *ctx = mine.derive_from(nullptr);

		if (ended)
			urctx_cancel(ctx);
		op.then = [&] { before = gone; };
		REQUIRE(bind_read(r, p.in(), ctx, op, URCTX_NEVER) == 0);
		urctx_put(ctx);
		CHECK_FALSE(gone);
		p.put();
		REQUIRE(r.until_ended(op));
		CHECK_FALSE(before);
		CHECK(gone);
	}
}

TEST_CASE("the release of a value does not detach the ring under a dispatch",
	  "[ring][enemy]")
{
	int ret = 0;
	ends p;
	an_op op;
	ring r(8);
	OR_SKIP(r);
	owned mine = { [&] { ret = urctx_ring_detach(r.r, 0); } };
	struct urctx *ctx = mine.derive_from(nullptr);

	r.read(p.in(), ctx, op);
	urctx_put(ctx);
	p.put();
	said = urctx_ring_wait(r.r, urctx_now() + PATIENCE);
	if (ret == 0)
		r.r = nullptr;
	CHECK(op.calls == 1);
	CHECK(ret == -EDEADLK);
}

/* Its op ends and so does its context, which the ring has not heard of. */
TEST_CASE("the last op takes the ring's reference with it", "[ring][enemy]")
{
	bool gone = false;
	an_op op;
	owned mine = { [&] { gone = true; } };
	ring r(8);
	OR_SKIP(r);
	struct urctx *ctx = mine.derive_from(nullptr);
	uint64_t ud = read_nowhere(r, ctx, op);

	urctx_cancel(ctx);
	REQUIRE(r.feed(ud, 0));
	urctx_put(ctx);
	CHECK(gone);
}

/* The turn gives the last reference back. */
void leave_in_turn(ring &r, armed &call, owned &mine)
{
	struct urctx *ctx = mine.derive_from(nullptr);

	REQUIRE(call.after(r.r, ctx) == 0);
	urctx_cancel(ctx);
	urctx_put(ctx);
}

TEST_CASE("a deadline that is bound in the release of a value",
	  "[ring][enemy][deadline]")
{
	armed call;
	ends p;
	an_op op;
	ring r(8);
	OR_SKIP(r);
	owned mine = { [&] {
		REQUIRE(bind_read(r, p.in(), nullptr, op,
				  urctx_now() + SEC / 100) == 0);
	} };
	leave_in_turn(r, call, mine);
	held_clock clock;
	REQUIRE(urctx_clock_advance(SEC / 20) == 0);
	CHECK(r.turn() == 0);
	CHECK(r.turn() == SEC / 100);
	CHECK(r.stats().in_flight == 1);
}

struct urctx *by_signal;

void end_it(int)
{
	urctx_cancel(by_signal);
}

TEST_CASE("a bind in the release of a value does not silence a signal handler",
	  "[ring][enemy][wake]")
{
	armed call;
	ends p;
	an_op op, waits;
	ring r(8);
	OR_SKIP(r);
	context ctx;
	owned mine = { [&] {
		REQUIRE(bind_read(r, p.in(), nullptr, op, URCTX_NEVER) == 0);
	} };
	struct sigaction was, now = {};
	struct __kernel_timespec ts = { PATIENCE / SEC, 0 };
	struct io_uring_cqe *cqe;

	r.read(p.in(), ctx, waits);
	while (r.turn() == 0)
		r.submit();
	r.submit();
	leave_in_turn(r, call, mine);
	now.sa_handler = end_it;
	by_signal = ctx;
	REQUIRE(sigaction(SIGUSR1, &now, &was) == 0);
	while (r.turn() == 0)
		r.submit();
	raise(SIGUSR1);
	r.submit();
	CHECK(io_uring_submit_and_wait_timeout(&r.u, &cqe, 1, &ts, nullptr) >= 0);
	sigaction(SIGUSR1, &was, nullptr);
}

/* On a deferred ring the kernel tells of timers some time after their ops. */
TEST_CASE("no CQE of a timer after detach", "[ring][enemy][detach][timer]")
{
	for (auto mode : MODES)
		for (unsigned flags : { 0U, URCTX_RING_DRAIN }) {
			INFO(mode.name << (flags ? ", drain" : ""));
			struct urctx_ring_params params = {};
			struct io_uring_cqe *cqe;
			an_op ops[60];
			ends p;

			params.flags = flags;
			ring r(128, mode.flags, &params);
			OR_SKIP(r);
			for (auto &op : ops) {
				p.put();
				struct io_uring_sqe *s = r.sqe();
				io_uring_prep_read(s, p.in(), op.buf, 1, 0);
				REQUIRE(urctx_ring_bind_flags(r.r, s, nullptr, &op.op,
						urctx_now() + 100 * SEC,
						URCTX_OP_LINK_TIMEOUT) == 0);
			}
			r.submit();
			while (io_uring_peek_cqe(&r.u, &cqe) == 0) {
				CHECK(urctx_ring_dispatch(r.r, cqe));
				io_uring_cqe_seen(&r.u, cqe);
			}
			REQUIRE(urctx_ring_detach(r.r, URCTX_NEVER) == 0);
			r.r = nullptr;
			CHECK(tagged_left(&r.u) == 0);
		}
}

TEST_CASE("a CQE that is not the last is not judged by the clock",
	  "[ring][enemy][timer]")
{
	ends p;
	an_op op;
	ring r(8);
	OR_SKIP(r);
	held_clock clock;

	REQUIRE(bind_read(r, p.in(), nullptr, op, 100, URCTX_OP_LINK_TIMEOUT) == 0);
	auto queued = r.queued();
	uint64_t ud = queued[0]->user_data;
	for (auto s : queued) {
		io_uring_prep_nop(s);
		s->flags = IOSQE_CQE_SKIP_SUCCESS;
	}
	r.submit();
	REQUIRE(urctx_clock_advance(101) == 0);
	REQUIRE(r.feed(ud, 1, IORING_CQE_F_MORE));
	CHECK(r.turn() >= 0);
	CHECK(r.stats().told == 1);
	REQUIRE(r.feed(ud, -ECANCELED));
	CHECK(op.cause == &urctx_deadline_exceeded);
}

TEST_CASE("of two deadlines the earlier is the cause",
	  "[ring][enemy][deadline][cause]")
{
	struct urctx *ctx = nullptr;
	ends p;
	an_op op;
	ring r(8);
	OR_SKIP(r);
	int64_t now = urctx_now();

	REQUIRE(urctx_with_deadline_cause(nullptr, now + SEC / 100, &early, &ctx) == 0);
	REQUIRE(bind_read(r, p.in(), ctx, op, now + SEC / 50) == 0);
	while (urctx_now() <= now + SEC / 50)
		;
	REQUIRE(r.until_ended(op));
	CHECK(op.cause == &early);
	urctx_put(ctx);
}

TEST_CASE("a clock that is held after attach", "[ring][enemy][clock]")
{
	ends p;
	an_op op, idle;
	ring r(8);
	OR_SKIP(r);

	r.read(p.in(), nullptr, idle);
	held_clock clock;
	REQUIRE(bind_read(r, p.in(), nullptr, op, urctx_now() + SEC) == 0);
	CHECK(r.stats().told == 0);
	urctx_op_deadline(&idle.op, urctx_now() + SEC);
	CHECK(r.turn() == SEC);
	CHECK(r.stats().told == 0);
}

/* Rings that share a thread of the kernel: it takes 8 SQEs at a time. */
TEST_CASE("a timer that is cut off from its op", "[ring][enemy][timer][chain]")
{
	struct io_uring_params p0 = {}, p1 = {};
	struct io_uring u0, u1;
	struct urctx_ring *r;
	ends p;
	an_op op, next;
	struct io_uring_sqe *s;

	p0.flags = IORING_SETUP_SQPOLL;
	p0.sq_thread_idle = 1;
	if (io_uring_queue_init_params(32, &u0, &p0)) {
		WARN("skipped: no SQPOLL");
		return;
	}
	p1.flags = IORING_SETUP_SQPOLL | IORING_SETUP_ATTACH_WQ;
	p1.sq_thread_idle = 1;
	p1.wq_fd = u0.ring_fd;
	REQUIRE(io_uring_queue_init_params(32, &u1, &p1) == 0);
	REQUIRE(urctx_ring_attach(&u1, nullptr, &r) == 0);
	for (int i = 0; i < 7; i++) {
		s = urctx_ring_sqe(r);
		s->user_data = 1;
		s->flags |= IOSQE_CQE_SKIP_SUCCESS;
	}
	p.put(2);
	s = urctx_ring_sqe(r);
	io_uring_prep_read(s, p.in(), op.buf, 1, 0);
	s->flags |= IOSQE_IO_LINK;
	REQUIRE(urctx_ring_bind_flags(r, s, nullptr, &op.op,
				      urctx_now() + 1000 * SEC,
				      URCTX_OP_LINK_TIMEOUT) == 0);
	s = urctx_ring_sqe(r);
	io_uring_prep_read(s, p.in(), next.buf, 1, 0);
	REQUIRE(urctx_ring_bind(r, s, nullptr, &next.op) == 0);
	int64_t end = urctx_now() + PATIENCE;
	while (!(op.ended() && next.ended()) && urctx_now() < end)
		said = urctx_ring_wait(r, end);
	CHECK(op.ended());
	CHECK(next.ended());
	if (next.ended())
		CHECK(urctx_ring_detach(r, urctx_now() + PATIENCE) == 0);
	io_uring_queue_exit(&u1);
	io_uring_queue_exit(&u0);
}

/* The CQ is shared memory: what a child takes from it its parent never sees. */
TEST_CASE("a child that returns from complete() takes no CQE",
	  "[ring][enemy][fork]")
{
	an_op forks, next;
	ring r(8);
	OR_SKIP(r);
	const pid_t parent = getpid();
	int status = -1;

	forks.then = [&] {
		pid_t child = fork();

		if (child)
			waitpid(child, &status, 0);
	};
	REQUIRE(urctx_ring_bind(r.r, r.sqe(), nullptr, &forks.op) == 0);
	REQUIRE(urctx_ring_bind(r.r, r.sqe(), nullptr, &next.op) == 0);
	int ret = urctx_ring_wait(r.r, urctx_now() + PATIENCE);
	if (getpid() != parent)
		_exit(next.calls != 0);
	CHECK(ret == 2);
	CHECK(status == 0);
	REQUIRE(r.until_ended(next));
}

/* SYNC_CANCEL does not look at the workers of a thread of the kernel. */
TEST_CASE("what a worker carries out is aborted on a drain ring as well",
	  "[ring][enemy][drain]")
{
	for (unsigned mode : { 0U, (unsigned)IORING_SETUP_SQPOLL }) {
		INFO((mode ? "SQPOLL" : "default"));
		struct urctx_ring_params params = {};
		ends p, q;
		an_op op;

		params.flags = URCTX_RING_DRAIN;
		ring r(8, mode, &params);
		OR_SKIP(r);
		context ctx;
		struct io_uring_sqe *s = r.sqe();
		io_uring_prep_splice(s, p.in(), -1, q.fd[1], -1, 1, 0);
		REQUIRE(urctx_ring_bind(r.r, s, ctx, &op.op) == 0);
		said = urctx_ring_wait(r.r, urctx_now() + SEC / 50);
		urctx_cancel(ctx);
		CHECK(urctx_ring_drain(r.r, ctx, urctx_now() + PATIENCE) == 0);
		p.put();
		REQUIRE(r.until_ended(op));
	}
}

/* A ring that is restricted to @opcodes, and to no flags at all. */
bool restricted(struct io_uring *u, std::vector<unsigned> opcodes)
{
	struct io_uring_restriction res[8] = {};
	struct io_uring_params params = {};
	unsigned nr = 0;

	params.flags = IORING_SETUP_R_DISABLED;
	if (io_uring_queue_init_params(8, u, &params)) {
		WARN("skipped: no io_uring");
		return false;
	}
	for (unsigned opcode : opcodes) {
		res[nr].opcode = IORING_RESTRICTION_SQE_OP;
		res[nr++].sqe_op = (__u8)opcode;
	}
	REQUIRE(io_uring_register((unsigned)u->ring_fd, IORING_REGISTER_RESTRICTIONS, res,
				  nr) == 0);
	REQUIRE(io_uring_register((unsigned)u->ring_fd, IORING_REGISTER_ENABLE_RINGS,
				  nullptr, 0) == 0);
	return true;
}

/* What is not allowed by name is refused: flags, too. */
TEST_CASE("a restricted ring is cancelled on if it may be and detached if not",
	  "[ring][enemy][restricted]")
{
	for (bool cancels : { false, true }) {
		INFO((cancels ? "may cancel" : "may not"));
		struct io_uring u;
		struct urctx_ring *r;
		ends p;
		an_op op;
		context ctx;

		if (!restricted(&u, { IORING_OP_READ, IORING_OP_NOP, IORING_OP_POLL_ADD,
				      cancels ? IORING_OP_ASYNC_CANCEL :
						IORING_OP_NOP }))
			return;
		REQUIRE(urctx_ring_attach(&u, nullptr, &r) == 0);
		struct io_uring_sqe *s = urctx_ring_sqe(r);
		io_uring_prep_read(s, p.in(), op.buf, 1, 0);
		REQUIRE(urctx_ring_bind(r, s, ctx, &op.op) == 0);
		said = urctx_ring_wait(r, urctx_now());
		urctx_cancel(ctx);
		if (cancels)
			CHECK(urctx_ring_drain(r, ctx, urctx_now() + PATIENCE) == 0);
		else
			CHECK(urctx_ring_drain(r, ctx, urctx_now() + SEC / 2) == 1);
		p.put();
		REQUIRE(urctx_ring_drain(r, ctx, urctx_now() + PATIENCE) == 0);
		/* it did not return, whatever the deadline */
		CHECK(urctx_ring_detach(r, urctx_now() + PATIENCE) == 0);
		io_uring_queue_exit(&u);
	}
}
