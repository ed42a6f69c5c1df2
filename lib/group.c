/* SPDX-License-Identifier: MIT */
/*
 * group.c - a thread per task, the first error, and all of them joined
 *
 * Nobody keeps a list of the threads.  A task that is over takes the place of the
 * one that was over before, as the last one, and joins that:
 *
 *   fn() -> error, cancel -> last, join the one before -> place -> running -> exit
 *
 * The error comes before the place: who waits for that place finds the context
 * done.  The join comes before the place: there are never more threads than
 * the limit and one.  The join comes before running: when nothing runs, all are
 * joined but the last.  The lock is held over no callback of the user's, and over
 * a join only when no task is left to take it.
 */
#include <errno.h>

#include "context.h"
#include "lock.h"
#include "sys_task.h"

#include <urctx/sync.h>

/* flags */
#define LIMITED		1U
#define ANYWAY		2U
#define OWN_CONTEXT	4U		/* urctx_group_init() was called */
#define OVER		8U		/* and its context has been put */

struct group {
	struct urctx_sem places;
	struct urctx *ctx;
	uintptr_t last;			/* the thread to join, or 0 */
	uint32_t lock;			/* of what follows, and of last */
	uint32_t running;		/* tasks; the futex of wait */
	int32_t err;
	uint32_t flags;
};

_Static_assert(sizeof(struct group) <= sizeof(struct urctx_group), "it fits");

struct task {
	struct group *group;
	int (*fn)(struct urctx *ctx, void *arg);
	void *arg;
};

int urctx_group_init(struct urctx_group *group, struct urctx *parent,
		     unsigned limit, struct urctx **ctx)
{
	struct group *g = (struct group *)group;
	struct urctx *own;
	int ret;

	if (!g)
		return -EINVAL;
	ret = urctx_with_cancel(parent, &own);
	if (ret)
		return ret;
	*group = (struct urctx_group){ 0 };
	g->ctx = own;
	g->flags = OWN_CONTEXT;
	if (limit & URCTX_GROUP_START_ANYWAY)
		g->flags |= ANYWAY;
	limit &= ~URCTX_GROUP_START_ANYWAY;
	if (limit)
		g->flags |= LIMITED;
	urctx_sem_init(&g->places, limit);
	if (ctx)
		*ctx = own;
	return 0;
}

static void count_in(struct group *g)
{
	lock_take(&g->lock);
	fetch_add_relaxed(&g->running, 1);
	lock_drop(&g->lock);
}

static void count_out(struct group *g)
{
	bool none;

	lock_take(&g->lock);
	none = fetch_sub_relaxed(&g->running, 1) == 1;
	lock_drop(&g->lock);
	if (none)
		sys_futex_wake(&g->running);
}

/* This thread is the one to be joined from now on; who was that is joined. */
static void join_before(struct group *g)
{
	uintptr_t before;

	lock_take(&g->lock);
	before = g->last;
	g->last = sys_task_self();
	lock_drop(&g->lock);
	if (before)
		sys_task_join(before);
}

static void leave_place(struct group *g)
{
	if (g->flags & LIMITED)
		urctx_sem_release(&g->places, 1);
}

static void failed(struct group *g, int err)
{
	bool first;

	lock_take(&g->lock);
	first = !g->err;
	if (first)
		g->err = err;
	lock_drop(&g->lock);
	if (first)
		urctx_cancel_cause(g->ctx, urctx_cause_errno(err));
}

static void *task_main(void *arg)
{
	struct task t = *(struct task *)arg;
	struct group *g = t.group;
	int err;

	sys_free(arg);
	err = t.fn(g->ctx, t.arg);
	if (err)
		failed(g, err);
	join_before(g);
	leave_place(g);
	count_out(g);
	return NULL;
}

/* The place is the caller's, and is given back if there is no thread for it. */
static int start(struct group *g, int (*fn)(struct urctx *ctx, void *arg), void *arg)
{
	struct task *t = sys_alloc(sizeof(*t));
	int ret = -ENOMEM;

	if (t) {
		t->group = g;
		t->fn = fn;
		t->arg = arg;
		count_in(g);
		ret = sys_task_start(task_main, t);
		if (!ret)
			return 0;
		sys_free(t);
	}
	leave_place(g);
	if (t)
		count_out(g);
	return ret;
}

int urctx_group_go(struct urctx_group *group,
		   int (*fn)(struct urctx *ctx, void *arg), void *arg)
{
	struct group *g = (struct group *)group;
	struct urctx *ctx;
	int ret;

	if (!g || !fn)
		return -EINVAL;
	if (g->flags & OVER)
		return -ECANCELED;
	ctx = g->flags & ANYWAY ? NULL : g->ctx;
	ret = g->flags & LIMITED ? urctx_sem_acquire(&g->places, ctx, 1) :
				   urctx_err(ctx);
	return ret ? ret : start(g, fn, arg);
}

bool urctx_group_try_go(struct urctx_group *group,
			int (*fn)(struct urctx *ctx, void *arg), void *arg)
{
	struct group *g = (struct group *)group;

	if (!g || !fn || (g->flags & OVER))
		return false;
	if (!(g->flags & ANYWAY) && urctx_err(g->ctx))
		return false;
	if ((g->flags & LIMITED) && !urctx_sem_try_acquire(&g->places, 1))
		return false;
	return !start(g, fn, arg);
}

int urctx_group_wait(struct urctx_group *group)
{
	struct group *g = (struct group *)group;
	struct urctx *ctx;
	uint32_t running;
	int err;

	if (!g)
		return -EINVAL;
	lock_take(&g->lock);
	while ((running = load_relaxed(&g->running))) {
		lock_drop(&g->lock);
		sys_futex_wait(&g->running, running, URCTX_NEVER);
		lock_take(&g->lock);
	}
	if (g->last)		/* under the lock: who else waits here waits for it too */
		sys_task_join(g->last);
	g->last = 0;
	ctx = g->ctx;
	g->ctx = NULL;
	if (g->flags & OWN_CONTEXT)
		g->flags |= OVER;
	err = g->err;
	lock_drop(&g->lock);
	urctx_end(ctx);
	return err;
}
