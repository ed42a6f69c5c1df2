/* SPDX-License-Identifier: MIT */
/*
 * cover_ring.cpp - seldom paths of <urctx/ring.h>: ends that cross, queues of times
 * with holes, and what a debug build tells valgrind
 *
 * The calls that come to nothing are those of ring_cover_calls.hpp.
 */
#include "dump.hpp"
#include "ring_cover.hpp"

#include "ring_cover_calls.hpp"
#include <csignal>
#include <linux/stat.h>
#include <string>
#include <sys/un.h>
#include <urctx/watch.h>

static const struct urctx_cause why = { "why", nullptr, nullptr, 0, -1 };

/* Between the turn's look at the wake list and its look at the clock. */
TEST_CASE("cover: a context that another thread ends at its deadline", "[ring][cover]")
{
	ends p;
	an_op op;
	ring r(8);
	OR_SKIP(r);
	struct urctx *ctx;
	int64_t end = urctx_now() + SEC / 2;

	REQUIRE(urctx_with_deadline(nullptr, end, &ctx) == 0);
	{
		/* not before its time, if this takes long */
		refusal behind("coarse clock", 0);

		r.read(p.in(), ctx, op);
		for (int i = 0; i < 4; i++) {
			(void)r.turn();
			r.submit();
		}
	}
	CHECK(urctx_wait(nullptr, end) == -ETIME);
	{
		refusal looks("coarse clock", 0, 1);

		looks.is_done = true;
		looks.instead = [&] { cancel_elsewhere(ctx, &why); };
		CHECK(r.turn() == 0);
		CHECK(looks.met == 1);
	}
	REQUIRE(r.until_ended(op));
	CHECK((op.cause == &why || op.cause == &urctx_deadline_exceeded));
	urctx_put(ctx);
}

TEST_CASE("cover: a dump while a ring is told", "[ring][cover]")
{
	ends p;
	an_op op;
	std::string running;
	ring r(8);
	OR_SKIP(r);
	context ctx;

	r.read(p.in(), ctx, op);
	while (r.turn() == 0)
		r.submit();
	r.submit();
	dumped before(ctx);
	CHECK(before.ret >= 0);
	thread([&] {
		refusal writes("write", 0, 1);

		writes.is_done = true;
		writes.instead = [&] {
			dumped meanwhile(ctx);

			CHECK(meanwhile.ret >= 0);
			running = meanwhile.text;
		};
		urctx_cancel_cause(ctx, &why);
	}).join();
	CHECK(before.text.find("ring armed ops=1") != std::string::npos);
	CHECK(running.find("ring running ops=1") != std::string::npos);
	REQUIRE(r.until_ended(op));
}

/* The first stays at the head, each of the others goes when the next is there. */
TEST_CASE("cover: a queue of deadlines with holes, full and grown", "[ring][cover]")
{
	constexpr int ROUNDS = 300;
	const int64_t far = urctx_now() + 3600 * SEC;
	an_op head, turns[2];
	std::vector<an_op> more(100);
	std::vector<uint64_t> uds;
	ring r(8);
	OR_SKIP(r);
	uint64_t ud[2] = {}, first = read_nowhere(r, nullptr, head, far);

	for (int i = 0; i < ROUNDS; i++) {
		ud[i % 2] = read_nowhere(r, nullptr, turns[i % 2], far + i);
		if (i)
			REQUIRE(r.feed(ud[(i + 1) % 2], 1));
		drop_queued(r);
	}
	for (auto &op : more) {
		uds.push_back(read_nowhere(r, nullptr, op, far + ROUNDS));
		drop_queued(r);
	}
	CHECK(r.stats().in_flight == 102);
	REQUIRE(r.feed(first, 1));
	REQUIRE(r.feed(ud[(ROUNDS - 1) % 2], 1));
	for (uint64_t u : uds)
		REQUIRE(r.feed(u, 1));
	CHECK(r.stats().in_flight == 0);
	CHECK(turns[0].calls + turns[1].calls == ROUNDS);
}

