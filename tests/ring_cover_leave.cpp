/* SPDX-License-Identifier: MIT */
/* ring_cover_leave.cpp - drains and detaches in odd places, chains, who reaps himself */
#include "ring_cover.hpp"

#include <poll.h>
#include <csignal>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <urctx/join.h>

/* Not queued: what a drain holds up comes behind it. */
static void cancel_by_call(ring &r, uint64_t ud, unsigned flags)
{
	struct io_uring_sync_cancel_reg reg = {};

	reg.addr = ud;
	reg.fd = -1;
	reg.flags = flags;
	reg.timeout.tv_sec = -1;
	REQUIRE(io_uring_register_sync_cancel(&r.u, &reg) >= 0);
}

/* A drain of what nothing was derived from by number, and of far too many joins. */
TEST_CASE("drain looks behind joins, and not for ever", "[ring][drain]")
{
	ends p;
	an_op op;
	ring r(8);
	OR_SKIP(r);
	context root, stranger;
	struct urctx *level = urctx_get(root), *next = nullptr;

	/* 2^12 ways up from the last */
	for (int i = 0; i < 12; i++) {
		context left(level), right(level);
		struct urctx *both[] = { left, right };

		REQUIRE(urctx_with_any(both, 2, &next) == 0);
		urctx_put(level);
		level = next;
	}
	r.read(p.in(), level, op);
	CHECK(urctx_ring_drain(r.r, level, urctx_now()) == 1);
	CHECK(urctx_ring_drain(r.r, root, urctx_now()) == 1);
	CHECK(urctx_ring_drain(r.r, stranger, urctx_now()) == 0);
	p.put();
	REQUIRE(r.until_ended(op));
	CHECK(op.res == 1);
	urctx_put(level);
}

/* Cut off from its op, by a shared SQ thread's round, its failure silences what follows. */
TEST_CASE("nothing is bound behind a timer of the caller's that is silent", "[ring][chain]")
{
	struct __kernel_timespec far = { 60, 0 };

	for (bool head : { true, false }) {
		ends p, q;
		an_op first, behind;
		ring r(8);
		OR_SKIP(r);
		struct io_uring_sqe *s;

		if (head) {
			s = r.sqe();
			io_uring_prep_read(s, p.in(), first.buf, 2, 0);
			s->flags |= IOSQE_IO_LINK;
			REQUIRE(urctx_ring_bind(r.r, s, nullptr, &first.op) == 0);
		}
		s = r.sqe();
		io_uring_prep_link_timeout(s, &far, 0);
		s->flags |= IOSQE_CQE_SKIP_SUCCESS | IOSQE_IO_LINK;
		s = r.sqe();
		io_uring_prep_read(s, q.in(), behind.buf, 3, 0);
		CHECK(urctx_ring_bind(r.r, s, nullptr, &behind.op) == -EINVAL);
		p.put(2);
		if (head) {
			REQUIRE(r.until_ended(first));
			CHECK(first.res == 2);
		}
	}
}

/* What the caller has put in front of it, and will only end behind detach. */
TEST_CASE("detach does not wait for a drain of the caller's for ever", "[ring][detach]")
{
	size_t heard = 0;
	ends p;
	char c;
	struct urctx_ring_params params = {};

	params.flags = URCTX_RING_DRAIN;
	params.arg = &heard;
	params.foreign = [](void *arg, const struct io_uring_cqe *) { ++*(size_t *)arg; };
	ring r(8, 0, &params);
	OR_SKIP(r);
	struct io_uring_sqe *s = r.sqe();
	io_uring_prep_read(s, p.in(), &c, 1, 0);
	s->user_data = 1;
	s = r.sqe();
	s->flags |= IOSQE_IO_DRAIN;
	s->user_data = 2;
	REQUIRE(io_uring_submit(&r.u) == 2);
	CHECK(urctx_ring_detach(r.r, urctx_now()) == -ETIME);
	/* a second is the least, not the most */
	int64_t until = urctx_now() + SEC * 5 / 4;
	CHECK(urctx_ring_detach(r.r, until) == -ETIME);
	CHECK(urctx_now() >= until);
	p.put();
	REQUIRE(urctx_ring_detach(r.r, urctx_now() + 10 * SEC) == 0);
	r.r = nullptr;
	CHECK(heard == 2);
	CHECK(io_uring_cq_ready(&r.u) == 0);
}

