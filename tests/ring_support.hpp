/* SPDX-License-Identifier: MIT */
/*
 * ring_support.hpp - rings, ops that remember, and CQEs that no kernel made
 *
 * The tests look at the SQEs that the library has queued and hand it CQEs of
 * their own: what depends on a race in the kernel is provoked that way.
 */
#ifndef URCTX_TESTS_RING_SUPPORT_HPP
#define URCTX_TESTS_RING_SUPPORT_HPP

#include <urctx/ring.h>

#include "support.hpp"
#include <catch2/catch.hpp>
#include <cstring>
#include <dirent.h>
#include <exception>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

constexpr int64_t SEC = 1000000000;

/*
 * Then a test says that it hangs: nothing is in a hurry, whatever else the machine
 * does.  Shorter where tests are meant to fail, in seconds: URCTX_TEST_PATIENCE.
 */
inline int64_t patience()
{
	const char *seconds = getenv("URCTX_TEST_PATIENCE");

	return (seconds ? atoi(seconds) : 60) * SEC;
}

inline const int64_t PATIENCE = patience();

struct mode {
	const char *name;
	unsigned flags;
};

constexpr struct mode MODES[] = {
	{ "default", 0 },
	{ "COOP_TASKRUN", IORING_SETUP_COOP_TASKRUN },
	{ "SINGLE_ISSUER|DEFER_TASKRUN",
	  IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN },
};
constexpr unsigned DEFER = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;

struct an_op {
	an_op()
	{
		op.complete = complete;
	}
	an_op(const an_op &) = delete;

	static void complete(struct urctx_op *op)
	{
		an_op *self = reinterpret_cast<an_op *>(op);

		self->calls++;
		self->res = op->res;
		self->cause = op->cause;
		self->last = !(op->cqe_flags & IORING_CQE_F_MORE);
		if (self->then)
			self->then();
	}
	bool ended() const
	{
		return calls && last;
	}

	struct urctx_op op = {};	/* first: complete() gets its address */
	int calls = 0;
	int res = 12345;
	bool last = false;
	const struct urctx_cause *cause = nullptr;
	std::function<void()> then;
	char buf[64] = {};
};

class ring
{
public:
	explicit ring(unsigned entries = 64, unsigned flags = 0,
		      const struct urctx_ring_params *params = nullptr,
		      unsigned cq_entries = 0)
	{
		struct io_uring_params p = {};

		p.flags = flags | (cq_entries ? IORING_SETUP_CQSIZE : 0);
		p.cq_entries = cq_entries;
		error = io_uring_queue_init_params(entries, &u, &p);
		if (error)
			return;
		if (urctx_ring_attach(&u, params, &r)) {
			fprintf(stderr, "tests: urctx_ring_attach\n");
			abort();
		}
	}
	ring(const ring &) = delete;
	~ring()
	{
		if (error)
			return;
		/* A test that has failed may leave behind what never ends. */
		if (r && !std::uncaught_exceptions())
			CHECK(urctx_ring_detach(r, urctx_now() + PATIENCE) == 0);
		io_uring_queue_exit(&u);
	}

	struct io_uring_sqe *sqe()
	{
		struct io_uring_sqe *s = urctx_ring_sqe(r);

		REQUIRE(s);
		return s;
	}
	/* A read that waits until something is written to the pipe. */
	uint64_t read(int fd, struct urctx *ctx, an_op &op, unsigned sqe_flags = 0)
	{
		struct io_uring_sqe *s = sqe();

		io_uring_prep_read(s, fd, op.buf, sizeof(op.buf), 0);
		s->flags |= (__u8)sqe_flags;
		REQUIRE(urctx_ring_bind(r, s, ctx, &op.op) == 0);
		return s->user_data;
	}
	void submit()
	{
		REQUIRE(io_uring_submit(&u) >= 0);
	}
	/* Waits until @met() says so; false: it has not come to that. */
	template <typename F> bool until(F met, int64_t patience = PATIENCE)
	{
		int64_t end = urctx_now() + patience;

		while (!met()) {
			int ret = urctx_ring_wait(r, end);

			if (ret < 0 && ret != -EINTR)
				return false;
			if (urctx_now() >= end)
				return met();
		}
		return true;
	}
	bool until_ended(const an_op &op)
	{
		return until([&] { return op.ended(); });
	}
	int64_t turn()
	{
		return urctx_ring_turn(r);
	}
	/* What is queued and not submitted. */
	std::vector<struct io_uring_sqe *> queued()
	{
		std::vector<struct io_uring_sqe *> v;

		for (unsigned i = u.sq.sqe_head; i != u.sq.sqe_tail; i++)
			v.push_back(&u.sq.sqes[i & u.sq.ring_mask]);
		return v;
	}
	std::vector<struct io_uring_sqe *> cancels()
	{
		std::vector<struct io_uring_sqe *> v;

		for (auto s : queued())
			if (s->opcode == IORING_OP_ASYNC_CANCEL)
				v.push_back(s);
		return v;
	}
	bool feed(uint64_t user_data, int res, unsigned flags = 0)
	{
		struct io_uring_cqe cqe = {};

		cqe.user_data = user_data;
		cqe.res = res;
		cqe.flags = flags;
		return urctx_ring_dispatch(r, &cqe);
	}
	struct urctx_ring_stats stats() const
	{
		struct urctx_ring_stats s = {};

		urctx_ring_stats(r, &s, sizeof(s));
		return s;
	}

	struct io_uring u = {};
	struct urctx_ring *r = nullptr;
	int error = 0;
};

#define OR_SKIP(ring)                                                          \
	if ((ring).error) {                                                    \
		WARN("skipped: io_uring_setup: " << strerror(-(ring).error));  \
		return;                                                        \
	}

/* Two ends, closed when they go out of scope. */
struct ends {
	ends(int kind = 0)
	{
		if (kind ? socketpair(AF_UNIX, kind | SOCK_CLOEXEC, 0, fd) :
			   pipe2(fd, O_CLOEXEC)) {
			perror("tests: no pipe");
			abort();
		}
	}
	ends(const ends &) = delete;
	~ends()
	{
		close(fd[0]);
		close(fd[1]);
	}
	int in() const
	{
		return fd[0];
	}
	void put(size_t n = 1) const
	{
		REQUIRE(::write(fd[1], "0123456789", n) == (ssize_t)n);
	}

	int fd[2];
};

/* A context that the test owns. */
struct context {
	explicit context(struct urctx *parent = nullptr) : c(derive(parent))
	{
	}
	context(const context &) = delete;
	~context()
	{
		urctx_put(c);
	}
	operator struct urctx *() const
	{
		return c;
	}

	struct urctx *c;
};

inline void cancel_elsewhere(struct urctx *ctx, const struct urctx_cause *cause)
{
	thread([=] { urctx_cancel_cause(ctx, cause); }).join();
}

#endif
