/* SPDX-License-Identifier: MIT */
/*
 * fd.c - a descriptor that is readable once the context is done
 *
 * It is a timerfd.  The kernel makes it readable at the deadline; whoever ends the
 * context sets it to a time long past.  The state word first, then the fd; who
 * finds the context done by urctx_err() sets it himself if nobody has yet.
 *
 * A canceller holds no reference, and by the time it gets here the number may be
 * another file: it announces itself in fd_uses, and the last put leaves the close
 * to him.  A child of fork() has the same file as its parent: what it does there
 * is not to be seen here, so it makes one of its own when asked.
 */
#include <errno.h>

#include "fd.h"
#include "fork.h"
#include "timer.h"
#include "word.h"

#define FD_CLOSED	1U	/* the last put was here */
#define FD_FIRED	2U	/* it is readable */
#define FD_USE		4U	/* somebody is about to make it so, or to renew it */
#define FD_OF		8U	/* so many forks before it was made */

/* Made in this process, and nothing has come to it. */
static uint32_t unused(void)
{
	return fork_count() * FD_OF;
}

static bool is_ours(uint32_t uses)
{
	return (uses & -FD_OF) == unused();
}

/* By the one who has made fd_uses FD_USE. */
static void fired(struct extra *e)
{
	uint32_t fd = load(&e->fd, FD_READ), uses;

	if (fd)		/* seldom: it ends while its descriptor is made */
		sys_timerfd_set((int)fd - 1, 1);
	uses = fetch_add(&e->fd_uses, FD_FIRED - FD_USE, FD_USED);
	if (uses & FD_CLOSED)
		sys_close((int)load_relaxed(&e->fd) - 1);
	else
		sys_futex_wake(&e->fd_uses);
}

void fd_fire(const struct urctx *n)
{
	struct extra *e;
	uint32_t uses = unused();

	/* HASFD was seen: now behind it, what it says is there */
	(void)load(&n->watch, FD_READ);
	e = extra_of(n);
	/* twice would take it back for a moment: one does; a parent's is not touched */
	if (cas_relaxed(&e->fd_uses, &uses, uses + FD_USE))
		fired(e);
}

void fd_see(const struct urctx *n)
{
	struct extra *e;
	uint32_t uses;

	(void)load(&n->watch, FD_READ);
	e = extra_of(n);
	for (;;) {
		uses = unused();
		if (cas_relaxed(&e->fd_uses, &uses, uses + FD_USE)) {
			fired(e);
			return;
		}
		/* who is about to in a parent process never comes to it here */
		if (!is_ours(uses) || uses & FD_FIRED)
			return;
		/* somebody is inside of one system call */
		if (uses & FD_USE)
			sys_futex_wait_real(&e->fd_uses, uses, SLICE_END);
	}
}

void fd_leave(struct extra *e)
{
	uint32_t fd = load_relaxed(&e->fd), uses;

	if (!fd)
		return;
	uses = fetch_or(&e->fd_uses, FD_CLOSED, FD_USED);
	if (!(uses & FD_USE) || !is_ours(uses))
		sys_close((int)fd - 1);
}

/* Another file of that number. */
static int fd_over(struct extra *e, int64_t when)
{
	int fd = sys_timerfd(when), ret;

	if (fd < 0)
		return fd;
	ret = sys_dup_over(fd, (int)load_relaxed(&e->fd) - 1);
	sys_close(fd);
	return ret < 0 ? ret : 0;
}

/* What was inherited from the parent process keeps its number.  By one at a time. */
static int fd_renew(struct extra *e, int64_t when)
{
	uint32_t uses = load_relaxed(&e->fd_uses), then;
	int ret;

	do
		while (is_ours(uses)) {
			if (!(uses & FD_USE))
				return 0;
			sys_futex_wait_real(&e->fd_uses, uses, SLICE_END);
			uses = load_relaxed(&e->fd_uses);
		}
	while (!cas_relaxed(&e->fd_uses, &uses, unused() + FD_USE));
	ret = fd_over(e, when);
	then = ret ? uses : unused();
	fetch_add(&e->fd_uses, then - (unused() + FD_USE), FD_USED);
	sys_futex_wake(&e->fd_uses);
	return ret;
}

static int fd_add(struct extra *e, int64_t when)
{
	int fd = sys_timerfd(when);
	uint32_t none = 0, uses = load_relaxed(&e->fd_uses);

	if (fd < 0)
		return fd;
	while (!is_ours(uses) && !cas_relaxed(&e->fd_uses, &uses, unused()))
		;
	if (!cas(&e->fd, &none, (uint32_t)fd + 1, FD_SET))
		sys_close(fd);
	return 0;
}

int urctx_fd(struct urctx *ctx)
{
	struct thread *t = this_thread();
	struct extra *e;
	int64_t when;
	int ret;

	touch(ctx);
	if (!ctx)
		return -EINVAL;
	when = load_relaxed(&ctx->deadline);
	if (sys_clock_held()) {		/* asked once: it may be let go meanwhile */
		ret = timer_watch(ctx);
		if (ret)
			return ret;
		when = URCTX_NEVER;
	}
	e = extra_get(t, ctx);
	if (!e)
		return -ENOMEM;
	ret = load(&e->fd, FD_READ) ? fd_renew(e, when) : fd_add(e, when);
	if (ret)
		return ret;
	fetch_or(&ctx->watch, HASFD, FD_SET);
	/* either this sees done, or the canceller sees HASFD */
	fence_after_rmw(FD_SB);
	if (load(&ctx->state, STATE_READ) & DONE)
		fd_see(ctx);
	return (int)load_relaxed(&e->fd) - 1;
}
