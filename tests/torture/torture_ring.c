/* SPDX-License-Identifier: MIT */
/*
 * torture_ring.c - operations of io_uring, bound to contexts of the tree
 *
 * Each thread owns a ring with a few operations in flight, that wait for what does
 * not come (a pipe, an eventfd, a time) or end at once.  They end with their context,
 * by their own deadline, or are cancelled when they have lived for a while.
 */
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <urctx/ring.h>

#include "torture.h"

#define BERTHS	32

struct berth {
	struct urctx_op op;		/* first */
	struct urctx *ctx;
	int64_t since;			/* its context was seen to be over */
	unsigned turns;
	bool busy;
	uint64_t buf;
};

struct ring {
	struct io_uring u;
	struct urctx_ring *r;
	int quiet[2], event;		/* a pipe, and an eventfd: nothing comes */
	struct __kernel_timespec hour;
	struct berth berth[BERTHS];
};

static const struct urctx_cause lived = { "torture", __FILE__, "it has lived", 9, 9 };

bool rings_there(void)
{
	struct io_uring u;
	int ret = io_uring_queue_init(4, &u, 0);

	if (!ret)
		io_uring_queue_exit(&u);
	return !ret;
}

static struct ring *ring_make(void)
{
	unsigned flags = one_of(2) ? IORING_SETUP_SINGLE_ISSUER |
				     IORING_SETUP_DEFER_TASKRUN : 0;
	struct ring *g = calloc(1, sizeof(*g));

	must(g);
	must(io_uring_queue_init(64, &g->u, flags) == 0 ||
	     io_uring_queue_init(64, &g->u, 0) == 0);
	must(urctx_ring_attach(&g->u, NULL, &g->r) == 0);
	must(pipe(g->quiet) == 0);
	g->event = eventfd(0, EFD_CLOEXEC);
	must(g->event >= 0);
	g->hour.tv_sec = 3600;
	return g;
}

static void completed(struct urctx_op *op)
{
	struct berth *b = (struct berth *)op;

	must(b->busy);			/* once */
	must(!(op->cqe_flags & IORING_CQE_F_MORE));
	if (op->cause) {
		more(&me()->told, 1);
		must(op->cause == &lived || op->cause == &urctx_deadline_exceeded ||
		     known_cause(op->cause));
		/* told by its context: that is over, by this cause */
		must(op->cause == &lived || op->cause == &urctx_deadline_exceeded ||
		     op->cause == &urctx_canceled || t_cause(b->ctx) == op->cause);
	} else {
		must(op->res != -ECANCELED);
	}
	b->busy = false;
	t_put(b->ctx);
	b->ctx = NULL;
	more(&me()->ended, 1);
}

static void prepare(struct ring *g, struct berth *b, struct io_uring_sqe *sqe)
{
	switch (one_of(6)) {
	case 0:
		io_uring_prep_read(sqe, g->quiet[0], &b->buf, sizeof(b->buf), 0);
		break;
	case 1:
		io_uring_prep_read(sqe, g->event, &b->buf, sizeof(b->buf), 0);
		break;
	case 2:
		io_uring_prep_poll_add(sqe, g->event, POLLIN);
		break;
	case 3:
		io_uring_prep_timeout(sqe, &g->hour, 0, 0);
		break;
	default:
		io_uring_prep_nop(sqe);
	}
}

static void bind_some(struct ring *g, struct berth *b)
{
	struct io_uring_sqe *sqe = urctx_ring_sqe(g->r);
	int64_t deadline = one_of(8) ? URCTX_NEVER : urctx_now() + one_of(100000);

	if (!sqe)
		return;
	prepare(g, b, sqe);
	b->ctx = look(somewhere());
	b->busy = true;
	b->turns = 0;
	b->since = 0;
	b->op.complete = completed;
	did(BIND);
	must(urctx_ring_bind_flags(g->r, sqe, b->ctx, &b->op, deadline, 0) == 0);
	more(&me()->bound, 1);
}

/* Who waits for nothing but its context, whose end has been seen, is not left. */
static void look_after(struct berth *b)
{
	int64_t now = urctx_now();

	if (!b->since && t_done(b->ctx))
		b->since = now;
	must(!b->since || now - b->since < torture.stall);
	if (++b->turns >= 64 && !b->since) {
		did(CANCEL);
		urctx_op_cancel(&b->op, &lived);
		b->since = now;
	}
}

void op_ring(void)
{
	struct ring *g = me()->ring;
	unsigned i;
	int ret;

	if (!g)
		g = me()->ring = ring_make();
	for (i = 0; i < BERTHS; i++) {
		struct berth *b = &g->berth[i];

		if (b->busy)
			look_after(b);
		else
			bind_some(g, b);
	}
	did(TURN);
	ret = urctx_ring_wait(g->r, 0);
	must(ret >= 0 || ret == -EINTR);
}

void ring_over(void)
{
	struct ring *g = me()->ring;
	unsigned i;

	if (!g)
		return;
	must(urctx_ring_detach(g->r, urctx_now() + torture.stall) == 0);
	for (i = 0; i < BERTHS; i++)
		must(!g->berth[i].busy);
	must(me()->bound == me()->ended);
	io_uring_queue_exit(&g->u);
	close(g->quiet[0]);
	close(g->quiet[1]);
	close(g->event);
	free(g);
	me()->ring = NULL;
}
