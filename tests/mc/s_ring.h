/* SPDX-License-Identifier: MIT */
/*
 * s_ring.h - what the scenarios of rings share
 *
 * The first thread owns the ring; what the kernel may do is said in mc_rules.  The
 * memory of an op goes when its last CQE was delivered (G10), and each scenario ends
 * with a detach in fini(): nothing is left of ring, links and contexts.
 */
#ifndef S_RING_H
#define S_RING_H

#include "ring.h"
#include "s_time.h"
#include "uring.h"

#define RING	LIFE
#define ROPS	4

struct rop {
	struct urctx_op op;
	int nr, buf;
};

static struct io_uring uring_;
static struct urctx_ring *r;

/* Of each op, by its number. */
static struct {
	bool ended;
	int res, more;
	int64_t at;
	const struct urctx_cause *cause;
	struct rop *op;
} did[ROPS];
static int left;		/* ops that have not ended */
static void (*then)(int nr);	/* inside complete(), the last time */
static bool many;		/* ops are multishot */
static struct rop *spare;	/* memory for the next: its failure is no matter here */

/* In init(). */
static inline void ring_with(unsigned entries, unsigned flags)
{
	struct urctx_ring_params params = { .flags = flags };

	mc_uring(&uring_, entries);
	mc_assert(!urctx_ring_attach(&uring_, &params, &r));
}

static inline void ring_here(unsigned entries)
{
	ring_with(entries, 0);
}

/* Who learns the cause sees what its giver wrote; nobody is aborted without one. */
static void complete(struct urctx_op *op)
{
	int nr = ((struct rop *)op)->nr;

	mc_assert(!did[nr].ended);
	if (op->cause == ONE)
		mc_assert(one_.payload);
	if (op->cqe_flags & IORING_CQE_F_MORE) {
		did[nr].more++;
		return;
	}
	mc_assert(op->res != -ECANCELED || op->cause);
	did[nr].ended = true;
	did[nr].res = op->res;
	did[nr].at = mc_time();
	did[nr].cause = op->cause;
	did[nr].op = NULL;
	left--;
	mc_free(op);
	if (then)
		then(nr);
}

static inline struct rop *op_made(void)
{
	struct rop *o = (struct rop *)mc_malloc(sizeof(*o));

	mc_assert(o);
	__builtin_memset(o, 0, sizeof(*o));
	o->op.complete = complete;
	return o;
}

static inline int bind_op_at(struct urctx *ctx, int nr, int fd, int64_t deadline,
			     unsigned flags)
{
	struct io_uring_sqe *sqe = urctx_ring_sqe(r);
	struct rop *o = spare ? spare : op_made();
	int ret;

	mc_assert(sqe);
	o->nr = nr;
	io_uring_prep_rw(IORING_OP_READ, sqe, fd, &o->buf, sizeof(o->buf), 0);
	sqe->ioprio = many;
	ret = urctx_ring_bind_flags(r, sqe, ctx, &o->op, deadline, flags);
	if (ret) {
		spare = o;
		return ret;
	}
	spare = NULL;
	did[nr].op = o;
	did[nr].ended = false;
	left++;
	return 0;
}

static inline void bind_op(struct urctx *ctx, int nr, int fd)
{
	mc_assert(!bind_op_at(ctx, nr, fd, URCTX_NEVER, 0));
}

/* In init(): what was bound is the kernel's, and he wakes the owner. */
static inline void under_way(void)
{
	(void)urctx_ring_turn(r);
	io_uring_submit(&uring_);
	mc_assert(r->armed != ARM_WANTED || r->deaf);
}

/* Nothing that has ended is waited for. */
static inline bool timeless(void)
{
	return !times_any(&r->times) && !times_any(&r->ends);
}

static inline void remember_chunks(const struct urctx *n)
{
	struct chunk *c;

	for (c = chunk_first(n); c; c = chunk_next(c))
		remember(chunks_, c);
}

static inline void wait_once(void)
{
	int ret = urctx_ring_wait(r, URCTX_NEVER);

	mc_assert(ret >= 0 || ret == -EINTR);
}

/* Asleep for ever is a deadlock. */
static void t_owner(void)
{
	while (left)
		wait_once();
}

static inline void detach(void)
{
	mc_assert(!urctx_ring_detach(r, URCTX_NEVER));
	mc_assert(!left && mc_uring_idle() && !mc_eventfd_open());
}

#endif
