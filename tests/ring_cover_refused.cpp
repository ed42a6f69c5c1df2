/* SPDX-License-Identifier: MIT */
/* ring_cover_refused.cpp - memory, descriptors and system calls that are refused */
#include "ring_cover.hpp"

#include "ring_cover_calls.hpp"

static const struct urctx_cause why = { "why", nullptr, nullptr, 0, -1 };

static uint64_t bind_nop(ring &r, struct urctx *ctx, an_op &op, int expected)
{
	struct io_uring_sqe *s = r.sqe();

	CHECK(urctx_ring_bind(r.r, s, ctx, &op.op) == expected);
	return s->user_data;
}

TEST_CASE("attach without memory, without descriptors", "[ring][refused]")
{
	struct urctx_ring *none = nullptr;
	size_t fds = open_fds();
	ring r(8);
	OR_SKIP(r);

	REQUIRE(urctx_ring_detach(r.r, URCTX_NEVER) == 0);
	r.r = nullptr;
	for (unsigned first : { 0, 1 }) {
		refusal memory("mmap", -ENOMEM, ~0U, first);

		CHECK(urctx_ring_attach(&r.u, nullptr, &none) == -ENOMEM);
		CHECK(memory.met == 1);
	}
	for (int err : { EMFILE, ENFILE, ENOMEM }) {
		refusal descriptors("eventfd", -err);

		CHECK(urctx_ring_attach(&r.u, nullptr, &none) == -err);
	}
	CHECK(none == nullptr);
	CHECK(open_fds() == fds + 1);
	REQUIRE(urctx_ring_attach(&r.u, nullptr, &r.r) == 0);
}

/* The op is untouched, its SQE one that fails, and all goes on when there is memory. */
TEST_CASE("bind without memory for more ops", "[ring][refused]")
{
	std::vector<an_op> ops(65);
	ring r(128);
	OR_SKIP(r);

	for (size_t i = 0; i < 64; i++)
		bind_nop(r, nullptr, ops[i], 0);
	{
		refusal memory("mmap", -ENOMEM);

		bind_nop(r, nullptr, ops[64], -ENOMEM);
		CHECK(memory.met == 1);
	}
	CHECK(r.stats().in_flight == 64);
	bind_nop(r, nullptr, ops[64], 0);
	REQUIRE(r.until([&] { return !r.stats().in_flight; }));
	for (auto &op : ops)
		CHECK(op.calls == 1);
}

TEST_CASE("bind without memory for more contexts", "[ring][refused]")
{
	constexpr size_t LINKS = 72;
	std::vector<an_op> ops(LINKS + 1);
	call c;
	ring r(128);
	OR_SKIP(r);
	context last;
	{
		std::vector<context> all(LINKS);

		/* each leaves with its op, and no turn has heard of it */
		for (size_t i = 0; i < LINKS; i++) {
			uint64_t ud = read_nowhere(r, all[i], ops[i]);

			urctx_cancel(all[i]);
			REQUIRE(r.feed(ud, 1));
		}
		refusal memory("mmap", -ENOMEM);
		bind_nop(r, last, ops[LINKS], -ENOMEM);
		CHECK(urctx_ring_after(r.r, last, &c.cb, call::fn) == -ENOMEM);
		CHECK(memory.met == 2);
	}
	drop_queued(r);
	CHECK(urctx_ring_after(r.r, last, &c.cb, call::fn) == 0);
	uint64_t ud = read_nowhere(r, last, ops[LINKS]);
	urctx_cancel(last);
	REQUIRE(r.feed(ud, 2));
	CHECK(ops[LINKS].cause == nullptr);
	(void)r.turn();
	CHECK(c.ran == 1);
}

