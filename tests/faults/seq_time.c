/* SPDX-License-Identifier: MIT */
/*
 * seq_time.c - deadlines that come, the clock that is held, and what sleeps on words
 */
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <urctx.h>
#include <urctx/clock.h>
#include <urctx/sync.h>

#include "faults.h"

#define MSEC	1000000LL
#define HOUR	(3600 * 1000 * MSEC)

struct told {
	struct urctx_callback cb;
	uint32_t ran;
};

static void tell(struct urctx_callback *cb)
{
	struct told *t = (struct told *)cb;

	__atomic_store_n(&t->ran, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &t->ran, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static void await(struct told *t)
{
	while (!__atomic_load_n(&t->ran, __ATOMIC_SEQ_CST))
		syscall(SYS_futex, &t->ran, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}

void seq_time(void)
{
	struct urctx *root, *soon, *again, *below, *grace;
	struct told t = { 0 }, u = { 0 };
	struct pollfd p = { .events = POLLIN };

	EXPECT(0, urctx_with_cancel(NULL, &root), -ENOMEM);
	EXPECT(0, urctx_with_timeout(root, 5 * MSEC, &soon), -ENOMEM);
	EXPECT(0, urctx_with_cancel(soon, &below), -ENOMEM);
	EXPECT(0, urctx_with_grace(soon, 2 * MSEC, &grace), -ENOMEM, -EAGAIN);
	EXPECT(0, urctx_after(soon, &t.cb, tell), -ENOMEM, -EAGAIN);
	EXPECT(0, urctx_after(grace, &u.cb, tell), -ENOMEM, -EAGAIN);
	p.fd = (int)RESULT(urctx_fd(below), -ENOMEM, -EMFILE, -ENFILE, MACHINE);
	await(&t);
	await(&u);
	CHECK(poll(&p, 1, 1000) == 1);
	CHECK(urctx_err(soon) == -ETIME && urctx_err(below) == -ETIME);
	CHECK(urctx_err(grace) == -ETIME);
	CHECK(urctx_cause(below) == &urctx_deadline_exceeded);
	EXPECT(0, urctx_with_timeout(root, 2 * MSEC, &again), -ENOMEM);
	EXPECT(0, urctx_wait(again, URCTX_NEVER), -EINTR);
	CHECK(urctx_err(again) == -ETIME && !urctx_remaining(again));
	EXPECT(-ETIME, urctx_wait(root, urctx_now() + MSEC), -EINTR);
	urctx_put(again);
	EXPECT(0, urctx_with_timeout(root, 3 * MSEC, &again), -ENOMEM);
	while (!urctx_done(again))
		if (urctx_err(again))
			break;
	urctx_put(again);
	urctx_put(grace);
	urctx_put(below);
	urctx_put(soon);
	urctx_end(root);
}

/* 0 is no news of the word, nor is that it has changed. */
static void wait_for_end(struct urctx *ctx, uint32_t *word)
{
	while (TRY(ret_ == 0 || ret_ == -EAGAIN || ret_ == -ETIME,
		   urctx_futex_wait(ctx, word, 0), -EINTR) != -ETIME)
		;
}

static void advance(void *arg)
{
	(void)arg;
	EXPECT(0, urctx_clock_advance(HOUR), -EAGAIN);
}

void seq_clock(void)
{
	struct urctx *root, *soon, *other;
	struct told t = { 0 }, u = { 0 };
	struct pollfd p = { .events = POLLIN };
	struct helper *h;
	uint32_t word = 0;

	EXPECT(0, urctx_clock_hold(0), ENOUGH);
	EXPECT(0, urctx_with_cancel(NULL, &root), -ENOMEM);
	EXPECT(0, urctx_with_timeout(root, HOUR, &soon), -ENOMEM);
	EXPECT(0, urctx_with_timeout(root, 3 * HOUR, &other), -ENOMEM);
	p.fd = (int)RESULT(urctx_fd(soon), -ENOMEM, -EMFILE, -ENFILE, -EAGAIN, MACHINE);
	EXPECT(0, urctx_after(other, &u.cb, tell), -ENOMEM, -EAGAIN);
	EXPECT(0, urctx_after(soon, &t.cb, tell), -ENOMEM, -EAGAIN);
	EXPECT(0, urctx_clock_advance(HOUR - 1), -EAGAIN);
	CHECK(!urctx_err(soon) && !t.ran);
	EXPECT(0, urctx_clock_advance(1), -EAGAIN);
	CHECK(t.ran && urctx_err(soon) == -ETIME && poll(&p, 1, 0) == 1);
	h = later(advance, NULL);
	EXPECT(-ETIME, urctx_wait(root, urctx_now() + HOUR), -EINTR);
	helper_join(h);
	h = later(advance, NULL);
	wait_for_end(other, &word);
	helper_join(h);
	CHECK(u.ran);
	h = later(end_it, root);
	urctx_clock_await(0);
	EXPECT(0, urctx_wait(root, URCTX_NEVER), -EINTR);
	helper_join(h);
	urctx_clock_release();
	urctx_put(other);
	urctx_put(soon);
	urctx_put(root);
}

static void post(void *arg)
{
	uint32_t *word = arg;

	__atomic_store_n(word, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static void release_one(void *sem)
{
	urctx_sem_release((struct urctx_sem *)sem, 1);
}

static void wait_for_word(struct urctx *ctx, uint32_t *word)
{
	while (!__atomic_load_n(word, __ATOMIC_SEQ_CST))
		TRY(ret_ == 0 || ret_ == -EAGAIN, urctx_futex_wait(ctx, word, 0), -EINTR);
}

void seq_sync(void)
{
	struct urctx *ctx, *timed;
	struct urctx_sem sem;
	struct helper *h;
	uint32_t word = 0, other = 0;
	int i;

	EXPECT(0, urctx_with_cancel(NULL, &ctx), -ENOMEM);
	EXPECT(0, urctx_with_timeout(ctx, 20 * MSEC, &timed), -ENOMEM);
	h = later(post, &word);
	wait_for_word(ctx, &word);
	helper_join(h);
	word = 0;
	h = later(post, &word);
	wait_for_word(NULL, &word);
	helper_join(h);

	urctx_sem_init(&sem, 2);
	EXPECT(0, urctx_sem_acquire(&sem, ctx, 2), -EINTR);
	CHECK(!urctx_sem_try_acquire(&sem, 1));
	for (i = 0; i < 3; i++) {
		h = later(release_one, &sem);
		EXPECT(0, urctx_sem_acquire(&sem, i ? ctx : NULL, 1), -EINTR);
		helper_join(h);
	}
	EXPECT(-ETIME, urctx_sem_acquire(&sem, timed, 1), -EINTR);
	urctx_put(timed);
	EXPECT(0, urctx_with_timeout(ctx, 10 * MSEC, &timed), -ENOMEM);
	wait_for_end(timed, &other);
	h = later(end_it, ctx);
	EXPECT(-ECANCELED, urctx_sem_acquire(&sem, ctx, 1), -EINTR);
	helper_join(h);
	urctx_sem_release(&sem, 2);
	CHECK(urctx_sem_try_acquire(&sem, 2));
	urctx_sem_release(&sem, 2);
	urctx_put(timed);
	urctx_put(ctx);
}

static int task(struct urctx *ctx, void *arg)
{
	__atomic_add_fetch((uint32_t *)arg, 1, __ATOMIC_SEQ_CST);
	return urctx_err(ctx);
}

static int failing(struct urctx *ctx, void *arg)
{
	(void)ctx;
	(void)arg;
	return -EIO;
}

void seq_group(void)
{
	struct urctx *ctx;
	struct urctx_group g;
	uint32_t ran = 0;
	int i;

	/* one place: who loses it stands still */
	EXPECT(0, urctx_group_init(&g, NULL, 1, &ctx), -ENOMEM);
	for (i = 0; i < 8; i++)
		EXPECT(0, urctx_group_go(&g, task, &ran), -ENOMEM, -EAGAIN, -EINTR);
	CHECK(!urctx_group_wait(&g) && ran == 8);
	EXPECT(0, urctx_group_init(&g, NULL, 0, &ctx), -ENOMEM);
	EXPECT(1, urctx_group_try_go(&g, task, &ran), 0);
	EXPECT(0, urctx_group_go(&g, failing, NULL), -ENOMEM, -EAGAIN);
	CHECK(urctx_group_wait(&g) == -EIO && ran >= 9);
}
