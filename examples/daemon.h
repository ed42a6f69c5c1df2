/* SPDX-License-Identifier: MIT */
/*
 * daemon.h - what blockd.c and proxy.c have in common: one thread, one ring, a
 * listener, and an end
 *
 *	root
 *	 \-- stop		ends with SIGTERM or SIGINT: nothing new is begun
 *	      \-- work		ends some time later: what was begun is finished by then
 *	           \-- ...	a context for each client, the daemon's own
 *
 *	daemon_open(&d)		before the first thread; d.grace and d.client are set
 *	daemon_run(&d)		d.listener is set, too: until SIGTERM, and then until
 *				all clients have gone
 *	daemon_close(&d)	main()'s status
 */
#ifndef EXAMPLES_DAEMON_H
#define EXAMPLES_DAEMON_H

#include "check.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <urctx/ring.h>

#define container_of(ptr, type, member)                                        \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#define LAST_TIME	(10 * SECOND)	/* for the kernel, when all else is over */

struct daemon {
	struct io_uring uring;
	struct urctx_ring *ring;
	struct urctx *root, *stop, *work;
	struct urctx_op accept;
	int64_t grace;
	bool (*client)(struct daemon *d, int fd); /* a new one; false: no room */
	unsigned clients;		/* counted by the daemon's own code */
	int listener;
	bool accepting;
};

/*
 * Start an op that is prepared in @from.  One that can not be started has ended,
 * too, and says so as all do, before this returns: it is the caller's last call.
 */
static inline void daemon_start(struct daemon *d, const struct io_uring_sqe *from,
				struct urctx *ctx, struct urctx_op *op,
				int64_t deadline, unsigned flags)
{
	struct io_uring_sqe *sqe = urctx_ring_sqe(d->ring);
	int ret = -EAGAIN;

	if (sqe) {
		*sqe = *from;
		ret = urctx_ring_bind_flags(d->ring, sqe, ctx, op, deadline, flags);
	}
	if (!ret)
		return;
	op->res = ret;
	op->cause = NULL;
	op->cqe_flags = 0;
	op->complete(op);
}

/* The cheapest kind of ring that this kernel has. */
static inline int daemon_ring(struct daemon *d)
{
	int ret = io_uring_queue_init(256, &d->uring, IORING_SETUP_SINGLE_ISSUER |
							 IORING_SETUP_DEFER_TASKRUN);

	if (ret == -EINVAL)
		ret = io_uring_queue_init(256, &d->uring, 0);
	return ret ? ret : urctx_ring_attach(&d->uring, NULL, &d->ring);
}

static inline bool daemon_open(struct daemon *d)
{
	sigset_t set;
	int ret;

	/* In all threads, so before there is any. */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	check_begin();
	alarm(0);		/* a daemon has all the time there is */
	ret = urctx_with_cancel(NULL, &d->root);
	if (!ret)
		ret = urctx_with_signals(d->root, &set, &d->stop);
	if (!ret)
		ret = urctx_with_grace(d->stop, d->grace, &d->work);
	if (!ret)
		ret = daemon_ring(d);
	if (ret)
		fprintf(stderr, "no ring: %s\n", strerror(-ret));
	return !ret;
}

static inline void daemon_accept(struct daemon *d);

static inline void daemon_rested(struct urctx_op *op)
{
	struct daemon *d = container_of(op, struct daemon, accept);

	if (op->res != -ETIME)	/* no rest: stopped, or there is no way to go on */
		urctx_cancel_cause(d->stop, urctx_cause_errno(op->res));
	daemon_accept(d);
}

/* Most of what accept(2) fails with, as -EMFILE, it would fail with again at once. */
static inline void daemon_rest(struct daemon *d)
{
	static struct __kernel_timespec nap = { .tv_nsec = 10 * MSEC };
	struct io_uring_sqe sqe = { 0 };

	d->accept.complete = daemon_rested;
	io_uring_prep_timeout(&sqe, &nap, 0, 0);
	daemon_start(d, &sqe, d->stop, &d->accept, URCTX_NEVER, 0);
}

static inline void daemon_accepted(struct urctx_op *op)
{
	struct daemon *d = container_of(op, struct daemon, accept);
	bool last = !(op->cqe_flags & IORING_CQE_F_MORE);

	/* Told to end, and yet there is one: ours, whatever the cause says. */
	if (op->res >= 0 && (op->cause || !d->client(d, op->res)))
		close(op->res);
	if (last && op->res >= 0)
		daemon_accept(d);
	else if (last)
		daemon_rest(d);
}

/* Bound to stop: once that has ended, neither this nor the rest is begun. */
static inline void daemon_accept(struct daemon *d)
{
	struct io_uring_sqe sqe = { 0 };

	d->accepting = !urctx_done(d->stop);
	if (!d->accepting)
		return;
	d->accept.complete = daemon_accepted;
	io_uring_prep_multishot_accept(&sqe, d->listener, NULL, NULL, SOCK_CLOEXEC);
	daemon_start(d, &sqe, d->stop, &d->accept, URCTX_NEVER, 0);
}

/* Return: 0: nothing is left; more: the kernel has so many ops; -errno. */
static inline int daemon_run(struct daemon *d)
{
	int64_t last = URCTX_NEVER;
	int ret;

	daemon_accept(d);
	printf("ready\n");
	fflush(stdout);
	while ((d->accepting || d->clients) && urctx_now() < last) {
		ret = urctx_ring_wait(d->ring, last);
		if (ret < 0 && ret != -EINTR)
			return ret;
		/* The grace is over, all is told to end.  What is left is the disk's. */
		if (last == URCTX_NEVER && urctx_done(d->work))
			last = urctx_now() + LAST_TIME;
	}
	return urctx_ring_drain(d->ring, NULL, urctx_now());
}

/* Return: main()'s status. */
static inline int daemon_close(struct daemon *d, int left)
{
	struct urctx_ring_stats st;

	if (left)
		return fprintf(stderr, "left, or error: %d\n", left), 1;
	urctx_ring_stats(d->ring, &st, sizeof(st));
	CHECK(st.in_flight == 0 && st.stuck == 0 && d->clients == 0);
	CHECK(urctx_ring_detach(d->ring, urctx_now() + LAST_TIME) == 0);
	io_uring_queue_exit(&d->uring);
	close(d->listener);
	urctx_end(d->work);
	urctx_end(d->stop);
	return check_end(d->root);
}

#endif