/* A context's first callback may need memory of the core's. */
TEST_CASE("bind without memory for the context's callback", "[ring][refused]")
{
	constexpr size_t N = 4096;
	struct urctx_ring_params params = {};

	params.ops = N;
	std::vector<an_op> ops(N);
	std::vector<uint64_t> ud(N);
	ring r(8, 0, &params);
	OR_SKIP(r);
	std::vector<context> all(N);
	size_t n = 0;
	int ret = 0;
	{
		refusal memory("mmap", -ENOMEM);

		while (n < N && !ret) {
			struct io_uring_sqe *s = r.sqe();

			ret = urctx_ring_bind(r.r, s, all[n], &ops[n].op);
			ud[n] = s->user_data;
			io_uring_prep_nop(s);
			s->flags = IOSQE_CQE_SKIP_SUCCESS;
			n += !ret;
		}
		REQUIRE(ret == -ENOMEM);
	}
	CHECK(r.stats().in_flight == n);
	ud[n] = read_nowhere(r, all[n], ops[n]);
	urctx_cancel(all[n]);
	for (size_t i = 0; i <= n; i++)
		REQUIRE(r.feed(ud[i], -ECANCELED));
	(void)r.turn();
	CHECK(r.stats().in_flight == 0);
	/* what was refused had a CQE coming, and its SQE was made another */
	drop_queued(r);
}

/* A drain ring cancels by system call. */
TEST_CASE("what a cancel by system call may say", "[ring][refused][rule59]")
{
	for (int err : { EALREADY, EINTR, ENOENT, ETIME, EINVAL, EPERM }) {
		INFO(strerror(err));
		struct urctx_ring_params params = {};
		an_op op;
		ends p;

		params.flags = URCTX_RING_DRAIN;
		ring r(8, 0, &params);
		OR_SKIP(r);
		r.read(p.in(), nullptr, op);
		r.submit();
		urctx_op_cancel(&op.op, &why);
		{
			refusal once("io_uring_register_sync_cancel", -err, 1);

			(void)r.turn();
			CHECK(once.met == 1);
		}
		CHECK(r.stats().cancels == 1);
		REQUIRE(r.until_ended(op));
		CHECK(op.res == -ECANCELED);
		CHECK(op.cause == &why);
		CHECK(r.stats().retries >= (err != EINVAL && err != EPERM));
	}
}

struct at {
	const char *name;
	unsigned place;
};

/* Each wait of a detach in turn is interrupted, or comes to nothing. */
TEST_CASE("a detach whose waits fail goes on when it is called again",
	  "[ring][refused][detach]")
{
	for (const char *name :
	     { "io_uring_submit_and_wait_timeout", "io_uring_submit_and_get_events" })
		for (int err : { EINTR, EBADF }) {
			unsigned met = 1;

			for (unsigned place = 0; met; place++) {
				INFO(name << " " << strerror(err) << " at " << place);
				struct urctx_ring_params params = {};
				ends p;
				an_op op, refused;

				REQUIRE(place < 20);
				params.flags = URCTX_RING_TIMER;
				ring r(8, 0, &params);
				OR_SKIP(r);
				context ctx;
				r.read(p.in(), ctx, op);
				urctx_op_deadline(&op.op, urctx_now() + 100 * SEC);
				while (r.turn() == 0)
					r.submit();
				r.submit();
				/* it owes a CQE, which the caller takes away */
				struct io_uring_sqe *s = r.sqe();
				CHECK(urctx_ring_bind(r.r, s, nullptr, nullptr) == -EINVAL);
				io_uring_prep_nop(s);
				s->user_data = URCTX_UDATA_TAG | 4;
				int ret;
				{
					refusal once(name, -err, 1, place);

					ret = urctx_ring_detach(r.r, urctx_now() + PATIENCE);
					met = once.met;
				}
				/* in drain it is what wait says */
				CHECK((ret == 0 || ret == -err));
				CHECK((met || ret == 0));
				if (ret)
					ret = urctx_ring_detach(r.r, urctx_now() + PATIENCE);
				CHECK(ret == 0);
				r.r = nullptr;
				CHECK(op.calls == 1);
				CHECK(op.res == -ECANCELED);
			}
		}
}