/* Each of them comes in front of what is ours, or behind it, and nobody takes it but he. */
TEST_CASE("detach comes to its end beside CQEs of the caller's", "[ring][detach]")
{
	ends p;
	an_op op;
	ring r(8);
	OR_SKIP(r);
	int ret, calls = 0;

	r.read(p.in(), nullptr, op);
	p.put();
	REQUIRE(r.until_ended(op));
	do {
		struct io_uring_sqe *s = io_uring_get_sqe(&r.u);

		io_uring_cq_advance(&r.u, calls ? 1 : 0);
		io_uring_prep_nop(s);
		s->user_data = 7;
		ret = urctx_ring_detach(r.r, urctx_now() + SEC);
	} while (ret == -EBADMSG && ++calls < 10);
	CHECK(ret == 0);
	if (!ret)
		r.r = nullptr;
}

/* With a multishot of his in front that goes on and on; a second is a second. */
TEST_CASE("detach says that it is held up after a second, whatever else comes",
	  "[ring][detach]")
{
	static const uint64_t one = 1;
	struct urctx_ring_params params = {};
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	params.flags = URCTX_RING_DRAIN;
	params.arg = &fd;
	params.foreign = [](void *arg, const struct io_uring_cqe *cqe) {
		if (cqe->flags & IORING_CQE_F_MORE)
			(void)!write(*(int *)arg, &one, sizeof(one));
	};
	{
		ring r(64, 0, &params);
		OR_SKIP(r);
		struct io_uring_sqe *s = r.sqe();
		io_uring_prep_poll_multishot(s, fd, POLLIN);
		s->user_data = 1;
		s = r.sqe();
		s->flags |= IOSQE_IO_DRAIN;
		s->user_data = 2;
		REQUIRE(io_uring_submit(&r.u) == 2);
		REQUIRE(write(fd, &one, sizeof(one)) == sizeof(one));
		int64_t begin = urctx_now();
		CHECK(urctx_ring_detach(r.r, begin) == -ETIME);
		CHECK(urctx_now() - begin > SEC * 9 / 10);
		cancel_by_call(r, 1, 0);
		CHECK(urctx_ring_detach(r.r, urctx_now() + PATIENCE) == 0);
		r.r = nullptr;
	}
	close(fd);
}

/* Nothing says that a drain may come, and our poll is what it waits for. */
TEST_CASE("detach does not wait for a drain that nobody announced", "[ring][detach]")
{
	struct urctx_ring_params params = {};
	ends p;
	an_op op;
	context ctx;

	params.foreign = [](void *, const struct io_uring_cqe *) {};
	ring r(8, 0, &params);
	OR_SKIP(r);
	r.read(p.in(), ctx, op);
	p.put();
	REQUIRE(r.until_ended(op));
	struct io_uring_sqe *s = r.sqe();
	s->flags |= IOSQE_IO_DRAIN;
	s->user_data = 2;
	REQUIRE(io_uring_submit(&r.u) >= 0);
	CHECK(urctx_ring_detach(r.r, urctx_now()) == -ETIME);
	cancel_by_call(r, 0, IORING_ASYNC_CANCEL_ANY);
	CHECK(urctx_ring_detach(r.r, urctx_now() + PATIENCE) == 0);
	r.r = nullptr;
}

