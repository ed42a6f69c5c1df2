/* SPDX-License-Identifier: MIT */
/* edges_detach.cpp - drains that miss nobody, and what a ring leaves behind */
#include "edges_kernel.hpp"
#include "ring_cover.hpp"

#include <fstream>
#include <urctx/join.h>

namespace
{
const struct urctx_cause why = { "why", __FILE__, "edges", __LINE__, -EPROTO };

/* Of the ring's that was let go: nothing is in flight, and its next CQE is ours. */
void nothing_left(ring &r)
{
	struct __kernel_timespec patience = { PATIENCE / SEC, 0 };
	struct io_uring_sqe *s = io_uring_get_sqe(&r.u);
	struct io_uring_cqe *cqe = nullptr;

	REQUIRE(s);
	io_uring_prep_nop(s);
	s->flags = IOSQE_IO_DRAIN;	/* waits for all that is in front of it */
	s->user_data = 42;
	REQUIRE(io_uring_submit(&r.u) == 1);
	REQUIRE(io_uring_wait_cqe_timeout(&r.u, &cqe, &patience) == 0);
	CHECK(cqe->user_data == 42);
	CHECK(cqe->res == 0);
	io_uring_cqe_seen(&r.u, cqe);
	CHECK(io_uring_cq_ready(&r.u) == 0);
}

/* Pages that this process has mapped. */
long mapped()
{
	long pages = 0;

	std::ifstream("/proc/self/statm") >> pages;
	return pages;
}
}

/* The poll by which others wake us, the alarm, what was said of taking them back. */
TEST_CASE("ring: detach takes along all that was its own", "[ring][edges]")
{
	for (auto &mode : MODES)
		for (unsigned flags : { 0U, URCTX_RING_TIMER })
			for (bool skips : { true, false }) {
				INFO(mode.name << " flags " << flags << " skips " << skips);
				struct urctx_ring_params params = {};
				an_op op, timed;
				context ctx;
				ends p, q;

				params.flags = flags;
				ring r(8, mode.flags);
				OR_SKIP(r);
				REQUIRE(urctx_ring_detach(r.r, URCTX_NEVER) == 0);
				/* a CQE left out, and no drain is taken any more */
				r.u.features &= ~IORING_FEAT_CQE_SKIP;
				if (skips)
					r.u.features |= IORING_FEAT_CQE_SKIP;
				REQUIRE(urctx_ring_attach(&r.u, &params, &r.r) == 0);
				r.read(p.in(), ctx, op);
				r.read(q.in(), nullptr, timed);
				urctx_op_deadline(&timed.op, urctx_now() + 3600 * SEC);
				while (r.turn() == 0)
					r.submit();
				r.submit();
				p.put();
				q.put();
				REQUIRE(r.until_ended(op));
				REQUIRE(r.until_ended(timed));
				REQUIRE(urctx_ring_detach(r.r, urctx_now() + PATIENCE) == 0);
				r.r = nullptr;
				if (!skips)
					nothing_left(r);
			}
}

/* It takes what it is given when it likes. */
TEST_CASE("ring: detach of a ring with a thread of the kernel's", "[ring][edges][sqpoll]")
{
	for (int i = 0; i < 10; i++) {
		struct __kernel_timespec patience = { PATIENCE / SEC, 0 };
		struct io_uring_cqe *cqe = nullptr;
		an_op op;
		context ctx;
		ends p;

		ring r(16, IORING_SETUP_SQPOLL);
		OR_SKIP(r);
		r.read(p.in(), ctx, op);
		p.put();
		REQUIRE(r.until_ended(op));
		REQUIRE(urctx_ring_detach(r.r, urctx_now() + PATIENCE) == 0);
		r.r = nullptr;
		struct io_uring_sqe *s = io_uring_get_sqe(&r.u);
		REQUIRE(s);
		io_uring_prep_nop(s);
		s->user_data = 42;
		REQUIRE(io_uring_submit(&r.u) >= 0);
		REQUIRE(io_uring_wait_cqe_timeout(&r.u, &cqe, &patience) == 0);
		CHECK(cqe->user_data == 42);
		io_uring_cqe_seen(&r.u, cqe);
		CHECK(io_uring_cq_ready(&r.u) == 0);
	}
}

