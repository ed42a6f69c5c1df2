/* SPDX-License-Identifier: MIT */
/* A semaphore that nobody else wants, and a thread for a task. */
#include <pthread.h>
#include <semaphore.h>
#include <urctx/sync.h>
#include "bench.h"

struct semaphores {
	unsigned long n;
	struct urctx *ctx;
	struct urctx_sem ours;
	sem_t bare;
};

static double side_sem(void *arg)
{
	struct semaphores *s = arg;
	int64_t t0 = now_ns();

	for (unsigned long i = 0; i < s->n; i++) {
		if (urctx_sem_acquire(&s->ours, s->ctx, 1))
			return NAN;
		urctx_sem_release(&s->ours, 1);
	}
	return (double)(now_ns() - t0) / (double)s->n;
}

static double side_sem_t(void *arg)
{
	struct semaphores *s = arg;
	int64_t t0 = now_ns();

	for (unsigned long i = 0; i < s->n; i++) {
		if (sem_wait(&s->bare))
			return NAN;
		sem_post(&s->bare);
	}
	return (double)(now_ns() - t0) / (double)s->n;
}

static void run_sem(const struct bench *b, struct result *r)
{
	struct semaphores s = { .n = b->quick ? 1000 : 20000 };

	if (urctx_with_cancel(NULL, &s.ctx)) {
		result_fail(r, "no context");
		return;
	}
	urctx_sem_init(&s.ours, 1);
	sem_init(&s.bare, 0, 1);
	bench_ab(b, r, SLICES, side_sem, side_sem_t, &s);
	sem_destroy(&s.bare);
	urctx_put(s.ctx);
}

/* -------------------------------------------------------------------- groups */

enum { TASKS = 8 };

static int task(struct urctx *ctx, void *arg)
{
	HIDE(ctx);
	HIDE(arg);
	return 0;
}

static void *bare_task(void *arg)
{
	HIDE(arg);
	return NULL;
}

static double side_group(void *arg)
{
	unsigned n = *(unsigned *)arg;
	int64_t t0 = now_ns();

	for (unsigned i = 0; i < n; i++) {
		struct urctx_group g = { { 0 } };
		struct urctx *ctx;

		if (urctx_group_init(&g, NULL, 0, &ctx))
			return NAN;
		for (int k = 0; k < TASKS; k++)
			if (urctx_group_go(&g, task, NULL))
				return NAN;
		if (urctx_group_wait(&g))
			return NAN;
	}
	return (double)(now_ns() - t0) / n / TASKS;
}

static double side_threads(void *arg)
{
	unsigned n = *(unsigned *)arg;
	int64_t t0 = now_ns();

	for (unsigned i = 0; i < n; i++) {
		pthread_t t[TASKS];

		for (int k = 0; k < TASKS; k++)
			if (pthread_create(&t[k], NULL, bare_task, NULL))
				return NAN;
		for (int k = 0; k < TASKS; k++)
			pthread_join(t[k], NULL);
	}
	return (double)(now_ns() - t0) / n / TASKS;
}

static void run_group(const struct bench *b, struct result *r)
{
	unsigned n = b->quick ? 1 : 5;

	bench_ab(b, r, SLICES, side_group, side_threads, &n);
	result_note(r, "a group of %d, init and wait of it included", TASKS);
}

const struct row sync_rows[] = {
	{ "group_go", "core", "ns",
	  "urctx_group_go() of an empty task, and its part of the wait",
	  "pthread_create and join", NAN, GOAL_NONE, 0, run_group },
	{ "sem_acquire", "core", "ns",
	  "urctx_sem_acquire() and release that nobody contends for",
	  "sem_wait and sem_post", NAN, GOAL_NONE, 0, run_sem },
	{ NULL }
};
