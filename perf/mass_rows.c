/* SPDX-License-Identifier: MIT */
/* Fifty thousand operations in flight on a thousand sockets, and none left. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <urctx/ring.h>
#include "bench.h"
#include "target.h"

enum {
	SOCKETS = 1000,
	CQ_ENTRIES = 65536,	/* the kernel's hash of requests grows with it */
	SQ_ENTRIES = 256,
	SQ_SMALL = 64,
	BARE_BATCH = 128,	/* the fastest of 32, 64, 128 and 256 */
};

#define LEAD		INT64_C(100000000)
#define LEAD_MOST	INT64_C(10000000000)

struct counted {
	struct urctx_op op;
	unsigned *left;
};

struct mass {
	const struct bench *b;
	struct result *r;
	unsigned n, sq;
	int64_t lead;		/* of a deadline, so that all are bound before it */
	int fd[SOCKETS];
	struct counted *op;
	struct io_uring ours, bare;
	struct urctx_ring *ring;
	char buf[64];
};

static bool sockets_open(struct mass *m)
{
	struct rlimit lim;

	if (!getrlimit(RLIMIT_NOFILE, &lim) && lim.rlim_cur < SOCKETS + 64) {
		lim.rlim_cur = lim.rlim_max < SOCKETS + 64 ? lim.rlim_max :
							     SOCKETS + 64;
		setrlimit(RLIMIT_NOFILE, &lim);
	}
	for (int i = 0; i < SOCKETS; i += 2)
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
			       &m->fd[i])) {
			result_skip(m->r, "%d sockets: %s", SOCKETS,
				    strerror(errno));
			return false;
		}
	return true;
}

static void prep(struct mass *m, struct io_uring_sqe *sqe, unsigned i)
{
	io_uring_prep_recv(sqe, m->fd[i % SOCKETS], m->buf, sizeof(m->buf), 0);
}

static void counted_complete(struct urctx_op *op)
{
	--*((struct counted *)op)->left;
}

static bool bind_all(struct mass *m, struct urctx *ctx, int64_t deadline,
		     unsigned *left)
{
	for (unsigned i = 0; i < m->n; i++) {
		struct io_uring_sqe *sqe = urctx_ring_sqe(m->ring);

		if (!sqe)
			return false;
		prep(m, sqe, i);
		m->op[i].op.complete = counted_complete;
		m->op[i].left = left;
		if (urctx_ring_bind_flags(m->ring, sqe, ctx, &m->op[i].op,
					  deadline, 0))
			return false;
	}
	return urctx_ring_turn(m->ring) >= 0 &&
	       io_uring_submit(&m->ours) >= 0;
}

/* ms from urctx_cancel() to the last complete(). */
static double side_mass(void *arg)
{
	struct mass *m = arg;
	unsigned left = m->n;
	struct urctx *ctx;
	int64_t t0, ns, e = 0;

	if (urctx_with_cancel(NULL, &ctx) || !bind_all(m, ctx, URCTX_NEVER, &left))
		return NAN;
	t0 = now_ns();
	urctx_cancel(ctx);
	while (left && e >= 0)
		e = urctx_ring_wait(m->ring, URCTX_NEVER);
	ns = now_ns() - t0;
	urctx_put(ctx);
	return e < 0 ? NAN : (double)ns / 1e6;
}

/* The same loop's user_data: far apart, as pointers to operations are. */
static uint64_t data_of(unsigned i)
{
	return 0x10000 + (uint64_t)i * sizeof(struct counted);
}

static bool bare_submit_all(struct mass *m)
{
	for (unsigned i = 0; i < m->n; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&m->bare);

		if (!sqe) {
			if (io_uring_submit(&m->bare) < 0)
				return false;
			sqe = io_uring_get_sqe(&m->bare);
		}
		prep(m, sqe, i);
		sqe->user_data = data_of(i);
	}
	return io_uring_submit(&m->bare) >= 0;
}

static unsigned reap(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	unsigned head, seen = 0, ended = 0;

	io_uring_for_each_cqe(ring, head, cqe) {
		seen++;
		ended += cqe->user_data >= 0x10000;
	}
	io_uring_cq_advance(ring, seen);
	return ended;
}

static void bare_cancel(struct mass *m, unsigned i)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&m->bare);

	io_uring_prep_cancel64(sqe, data_of(i), 0);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	sqe->user_data = 1;
}

static double bare_cancel_all(struct mass *m)
{
	unsigned left = m->n, next = m->n;
	unsigned most = m->sq < BARE_BATCH ? m->sq : BARE_BATCH;
	int64_t t0 = now_ns();

	while (left) {
		unsigned batch = 0;

		while (next && batch < most) {
			bare_cancel(m, --next);
			batch++;
		}
		if (io_uring_submit_and_wait(&m->bare, batch ? batch : 1) < 0)
			return NAN;
		left -= reap(&m->bare);
	}
	return (double)(now_ns() - t0) / 1e6;
}