TEST_CASE("a wait says what a broken ring says, and what is only busy not",
	  "[ring][refused]")
{
	const int says[][2] = { { -EBUSY, 0 }, { -EAGAIN, 0 }, { -EBADF, -EBADF },
				{ -EINTR, -EINTR } };

	for (auto &is : says)
		for (bool asked : { false, true }) {
			INFO(is[0] << (asked ? " with a cancel" : ""));
			ends p, q;
			an_op op, told;
			ring r(8);
			OR_SKIP(r);

			r.read(p.in(), nullptr, op);
			if (asked) {
				r.read(q.in(), nullptr, told);
				r.submit();
				urctx_op_cancel(&told.op, &why);
			}
			refusal first("io_uring_submit_and_get_events", is[0]);
			refusal second("io_uring_submit_and_wait_timeout", is[0]);
			CHECK(urctx_ring_wait(r.r, urctx_now() + PATIENCE) == is[1]);
			CHECK(first.met == 1);
			first.times = second.times = 0;
			if (asked)
				REQUIRE(r.until_ended(told));
			p.put();
			REQUIRE(r.until_ended(op));
		}
}

/* What the thread has not been told of it does not take: no CQE would end the sleep. */
TEST_CASE("a wait that could not submit does not sleep for an SQ thread",
	  "[ring][refused][sqpoll]")
{
	for (int err : { EBUSY, EAGAIN }) {
		INFO(strerror(err));
		ends p;
		an_op op;
		ring r(8, IORING_SETUP_SQPOLL);
		OR_SKIP(r);
		int64_t end = urctx_now() + PATIENCE;

		p.put();
		r.read(p.in(), nullptr, op);
		refusal once("io_uring_submit_and_get_events", -err, 1);
		while (!op.calls && urctx_now() < end && urctx_ring_wait(r.r, end) >= 0)
			;
		CHECK(once.met == 1);
		CHECK(op.calls == 1);
		REQUIRE(r.until_ended(op));
	}
}

TEST_CASE("a submission that takes longer than the wait", "[ring][deadline]")
{
	ends p;
	an_op op, waits;
	ring r(8);
	OR_SKIP(r);

	r.read(p.in(), nullptr, waits);
	refusal slow("io_uring_submit_and_get_events", 0);
	slow.is_done = true;
	static int64_t end;
	end = urctx_now() + SEC;
	slow.instead = [] {
		while (urctx_now() < end)
			;
	};
	CHECK(urctx_ring_wait(r.r, end) == 0);
	CHECK(slow.met == 1);
	slow.times = 0;
	p.put();
	REQUIRE(r.until_ended(waits));
}

/* The coarse clock of a machine that was held up says later what has passed. */
TEST_CASE("a context's deadline that its own clock does not know of yet",
	  "[ring][deadline][G5]")
{
	ends p;
	an_op op;
	ring r(8);
	OR_SKIP(r);
	struct urctx *ctx;
	int64_t end = urctx_now() + SEC;

	REQUIRE(urctx_with_deadline(nullptr, end, &ctx) == 0);
	r.read(p.in(), ctx, op);
	while (r.turn() == 0)
		r.submit();
	while (urctx_now() < end)
		;
	{
		refusal behind("coarse clock", 0);

		CHECK(r.turn() == 0);
		CHECK(behind.met);
	}
	CHECK(r.stats().told == 0);
	urctx_put(ctx);
	REQUIRE(r.until_ended(op));
	CHECK(op.cause == &urctx_deadline_exceeded);
}

/* Two that have pushed and not written yet, when the ring is let go. */
TEST_CASE("a detach waits for those who are about to wake", "[ring][refused][wake]")
{
	ends p;
	an_op op[2];
	gate pushed[2], writes[2];
	std::unique_ptr<thread> cancellers[2];
	ring r(8);
	OR_SKIP(r);
	context ctx[2];

	for (int i : { 0, 1 }) {
		r.read(p.in(), ctx[i], op[i]);
		while (r.turn() == 0)
			r.submit();
		r.submit();
		cancellers[i] = std::make_unique<thread>([&, i] {
			refusal slow("write", 0);

			slow.is_done = true;
			slow.instead = [&, i] {
				pushed[i].set();
				writes[i].wait();
			};
			urctx_cancel_cause(ctx[i], &why);
		});
		pushed[i].wait();
		REQUIRE(r.until_ended(op[i]));
		CHECK(op[i].cause == &why);
	}
	/* the first wait is interrupted, the next two bring one of them each */
	int waits = 0;
	refusal waiting("poll", 0), interrupted("read", -EINTR, 1);
	waiting.is_done = true;
	waiting.instead = [&] {
		if (waits++)
			writes[waits - 2].set();
	};
	interrupted.instead = [&] { CHECK(waits == 0); };
	refusal first_wait("poll", -EINTR, 1);
	first_wait.instead = [&] { waits++; };
	CHECK(urctx_ring_detach(r.r, URCTX_NEVER) == 0);
	r.r = nullptr;
	CHECK(waits == 3);
	CHECK(interrupted.met == 1);
}

