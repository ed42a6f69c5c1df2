/* SPDX-License-Identifier: MIT */
/*
 * A control of the valgrind gate: what the kernel wrote into a buffer is known, and
 * no more. With an argument a byte behind that is looked at, which must be reported;
 * without, nothing must.
 */
#include <liburing.h>
#include <stdlib.h>
#include <unistd.h>
#include <urctx/ring.h>

#define LEN	8

static void complete(struct urctx_op *op)
{
	(void)op;
}

int main(int argc, char **argv)
{
	struct urctx_op op = { .complete = complete };
	char *buf = malloc(LEN);
	struct urctx_ring *r;
	struct io_uring ring;
	struct urctx *ctx;
	int p[2], seen;

	(void)argv;
	if (!buf || pipe(p) || write(p[1], "four", 4) != 4 ||
	    io_uring_queue_init(4, &ring, 0) || urctx_with_cancel(NULL, &ctx) ||
	    urctx_ring_attach(&ring, 0, &r))
		return 1;
	struct io_uring_sqe *sqe = urctx_ring_sqe(r);

	io_uring_prep_read(sqe, p[0], buf, LEN, 0);
	if (urctx_ring_bind(r, sqe, ctx, &op) || urctx_ring_wait(r, URCTX_NEVER) != 1)
		return 1;
	seen = op.res == 4 ? buf[argc > 1 ? 6 : 3] : 0;
	if (urctx_ring_detach(r, URCTX_NEVER))
		return 1;
	io_uring_queue_exit(&ring);
	urctx_put(ctx);
	free(buf);
	return seen == 'r' ? 0 : 2;
}
