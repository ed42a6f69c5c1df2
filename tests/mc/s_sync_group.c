/* SPDX-License-Identifier: MIT */
/*
 * s_sync_group.c - tasks: the first error, and none is left when wait is back
 *
 * A task that is started is run by the scenario's thread of its number.
 */
#include "s_tree.h"

#include <urctx/sync.h>

#include "sys_task.h"

#define TASKS 3

static struct {
	void *(*fn)(void *arg);
	void *arg;
	uint32_t exited;
	int joined, late;
} task[TASKS + 1];
static int started;

int mc_task_start(void *(*fn)(void *arg), void *arg)
{
	mc_assert(++started <= TASKS);
	task[started].fn = fn;
	task[started].arg = arg;
	return 0;
}

uintptr_t mc_task_self(void)
{
	return (uintptr_t)mc_self();
}

/* Once for each; what it did is over. */
void mc_task_join(uintptr_t id)
{
	mc_assert(id != mc_task_self());
	while (!__atomic_load_n(&task[id].exited, __ATOMIC_ACQUIRE))
		mc_futex_wait(&task[id].exited, 0, INT64_MAX);
	mc_assert(!task[id].joined);
	task[id].joined = 1;
}

static void run(int id)
{
	task[id].fn(task[id].arg);
	task[id].late = 1;
	__atomic_store_n(&task[id].exited, 1, __ATOMIC_RELEASE);
	mc_futex_wake(&task[id].exited, 1 << 30);
}

static struct urctx_group *g;
static struct urctx *ctx;
static int result[2], went;

static void init_group(unsigned limit)
{
	users(3);
	g = mc_malloc(sizeof(*g));
	mc_assert(g);
	mc_name(g, sizeof(*g), "group");
	mc_assert(!urctx_group_init(g, NULL, limit, &ctx));
	mc_name(ctx, sizeof(*ctx), "ctx");
}

static int fails(struct urctx *c, void *arg)
{
	mc_assert(c == ctx);
	return -*(int *)arg;
}

static int nr[] = { EIO, EPERM };

static void go(int i)
{
	mc_assert(!urctx_group_go(g, fails, &nr[i]));
}

static void init_one(void)
{
	init_group(0);
	go(0);
}

static void init_two(void)
{
	init_one();
	go(1);
}

static void init_full(void)
{
	init_group(1);
	go(0);
}

static void t_first(void)
{
	run(1);
}

static void t_second(void)
{
	run(2);
}

/* All are joined, and nobody has any business with the group. */
static void t_wait(void)
{
	int i;

	result[0] = urctx_group_wait(g);
	for (i = 1; i <= started; i++)
		mc_assert(task[i].late);
	mc_release(g);
}

static void t_wait_too(void)
{
	result[mc_self() - 2] = urctx_group_wait(g);
	mc_assert(task[1].late);
}

static void either(void)
{
	mc_assert(result[0] == -EIO || result[0] == -EPERM);
	mc_assert(task[1].joined && task[2].joined);
}

static void both_waits(void)
{
	mc_assert(result[0] == -EIO && result[1] == -EIO);
	mc_assert(task[1].joined);
	mc_release(g);
}

/* The place of one that failed is no place: the context is done by then. */
static void t_go(void)
{
	went = urctx_group_go(g, fails, &nr[1]);
	mc_assert(went == -ECANCELED);
	mc_assert(!urctx_group_try_go(g, fails, &nr[1]));
}

static void skipped(void)
{
	mc_assert(went == -ECANCELED && started == 1);
	mc_assert(urctx_cause(ctx) == urctx_cause_errno(EIO));
	mc_assert(urctx_group_wait(g) == -EIO);
	mc_assert(task[1].joined);
	mc_release(g);
}

#define GROUP (TREE | MC_REUSE)

static const struct mc_scenario one = {
	"group_one", "sync", init_one, { t_first, t_wait }, NULL, GROUP | MC_QUICK,
};
static const struct mc_scenario two = {
	"group_two", "sync", init_two, { t_first, t_second, t_wait }, either, GROUP,
};
static const struct mc_scenario waits = {
	"group_two_waits", "sync", init_one, { t_first, t_wait_too, t_wait_too },
	both_waits, GROUP,
};
static const struct mc_scenario full = {
	"group_skips", "sync", init_full, { t_first, t_go }, skipped, GROUP | MC_QUICK,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &one, &two, &waits, &full, NULL);
}
