/* SPDX-License-Identifier: MIT */
/* edges_apart.cpp - a handler forks in a system call of a ring's wait */
#include "edges_kernel.hpp"
#include "ring_cover.hpp"

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
				first = false;
				if (w.due)
					p.put();
				while (w.due && !io_uring_cq_ready(&r.u))
					sched_yield();
				pid_t child = fork();
				if (!child)
					return w.says;
				waitpid(child, &status, 0);
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