/* What was refused is made something else of, and its CQE never comes. */
TEST_CASE("detach waits 100 ms for what was refused, once", "[ring][detach]")
{
	for (bool held_up : { false, true }) {
		INFO((held_up ? "the clock stands" : "CQEs of the caller's"));
		an_op op;
		ring r(8);
		OR_SKIP(r);
		int ret, calls = 0;

		struct io_uring_sqe *s = r.sqe();
		CHECK(urctx_ring_bind_flags(r.r, s, nullptr, &op.op, URCTX_NEVER,
					    1U << 30) == -EINVAL);
		io_uring_prep_nop(s);
		s->flags |= IOSQE_CQE_SKIP_SUCCESS;
		if (held_up) {
			held clock;

			ret = urctx_ring_detach(r.r, URCTX_NEVER);
		} else {
			int64_t end = urctx_now() + PATIENCE;

			do {
				s = io_uring_get_sqe(&r.u);
				io_uring_cq_advance(&r.u, calls++ ? 1 : 0);
				io_uring_prep_nop(s);
				s->user_data = 7;
				ret = urctx_ring_detach(r.r, urctx_now() + SEC);
			} while (ret == -EBADMSG && urctx_now() < end);
		}
		CHECK(ret == 0);
		if (!ret)
			r.r = nullptr;
	}
}

/* A second call finds what has come since the first, whose 100 ms have gone by. */
TEST_CASE("detach looks once more for what was refused", "[ring][detach]")
{
	ends p;
	an_op op;
	char c;
	ring r(8);
	OR_SKIP(r);
	const struct itimerval soon = { {}, { 0, 30000 } };
	struct sigaction sa = {}, before;
	static int to;

	to = p.fd[1];
	sa.sa_handler = [](int) { (void)!write(to, "x", 1); };
	struct io_uring_sqe *s = r.sqe();
	io_uring_prep_read(s, p.in(), &c, 1, 0);
	s->flags |= IOSQE_IO_LINK;
	s->user_data = 7;
	s = r.sqe();
	CHECK(urctx_ring_bind_flags(r.r, s, nullptr, &op.op, URCTX_NEVER, 1U << 30) == -EINVAL);
	sigaction(SIGALRM, &sa, &before);
	setitimer(ITIMER_REAL, &soon, nullptr);
	int ret = urctx_ring_detach(r.r, urctx_now());
	int64_t over = urctx_now() + SEC / 5;
	while (urctx_now() < over)
		sched_yield();
	while (ret == -EBADMSG) {
		io_uring_cq_advance(&r.u, 1);
		ret = urctx_ring_detach(r.r, urctx_now());
	}
	sigaction(SIGALRM, &before, nullptr);
	REQUIRE(ret == 0);
	r.r = nullptr;
	CHECK(io_uring_cq_ready(&r.u) == 0);
}

TEST_CASE("an SQE of a refused op serves the next one", "[ring][bind]")
{
	ends p;
	an_op op;
	ring r(1);
	OR_SKIP(r);
	struct io_uring_sqe *s = r.sqe();

	CHECK(urctx_ring_bind_flags(r.r, s, nullptr, &op.op, URCTX_NEVER, 1U << 30) == -EINVAL);
	uint64_t refused = s->user_data;
	r.submit();
	REQUIRE(urctx_ring_wait(r.r, urctx_now() + SEC) == 0);
	s = r.sqe();
	io_uring_prep_read(s, p.in(), op.buf, 1, 0);
	s->user_data = refused;
	CHECK(urctx_ring_bind(r.r, s, nullptr, &op.op) == 0);
	p.put();
	REQUIRE(r.until_ended(op));
	CHECK(op.res == 1);
}

TEST_CASE("complete() that reaps by itself", "[ring][api]")
{
	an_op first, others[3];
	ring r(8);
	OR_SKIP(r);

	first.then = [&] {
		struct io_uring_cqe *cqe, copy;

		while (!io_uring_peek_cqe(&r.u, &cqe)) {
			copy = *cqe;
			io_uring_cqe_seen(&r.u, cqe);
			CHECK(urctx_ring_dispatch(r.r, &copy));
		}
	};
	REQUIRE(urctx_ring_bind(r.r, r.sqe(), nullptr, &first.op) == 0);
	for (auto &op : others)
		REQUIRE(urctx_ring_bind(r.r, r.sqe(), nullptr, &op.op) == 0);
	CHECK(urctx_ring_wait(r.r, urctx_now() + PATIENCE) == 4);
	for (auto &op : others) {
		CHECK(op.calls == 1);
		CHECK(op.res == 0);
	}
}