/* Nor is it done when the kernel has let it wait for nothing. */
TEST_CASE("ring: a detach without ops is not interrupted", "[ring][edges]")
{
	for (int says : { -EINTR, -ETIME }) {
		bool met = true;

		for (unsigned place = 0; met; place++) {
			INFO(says << " at " << place);
			struct urctx_ring_params params = {};
			an_op op;
			context ctx;
			ends p;

			REQUIRE(place < 20);
			params.flags = URCTX_RING_TIMER;
			ring r(8, 0, &params);
			OR_SKIP(r);
			r.read(p.in(), ctx, op);
			urctx_op_deadline(&op.op, urctx_now() + 3600 * SEC);
			while (r.turn() == 0)
				r.submit();
			r.submit();
			p.put();
			REQUIRE(r.until_ended(op));
			met = false;
			unsigned left = place;
			kernel interrupted([&](const entered &e) -> std::optional<int> {
				if (e.what == entered::SYNC || left--)
					return {};
				met = true;
				return says;
			});
			CHECK(urctx_ring_detach(r.r, urctx_now() + PATIENCE) == 0);
			r.r = nullptr;
			CHECK(io_uring_sq_ready(&r.u) == 0);
			CHECK(io_uring_cq_ready(&r.u) == 0);
		}
	}
}

/* What was refused is in flight all the same; its CQE comes when it likes. */
TEST_CASE("ring: detach waits for what it is owed", "[ring][edges]")
{
	for (int says : { -EINTR, -ETIME }) {
		INFO(says);
		an_op none;
		ends p;
		static char byte;

		ring r(8);
		OR_SKIP(r);
		struct io_uring_sqe *s = r.sqe();
		CHECK(urctx_ring_bind(r.r, s, nullptr, nullptr) == -EINVAL);
		uint64_t ud = s->user_data;
		io_uring_prep_read(s, p.in(), &byte, 1, 0);
		s->user_data = ud;
		{
			held clock;	/* it does not wait for ever */
			unsigned waits = 0;
			kernel late([&](const entered &) -> std::optional<int> {
				/* the first is for all that is not in a chain */
				if (!waits++)
					return {};
				if (waits < 4)
					return says;
				if (waits == 4)
					p.put();
				return {};
			});
			CHECK(urctx_ring_detach(r.r, URCTX_NEVER) == 0);
			CHECK(waits >= 4);
		}
		r.r = nullptr;
		CHECK(io_uring_cq_ready(&r.u) == 0);
	}
}

/* Its patience is over, and in the last look one forks. */
TEST_CASE("ring: detach in a child that its last look made", "[ring][edges][fork]")
{
	static int status;
	struct urctx_ring_params params = {};
	pid_t parent = getpid();
	static char byte;
	ends none;

	status = -1;
	params.foreign = [](void *, const struct io_uring_cqe *) {
		pid_t child = fork();

		if (child)
			waitpid(child, &status, 0);
	};
	ring r(8, 0, &params);
	OR_SKIP(r);
	struct io_uring_sqe *s = r.sqe();
	CHECK(urctx_ring_bind(r.r, s, nullptr, nullptr) == -EINVAL);
	uint64_t ud = s->user_data;
	io_uring_prep_read(s, none.in(), &byte, 1, 0);
	s->user_data = ud;
	{
		held clock;
		bool first = true;
		kernel late([&](const entered &e) -> std::optional<int> {
			bool last = !first && e.ends && !(e.sec + e.nsec);

			if (last) {
				struct io_uring_sqe *nop = io_uring_get_sqe(&r.u);

				io_uring_prep_nop(nop);
				nop->user_data = 42;
			}
			/* the first is for all that is not in a chain */
			if (first || last) {
				first = false;
				return {};
			}
			return -ETIME;
		});
		int ret = urctx_ring_detach(r.r, URCTX_NEVER);

		if (getpid() != parent)
			_exit(ret != -EPERM);
		CHECK(ret == 0);
	}
	CHECK(status == 0);
	r.r = nullptr;
	none.put();
}

