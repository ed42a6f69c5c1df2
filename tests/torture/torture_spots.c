/* SPDX-License-Identifier: MIT */
/*
 * torture_spots.c - the spots at which two threads meet
 */
#include <poll.h>

#include "duels.h"

static void put_at(struct match *m, struct try *t)
{
	(void)m;
	t_put(t->at);
}

static void put_kid0(struct match *m, struct try *t)
{
	(void)m;
	hold_up(m->duel->act[1] == put_kid0, 0, one_of(FAR));
	t_put(t->kid[0]);
}

static void cancel_at(struct match *m, struct try *t)
{
	(void)m;
	t->said[0] = t_cancel(t->at, some_cause());
}

/* The last two children of one that was put leave together (ZOMBIE_SB): a row of them. */
static void ready_zombie(struct match *m, struct try *t)
{
	struct urctx *between[8];
	int nr = one_of(2) ? 8 : 0, i, k;

	for (k = 0; k < KIDS; k++) {
		t->at = t_derive(m->pen);
		t->kid[k] = t_derive(t->at);
		for (i = 0; i < nr; i++)	/* the other is in another cache line */
			between[i] = t_derive(t->at);
		t->leaf[k] = t_derive(t->at);
		for (i = 0; i < nr; i++)
			t_put(between[i]);
		t_put(t->at);
	}
}

static void put_kids(struct match *m, struct try *t)
{
	(void)m;
	for (unsigned k = 0; k < KIDS; k++) {
		hold_up(0, 2 * k, 2 * k + 2);
		t_put(t->kid[k]);
	}
}

static void put_leaves(struct match *m, struct try *t)
{
	(void)m;
	for (unsigned k = 0; k < KIDS; k++) {
		hold_up(1, 2 * k, 2 * k + 2);
		t_put(t->leaf[k]);
	}
}

static void nothing(struct match *m, struct try *t)
{
	(void)m;
	(void)t;
}

/* It is put, and its only child leaves (I15, the barrier through all threads). */
static void ready_parent(struct match *m, struct try *t)
{
	t->at = t_derive(m->pen);
	t->kid[0] = t_derive(t->at);
}

/* A child is made while its parent ends (G3). */
static void ready_derive(struct match *m, struct try *t)
{
	t->at = t_derive(m->pen);
	if (one_of(2))
		t_put(t_derive(t->at));		/* it has had one before */
}

static void derive_kid(struct match *m, struct try *t)
{
	(void)m;
	t->kid[0] = t_derive(t->at);
}

static void judge_derive(struct match *m, struct try *t)
{
	(void)m;
	must(t_done(t->kid[0]) && t_cause(t->kid[0]) == t_cause(t->at));
	t_put(t->kid[0]);
	t_put(t->at);
}

/* Two cancel one tree: for either all is over when he is back (G2, help). */
static void count_ran(struct urctx_callback *cb)
{
	struct try *t = try_of(cb);

	for (uint32_t n = one_of(200); n; n--)	/* who stops it has to wait */
		__asm__ __volatile__("" : "+r"(n));
	must(__atomic_add_fetch(&t->ran[cb - t->cb], 1, __ATOMIC_RELAXED) == 1);
}

static void ready_cancel(struct match *m, struct try *t)
{
	int i;

	t->at = t_derive(m->pen);
	for (i = 0; i < KIDS; i++) {
		t->ran[i] = 0;
		t->kid[i] = t_derive(i % 3 ? t->kid[i - 1] : t->at);
		t->leaf[i] = t_derive(t->kid[i]);
		did(AFTER);
		must(urctx_after(t->kid[i], &t->cb[i], count_ran) == 0);
	}
}

static void cancel_all(struct match *m, struct try *t)
{
	int i;

	(void)m;
	t_cancel(t->at, some_cause());
	for (i = 0; i < KIDS; i++)
		must(t_done(t->kid[i]) && t_done(t->leaf[i]));
}

static void judge_cancel(struct match *m, struct try *t)
{
	int i;

	(void)m;
	for (i = 0; i < KIDS; i++) {
		must(t_cause(t->leaf[i]) == t_cause(t->at));
		did(STOP);
		must(!urctx_stop(&t->cb[i]) && t->ran[i] == 1);
		t_put(t->kid[i]);
		t_put(t->leaf[i]);
	}
	t_put(t->at);
}

/* A callback is armed while its context ends. */
static void ready_call(struct match *m, struct try *t)
{
	t->at = t_derive(m->pen);
	t->ran[0] = 0;
}

static void arm(struct match *m, struct try *t)
{
	(void)m;
	did(AFTER);
	must(urctx_after(t->at, &t->cb[0], count_ran) == 0);
}

static void judge_call(struct match *m, struct try *t)
{
	(void)m;
	did(STOP);
	must(!urctx_stop(&t->cb[0]) && t->ran[0] == 1);
	t_put(t->at);
}

/* It is stopped while its context ends. */
static void ready_stop(struct match *m, struct try *t)
{
	ready_call(m, t);
	arm(m, t);
}

static void stop_it(struct match *m, struct try *t)
{
	bool wait = one_of(2);

	(void)m;
	did(STOP);
	t->said[1] = wait ? urctx_stop(&t->cb[0]) : urctx_try_stop(&t->cb[0]);
	must(t->said[1] || !wait || __atomic_load_n(&t->ran[0], __ATOMIC_RELAXED) == 1);
}

