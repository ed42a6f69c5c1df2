/* SPDX-License-Identifier: MIT */
/* io_splice.c - splice(2), which the kernel always has a worker do for a ring */
#include "io.h"

#include <limits.h>

struct ends {
	int in, out;
	off_t *in_off, *out_off;
	size_t len;
	unsigned flags;
};

static long now(const struct ends *e, unsigned flags)
{
	return io_sys(SYS_splice, e->in, (long)e->in_off, e->out, (long)e->out_off,
		      (long)e->len, (long)(e->flags | flags));
}

static enum io_file file(int fd)
{
	off_t size;

	return io_sys_file(fd, &size);
}

/* Else the system says at once what there is, or what is wrong. */
static bool waits(const struct ends *e)
{
	return e->len && !(e->flags & SPLICE_F_NONBLOCK) &&
	       !io_sys_nonblock(e->in) && !io_sys_nonblock(e->out) &&
	       (file(e->in) == IO_PIPE || file(e->out) == IO_PIPE);
}

/*
 * Both ends ready, one after the other: what is ready stays so, unless somebody else
 * takes it, see <urctx/io.h>.  The flag
 * is the pipe's alone: to a socket goes what poll(2) has promised room for.
 */
static long over_poll(struct urctx *ctx, struct ends *e)
{
	int64_t nap = IO_NAP_FIRST;
	enum io_file to = file(e->out);
	long ret;

	if (!waits(e))
		return now(e, 0);
	if (to != IO_PIPE && to != IO_FILE && e->len > PIPE_BUF)
		e->len = PIPE_BUF;
	for (;;) {
		ret = io_await(ctx, e->in, POLLIN);
		if (!ret)
			ret = io_await(ctx, e->out, POLLOUT);
		if (ret)
			return ret;
		ret = now(e, SPLICE_F_NONBLOCK);
		if (ret != -EAGAIN)
			return ret;
		ret = io_nap(ctx, &nap);
		if (ret)
			return ret;
	}
}

/* What splice(2) does with an offset. */
static void moved(off_t *off, int n)
{
	if (off && n > 0)
		*off += n;
}

/* It was a worker who got SIGPIPE: once more, for it to come here. */
static long broken_pipe(const struct ends *e)
{
	long ret = now(e, SPLICE_F_NONBLOCK);

	return ret == -EAGAIN ? -EPIPE : ret;
}

static long over_ring(struct urctx *ctx, struct ends *e)
{
	struct io_uring_sqe sqe = { 0 };
	int ret;

	io_uring_prep_splice(&sqe, e->in, e->in_off ? *e->in_off : -1, e->out,
			     e->out_off ? *e->out_off : -1,
			     (unsigned)(e->len < IO_MAX ? e->len : IO_MAX), e->flags);
	if (!io_run(ctx, &sqe, &ret))
		return over_poll(ctx, e);
	if (ret == -EPIPE)
		return broken_pipe(e);
	moved(e->in_off, ret);
	moved(e->out_off, ret);
	return ret;
}

ssize_t urctx_splice(struct urctx *ctx, int in, off_t *in_off, int out, off_t *out_off,
		     size_t len, unsigned flags)
{
	struct ends e = { in, out, in_off, out_off, len, flags };
	int saved = errno;
	struct io_calm calm;
	long ret;

	if (!ctx)
		return io_plain(splice(in, in_off, out, out_off, len, flags), saved);
	ret = urctx_err(ctx);
	if (ret)
		return ret;
	/* -1 is how a ring says NULL */
	if ((in_off && *in_off < 0) || (out_off && *out_off < 0))
		return -EINVAL;
	calm = io_calm();
	ret = over_ring(ctx, &e);
	io_calm_end(&calm);
	return ret;
}
