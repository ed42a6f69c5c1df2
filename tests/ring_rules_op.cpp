/* SPDX-License-Identifier: MIT */
/*
 * ring_rules_op.cpp - kinds of ops, and what cannot be aborted: rules of
 * lib/ring_rules.h, by their numbers
 */
#include "ring_support.hpp"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>

static const struct urctx_cause why = { "why", nullptr, nullptr, 0, -1 };

/* An op that the kernel has done with, silently: its CQEs are the test's. */
static uint64_t silent(ring &r, an_op &op, struct urctx *ctx = nullptr)
{
	struct io_uring_sqe *s = r.sqe();

	io_uring_prep_nop(s);
	REQUIRE(urctx_ring_bind(r.r, s, ctx, &op.op) == 0);
	s->flags = IOSQE_CQE_SKIP_SUCCESS;
	r.submit();
	return s->user_data;
}

/* The cancel that is queued, or will be, gets lost; the kernel has said @res. */
static void lose_cancel(ring &r, int res)
{
	int64_t end = urctx_now() + PATIENCE;

	while (r.cancels().empty() && urctx_now() < end)
		REQUIRE(r.turn() >= 0);
	auto cancels = r.cancels();
	REQUIRE(cancels.size() == 1);
	uint64_t ud = cancels[0]->user_data;
	io_uring_prep_nop(cancels[0]);
	cancels[0]->flags = IOSQE_CQE_SKIP_SUCCESS;
	r.submit();
	REQUIRE(r.feed(ud, res));
}

TEST_CASE("codes of the kernel that are no errnos", "[ring][rule4][G10]")
{
	for (int res : { -516, -514, -513, -512 }) {
		an_op op;
		ring r(8);
		OR_SKIP(r);
		context ctx;
		uint64_t ud = silent(r, op, ctx);

		urctx_cancel_cause(ctx, &why);
		REQUIRE(r.feed(ud, res));
		CHECK(op.res == -EINTR);
	}
	for (int res : { -517, -511, -EINTR, -ECANCELED, -EAGAIN, 512 }) {
		an_op op;
		ring r(8);
		OR_SKIP(r);

		REQUIRE(r.feed(silent(r, op), res));
		CHECK(op.res == res);
		CHECK(!op.cause);
	}
}

TEST_CASE("a cancel that says it has worked proves nothing", "[ring][rule7][G11]")
{
	for (int res : { 0, 1, 100 }) {
		INFO(res);
		ends p;
		an_op op;
		ring r(8);
		OR_SKIP(r);

		r.read(p.in(), nullptr, op);
		r.submit();
		urctx_op_cancel(&op.op, &why);
		lose_cancel(r, res);
		CHECK(!op.calls);
		CHECK(r.turn() != URCTX_NEVER);
		REQUIRE(r.until_ended(op));
		CHECK(op.res == -ECANCELED);
		CHECK(op.cause == &why);
		CHECK(r.stats().retries >= 1);
	}
}

TEST_CASE("what can not be aborted is told, and not asked for", "[ring][rule8]")
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
	while (!r.turn())
		r.submit();
	r.submit();
	urctx_cancel_cause(ctx, &why);
	CHECK(r.turn() == URCTX_NEVER);
	CHECK(r.queued().empty());
	CHECK(r.stats().told == 1);
	CHECK(r.stats().cancels == 0);
	CHECK(urctx_ring_drain(r.r, ctx, 0) == 1);
	p.put();
	REQUIRE(r.until_ended(op));
	CHECK(op.res == 1);
	CHECK(op.cause == &why);
}

TEST_CASE("an op lives while there is more of it", "[ring][rule32][G10]")
{
	an_op op;
	ring r(8);
	OR_SKIP(r);
	context ctx;
	uint64_t ud = silent(r, op, ctx);

	for (int i = 1; i <= 3; i++) {
		REQUIRE(r.feed(ud, i, IORING_CQE_F_MORE));
		CHECK(op.calls == i);
		CHECK(op.res == i);
		CHECK(!op.last);
		CHECK(r.stats().in_flight == 1);
		CHECK(urctx_ring_bind(r.r, r.sqe(), ctx, &op.op) == -EBUSY);
		r.submit();
	}
	urctx_cancel_cause(ctx, &why);
	REQUIRE(r.turn() >= 0);
	REQUIRE(r.feed(ud, 0));
	CHECK(op.ended());
	CHECK(op.cause == &why);
	CHECK(r.stats().in_flight == 0);
	CHECK(r.stats().stale == 0);
}