static double side_bare(void *arg)
{
	return bare_submit_all(arg) ? bare_cancel_all(arg) : NAN;
}

static bool mass_open(struct mass *m)
{
	m->op = calloc(m->n, sizeof(*m->op));
	if (!m->op) {
		result_fail(m->r, "out of memory");
		return false;
	}
	if (ring_open(m->b, &m->ours, m->sq, CQ_ENTRIES) ||
	    ring_open(m->b, &m->bare, m->sq, CQ_ENTRIES) ||
	    urctx_ring_attach(&m->ours, NULL, &m->ring)) {
		result_skip(m->r, "no ring with room for %d CQEs", CQ_ENTRIES);
		return false;
	}
	return sockets_open(m);
}

static bool mass_begin(struct mass *m, const struct bench *b, struct result *r,
		       unsigned sq)
{
	m->b = b;
	m->r = r;
	m->n = b->quick ? 5000 : 50000;
	m->sq = sq;
	if (!ring_usable(b, r) || !mass_open(m))
		return false;
	result_extra(r, "operations", m->n);
	result_extra(r, "sockets", SOCKETS);
	result_extra(r, "sq", sq);
	return true;
}

static void run_mass(const struct bench *b, struct result *r)
{
	static struct mass m;

	if (!mass_begin(&m, b, r, SQ_ENTRIES))
		return;
	bench_ab(b, r, WHOLE, side_mass, side_bare, &m);
	if (b->quick)
		result_note(r, "--quick: 5,000 operations");
}

/* ---------------------------------------------------------- one deadline for all */

static void sleep_until(int64_t t)
{
	struct timespec ts = { t / 1000000000, t % 1000000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL))
		;
}

/*
 * ms from when the owner is back, behind the deadline, to the last complete().  If
 * this machine is too slow to bind them all before it, that is tried again with
 * a later one.
 */
static double side_expire(void *arg)
{
	struct mass *m = arg;
	int64_t deadline, t0, e = 0;
	unsigned left = m->n;
	bool in_time;

	deadline = now_ns() + m->lead;
	if (!bind_all(m, NULL, deadline, &left))
		return NAN;
	in_time = now_ns() < deadline;
	sleep_until(deadline);
	t0 = now_ns();
	while (left && e >= 0)
		e = urctx_ring_wait(m->ring, URCTX_NEVER);
	if (e < 0)
		return NAN;
	if (in_time)
		return (double)(now_ns() - t0) / 1e6;
	m->lead *= 2;
	return m->lead < LEAD_MOST ? side_expire(m) : NAN;
}

/* It has slept as long: caches are as cold. */
static double side_bare_slept(void *arg)
{
	struct mass *m = arg;
	int64_t deadline = now_ns() + m->lead;

	if (!bare_submit_all(m))
		return NAN;
	sleep_until(deadline);
	return bare_cancel_all(m);
}

static void run_expire(const struct bench *b, struct result *r)
{
	struct bench fewer = bench_fewer(b, 2);
	static struct mass m;

	m.lead = LEAD;
	if (!mass_begin(&m, b, r, SQ_SMALL))
		return;
	bench_ab(&fewer, r, WHOLE, side_expire, side_bare_slept, &m);
	if (b->quick)
		result_note(r, "--quick: 5,000 operations");
}

/* ------------------------------------------------------------- the longest turn */

/*
 * us of CPU time of the longest turn and its submit, until none is left: so long
 * nothing else of the loop has its turn.
 */
static double longest_turn(struct mass *m, const unsigned *left)
{
	int64_t longest = 0;

	while (*left) {
		struct io_uring_cqe *cqe;
		unsigned head, seen = 0;
		int64_t t0 = thread_ns(), ns;

		if (urctx_ring_turn(m->ring) < 0 ||
		    io_uring_submit(&m->ours) < 0)
			return NAN;
		ns = thread_ns() - t0;
		if (ns > longest)
			longest = ns;
		if (io_uring_get_events(&m->ours) < 0)
			return NAN;
		io_uring_for_each_cqe(&m->ours, head, cqe) {
			seen++;
			if (!urctx_ring_dispatch(m->ring, cqe))
				return NAN;
		}
		io_uring_cq_advance(&m->ours, seen);
	}
	return (double)longest / 1e3;
}

