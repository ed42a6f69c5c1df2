/* SPDX-License-Identifier: MIT */
/*
 * What binding an operation adds to it, from the SQE to its complete().  All
 * sides are the same loop of batches, so that the system call, which is shared
 * by a batch, hides nothing and is charged to neither.
 *
 * With a deadline there are two engines, the ring's heap and the kernel's timers,
 * and the baseline is what one writes without a library: a LINK_TIMEOUT behind
 * each operation.  Each figure is what is added to the bare one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <urctx/ring.h>
#include "bench.h"
#include "target.h"

enum { BATCH = 32, BLOCK = 4096 };

enum kind { NOP, READ, RECV };
enum mode { PLAIN, FIRST, DEADLINE };

struct bound {
	struct io_uring ring;
	struct urctx_ring *r;
	unsigned flags;		/* of each operation with a deadline */
};

struct adds {
	const struct bench *b;
	enum kind kind;
	enum mode mode;
	unsigned batches;
	int fd, other;		/* of READ, of RECV */
	struct target pending;	/* keeps PLAIN's context busy */
	struct bound ours, kernel;
	struct io_uring bare;
	struct urctx *ctx[BATCH];
	struct urctx_op op[BATCH], busy[2];
	int64_t deadline;
	struct __kernel_timespec ts;	/* the same, by hand */
	unsigned left;
	bool wrong;		/* an operation had not the result it should */
	char buf[BATCH][BLOCK];
};

static struct adds adds;	/* complete() finds it here */

static void prep(struct adds *a, struct io_uring_sqe *sqe, unsigned i)
{
	switch (a->kind) {
	case NOP:
		io_uring_prep_nop(sqe);
		break;
	case READ:
		io_uring_prep_read(sqe, a->fd, a->buf[i], BLOCK, i * BLOCK);
		break;
	case RECV:
		io_uring_prep_recv(sqe, a->fd, a->buf[i], 1, 0);
		break;
	}
}

static int expected(const struct adds *a)
{
	return a->kind == NOP ? 0 : a->kind == READ ? BLOCK : 1;
}

/* What a batch of recv will find. */
static bool feed(struct adds *a)
{
	static const char data[BATCH];

	return a->kind != RECV ||
	       write(a->other, data, BATCH) == BATCH;
}

static void complete(struct urctx_op *op)
{
	adds.wrong |= op->res != expected(&adds);
	adds.left--;
}

static int bind_one(struct adds *a, struct bound *o, struct io_uring_sqe *sqe,
		    unsigned i)
{
	struct urctx *ctx = a->ctx[a->mode == FIRST ? i : 0];

	if (a->mode == DEADLINE)
		return urctx_ring_bind_flags(o->r, sqe, ctx, &a->op[i],
					     a->deadline + i, o->flags);
	return urctx_ring_bind(o->r, sqe, ctx, &a->op[i]);
}

static bool bound_batch(struct adds *a, struct bound *o)
{
	a->left = BATCH;
	if (!feed(a))
		return false;
	for (unsigned i = 0; i < BATCH; i++) {
		struct io_uring_sqe *sqe = urctx_ring_sqe(o->r);

		if (!sqe)
			return false;
		prep(a, sqe, i);
		if (bind_one(a, o, sqe, i))
			return false;
	}
	while (a->left) {
		struct io_uring_cqe *cqe;
		unsigned head, seen = 0;

		if (urctx_ring_turn(o->r) < 0 ||
		    io_uring_submit_and_wait(&o->ring, a->left) < 0)
			return false;
		io_uring_for_each_cqe(&o->ring, head, cqe) {
			seen++;
			if (!urctx_ring_dispatch(o->r, cqe))
				return false;
		}
		io_uring_cq_advance(&o->ring, seen);
	}
	return true;
}

/* A timer of the kernel behind @sqe, and silent when it does not fire. */
static void hand_timer(struct adds *a, struct io_uring_sqe *sqe)
{
	sqe->flags |= IOSQE_IO_LINK;
	sqe = io_uring_get_sqe(&a->bare);
	io_uring_prep_link_timeout(sqe, &a->ts, IORING_TIMEOUT_ABS);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	sqe->user_data = 0;
}

