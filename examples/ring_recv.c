/* SPDX-License-Identifier: MIT */
/*
 * ring_recv.c - a recv on an io_uring, ended by another thread
 *
 *	cc ring_recv.c $(pkg-config --cflags --libs liburctx-uring) -pthread
 */
#include <urctx/ring.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct request {
	struct urctx_op op;
	char buf[64];		/* the kernel's until complete() */
};

static void received(struct urctx_op *op)
{
	struct request *req = (struct request *)op;

	if (op->res >= 0)
		printf("received %d bytes: %.*s\n", op->res, op->res, req->buf);
	else
		printf("no data: %s\n", strerror(-op->res));
	if (op->cause)
		printf("it was told to end: %s (%s:%d)\n", op->cause->reason,
		       op->cause->file, op->cause->line);
}

static void *hang_up(void *arg)
{
	struct urctx *ctx = arg;

	usleep(100000);
	urctx_cancel_cause(ctx, URCTX_CAUSE(-ECONNRESET, "the client has gone"));
	return NULL;
}

static int serve(struct urctx_ring *r, int fd)
{
	struct request req = { .op.complete = received };
	struct io_uring_sqe *sqe = urctx_ring_sqe(r);
	struct urctx *ctx;
	pthread_t thread;
	int ret;

	if (!sqe)
		return -EAGAIN;
	ret = urctx_with_cancel(NULL, &ctx);
	if (ret)
		return ret;
	io_uring_prep_recv(sqe, fd, req.buf, sizeof(req.buf), 0);
	ret = urctx_ring_bind(r, sqe, ctx, &req.op);
	if (ret) {
		urctx_put(ctx);
		return ret;
	}

	pthread_create(&thread, NULL, hang_up, ctx);
	do
		ret = urctx_ring_wait(r, URCTX_NEVER);
	while (!ret || ret == -EINTR);
	pthread_join(thread, NULL);
	urctx_put(ctx);
	return ret < 0 ? ret : 0;
}

int main(void)
{
	struct urctx_ring *r;
	struct io_uring ring;
	int fd[2], ret;

	ret = io_uring_queue_init(8, &ring, 0);
	if (ret) {
		fprintf(stderr, "no io_uring here: %s\n", strerror(-ret));
		return 77;
	}
	ret = urctx_ring_attach(&ring, NULL, &r);
	if (!ret && socketpair(AF_UNIX, SOCK_STREAM, 0, fd))
		ret = -errno;
	if (!ret)
		ret = serve(r, fd[0]);
	if (!ret)
		ret = urctx_ring_detach(r, urctx_now() + 1000000000);
	if (ret)
		fprintf(stderr, "ring_recv: %d\n", ret);
	io_uring_queue_exit(&ring);
	return ret != 0;
}
