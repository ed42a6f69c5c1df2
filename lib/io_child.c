/* SPDX-License-Identifier: MIT */
/* io_child.c - waitid(2): over a ring, over a pidfd, or by looking again */
#include "io.h"

#include <string.h>
#include <sys/wait.h>

#define P_PIDFD_	3		/* since Linux 5.4; an enumerator, or not there */
#define OP_WAITID	50		/* IORING_OP_WAITID, Linux 6.7 */

struct child {
	int idtype;
	id_t id;
	int options;
	siginfo_t info;			/* the kernel's while a ring waits */
};

static int look(struct child *c, int flags)
{
	memset(&c->info, 0, sizeof(c->info));
	return (int)io_sys(SYS_waitid, c->idtype, (long)c->id, (long)&c->info,
			   c->options | flags, 0, 0);
}

/* There is a child, and nothing has happened to it. */
static bool pending(const struct child *c, int ret)
{
	return !ret && !c->info.si_pid && !(c->options & WNOHANG);
}

/* A pidfd says when its process has ended, and nothing else. */
static int pidfd_of(const struct child *c)
{
	int fd = -EINVAL;

	if (c->options & (WSTOPPED | WCONTINUED))
		return -1;
	if (c->idtype == P_PIDFD_)
		return (int)c->id;
	if (c->idtype == P_PID)
		fd = (int)io_sys(SYS_pidfd_open, (long)c->id, 0, 0, 0, 0, 0);
	return fd < 0 ? -1 : fd;
}

static int over_poll(struct urctx *ctx, struct child *c)
{
	int64_t nap = IO_NAP_FIRST;
	int fd = pidfd_of(c), ret;

	do {
		ret = fd < 0 ? io_nap(ctx, &nap) : io_await(ctx, fd, POLLIN);
		if (!ret)
			ret = look(c, WNOHANG);
		/* ended, and somebody traces it, or is faster */
		if (pending(c, ret) && fd >= 0)
			ret = io_nap(ctx, &nap);
	} while (pending(c, ret));
	if (fd >= 0 && c->idtype == P_PID)
		(void)io_sys(SYS_close, fd, 0, 0, 0, 0, 0);
	return ret;
}

static bool over_ring(struct urctx *ctx, struct child *c, int *ret)
{
	struct io_thread *t = io_self_ring();
	struct io_uring_sqe sqe = { 0 };

	if (!t || !io_ring_can_waitid(t))
		return false;
	io_uring_prep_rw(OP_WAITID, &sqe, (int)c->id, NULL, (unsigned)c->idtype, 0);
	sqe.file_index = (__u32)c->options;
	sqe.addr2 = (__u64)(uintptr_t)&c->info;
	return io_run(ctx, &sqe, ret);
}

static int wait_for(struct urctx *ctx, struct child *c)
{
	struct io_calm calm = io_calm();
	int ret;

	if (!over_ring(ctx, c, &ret))
		ret = over_poll(ctx, c);
	io_calm_end(&calm);
	return ret;
}

int urctx_waitid(struct urctx *ctx, int idtype, id_t id, siginfo_t *info, int options)
{
	struct child c = { .idtype = idtype, .id = id, .options = options };
	int saved = errno, ret;

	if (!ctx)
		return (int)io_plain(waitid((idtype_t)idtype, id, info, options), saved);
	ret = urctx_err(ctx);
	if (ret)
		return ret;
	ret = look(&c, WNOHANG);
	if (pending(&c, ret))
		ret = idtype == P_PIDFD_ && io_sys_nonblock((int)id) == 1 ?
		      -EAGAIN : wait_for(ctx, &c);
	if (!ret && info)
		*info = c.info;
	return ret;
}
