/* SPDX-License-Identifier: MIT */
/*
 * s_sync_sem.c - tokens: none is lost, none is given twice, nobody waits for ever
 */
#include "s_tree.h"

#include <urctx/sync.h>

static struct urctx *ctx;
static struct urctx_sem *sem;
static int sum, said, held;

/* A semaphore of @size, @out of which are taken. */
static void make_sem(int64_t size, int64_t out)
{
	users(3);
	ctx = make(NULL, "ctx");
	sem = mc_malloc(sizeof(*sem));
	mc_assert(sem);
	mc_name(sem, sizeof(*sem), "sem");
	urctx_sem_init(sem, size);
	mc_assert(!urctx_sem_acquire(sem, NULL, out));
}

static void init_mutex(void)
{
	make_sem(1, 0);
}

static void init_held(void)
{
	make_sem(1, 1);
}

static void init_one_of_two(void)
{
	make_sem(2, 1);
}

static void init_two(void)
{
	make_sem(2, 2);
}

/* fini(): so many are free, nobody waits. */
static void all_free(int64_t size)
{
	mc_assert(urctx_sem_try_acquire(sem, size));
	mc_assert(!urctx_sem_try_acquire(sem, 1));
	mc_release(sem);
}

static void t_add(void)
{
	mc_assert(!urctx_sem_acquire(sem, NULL, 1));
	sum++;
	urctx_sem_release(sem, 1);
}

static void added(void)
{
	mc_assert(sum >= 2);
	all_free(1);
}

static void t_cancel(void)
{
	cancel_one(ctx);
}

static void t_release(void)
{
	sum++;
	urctx_sem_release(sem, 1);
}

/* Whoever is told that it has the token sees what its last holder did. */
static void t_acquire(void)
{
	said = urctx_sem_acquire(sem, ctx, 1);
	mc_assert(!said || said == -ECANCELED || said == -EINTR);
	if (!said)
		mc_assert(sum == 1);
}

/* Kept if it said so, free otherwise. */
static void kept_or_free(void)
{
	mc_assert(urctx_sem_try_acquire(sem, 1) == (said != 0));
	mc_release(sem);
}

static void free_it(void)
{
	mc_release(sem);
}

/* It will not come; those behind do not wait for that. */
static void t_acquire_two(void)
{
	mc_assert(urctx_sem_acquire(sem, ctx, 2) == -ECANCELED);
}

static void t_acquire_three(void)
{
	mc_assert(urctx_sem_acquire(sem, ctx, 3) == -ECANCELED);
}

static void t_acquire_one(void)
{
	mc_assert(!urctx_sem_acquire(sem, NULL, 1));
	held++;
}

static void one_held(void)
{
	mc_assert(held == 1);
	mc_assert(!urctx_sem_try_acquire(sem, 1));
	urctx_sem_release(sem, 2);
	all_free(2);
}

/* Of two who try for the last token one has it, whoever looked first. */
static void t_try(void)
{
	if (urctx_sem_try_acquire(sem, 1))
		__atomic_fetch_add(&held, 1, __ATOMIC_RELAXED);
}

static void one_had_it(void)
{
	mc_assert(held == 1);
	urctx_sem_release(sem, 1);
	all_free(1);
}

/* All of it, as a join: then there is no semaphore any more. */
static void t_join(void)
{
	mc_assert(!urctx_sem_acquire(sem, NULL, 2));
	mc_assert(sum == 2);
	mc_release(sem);
}

static void t_join_one(void)
{
	mc_assert(!urctx_sem_acquire(sem, NULL, 1));
	mc_assert(sum == 1);
	mc_release(sem);
}

static void t_release_atomic(void)
{
	__atomic_fetch_add(&sum, 1, __ATOMIC_RELAXED);
	urctx_sem_release(sem, 1);
}

#define SEM (TREE | MC_REUSE)

static const struct mc_scenario two = {
	"sem_two", "sync", init_mutex, { t_add, t_add }, added, SEM | MC_QUICK,
};
static const struct mc_scenario three = {
	"sem_three", "sync", init_held, { t_add, t_add, t_release }, added, SEM,
};
static const struct mc_scenario cancel = {
	"sem_cancel", "sync", init_held, { t_acquire, t_cancel }, free_it, SEM | MC_QUICK,
};
static const struct mc_scenario grant = {
	"sem_grant_done", "sync", init_held, { t_acquire, t_cancel, t_release },
	kept_or_free, SEM | MC_QUICK,
};
static const struct mc_scenario eintr = {
	"sem_eintr", "sync", init_held, { t_acquire, t_release }, kept_or_free,
	SEM | MC_QUICK | MC_FAIL_EINTR, 2,
};
static const struct mc_scenario head = {
	"sem_head_leaves", "sync", init_one_of_two,
	{ t_acquire_two, t_acquire_one, t_cancel }, one_held, SEM | MC_QUICK,
};
static const struct mc_scenario too_big = {
	"sem_too_big", "sync", init_one_of_two,
	{ t_acquire_three, t_acquire_one, t_cancel }, one_held, SEM | MC_QUICK,
};
static const struct mc_scenario try_both = {
	"sem_try", "sync", init_mutex, { t_try, t_try }, one_had_it, SEM | MC_QUICK,
};
static const struct mc_scenario join_one = {
	"sem_join_one", "sync", init_held, { t_join_one, t_release }, NULL,
	SEM | MC_QUICK,
};
static const struct mc_scenario join = {
	"sem_join", "sync", init_two, { t_join, t_release_atomic, t_release_atomic },
	NULL, SEM,
};
int main(int argc, char **argv)
{
	return mc_main(argc, argv, &two, &three, &cancel, &grant, &eintr, &head, &too_big,
		       &try_both, &join_one, &join, NULL);
}