/* While it waits for one, another is bound to a slot that it has looked at. */
TEST_CASE("ring: drain waits for what is bound meanwhile", "[ring][edges]")
{
	an_op first, last, other, more[2];
	ends pf, pl, po, pm[2];
	context ctx, stranger;

	ring r(16);
	OR_SKIP(r);
	/* slots are taken from the first on, and that which was left last is the next */
	r.read(pf.in(), ctx, first);
	r.read(pl.in(), ctx, last);
	r.read(po.in(), stranger, other);
	r.submit();
	first.then = [&] { po.put(); };
	other.then = [&] {
		r.read(pm[0].in(), stranger, more[0]);
		r.read(pm[1].in(), ctx, more[1]);
		pl.put();
	};
	last.then = [&] {
		r.submit();
		pm[1].put();
	};
	pf.put();
	CHECK(urctx_ring_drain(r.r, ctx, urctx_now() + PATIENCE) == 0);
	CHECK(first.calls == 1);
	CHECK(last.calls == 1);
	CHECK(other.calls == 1);
	CHECK(more[1].calls == 1);
	CHECK(more[0].calls == 0);
	CHECK(r.stats().in_flight == 1);
	pm[0].put();
	REQUIRE(r.until_ended(more[0]));
}

/* 2^40 ways up: nobody waits for all of them to be gone. */
TEST_CASE("ring: drain does not look at every way up", "[ring][edges]")
{
	an_op op;
	context root, stranger;

	ring r(8);
	OR_SKIP(r);
	struct urctx *level = urctx_get(root), *next = nullptr;
	for (int i = 0; i < 40; i++) {
		context left(level), right(level);
		struct urctx *both[] = { left, right };

		REQUIRE(urctx_with_any(both, 2, &next) == 0);
		urctx_put(level);
		level = next;
	}
	uint64_t ud = read_nowhere(r, level, op);
	drop_queued(r);
	CHECK(urctx_ring_drain(r.r, root, urctx_now()) == 1);
	CHECK(urctx_ring_drain(r.r, stranger, urctx_now()) == 0);
	REQUIRE(r.feed(ud, 1));
	urctx_put(level);
}

TEST_CASE("ring: rings that come and go leave no memory behind", "[ring][edges]")
{
	constexpr int N = 2000;
	struct urctx_ring *some;

	ring r(8);
	OR_SKIP(r);
	REQUIRE(urctx_ring_detach(r.r, URCTX_NEVER) == 0);
	r.r = nullptr;
	long before = mapped();
	for (int i = 0; i < N; i++) {
		REQUIRE(urctx_ring_attach(&r.u, nullptr, &some) == 0);
		REQUIRE(urctx_ring_detach(some, URCTX_NEVER) == 0);
	}
	/* a page each would be N */
	CHECK(mapped() - before < N / 2);
}

/* However they leave: stopped, told, and ended with nobody to tell. */
TEST_CASE("ring: contexts that come and go leave no memory behind", "[ring][edges]")
{
	constexpr int N = 16000;

	for (int how = 0; how < 3; how++) {
		INFO(how);
		ring r(8);
		OR_SKIP(r);
		long before = 0;
		/* the first time as many are on their way back as a slow machine has */
		for (int i = 0; i < 2 * N; i++) {
			an_op op;
			context ctx;
			uint64_t ud = read_nowhere(r, ctx, op);

			if (i == N)
				before = mapped();
			if (how)
				urctx_cancel(ctx);
			if (how == 1)
				r.turn();
			drop_queued(r);
			REQUIRE(r.feed(ud, 1));
			r.turn();
		}
		CHECK(r.turn() == URCTX_NEVER);
		CHECK(mapped() - before < N / 32);
	}
}

