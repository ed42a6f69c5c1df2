/* SPDX-License-Identifier: MIT */
/* edges_apart.cpp - a handler forks in a system call of a ring's wait */
#include "edges_kernel.hpp"
#include "ring_cover.hpp"

#include <sys/syscall.h>
#include <sys/wait.h>

namespace
{
struct wait_in {
	const char *name;
	bool asked, queued;		/* a cancel is about to go, an op */
	bool due;			/* a CQE is there when it forks */
	int says;			/* to the child */
};

const struct wait_in WAITS[] = {
	{ "it sleeps", false, false, false, -EINTR },
	{ "it sleeps, and was woken", false, false, true, -EINTR },
	{ "it submits", false, true, false, 1 },
	{ "it submits, and was woken", false, true, true, 1 },
	{ "it cancels", true, false, false, 1 },
	{ "it cancels, and is late", true, false, false, -ETIME },
	{ "it cancels, and was woken", true, true, true, 1 },
};

/* In the kernel's place, on the owner's thread. */
pid_t forked_once(bool *first, int *status)
{
	pid_t child = *first ? fork() : 1;

	if (*first && child)
		waitpid(child, status, 0);
	*first = false;
	return child;
}
}

/* What the turn calls may fork as well. */
TEST_CASE("ring: a child that a callback of the turn made", "[ring][edges][fork]")
{
	static bool first;
	static int status;
	const pid_t parent = getpid();
	struct urctx_callback cb = {};
	an_op op;
	ends p;
	context ctx;

	first = true;
	status = -1;
	ring r(8);
	OR_SKIP(r);
	REQUIRE(urctx_ring_after(r.r, ctx, &cb, [](struct urctx_callback *) {
		(void)forked_once(&first, &status);
	}) == 0);
	urctx_cancel(ctx);
	r.read(p.in(), nullptr, op);
	p.put();
	{
		kernel counts([&](const entered &) -> std::optional<int> {
			if (getpid() != parent)
				_exit(3);
			return {};
		});
		int ret = 0;

		while (ret >= 0 && !op.ended())
			ret = urctx_ring_wait(r.r, urctx_now() + PATIENCE);
		if (getpid() != parent)
			_exit(ret == -EPERM && !op.calls ? 0 : 2);
	}
	CHECK(status == 0);
	CHECK(op.res == 1);
}

/* The child has what the parent is about to fill in. */
TEST_CASE("ring: a child that a handler made has no SQE", "[ring][edges][fork]")
{
	const pid_t parent = getpid();
	bool first = true;
	int status = -1;

	ring r(2);
	OR_SKIP(r);
	for (int i = 0; i < 2; i++)
		(void)r.sqe();
	{
		/* it is done by then, and the room is in the memory of both */
		kernel forks([&](const entered &) -> std::optional<int> {
			auto &sq = r.u.sq;

			if (getpid() != parent)
				_exit(3);
			sq.sqe_head = sq.sqe_tail;
			io_uring_smp_store_release(sq.ktail, sq.sqe_tail);
			long nr = syscall(__NR_io_uring_enter, r.u.ring_fd, 2, 0, 0, nullptr, 0);
			(void)forked_once(&first, &status);
			return (int)nr;
		});
		struct io_uring_sqe *s = urctx_ring_sqe(r.r);

		if (getpid() != parent)
			_exit(s ? 2 : 0);
		CHECK(s);
	}
	CHECK(status == 0);
}

/* The rings' memory is the child's as well, and every CQE in it is the parent's. */
TEST_CASE("ring: a child that a handler made leaves the ring alone", "[ring][edges][fork]")
{
	for (const auto &w : WAITS) {
		INFO(w.name);
		const pid_t parent = getpid();
		an_op op, told, more;
		ends p, pt, pm;
		int status = -1;
		bool first = true;

		ring r(8);
		OR_SKIP(r);
		r.read(p.in(), nullptr, op);
		r.read(pt.in(), nullptr, told);
		r.submit();
		if (w.asked)
			urctx_op_cancel(&told.op, nullptr);
		if (w.queued)
			r.read(pm.in(), nullptr, more);
		{
			kernel forks([&](const entered &) -> std::optional<int> {
				if (getpid() != parent)
					_exit(3);
				if (!first)
					return {};
				if (w.due)
					p.put();
				while (w.due && !io_uring_cq_ready(&r.u))
					sched_yield();
				if (!forked_once(&first, &status))
					return w.says;
				p.put();
				return {};
			});
			int ret = urctx_ring_wait(r.r, urctx_now() + PATIENCE);

			if (getpid() != parent)
				_exit(ret == -EPERM && !op.calls ? 0 : 2);
			CHECK(ret > 0);
			CHECK_FALSE(first);
		}
		CHECK(status == 0);
		REQUIRE(r.until_ended(op));
		CHECK(op.res == 1);
		pt.put();
		pm.put();
		REQUIRE(r.until_ended(told));
		REQUIRE((!w.queued || r.until_ended(more)));
	}
}
