/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <urctx/io.h>
#include <urctx/ring.h>
#include "cross.h"

enum {
	ASLEEP_NS = 30000,	/* by then the owner sleeps */
	DATA_OP = 1, DATA_WAKE = 100, DATA_CANCEL = 200,
};

struct meeting {
	struct cross *x;
	int efd;
	struct urctx *ctx;	/* the owner's, of this time */
	atomic_uint armed;	/* times the owner has an operation pending */
	atomic_uint fired;	/* times the canceller has returned */
	atomic_bool over;	/* the owner is gone */
	_Atomic int64_t moment;	/* at which it was to be cancelled */
};

/* -512..-516: a worker's read that was interrupted, as some kernels say it. */
static bool was_aborted(int res)
{
	return res == -ECANCELED || res == -EINTR ||
	       (res <= -512 && res >= -516);
}

static void count(struct meeting *m, int res)
{
	struct cross *x = m->x;

	if (was_aborted(res)) {
		hist_add(x->hist, now_ns() - atomic_load(&m->moment));
		x->aborted++;
	} else {
		x->completed++;
	}
}

static void arm(struct meeting *m, unsigned time)
{
	atomic_store(&m->armed, time);
}

/* Until the canceller is out of its call: only then the context may go. */
static void await_canceller(struct meeting *m, unsigned time)
{
	while (atomic_load(&m->fired) != time)
		;
}

/* A file's reads queue up behind one worker. */
static void one_worker(const struct target *t, struct io_uring *ring)
{
	unsigned max[2] = { 1, 1 };

	if (t->queued)
		(void)io_uring_register_iowq_max_workers(ring, max);
}

/* ------------------------------------------------------------------- ours */

struct bound {
	struct urctx_op op;
	struct meeting *m;
	unsigned *left;
};

static void bound_complete(struct urctx_op *op)
{
	struct bound *bound = (struct bound *)op;

	if (op->cqe_flags & IORING_CQE_F_MORE)
		return;
	count(bound->m, op->res);
	--*bound->left;
}

static int ours_once(struct meeting *m, struct io_uring *ring,
		     struct urctx_ring *r, unsigned time)
{
	const struct target *t = m->x->target;
	struct bound bound[TARGET_BATCH];
	unsigned left = t->batch;
	int64_t e = urctx_with_cancel(NULL, &m->ctx);

	if (e)
		return (int)e;
	memset(bound, 0, sizeof(bound));
	for (unsigned i = 0; i < t->batch; i++) {
		struct io_uring_sqe *sqe = urctx_ring_sqe(r);

		if (!sqe)
			return -EBUSY;
		target_prep(t, sqe, i);
		bound[i].op.complete = bound_complete;
		bound[i].m = m;
		bound[i].left = &left;
		e = urctx_ring_bind(r, sqe, m->ctx, &bound[i].op);
		if (e)
			return (int)e;
	}
	e = urctx_ring_turn(r);
	if (e >= 0)
		e = io_uring_submit(ring);
	arm(m, time);
	while (left && e >= 0)
		e = urctx_ring_wait(r, URCTX_NEVER);
	await_canceller(m, time);
	urctx_put(m->ctx);
	return e < 0 ? (int)e : 0;
}

static void *owner_ours(void *arg)
{
	struct meeting *m = arg;
	struct cross *x = m->x;
	struct urctx_ring *r;
	struct io_uring ring;

	pin_to(x->b->cpu[1]);
	x->error = ring_open(x->b, &ring, 64, 0);
	if (x->error)
		goto over;
	x->error = urctx_ring_attach(&ring, NULL, &r);
	if (x->error)
		goto exit;
	one_worker(x->target, &ring);
	for (unsigned i = 1; i <= x->n && !x->error; i++)
		x->error = ours_once(m, &ring, r, i);
	if (!x->error)
		x->error = urctx_ring_detach(r, URCTX_NEVER);
exit:
	io_uring_queue_exit(&ring);
over:
	atomic_store(&m->over, true);
	return NULL;
}

static void fire_ours(struct meeting *m)
{
	urctx_cancel(m->ctx);
}

/* ------------------------------------------------------- written by hand */

static void prep_wake(struct io_uring *ring, int efd, uint64_t *value)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	io_uring_prep_read(sqe, efd, value, sizeof(*value), 0);
	sqe->user_data = DATA_WAKE;
}

static void hand_cancel(struct io_uring *ring, unsigned batch)
{
	while (batch--) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

		io_uring_prep_cancel64(sqe, DATA_OP + batch, 0);
		sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
		sqe->user_data = DATA_CANCEL;
	}
}