/* The eventfd was closed by who should not: nobody waits for what does not come. */
TEST_CASE("a detach whose eventfd is gone", "[ring][refused][wake]")
{
	ends p;
	an_op op;
	ring r(8);
	OR_SKIP(r);
	context ctx;

	r.read(p.in(), ctx, op);
	while (r.turn() == 0)
		r.submit();
	thread([&] {
		/* interrupted once, and then it is not there */
		refusal gone("write", -EBADF);
		refusal interrupted("write", -EINTR, 1);

		urctx_cancel_cause(ctx, &why);
		if (gone.met != 1 || interrupted.met != 1)
			abort();
	}).join();
	REQUIRE(r.until([&] { return op.ended(); }));
	CHECK(op.cause == &why);
	refusal gone("read", -EBADF);
	CHECK(urctx_ring_detach(r.r, URCTX_NEVER) == 0);
	r.r = nullptr;
	CHECK(gone.met == 1);
}

struct sqpoll : ring {
	sqpoll(unsigned entries, const struct urctx_ring_params *params = nullptr)
		: ring(0)
	{
		struct io_uring_params p = {};

		p.flags = IORING_SETUP_SQPOLL;
		p.sq_thread_idle = 1;
		error = io_uring_queue_init_params(entries, &u, &p);
		if (!error)
			REQUIRE(urctx_ring_attach(&u, params, &r) == 0);
	}
	/* The kernel's thread has gone to sleep: it takes nothing until it is woken. */
	void asleep() const
	{
		while (!(io_uring_smp_load_acquire(u.sq.kflags) & IORING_SQ_NEED_WAKEUP))
			sched_yield();
	}
};

TEST_CASE("a thread of the kernel that does not take what it was shown",
	  "[ring][refused][sqpoll]")
{
	sqpoll r(4);
	OR_SKIP(r);
	unsigned yields = 0;

	for (int i = 0; i < 3; i++)
		(void)r.sqe();
	/* a chain that is open: the other two may go, and do not, and do at last */
	r.sqe()->flags |= IOSQE_IO_LINK;
	for (bool comes : { false, true }) {
		refusal none("io_uring_submit", 3);
		refusal waits("sched_yield", 0);
		waits.is_done = true;
		waits.instead = [&] {
			if (++yields % 5000 == 4999 && comes)
				for (io_uring_submit(&r.u); !io_uring_sq_space_left(&r.u);)
					sched_yield();
		};
		struct io_uring_sqe *s = urctx_ring_sqe(r.r);
		CHECK(none.met == 1);
		CHECK((s != nullptr) == comes);
	}
	CHECK(yields >= 100000);
}

/* What it was shown stays a part of the chain as long as it has not taken it. */
TEST_CASE("a chain of which a thread of the kernel has seen a part", "[ring][sqpoll]")
{
	sqpoll r(4);
	OR_SKIP(r);
	int taken = 0;

	r.asleep();
	for (int i = 0; i < 3; i++)
		r.sqe()->flags |= IOSQE_IO_LINK;
	/* as io_uring_submit() does, but that it wakes nobody */
	r.u.sq.sqe_head = r.u.sq.sqe_tail;
	io_uring_smp_store_release(r.u.sq.ktail, r.u.sq.sqe_tail);
	r.sqe()->flags |= IOSQE_IO_LINK;
	CHECK(io_uring_sq_space_left(&r.u) == 0);
	REQUIRE(urctx_ring_sqe(r.r));
	for (auto s : r.queued())
		taken += s->flags & IOSQE_IO_LINK ? 1 : 0;
	CHECK(taken == 1);
}