static bool bare_batch(struct adds *a, bool timed)
{
	a->left = BATCH;
	if (!feed(a))
		return false;
	for (unsigned i = 0; i < BATCH; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&a->bare);

		prep(a, sqe, i);
		sqe->user_data = (uintptr_t)&a->op[i];
		if (timed)
			hand_timer(a, sqe);
	}
	while (a->left) {
		struct io_uring_cqe *cqe;
		unsigned head, seen = 0;

		if (io_uring_submit_and_wait(&a->bare, a->left) < 0)
			return false;
		io_uring_for_each_cqe(&a->bare, head, cqe) {
			struct urctx_op *op = (void *)(uintptr_t)cqe->user_data;

			seen++;
			if (!op)
				continue;
			op->res = cqe->res;
			op->cqe_flags = cqe->flags;
			op->complete(op);
		}
		io_uring_cq_advance(&a->bare, seen);
	}
	return true;
}

static bool ours_batch(struct adds *a)
{
	return bound_batch(a, &a->ours);
}

static bool kernel_batch(struct adds *a)
{
	return bound_batch(a, &a->kernel);
}

static bool plain_batch(struct adds *a)
{
	return bare_batch(a, false);
}

static bool hand_batch(struct adds *a)
{
	return bare_batch(a, true);
}

static double timed(struct adds *a, bool (*batch)(struct adds *a))
{
	int64_t t0 = now_ns();

	for (unsigned i = 0; i < a->batches; i++)
		if (!batch(a))
			return NAN;
	return (double)(now_ns() - t0) / a->batches / BATCH;
}

static double side_ours(void *arg)
{
	return timed(arg, ours_batch);
}

static double side_bare(void *arg)
{
	return timed(arg, plain_batch);
}

static double side_hand(void *arg)
{
	return timed(arg, hand_batch);
}

static double side_kernel(void *arg)
{
	return timed(arg, kernel_batch);
}

static bool open_data(struct adds *a)
{
	int fd[2];

	if (a->kind == RECV) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd))
			return false;
		a->fd = fd[0];
		a->other = fd[1];
	} else if (a->kind == READ) {
		FILE *f = tmpfile();

		if (!f || write(fileno(f), a->buf, sizeof(a->buf)) !=
				  (ssize_t)sizeof(a->buf))
			return false;
		a->fd = fileno(f);
	}
	return true;
}

/* An operation of the context that stays in flight: none is its first. */
static bool keep_busy(struct adds *a, struct bound *o, struct urctx_op *busy)
{
	struct io_uring_sqe *sqe = urctx_ring_sqe(o->r);

	if (!sqe)
		return false;
	target_prep(&a->pending, sqe, 0);
	busy->complete = complete;
	return !urctx_ring_bind(o->r, sqe, a->ctx[0], busy);
}

static bool bound_open(struct adds *a, struct bound *o, struct urctx_op *busy,
		       unsigned ring_flags)
{
	const struct urctx_ring_params p = { .flags = ring_flags };

	return !ring_open(a->b, &o->ring, 4 * BATCH, 0) &&
	       !urctx_ring_attach(&o->ring, &p, &o->r) &&
	       (a->mode == FIRST || keep_busy(a, o, busy));
}

static bool kernel_open(struct adds *a)
{
#ifdef URCTX_RING_LINK_TIMEOUT
	return bound_open(a, &a->kernel, &a->busy[1], URCTX_RING_LINK_TIMEOUT);
#else
	a->kernel.flags = URCTX_OP_LINK_TIMEOUT;
	return bound_open(a, &a->kernel, &a->busy[1], 0);
#endif
}

static bool adds_open(struct adds *a, struct result *r)
{
	char why[160];

	for (unsigned i = 0; i < BATCH; i++) {
		a->op[i].complete = complete;
		if (urctx_with_cancel(NULL, &a->ctx[i])) {
			result_fail(r, "no context");
			return false;
		}
	}
	if (!open_data(a) || !target_open(&a->pending, "recv", NULL, why,
					  sizeof(why))) {
		result_fail(r, "no data: %s", strerror(errno));
		return false;
	}
	if (ring_open(a->b, &a->bare, 4 * BATCH, 0) ||
	    !bound_open(a, &a->ours, &a->busy[0], 0) ||
	    (a->mode == DEADLINE && !kernel_open(a))) {
		result_fail(r, "no ring");
		return false;
	}
	a->deadline = now_ns() + 3600 * INT64_C(1000000000);
	a->ts.tv_sec = a->deadline / 1000000000;
	return true;
}