TEST_CASE("a child that returns from foreign() takes no CQE", "[ring][fork]")
{
	struct both {
		pid_t parent = getpid();
		int status = -1;
	} both;
	struct urctx_ring_params params = {};
	an_op next;

	params.arg = &both;
	params.foreign = [](void *arg, const struct io_uring_cqe *) {
		struct both *b = (struct both *)arg;
		pid_t child = fork();

		if (child)
			waitpid(child, &b->status, 0);
	};
	ring r(8, 0, &params);
	OR_SKIP(r);
	r.sqe()->user_data = 1;
	REQUIRE(urctx_ring_bind(r.r, r.sqe(), nullptr, &next.op) == 0);
	int ret = urctx_ring_wait(r.r, urctx_now() + PATIENCE);
	if (getpid() != both.parent)
		_exit(ret != -EPERM || next.calls != 0);
	CHECK(both.status == 0);
	REQUIRE(r.until_ended(next));
	CHECK(next.calls == 1);
}

TEST_CASE("detach submits what the caller has taken by himself", "[ring][detach]")
{
	struct urctx_ring_params params = {};
	int met = 0;

	params.arg = &met;
	params.foreign = [](void *arg, const struct io_uring_cqe *cqe) {
		*(int *)arg += cqe->user_data == 7;
	};
	ring r(8, 0, &params);
	OR_SKIP(r);
	struct io_uring_sqe *s = io_uring_get_sqe(&r.u);
	io_uring_prep_nop(s);
	s->user_data = 7;
	CHECK(urctx_ring_detach(r.r, urctx_now() + PATIENCE) == 0);
	r.r = nullptr;
	CHECK(met == 1);
}

/*
 * At the end of a chain that is open the caller's goes to a worker, and its CQE comes
 * when it likes, before that of our nop or behind it: it is his, and not waited for.
 */
TEST_CASE("detach behind an open chain of a ring that knows no context",
	  "[ring][detach][chain]")
{
	for (bool waits : { false, true }) {
		struct __kernel_timespec patience = { PATIENCE / SEC, 0 };
		struct urctx_ring_params params = {};
		std::vector<uint64_t> met;
		struct io_uring_cqe *cqe;
		char buf[8];
		ends p;

		INFO((waits ? "a read" : "a nop"));
		params.arg = &met;
		params.foreign = [](void *arg, const struct io_uring_cqe *cqe) {
			((std::vector<uint64_t> *)arg)->push_back(cqe->user_data);
		};
		ring r(8, 0, &params);
		OR_SKIP(r);
		struct io_uring_sqe *s = r.sqe();
		if (waits)
			io_uring_prep_read(s, p.in(), buf, sizeof(buf), 0);
		s->flags |= IOSQE_IO_LINK;
		s->user_data = 7;
		REQUIRE(urctx_ring_detach(r.r, urctx_now() + PATIENCE) == 0);
		r.r = nullptr;
		CHECK(io_uring_sq_ready(&r.u) == 0);
		if (waits) {
			CHECK(met.empty());
			CHECK(io_uring_cq_ready(&r.u) == 0);
			p.put();
		}
		if (met.empty())
			REQUIRE(io_uring_wait_cqe_timeout(&r.u, &cqe, &patience) == 0);
		while (io_uring_peek_cqe(&r.u, &cqe) == 0) {
			met.push_back(cqe->user_data);
			io_uring_cqe_seen(&r.u, cqe);
		}
		CHECK(met == std::vector<uint64_t>{ 7 });
	}
}

TEST_CASE("the alarm does not go into an open chain", "[ring][timer][chain]")
{
	struct urctx_ring_params params = {};
	an_op op;

	params.flags = URCTX_RING_TIMER;
	ring r(8, 0, &params);
	OR_SKIP(r);
	held clock;
	uint64_t ud = read_nowhere(r, nullptr, op, urctx_now() + SEC);
	drop_queued(r);
	r.sqe()->flags |= IOSQE_IO_LINK;
	CHECK(r.turn() == 0);
	CHECK(r.queued().size() == 1);
	(void)r.sqe();
	CHECK(r.turn() == SEC);
	CHECK(r.queued().size() == 3);
	CHECK(r.queued()[2]->opcode == IORING_OP_TIMEOUT);
	urctx_clock_release();
	r.submit();
	REQUIRE(r.feed(ud, 1));
}