TEST_CASE("a deadline is for all shots of a multishot together", "[ring][rule32][deadline]")
{
	for (unsigned flags : { 0U, URCTX_OP_LINK_TIMEOUT }) {
		INFO(flags);
		ends p;
		an_op op;
		char c;
		ring r(8);
		OR_SKIP(r);
		struct io_uring_sqe *s = r.sqe();
		int64_t deadline = urctx_now() + SEC / 50;

		io_uring_prep_poll_multishot(s, p.in(), POLLIN);
		REQUIRE(urctx_ring_bind_flags(r.r, s, nullptr, &op.op, deadline,
					      flags) == 0);
		while (!op.ended()) {		/* each shot is answered by another */
			if (urctx_now() > deadline + PATIENCE)
				FAIL("it goes on");
			p.put();
			REQUIRE(urctx_ring_wait(r.r, deadline) >= 0);
			REQUIRE(::read(p.in(), &c, 1) == 1);
		}
		CHECK(urctx_now() >= deadline);
		CHECK(op.res == -ECANCELED);
		CHECK(op.cause == &urctx_deadline_exceeded);
	}
}

TEST_CASE("a zero-copy send ends with its notification", "[ring][rule32][rule53][G10]")
{
	an_op op;
	ring r(8);
	OR_SKIP(r);
	context ctx;
	uint64_t ud = silent(r, op, ctx);

	REQUIRE(r.feed(ud, 3586155, IORING_CQE_F_MORE));
	CHECK(op.calls == 1);
	CHECK(!op.last);
	urctx_cancel_cause(ctx, &why);
	CHECK(urctx_ring_drain(r.r, ctx, 0) == 1);	/* the buffer is not ours */
	REQUIRE(r.feed(ud, 0, IORING_CQE_F_NOTIF));
	CHECK(op.calls == 2);
	CHECK(op.last);
	CHECK(urctx_ring_drain(r.r, ctx, 0) == 0);
}

/* Two ends of a connection over the loopback. */
struct tcp {
	tcp()
	{
		struct sockaddr_in addr = {};
		socklen_t len = sizeof(addr);
		int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		addr.sin_family = AF_INET;
		addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		fd[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (bind(listener, (struct sockaddr *)&addr, len) ||
		    listen(listener, 1) ||
		    getsockname(listener, (struct sockaddr *)&addr, &len) ||
		    connect(fd[1], (struct sockaddr *)&addr, len)) {
			perror("tests: no connection");
			abort();
		}
		fd[0] = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
		close(listener);
	}
	~tcp()
	{
		close(fd[0]);
		close(fd[1]);
	}

	int fd[2];
};

TEST_CASE("a zero-copy send over a connection", "[ring][rule32][rule53][G10]")
{
	for (auto mode : MODES) {
		INFO(mode.name);
		tcp t;
		an_op op;
		char buf[8];
		int sent = 0;
		ring r(8, mode.flags);
		OR_SKIP(r);
		context ctx;
		struct io_uring_sqe *s = r.sqe();

		op.then = [&] {
			if (op.calls == 1)
				sent = op.res;
		};
		io_uring_prep_send_zc(s, t.fd[1], "0123456", sizeof(buf), 0, 0);
		REQUIRE(urctx_ring_bind(r.r, s, ctx, &op.op) == 0);
		REQUIRE(r.until([&] { return op.calls > 0; }));
		if (sent == -EINVAL || sent == -EOPNOTSUPP) {
			WARN("skipped: no zero-copy send");
			return;
		}
		CHECK(sent == sizeof(buf));
		CHECK(op.ended() == !r.stats().in_flight);
		cancel_elsewhere(ctx, &why);	/* of something that has been done */
		REQUIRE(recv(t.fd[0], buf, sizeof(buf), MSG_WAITALL) == sizeof(buf));
		REQUIRE(r.until_ended(op));
		CHECK(op.calls == 2);
		CHECK(r.stats().in_flight == 0);
	}
}

TEST_CASE("an op that ends with -EINTR was not told to", "[ring][rule38][G10]")
{
	an_op op;
	ring r(8);
	OR_SKIP(r);

	REQUIRE(r.feed(silent(r, op), -EINTR));
	CHECK(op.ended());
	CHECK(op.res == -EINTR);
	CHECK(!op.cause);
	CHECK(r.stats().told == 0);
}

TEST_CASE("an op that nothing aborts is counted as stuck", "[ring][rule50][G11]")
{
	ends p;
	an_op op;
	ring r(8);
	OR_SKIP(r);

	r.read(p.in(), nullptr, op);
	r.submit();
	urctx_op_cancel(&op.op, &why);
	for (int i = 0; i < 8; i++) {
		CHECK(r.stats().stuck == 0);
		lose_cancel(r, -ENOENT);
	}
	CHECK(r.stats().stuck == 1);
	CHECK(!op.calls);
	REQUIRE(r.until_ended(op));		/* and is asked for, still */
	CHECK(op.cause == &why);
	CHECK(r.stats().stuck == 0);
}

TEST_CASE("a closed fd whose number is another file's by now", "[ring][rule15][rule51]")
{
	ends p, q;
	an_op op, other;
	ring r(8);
	OR_SKIP(r);
	context ctx;
	int fd = dup(p.in());

	r.read(fd, ctx, op);
	r.submit();
	REQUIRE(dup2(q.in(), fd) == fd);
	r.read(fd, nullptr, other);
	r.submit();
	for (int i = 0; i < 3; i++)
		REQUIRE(urctx_ring_wait(r.r, 0) >= 0);
	CHECK(!op.calls);			/* close() has not cancelled it */
	urctx_cancel_cause(ctx, &why);
	REQUIRE(r.until([&] { return op.ended() || other.ended(); }));
	CHECK(op.res == -ECANCELED);
	CHECK(!other.calls);
	q.put();
	REQUIRE(r.until_ended(other));
	CHECK(other.res == 1);
	close(fd);
}

/* A listener who takes no second connection, and one who would be it. */
struct refusing {
	refusing()
	{
		socklen_t len = sizeof(addr);

		addr.sin_family = AF_INET;
		addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		for (int &s : fd)
			s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (bind(fd[0], (struct sockaddr *)&addr, len) || listen(fd[0], 0) ||
		    getsockname(fd[0], (struct sockaddr *)&addr, &len) ||
		    connect(fd[1], (struct sockaddr *)&addr, len)) {
			perror("tests: no connection");
			abort();
		}
		/* the listener hears of it a little later */
		struct pollfd full = { fd[0], POLLIN, 0 };
		while (poll(&full, 1, -1) != 1)
			;
	}
	~refusing()
	{
		for (int s : fd)
			close(s);
	}