/* Under valgrind each of these would be undefined, if it were not told. */
TEST_CASE("cover: what the kernel writes is there", "[ring][cover][written]")
{
	ends p, s(SOCK_STREAM), d(SOCK_DGRAM);
	an_op op;
	ring r(8);
	OR_SKIP(r);
	struct iovec iov[2] = { { op.buf, 2 }, { op.buf + 2, 3 } };
	struct sockaddr_un name = {};
	struct msghdr msg = {};
	int in = p.in();

	auto run = [&](std::function<void(struct io_uring_sqe *)> prep, unsigned flags = 0) {
		struct io_uring_sqe *sqe = r.sqe();
		int before = op.calls;

		prep(sqe);
		REQUIRE(urctx_ring_bind_flags(r.r, sqe, nullptr, &op.op,
					      flags ? urctx_now() + 600 * SEC : URCTX_NEVER,
					      flags) == 0);
		REQUIRE(r.until([&] { return op.calls > before; }));
		return op.res;
	};

	for (unsigned flags : { 0U, (unsigned)URCTX_OP_LINK_TIMEOUT }) {
		p.put(5);
		CHECK(run([&](auto q) { io_uring_prep_read(q, in, op.buf, 5, 0); }, flags) == 5);
		CHECK(!memcmp(op.buf, "01234", 5));
		p.put(5);
		CHECK(run([&](auto q) { io_uring_prep_readv(q, in, iov, 2, 0); }, flags) == 5);
		CHECK(!memcmp(op.buf, "01234", 5));
	}
	CHECK(run([&](auto q) { io_uring_prep_read(q, -1, op.buf, 5, 0); }) == -EBADF);
	CHECK(run([&](auto q) { io_uring_prep_nop(q); }) == 0);
	CHECK(run([&](auto q) { io_uring_prep_read_fixed(q, -1, op.buf, 5, 0, 0); }) < 0);
	p.put();
	CHECK(run([&](auto q) {
		      io_uring_prep_read(q, in, nullptr, 1, 0);
		      q->flags |= IOSQE_BUFFER_SELECT;
	      }) < 0);
	s.put(4);
	CHECK(run([&](auto q) { io_uring_prep_recv(q, s.in(), op.buf, 4, 0); }) == 4);
	CHECK(!memcmp(op.buf, "0123", 4));
	d.put(5);
	msg.msg_iov = iov;
	msg.msg_iovlen = 2;
	msg.msg_name = &name;
	msg.msg_namelen = sizeof(name);
	CHECK(run([&](auto q) { io_uring_prep_recvmsg(q, d.in(), &msg, 0); }) == 5);
	CHECK(!memcmp(op.buf, "01234", 5));

	int l = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(name);

	memset(&name, 0, sizeof(name));
	name.sun_family = AF_UNIX;
	REQUIRE(bind(l, (struct sockaddr *)&name, sizeof(sa_family_t)) == 0);
	REQUIRE(getsockname(l, (struct sockaddr *)&name, &len) == 0);
	REQUIRE(listen(l, 4) == 0);
	for (bool named : { false, true }) {
		struct sockaddr_un peer;
		socklen_t room = sizeof(peer);
		int c = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		REQUIRE(connect(c, (struct sockaddr *)&name, len) == 0);
		int fd = run([&](auto q) {
			io_uring_prep_accept(q, l, named ? (struct sockaddr *)&peer : nullptr,
					     named ? &room : nullptr, SOCK_CLOEXEC);
		});
		CHECK(fd >= 0);
		if (named)
			CHECK(peer.sun_family == AF_UNIX);
		close(fd);
		close(c);
	}
	close(l);
	alignas(8) unsigned char stx[256];
	CHECK(run([&](auto q) {
		      io_uring_prep_statx(q, AT_FDCWD, "/", 0, STATX_TYPE,
					  (struct statx *)(void *)stx);
	      }) == 0);
	CHECK(stx[0] & STATX_TYPE);
}

static void nothing(int)
{
}

/* valgrind: asleep in poll(2), where the others are not held up. */
TEST_CASE("cover: a wait that is interrupted, with a deadline and without", "[ring][cover]")
{
	struct sigaction act = {}, before;
	ends p;
	an_op op;
	ring r(8);
	OR_SKIP(r);

	act.sa_handler = nothing;
	sigaction(SIGUSR1, &act, &before);
	r.read(p.in(), nullptr, op);
	r.submit();
	CHECK(urctx_ring_wait(r.r, urctx_now()) == 0);
	CHECK(urctx_ring_wait(r.r, urctx_now() + SEC / 1000) == 0);
	for (int64_t end : { URCTX_NEVER, urctx_now() + 600 * SEC }) {
		std::atomic<bool> over{ false };
		pthread_t self = pthread_self();
		int ret;

		thread sends([&] {
			while (!over) {
				pthread_kill(self, SIGUSR1);
				sched_yield();
			}
		});
		do
			ret = urctx_ring_wait(r.r, end);
		while (!ret);
		over = true;
		CHECK(ret == -EINTR);
	}
	sigaction(SIGUSR1, &before, nullptr);
	p.put();
	REQUIRE(r.until_ended(op));
}

#ifdef URCTX_DEBUG
/* It says so, and dies. */
static void dies(const std::function<int()> &fn)
{
	struct ending end = in_child(fn);

	INFO(end.said);
	CHECK(end.signal == SIGABRT);
	CHECK(end.said.find("liburctx") != std::string::npos);
}

TEST_CASE("cover: a ring's callback that is armed already", "[ring][cover]")
{
	call c;
	ring r(8);
	OR_SKIP(r);
	context ctx, other;

	REQUIRE(urctx_ring_after(r.r, ctx, &c.cb, call::fn) == 0);
	if (!TESTS_VALGRIND)
		dies([&] { return urctx_after(other, &c.cb, call::fn); });
	CHECK(urctx_try_stop(&c.cb));
}

TEST_CASE("cover: a cause where no cause can be", "[cover]")
{
	struct urctx *ctx = nullptr;
	uintptr_t odd = (uintptr_t)&why + 4;

	if (!TESTS_VALGRIND)
		dies([&] {
			return urctx_with_deadline_cause(nullptr, 1, (struct urctx_cause *)odd,
							 &ctx);
		});
	CHECK(ctx == nullptr);
}
#endif
