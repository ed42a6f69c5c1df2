/* SPDX-License-Identifier: MIT */
/*
 * io_poll.c - wait by poll(2): for descriptors, and for the end of a context
 *
 * A callback writes to the thread's eventfd, and the deadline is the time-out of
 * the wait.  Without an eventfd, or without memory for the callback, it looks at the
 * context again after 0.1, 0.2 ... 12.8 ms: these calls do not fail for want of
 * what only they need.
 */
#include "io.h"

#include <string.h>

#include "call.h"

#define FEW	16U

struct end {
	struct urctx_callback cb;
	unsigned process;		/* whose eventfd it is: a handler may fork */
	int fd;				/* eventfd, or -1: nothing is armed */
	bool deaf, closed;		/* it does not wake us; it is not ours any more */
};

/* If not, it is not written to, and what has come to it is the parent's. */
static bool is_ours(const struct end *end)
{
	return likely(end->process == ring_process());
}

static void ended(struct urctx_callback *cb)
{
	const struct end *end = (struct end *)cb;

	if (is_ours(end))
		ring_eventfd_write(end->fd);
}

/* As a ring's: its deadline is ours to keep, no timekeeper is needed. */
static void arm(struct end *end, struct io_thread *t, struct urctx *ctx)
{
	struct call *call = (struct call *)&end->cb;

	memset(end, 0, sizeof(*end));
	call->kind = CALL_RING;
	call->ops = 1;
	end->process = ring_process();
	end->fd = io_self_wake(t);
	if (end->fd >= 0 && urctx_after(ctx, &end->cb, ended))
		end->fd = -1;
	end->deaf = end->fd < 0;
	if (t)
		t->busy = true;
}

static void disarm(struct end *end, struct io_thread *t)
{
	if (end->fd >= 0 && !urctx_stop(&end->cb) && !end->closed && is_ours(end))
		(void)ring_eventfd_read(end->fd);
	if (!t)
		return;
	if (end->closed)
		t->wake = -1;
	t->busy = false;
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/*
 * Without the eventfd from now on: poll(2) counts it where RLIMIT_NOFILE does not
 * allow so many, or somebody has closed it by its number.
 */
static bool goes_deaf(struct end *end, long ret, short revents)
{
	if (end->deaf || (ret != -EINVAL && !(ret > 0 && revents & POLLNVAL)))
		return false;
	end->deaf = true;
	end->closed = ret > 0;
	return true;
}

/* @fds has @nr of the caller's, and room for one more. */
static long wait_for(struct urctx *ctx, struct pollfd *fds, unsigned long nr,
		     int64_t ns, struct end *end)
{
	int64_t nap = IO_NAP_FIRST;
	long ret;

	fds[nr].fd = end->fd;
	fds[nr].events = POLLIN;
	for (;;) {
		int64_t left = sooner(urctx_remaining(ctx), ns);

		if (end->deaf) {
			left = sooner(left, nap);
			nap = sooner(nap * 2, IO_NAP_LAST);
		}
		fds[nr].revents = 0;
		ret = io_sys_poll(fds, nr + !end->deaf, left);
		if (unlikely(goes_deaf(end, ret, fds[nr].revents)))
			continue;
		if (ret > 0 && fds[nr].revents)
			ret--;
		if (ret)
			return ret;
		ret = urctx_err(ctx);
		if (ret || (ns != URCTX_NEVER && left == ns))
			return ret;
	}
}

static long wait_armed(struct urctx *ctx, struct pollfd *fds, unsigned long nr,
		       int64_t ns)
{
	struct io_thread *t = io_self();
	struct end end;
	long ret;

	if (t && t->busy)
		t = NULL;
	arm(&end, t, ctx);
	ret = wait_for(ctx, fds, nr, ns, &end);
	disarm(&end, t);
	return ret;
}

int io_await(struct urctx *ctx, int fd, short events)
{
	struct pollfd fds[2] = { { .fd = fd, .events = events } };
	long ret = wait_armed(ctx, fds, 1, URCTX_NEVER);

	return ret < 0 ? (int)ret : 0;
}

int io_nap(struct urctx *ctx, int64_t *nap)
{
	struct pollfd fds[1];
	int ret = (int)wait_armed(ctx, fds, 0, *nap);

	*nap = sooner(*nap * 2, IO_NAP_LAST);
	return ret;
}

static int poll_many(struct urctx *ctx, struct pollfd *fds, nfds_t nr)
{
	struct pollfd few[FEW + 1], *all = few;
	int ret;

	if (nr > FEW)
		all = sys_alloc((nr + 1) * sizeof(*all));
	if (!all)
		return -ENOMEM;
	for (nfds_t i = 0; i < nr; i++)
		all[i] = fds[i];
	ret = (int)wait_armed(ctx, all, nr, URCTX_NEVER);
	for (nfds_t i = 0; ret > 0 && i < nr; i++)
		fds[i].revents = all[i].revents;
	if (nr > FEW)
		sys_free(all);
	return ret;
}

int urctx_poll(struct urctx *ctx, struct pollfd *fds, nfds_t nr)
{
	int saved = errno, ret;
	struct io_calm calm;

	if (!ctx)
		return (int)io_plain(poll(fds, nr, -1), saved);
	ret = urctx_err(ctx);
	if (ret)
		return ret;
	/* also what the system thinks of @fds and @nr */
	ret = (int)io_sys_poll(fds, nr, 0);
	if (ret)
		return ret;
	calm = io_calm();
	ret = poll_many(ctx, fds, nr);
	io_calm_end(&calm);
	return ret;
}

int urctx_sleep(struct urctx *ctx, int64_t timeout)
{
	int64_t now = urctx_now();
	int ret = urctx_err(ctx);

	if (ret || timeout <= 0)
		return ret;
	if (timeout == URCTX_NEVER || timeout > URCTX_NEVER - now)
		ret = urctx_wait(ctx, URCTX_NEVER);
	else
		ret = urctx_wait(ctx, now + timeout);
	if (ret == -ETIME)
		return 0;
	return ret ? ret : urctx_err(ctx);
}