/* He is awake behind a CQE; behind a turn that had nothing to do he may be asleep. */
TEST_CASE("ring: what its owner ends between turn and wait wakes him", "[ring][edges]")
{
	struct __kernel_timespec patience = { PATIENCE / SEC, 0 };
	struct io_uring_cqe *cqe;
	an_op op;
	ends p;

	ring r(8);
	OR_SKIP(r);
	context ctx;
	r.read(p.in(), ctx, op);
	while (r.turn() == 0)
		r.submit();
	r.submit();
	REQUIRE(r.feed(URCTX_UDATA_TAG | 4, 0));
	CHECK(r.turn() == URCTX_NEVER);
	urctx_cancel_cause(ctx, &why);
	CHECK(io_uring_submit_and_wait_timeout(&r.u, &cqe, 1, &patience, nullptr) >= 0);
	REQUIRE(r.until_ended(op));
	CHECK(op.cause == &why);
}

/* By a clock that is read again behind each turn. */
TEST_CASE("ring: what is late when it is bound is not begun", "[ring][edges]")
{
	an_op far, op;
	ends p;

	ring r(8);
	OR_SKIP(r);
	int64_t begin = urctx_now();
	uint64_t ud = read_nowhere(r, nullptr, far, begin + 3600 * SEC);
	(void)r.turn();
	begin = urctx_now();
	while (urctx_now() < begin + 60 * MSEC)
		;
	struct io_uring_sqe *s = r.sqe();
	io_uring_prep_read(s, p.in(), op.buf, 1, 0);
	REQUIRE(urctx_ring_bind_flags(r.r, s, nullptr, &op.op, begin + 45 * MSEC, 0) == 0);
	CHECK(s->opcode == IORING_OP_POLL_ADD);
	CHECK(s->fd == -1);
	REQUIRE(r.until_ended(op));
	CHECK(op.res == -ECANCELED);
	CHECK(op.cause == &urctx_deadline_exceeded);
	REQUIRE(r.feed(ud, 1));
}

TEST_CASE("ring: an SQE of a ring's that was not bound is settled as well", "[ring][edges]")
{
	ring r(8);
	OR_SKIP(r);
	(void)r.sqe();
	r.submit();
	REQUIRE(urctx_ring_detach(r.r, URCTX_NEVER) == 0);
	r.r = nullptr;
	CHECK(io_uring_cq_ready(&r.u) == 0);
}

namespace
{
struct doomed {
	struct urctx *ctx;
	int came;
};

/* pthread_cancel() has been called, and ends it where it first may. */
void *calls_on(void *arg)
{
	auto *d = static_cast<doomed *>(arg);
	struct urctx *own = derive(nullptr);

	pthread_cancel(pthread_self());
	if (urctx_fd(own) >= 0)
		d->came++;
	urctx_put(own);
	d->came++;
	urctx_cancel(d->ctx);
	d->came++;
	return nullptr;
}
}

/* It would end with a read section open, or a descriptor of its own. */
TEST_CASE("ring: no call is where pthread_cancel() ends a thread", "[ring][edges]")
{
	an_op op;
	context ctx;
	doomed d = { ctx, 0 };
	pthread_t thread;
	ends p;

	ring r(8);
	OR_SKIP(r);
	r.read(p.in(), ctx, op);
	while (r.turn() == 0)
		r.submit();
	r.submit();
	REQUIRE(pthread_create(&thread, nullptr, calls_on, &d) == 0);
	pthread_join(thread, nullptr);
	CHECK(d.came == 3);
	CHECK(urctx_err(ctx) == -ECANCELED);
	REQUIRE(r.until_ended(op));
}