	struct sockaddr_in addr = {};
	int fd[3];
};

TEST_CASE("after a cancelled connect the socket is connecting", "[ring][pitfall52]")
{
	refusing to;
	an_op op;
	ring r(8);
	OR_SKIP(r);
	context ctx;
	struct io_uring_sqe *s = r.sqe();

	io_uring_prep_connect(s, to.fd[2], (struct sockaddr *)&to.addr, sizeof(to.addr));
	REQUIRE(urctx_ring_bind(r.r, s, ctx, &op.op) == 0);
	r.submit();
	cancel_elsewhere(ctx, &why);
	REQUIRE(r.until_ended(op));
	CHECK(op.res == -ECANCELED);
	fcntl(to.fd[2], F_SETFL, O_NONBLOCK);
	CHECK(connect(to.fd[2], (struct sockaddr *)&to.addr, sizeof(to.addr)) == -1);
	CHECK(errno == EALREADY);
}

TEST_CASE("an op on a fixed file", "[ring][rule15][rule54]")
{
	for (auto mode : MODES) {
		INFO(mode.name);
		ends p, q;
		an_op op, other;
		ring r(8, mode.flags);
		OR_SKIP(r);
		context ctx;
		int fds[2] = { q.in(), p.in() };
		struct io_uring_sqe *s;

		REQUIRE(io_uring_register_files(&r.u, fds, 2) == 0);
		io_uring_prep_read(s = r.sqe(), 0, other.buf, 8, 0);
		s->flags |= IOSQE_FIXED_FILE;
		REQUIRE(urctx_ring_bind(r.r, s, nullptr, &other.op) == 0);
		io_uring_prep_read(s = r.sqe(), 1, op.buf, 8, 0);
		s->flags |= IOSQE_FIXED_FILE;
		REQUIRE(urctx_ring_bind(r.r, s, ctx, &op.op) == 0);
		r.submit();
		cancel_elsewhere(ctx, &why);
		CHECK(r.stats().in_flight == 2);	/* the files are in use */
		REQUIRE(r.until_ended(op));
		CHECK(op.res == -ECANCELED);
		CHECK(!other.calls);
		q.put();
		REQUIRE(r.until_ended(other));
		CHECK(other.res == 1);
		CHECK(r.stats().in_flight == 0);
	}
}