static double side_turn_cancel(void *arg)
{
	struct mass *m = arg;
	unsigned left = m->n;
	struct urctx *ctx;
	double us;

	if (urctx_with_cancel(NULL, &ctx) ||
	    !bind_all(m, ctx, URCTX_NEVER, &left))
		return NAN;
	urctx_cancel(ctx);
	us = longest_turn(m, &left);
	urctx_put(ctx);
	return us;
}

static double side_turn_expire(void *arg)
{
	struct mass *m = arg;
	unsigned left = m->n;
	int64_t deadline = now_ns() + m->lead;

	if (!bind_all(m, NULL, deadline, &left))
		return NAN;
	sleep_until(deadline);
	return longest_turn(m, &left);
}

/* us: all of them, without a look at what has ended. */
static double side_one_go(void *arg)
{
	struct mass *m = arg;
	unsigned left = m->n;
	double us;
	int64_t t0;

	if (!bare_submit_all(m))
		return NAN;
	t0 = thread_ns();
	for (unsigned next = m->n; next;) {
		for (unsigned i = 0; next && i < m->sq; i++)
			bare_cancel(m, --next);
		if (io_uring_submit(&m->bare) < 0)
			return NAN;
	}
	us = (double)(thread_ns() - t0) / 1e3;
	while (left) {
		if (io_uring_get_events(&m->bare) < 0)
			return NAN;
		left -= reap(&m->bare);
	}
	return us;
}

static void run_turn(const struct bench *b, struct result *r, side_fn side)
{
	struct bench fewer = bench_fewer(b, 4);
	static struct mass m;

	m.lead = LEAD;
	if (!mass_begin(&m, b, r, SQ_ENTRIES))
		return;
	bench_ab(&fewer, r, WHOLE, side, side_one_go, &m);
	result_note(r, "CPU time%s", b->quick ? "; --quick: 5,000 operations" : "");
}

static void run_turn_cancel(const struct bench *b, struct result *r)
{
	run_turn(b, r, side_turn_cancel);
}

static void run_turn_expire(const struct bench *b, struct result *r)
{
	run_turn(b, r, side_turn_expire);
}

/* --------------------------------------------------------------- bytes an op */

/* Growth from nothing bound to n bound, the operations themselves included. */
static void op_bytes(void *arg, void *out)
{
	struct mass *m = arg;
	struct urctx *ctx;
	unsigned left = m->n;
	long before;

	*(double *)out = NAN;
	if (urctx_with_cancel(NULL, &ctx))
		return;
	before = rss_bytes();
	if (!bind_all(m, ctx, URCTX_NEVER, &left))
		return;
	*(double *)out = (double)(rss_bytes() - before) / m->n;
}

/* The ring must be its user's own: opened in the process that measures. */
static void open_and_measure(void *arg, void *out)
{
	struct mass *m = arg;

	*(double *)out = NAN;
	if (mass_open(m))
		op_bytes(m, out);
}

static double side_op_bytes(void *arg)
{
	struct mass *m = arg;
	double bytes;

	return in_child(open_and_measure, m, &bytes, sizeof(bytes),
			ROW_SECONDS, m->r) ? bytes : NAN;
}

static void run_op_bytes(const struct bench *b, struct result *r)
{
	static struct mass m;

	m.b = b;
	m.r = r;
	m.n = b->quick ? 5000 : 50000;
	m.sq = SQ_ENTRIES;
	if (!ring_usable(b, r))
		return;
	bench_ab(b, r, WHOLE, side_op_bytes, NULL, &m);
	result_extra(r, "op", sizeof(struct urctx_op));
	result_note(r, "by RSS; %zu the operation, 8 its counter here, the "
		    "rest bookkeeping", sizeof(struct urctx_op));
}

const struct row mass_rows[] = {
	{ "mass_cancel_50k", "ring", "ms",
	  "cancel to the last CQE of 50,000 recv on 1,000 sockets",
	  "bare newest-first loop", 1.1, GOAL_RATIO_MAX, 0, run_mass },
	{ "mass_expire_50k", "ring", "ms",
	  "one deadline of 50,000 recv to the last CQE, SQ of 64",
	  "bare newest-first loop", 1.1, GOAL_RATIO_MAX, 0, run_expire },
	{ "turn_max", "ring", "us",
	  "longest urctx_ring_turn() and submit while 50,000 recv are cancelled",
	  "all in one go", NAN, GOAL_NONE, 0, run_turn_cancel },
	{ "turn_max_expire", "ring", "us",
	  "the same while they pass one deadline", "all in one go",
	  NAN, GOAL_NONE, 0, run_turn_expire },
	{ "bytes_per_op", "ring", "bytes",
	  "resident memory an operation in flight", NULL,
	  NAN, GOAL_NONE, 0, run_op_bytes },
	{ NULL }
};