static void judge_stop(struct match *m, struct try *t)
{
	(void)m;
	did(STOP);
	must(!urctx_stop(&t->cb[0]));
	must(t->ran[0] == !t->said[1]);
	t_put(t->at);
}

/* Somebody goes to sleep while it ends (WAIT_SB, WAKE_SB). */
static void wait_at(struct match *m, struct try *t)
{
	(void)m;
	did(WAIT);
	must(urctx_wait(t->at, urctx_now() + torture.stall) == 0);
}

/* And while its last child leaves (IDLE_SB, LEFT_SB). */
static void wait_idle(struct match *m, struct try *t)
{
	(void)m;
	did(IDLE);
	must(urctx_wait_idle(t->at, urctx_now() + torture.stall) == 0);
}

/* One walks over what the other takes away: grace periods. */
static void ready_walk(struct match *m, struct try *t)
{
	int i;

	t->at = t_derive(m->pen);
	for (i = 0; i < KIDS; i++) {
		t->kid[i] = t_derive(t->at);
		t->leaf[i] = t_derive(t->kid[i]);
	}
}

static void take_away(struct match *m, struct try *t)
{
	int i;

	(void)m;
	for (i = 0; i < KIDS; i++) {
		t_put(t->leaf[i]);
		t_put(t->kid[i]);
	}
}

/*
 * Or takes away and makes again elsewhere, of the same memory: what lives stays (I4).
 * A row of parents, with a child each.
 */
static void ready_move(struct match *m, struct try *t)
{
	int i;

	t->other = t_derive(m->pen);
	for (i = 0; i < KIDS; i++) {
		t->leaf[i] = t_derive(m->pen);
		t->kid[i] = t_derive(t->leaf[i]);
	}
}

static void cancel_row(struct match *m, struct try *t)
{
	(void)m;
	for (int i = 0; i < KIDS; i++)
		t_cancel(t->leaf[i], some_cause());
}

static void move(struct match *m, struct try *t)
{
	(void)m;
	for (int i = 0; i < KIDS; i++) {
		t_put(t->kid[i]);
		t->kid[i] = t_derive(t->other);
	}
}

static void judge_move(struct match *m, struct try *t)
{
	int i;

	(void)m;
	must(!t_done(t->other));
	for (i = 0; i < KIDS; i++) {
		must(!t_done(t->kid[i]));
		t_put(t->kid[i]);
		t_put(t->leaf[i]);
	}
	t_put(t->other);
}

/* Two parents end, each by another. */
static void ready_any(struct match *m, struct try *t)
{
	struct urctx *both[2];

	both[0] = t->at = t_derive(m->pen);
	both[1] = t->other = t_derive(m->pen);
	did(ANY);
	must(urctx_with_any(both, 2, &t->kid[0]) == 0);
	t->kid[1] = t_derive(t->kid[0]);
}

static void cancel_any(struct match *m, struct try *t, struct urctx *parent)
{
	(void)m;
	t_cancel(parent, some_cause());
	must(t_done(t->kid[0]) && t_done(t->kid[1]));
}

static void cancel_first(struct match *m, struct try *t)
{
	cancel_any(m, t, t->at);
}

static void cancel_second(struct match *m, struct try *t)
{
	cancel_any(m, t, t->other);
}

static void judge_any(struct match *m, struct try *t)
{
	const struct urctx_cause *cause = t_cause(t->kid[0]);

	(void)m;
	must(cause == t_cause(t->at) || cause == t_cause(t->other));
	must(t_cause(t->kid[1]) == cause);
	t_put(t->at);
	t_put(t->kid[0]);
	t_put(t->other);
	t_put(t->kid[1]);
}

/* The descriptor is asked for while it ends (FD_SB). */
static void ask_fd(struct match *m, struct try *t)
{
	(void)m;
	did(FD);
	t->fd = urctx_fd(t->at);
	must(t->fd >= 0);
}

static void judge_fd(struct match *m, struct try *t)
{
	struct pollfd p = { .fd = t->fd, .events = POLLIN };

	(void)m;
	must(poll(&p, 1, 10000) == 1);	/* its timer's interrupt may be on its way */
	t_put(t->at);
}

const struct duel duels[] = {
	{ "zombie", ready_zombie, { put_kids, put_leaves }, nothing },
	{ "parent", ready_parent, { put_at, put_kid0 }, nothing },
	{ "derive", ready_derive, { cancel_at, derive_kid }, judge_derive },
	{ "cancel", ready_cancel, { cancel_all, cancel_all }, judge_cancel },
	{ "after", ready_call, { cancel_at, arm }, judge_call },
	{ "stop", ready_stop, { cancel_at, stop_it }, judge_stop },
	{ "wait", ready_call, { cancel_at, wait_at }, put_at },
	{ "idle", ready_parent, { put_kid0, wait_idle }, put_at },
	{ "walk", ready_walk, { cancel_at, take_away }, put_at },
	{ "move", ready_move, { cancel_row, move }, judge_move },
	{ "any", ready_any, { cancel_first, cancel_second }, judge_any },
	{ "fd", ready_call, { cancel_at, ask_fd }, judge_fd },
	{ 0 },
};