static struct adds *adds_begin(const struct bench *b, struct result *r,
			       enum kind kind, enum mode mode)
{
	struct adds *a = &adds;

	if (!ring_usable(b, r))
		return NULL;
	a->b = b;
	a->kind = kind;
	a->mode = mode;
	a->batches = b->quick ? 10 : kind == NOP ? 100 : 30;
	return adds_open(a, r) ? a : NULL;
}

/* Round by round: @with becomes what it has and @bare has not. */
static const struct series *added(struct series *with,
				  const struct series *bare)
{
	for (unsigned i = 0; i < with->nr; i++)
		with->v[i] -= bare->v[i];
	return with;
}

static void run_adds(const struct bench *b, struct result *r, enum kind kind,
		     enum mode mode)
{
	static const side_fn side[2] = { side_ours, side_bare };
	static struct series s[2];
	struct adds *a = adds_begin(b, r, kind, mode);

	if (!a)
		return;
	if (!rounds_run(b->rounds, SLICES, side, 2, a, s) || a->wrong) {
		result_fail(r, "an operation failed");
		return;
	}
	result_extra(r, "total", series_median(&s[0]));
	series_to_result(r, added(&s[0], &s[1]), &s[1]);
}

static void run_nop(const struct bench *b, struct result *r)
{
	run_adds(b, r, NOP, PLAIN);
}

static void run_read(const struct bench *b, struct result *r)
{
	run_adds(b, r, READ, PLAIN);
}

static void run_recv(const struct bench *b, struct result *r)
{
	run_adds(b, r, RECV, PLAIN);
}

static void run_first(const struct bench *b, struct result *r)
{
	run_adds(b, r, NOP, FIRST);
}

/* A recv: the kernel's timer is for what can wait by polling. */
static void run_deadline(const struct bench *b, struct result *r)
{
	static const side_fn side[] = { side_ours, side_hand, side_bare,
					side_kernel };
	static struct series s[ARRAY_SIZE(side)];
	struct adds *a = adds_begin(b, r, RECV, DEADLINE);
	double kernel;

	if (!a)
		return;
	if (!rounds_run(b->rounds, SLICES, side, ARRAY_SIZE(side), a, s) ||
	    a->wrong) {
		result_fail(r, "an operation failed");
		return;
	}
	series_to_result(r, added(&s[0], &s[2]), added(&s[1], &s[2]));
	kernel = series_median(added(&s[3], &s[2]));
	result_extra(r, "kernel_engine", kernel);
	result_extra(r, "kernel_engine_ratio", kernel / r->base);
	result_extra(r, "bare", series_median(&s[2]));
	result_note(r, "ours is the heap; the kernel's timers through us %.0f ns "
		    "(%.2f of by hand); bare recv %.0f", kernel,
		    kernel / r->base, series_median(&s[2]));
}

const struct row bind_rows[] = {
	{ "bind_complete", "ring", "ns", "added to a nop by bind and dispatch",
	  "bare nop", 25, GOAL_OURS_MAX, 0, run_nop },
	{ "bind_complete_read", "ring", "ns", "added to a cached 4 KiB read",
	  "bare read", 25, GOAL_OURS_MAX, 0, run_read },
	{ "bind_complete_recv", "ring", "ns", "added to a recv with data there",
	  "bare recv", 25, GOAL_OURS_MAX, 0, run_recv },
	{ "bind_first_op", "ring", "ns",
	  "added to a nop that is its context's only operation", "bare nop", 40,
	  GOAL_OURS_MAX, 0, run_first },
	{ "bind_complete_deadline", "ring", "ns",
	  "added to a recv with data there by bind with a deadline",
	  "LINK_TIMEOUT by hand", 45, GOAL_OURS_MAX, 0, run_deadline },
	{ NULL }
};