static int hand_once(struct meeting *m, struct io_uring *ring, uint64_t *value,
		     unsigned time)
{
	const struct target *t = m->x->target;
	unsigned left = t->batch;
	int e;

	for (unsigned i = 0; i < t->batch; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

		target_prep(t, sqe, i);
		sqe->user_data = DATA_OP + i;
	}
	e = io_uring_submit(ring);
	arm(m, time);
	while (left && e >= 0) {
		struct io_uring_cqe *cqe;
		unsigned head, seen = 0;

		e = io_uring_submit_and_wait(ring, 1);
		io_uring_for_each_cqe(ring, head, cqe) {
			seen++;
			if (cqe->user_data == DATA_WAKE) {
				hand_cancel(ring, t->batch);
				prep_wake(ring, m->efd, value);
			} else if (cqe->user_data < DATA_WAKE) {
				count(m, cqe->res);
				left--;
			}
		}
		io_uring_cq_advance(ring, seen);
	}
	await_canceller(m, time);
	return e < 0 ? e : 0;
}

static void *owner_hand(void *arg)
{
	struct meeting *m = arg;
	struct cross *x = m->x;
	struct io_uring ring;
	uint64_t value;

	pin_to(x->b->cpu[1]);
	x->error = ring_open(x->b, &ring, 64, 0);
	if (!x->error) {
		one_worker(x->target, &ring);
		prep_wake(&ring, m->efd, &value);
		for (unsigned i = 1; i <= x->n && !x->error; i++)
			x->error = hand_once(m, &ring, &value, i);
		io_uring_queue_exit(&ring);
	}
	atomic_store(&m->over, true);
	return NULL;
}

static void fire_eventfd(struct meeting *m)
{
	uint64_t one = 1;

	if (write(m->efd, &one, sizeof(one)) != sizeof(one))
		abort();	/* an eventfd of ours, far from full */
}

/* -------------------------------------------------------- a blocking call */

static void *owner_io(void *arg)
{
	struct meeting *m = arg;
	struct cross *x = m->x;
	char buf[8];

	pin_to(x->b->cpu[1]);
	for (unsigned i = 1; i <= x->n && !x->error; i++) {
		x->error = urctx_with_cancel(NULL, &m->ctx);
		if (x->error)
			break;
		arm(m, i);
		count(m, (int)urctx_recv(m->ctx, x->target->fd, buf,
					 sizeof(buf), 0));
		await_canceller(m, i);
		urctx_put(m->ctx);
	}
	atomic_store(&m->over, true);
	return NULL;
}

/* -------------------------------------------------------------- a bare wake */

static void *owner_wake(void *arg)
{
	struct meeting *m = arg;
	struct cross *x = m->x;
	uint64_t value;

	pin_to(x->b->cpu[1]);
	for (unsigned i = 1; i <= x->n; i++) {
		arm(m, i);
		if (read(m->efd, &value, sizeof(value)) != sizeof(value)) {
			x->error = -errno;
			break;
		}
		count(m, -ECANCELED);
		await_canceller(m, i);
	}
	atomic_store(&m->over, true);
	return NULL;
}

/* ---------------------------------------------------------------- canceller */

static bool meet(struct cross *x, void *(*owner)(void *),
		 void (*fire)(struct meeting *m))
{
	struct meeting m = { .x = x };
	pthread_t t;

	x->error = 0;
	m.efd = eventfd(0, EFD_CLOEXEC);
	if (m.efd < 0) {
		x->error = -errno;
		return false;
	}
	if (pthread_create(&t, NULL, owner, &m)) {
		close(m.efd);
		x->error = -EAGAIN;
		return false;
	}
	for (unsigned i = 1; i <= x->n; i++) {
		int64_t moment;

		while (atomic_load(&m.armed) != i && !atomic_load(&m.over))
			;
		if (atomic_load(&m.over))
			break;
		moment = now_ns() + ASLEEP_NS;
		atomic_store(&m.moment, moment);
		spin_until(moment);
		fire(&m);
		atomic_store(&m.fired, i);
	}
	pthread_join(t, NULL);
	close(m.efd);
	return !x->error;
}

bool cross_ours(struct cross *x)
{
	return meet(x, owner_ours, fire_ours);
}

bool cross_hand(struct cross *x)
{
	return meet(x, owner_hand, fire_eventfd);
}

bool cross_io(struct cross *x)
{
	return meet(x, owner_io, fire_ours);
}

bool cross_wake(struct cross *x)
{
	return meet(x, owner_wake, fire_eventfd);
}
