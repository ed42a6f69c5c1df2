/* SPDX-License-Identifier: MIT */
/*
 * io_wait.c - a transfer that cannot be done at once, or not in one piece
 */
#include "io.h"

#include <limits.h>

/* These say -EAGAIN for themselves, on whatever socket. */
#define NEVER_WAITS	(MSG_DONTWAIT | MSG_ERRQUEUE | MSG_OOB)

static bool may_wait(const struct io_move *m)
{
	switch (m->kind) {
	case IO_RECV:
		return !(m->flags & NEVER_WAITS);
	case IO_SEND:
		return !(m->flags & MSG_DONTWAIT);
	default:
		return true;
	}
}

/* -EINVAL: not one descriptor is allowed (RLIMIT_NOFILE), and poll(2) counts ours. */
static int await(struct urctx *ctx, const struct io_move *m)
{
	bool in = m->kind == IO_READ || m->kind == IO_RECV;
	int64_t nap = IO_NAP_FIRST;
	int ret = io_await(ctx, m->fd, in ? POLLIN : POLLOUT);

	return ret == -EINVAL ? io_nap(ctx, &nap) : ret;
}

static bool is_little(const struct io_move *m)
{
	size_t all = m->part.iov_len;

	for (size_t i = 0; !m->part.iov_len && i < m->nr && all <= PIPE_BUF; i++)
		all += m->iov[i].iov_len;
	return all <= PIPE_BUF;
}

/*
 * The kernel cannot say whether this waits, and poll(2) has said that it does not:
 * for as much as one page of a pipe takes.
 */
static long trust_poll(struct io_move *m)
{
	struct io_move little = *m;

	if (m->kind != IO_WRITE || is_little(m))
		return io_move_try(m, false);
	for (; !little.part.iov_len; little.iov++)
		little.part = *little.iov;
	if (little.part.iov_len > PIPE_BUF)
		little.part.iov_len = PIPE_BUF;
	return io_move_try(&little, false);
}

static bool is_file(struct io_move *m)
{
	off_t size;

	if (m->file == IO_UNKNOWN)
		m->file = io_sys_file(m->fd, &size);
	return m->file == IO_FILE;
}

static bool was_refused(long ret)
{
	return ret == -EOPNOTSUPP || ret == -ENOSYS;
}

/* Nothing ends that; but some have something to wait for, as trace_pipe(5) has. */
static long of_file(struct urctx *ctx, struct io_move *m, long ret)
{
	ret = m->kind == IO_READ && was_refused(ret) ? await(ctx, m) : urctx_err(ctx);
	return ret ? ret : io_move_try(m, false);
}

/* Who cannot be asked without waiting is asked when poll(2) says that he is ready. */
static long over_poll(struct urctx *ctx, struct io_move *m, long ret)
{
	int64_t nap = IO_NAP_FIRST;

	if (is_file(m))
		return of_file(ctx, m, ret);
	while (ret == -EAGAIN) {
		ret = io_nap(ctx, &nap);
		if (!ret)
			ret = await(ctx, m);
		if (!ret)
			ret = io_move_try(m, true);
	}
	if (io_move_now(m, ret))
		return ret;
	ret = await(ctx, m);
	return ret ? ret : trust_poll(m);
}

/*
 * The kernel does not raise SIGPIPE for a ring's sends, and to its own worker where
 * that has written: ask again.
 */
static long broken_pipe(struct io_move *m, bool worker)
{
	if (m->kind == IO_SEND)
		return m->flags & MSG_NOSIGNAL ? -EPIPE : io_move_try(m, true);
	return worker && m->kind == IO_WRITE ?	/* uncovered: who reads is told that */
		       io_move_try(m, false) :
		       -EPIPE;
}

/*
 * A ring believes poll(2) about who cannot be tried, and would wait there where no
 * cancel reaches it; a worker can be told to end.  Pipes it reads without waiting.
 */
static bool wants_worker(struct io_move *m, long ret)
{
	return m->kind <= IO_WRITE && was_refused(ret) &&
	       (is_file(m) || m->file != IO_PIPE || m->kind == IO_WRITE);
}

/*
 * A file's own position is read and moved under a lock which a ring does not take:
 * what two threads write would be lost.
 */
