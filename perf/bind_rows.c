/* SPDX-License-Identifier: MIT */
/*
 * What binding an operation adds to it, from the SQE to its complete().  Both
 * sides are the same loop of batches, so that the system call, which is shared
 * by a batch, hides nothing and is charged to neither.
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

struct adds {
	const struct bench *b;
	enum kind kind;
	enum mode mode;
	unsigned batches;
	int fd, other;		/* of READ, of RECV */
	struct target pending;	/* keeps PLAIN's context busy */
	struct io_uring ours, bare;
	struct urctx_ring *r;
	struct urctx *ctx[BATCH];
	struct urctx_op op[BATCH], busy;
	int64_t deadline;
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

static int bind_one(struct adds *a, struct io_uring_sqe *sqe, unsigned i)
{
	struct urctx *ctx = a->ctx[a->mode == FIRST ? i : 0];

	if (a->mode == DEADLINE)
		return urctx_ring_bind_flags(a->r, sqe, ctx, &a->op[i],
					     a->deadline + i, 0);
	return urctx_ring_bind(a->r, sqe, ctx, &a->op[i]);
}

static bool ours_batch(struct adds *a)
{
	a->left = BATCH;
	if (!feed(a))
		return false;
	for (unsigned i = 0; i < BATCH; i++) {
		struct io_uring_sqe *sqe = urctx_ring_sqe(a->r);

		if (!sqe)
			return false;
		prep(a, sqe, i);
		if (bind_one(a, sqe, i))
			return false;
	}
	while (a->left) {
		struct io_uring_cqe *cqe;
		unsigned head, seen = 0;

		if (urctx_ring_turn(a->r) < 0 ||
		    io_uring_submit_and_wait(&a->ours, a->left) < 0)
			return false;
		io_uring_for_each_cqe(&a->ours, head, cqe) {
			seen++;
			if (!urctx_ring_dispatch(a->r, cqe))
				return false;
		}
		io_uring_cq_advance(&a->ours, seen);
	}
	return true;
}

static bool bare_batch(struct adds *a)
{
	a->left = BATCH;
	if (!feed(a))
		return false;
	for (unsigned i = 0; i < BATCH; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&a->bare);

		prep(a, sqe, i);
		sqe->user_data = (uintptr_t)&a->op[i];
	}
	while (a->left) {
		struct io_uring_cqe *cqe;
		unsigned head, seen = 0;

		if (io_uring_submit_and_wait(&a->bare, a->left) < 0)
			return false;
		io_uring_for_each_cqe(&a->bare, head, cqe) {
			struct urctx_op *op = (void *)(uintptr_t)cqe->user_data;

			seen++;
			op->res = cqe->res;
			op->cqe_flags = cqe->flags;
			op->complete(op);
		}
		io_uring_cq_advance(&a->bare, seen);
	}
	return true;
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
	return timed(arg, bare_batch);
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
static bool keep_busy(struct adds *a)
{
	struct io_uring_sqe *sqe;
	char why[160];

	if (!target_open(&a->pending, "recv", NULL, why, sizeof(why)))
		return false;
	sqe = urctx_ring_sqe(a->r);
	if (!sqe)
		return false;
	target_prep(&a->pending, sqe, 0);
	a->busy.complete = complete;
	return !urctx_ring_bind(a->r, sqe, a->ctx[0], &a->busy);
}

static bool adds_open(struct adds *a, struct result *r)
{
	for (unsigned i = 0; i < BATCH; i++) {
		a->op[i].complete = complete;
		if (urctx_with_cancel(NULL, &a->ctx[i])) {
			result_fail(r, "no context");
			return false;
		}
	}
	if (!open_data(a)) {
		result_fail(r, "no data: %s", strerror(errno));
		return false;
	}
	if (ring_open(a->b, &a->ours, 2 * BATCH, 0) ||
	    ring_open(a->b, &a->bare, 2 * BATCH, 0) ||
	    urctx_ring_attach(&a->ours, NULL, &a->r) ||
	    (a->mode == PLAIN && !keep_busy(a))) {
		result_fail(r, "no ring");
		return false;
	}
	a->deadline = now_ns() + 3600 * INT64_C(1000000000);
	return true;
}

static void run_adds(const struct bench *b, struct result *r, enum kind kind,
		     enum mode mode)
{
	static const side_fn side[2] = { side_ours, side_bare };
	static struct series s[2], added;
	struct adds *a = &adds;

	if (!ring_usable(b, r))
		return;
	a->b = b;
	a->kind = kind;
	a->mode = mode;
	a->batches = b->quick ? 10 : kind == NOP ? 100 : 30;
	if (!adds_open(a, r))
		return;
	if (!rounds_run(b->rounds, SLICES, side, 2, a, s) || a->wrong) {
		result_fail(r, "an operation failed");
		return;
	}
	for (unsigned i = 0; i < s[0].nr; i++)
		added.v[added.nr++] = s[0].v[i] - s[1].v[i];
	series_to_result(r, &added, &s[1]);
	result_extra(r, "total", series_median(&s[0]));
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

static void run_deadline(const struct bench *b, struct result *r)
{
	run_adds(b, r, NOP, DEADLINE);
}

const struct row bind_rows[] = {
	{ "bind_complete", "ring", "ns", "added to a nop by bind and dispatch",
	  "bare nop", 25, GOAL_OURS_MAX, 0, run_nop },
	{ "bind_complete_read", "ring", "ns", "added to a cached 4 KiB read",
	  "bare read", 25, GOAL_OURS_MAX, 0, run_read },
	{ "bind_complete_recv", "ring", "ns", "added to a recv with data there",
	  "bare recv", 25, GOAL_OURS_MAX, 0, run_recv },
	{ "bind_complete_first", "ring", "ns",
	  "added to a nop that is its context's only operation", "bare nop", 40,
	  GOAL_OURS_MAX, 0, run_first },
	{ "bind_complete_deadline", "ring", "ns",
	  "added to a nop with a deadline", "bare nop", 45, GOAL_OURS_MAX, 0,
	  run_deadline },
	{ NULL }
};