static long over_ring(struct urctx *ctx, struct io_move *m, long ret)
{
	bool worker = wants_worker(m, ret), ran;
	struct io_uring_sqe sqe = { 0 };
	int res = 0;

	if (m->off == IO_CURRENT && m->kind <= IO_WRITE && is_file(m))
		return of_file(ctx, m, ret);
	io_move_prep(m, &sqe);
	if (worker)
		sqe.flags |= IOSQE_ASYNC;
	ran = (m->file == IO_OTHER ? io_run_raw : io_run)(ctx, &sqe, &res);
	if (!ran || res == -EAGAIN)
		return over_poll(ctx, m, ret);
	return res == -EPIPE ? broken_pipe(m, worker) : res;
}

/*
 * A socket or a pipe is waited for by poll(2), and tried again: that is cheaper than
 * an op by a fifth of what a wait costs.  A file is always ready for poll(2), and
 * would still wait; so does a datagram whose receiver's queue is full, and who has
 * lost a race: these are for the ring.  So is what cannot be tried.
 */
static long wait_for(struct urctx *ctx, struct io_move *m, long ret)
{
	if (ret == -EAGAIN) {
		ret = await(ctx, m);
		if (ret)
			return ret;
		ret = io_move_try(m, true);
		if (io_move_now(m, ret))
			return ret;
	}
	/* a ring, and poll(2), would not mind an offset in a pipe */
	if (m->off != IO_CURRENT && io_sys_seekable(m->fd))
		return io_sys_seekable(m->fd);
	return over_ring(ctx, m, ret);
}

static bool is_empty(const struct io_move *m)
{
	size_t sum = m->part.iov_len;

	for (size_t i = 0; i < m->nr; i++)
		sum |= m->iov[i].iov_len;
	return !sum;
}

/*
 * With a vector of nothing the kernel asks nobody; with a buffer it does.  To some
 * sockets that is a packet, which may have to wait for room.
 */
static long nothing(struct io_move *m)
{
	long ret;

	m->part.iov_len = 0;
	m->nr = 0;
	if (m->off != IO_CURRENT || m->iov)
		return io_move_try(m, false);
	if (m->kind == IO_READ)
		return io_sys(SYS_read, m->fd, (long)m->part.iov_base, 0, 0, 0, 0);
	m->kind = IO_SEND;
	ret = io_move_try(m, true);
	if (ret != -ENOTSOCK)
		return ret;
	return io_sys(SYS_write, m->fd, (long)m->part.iov_base, 0, 0, 0, 0);
}

/* It has begun to connect: the rest is to wait, and then to send. */
static long fast_open(struct urctx *ctx, struct io_move *m)
{
	long ret = await(ctx, m);

	if (m->msg) {
		m->rest = *m->msg;
		m->rest.msg_name = NULL;
		m->rest.msg_namelen = 0;
		m->msg = &m->rest;
	}
	m->flags &= ~MSG_FASTOPEN;
	return ret ? ret : io_move_try(m, true);
}

static long move(struct urctx *ctx, struct io_move *m, long ret, size_t *done)
{
	int flag;

	for (;;) {
		if (ret > 0) {
			*done += (size_t)ret;
			io_move_on(m, (size_t)ret);
			if (!io_move_goes_on(m))
				return 0;
			ret = io_move_try(m, true);
			continue;
		}
		if (ret == -EINPROGRESS && m->flags & MSG_FASTOPEN && may_wait(m) &&
		    !io_sys_nonblock(m->fd)) {
			ret = fast_open(ctx, m);
			continue;
		}
		if (io_move_now(m, ret) || !may_wait(m))
			return ret;
		flag = io_sys_nonblock(m->fd);
		if (flag < 0)
			return flag;
		/* a file whose data are not in memory waits whatever its flag is */
		if (!flag)
			ret = wait_for(ctx, m, ret);
		else if (ret != -EAGAIN || is_file(m))
			ret = io_move_try(m, false);
		if (ret <= 0)
			return ret;
	}
}

ssize_t io_move_slow(struct urctx *ctx, struct io_move *m, long ret)
{
	struct io_calm calm = io_calm();
	size_t done = 0;

	if (m->kind <= IO_WRITE && is_empty(m) && (!ret || was_refused(ret)))
		ret = nothing(m);
	ret = move(ctx, m, ret, &done);
	io_calm_end(&calm);
	return done ? (ssize_t)done : ret;
}
