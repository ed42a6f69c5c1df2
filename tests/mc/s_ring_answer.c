/* SPDX-License-Identifier: MIT */
/*
 * s_ring_answer.c - whatever the kernel answers to a cancel, it is asked again (G11)
 *
 * What is bound is told by another thread or by the owner, and the kernel does with
 * the cancels what it may; it checks that it is asked one at a time, at once, then
 * after 1, 2, 4 … 50 ms, and after 25 where it said nothing (uring.c).
 *
 * MC: -DRETIRE_BATCH=9 -DOPS_LEAST=2U
 */
#include "s_ring.h"

static struct urctx *p, *q;
static int again;		/* ops to be bound inside complete() */

static void root(unsigned answers, unsigned whims, unsigned lazy)
{
	mc_rules = (struct mc_rules){ .answers = answers, .whims = whims, .lazy = lazy };
	threads(2);
	housekeeper();
	p = childless(NULL, "P");
	ring_here(4);
}

static void one(int fd)
{
	bind_op(p, 0, fd);
	under_way();
}

static void init_any(void)
{
	root(A_ALL, 3, 1);
	one(FD_NEVER);
}

static void init_maybe(void)
{
	root(A_ALL, 2, 1);
	one(FD_MAYBE);
}

static void init_two(void)
{
	root(A_ALL, 2, 1);
	bind_op(p, 0, FD_NEVER);
	bind_op(p, 1, FD_MAYBE);
	under_way();
}

/* Refused for longer than an op is looked upon as stuck. */
static void init_stuck(void)
{
	root(A_AGAIN | A_SILENT, 9, 0);
	one(FD_NEVER);
}

/* An op takes the slot, and the memory, of the one that has just ended. */
static void next_one(int nr)
{
	if (nr == 0 && again) {
		again--;
		bind_op(q, 1, FD_NEVER);
	}
}

/* The SQ has room for two. */
static void init_narrow(void)
{
	root(A_AGAIN | A_WON, 2, 1);
	mc_uring(&uring_, 2);
	bind_op(p, 0, FD_NEVER);
	bind_op(p, 1, FD_MAYBE);
	under_way();
	bind_op(p, 2, FD_NEVER);
}

static void init_reused(void)
{
	root(A_WON | A_AGAIN | A_BEHIND | A_SILENT, 2, 2);
	q = childless(NULL, "Q");
	again = 1;
	then = next_one;
	one(FD_MAYBE);
}

static void t_cancel(void)
{
	mc_assert(cancel_one(p));
}

static void t_owner_cancels(void)
{
	mc_assert(cancel_one(p));
	t_owner();
}

/* Until the first has ended; the one behind it has nothing to do with it. */
static void t_reuse(void)
{
	while (!did[0].ended)
		wait_once();
	if (!did[1].op)
		return;
	(void)urctx_ring_wait(r, urctx_now());
	mc_assert(!did[1].ended);
	urctx_op_cancel(&did[1].op->op, TWO);
	two_.payload = 1;
	t_owner();
	mc_assert(did[1].cause == TWO);
}

static void t_reuse_cancel(void)
{
	mc_assert(cancel_one(p));
	t_reuse();
}

static void gone(void)
{
	struct urctx_ring_stats now;

	urctx_ring_stats(r, &now, sizeof(now));
	mc_assert(!now.in_flight && !now.stuck && !now.stale);
	mc_assert(!r->asked_nr && list_empty(&r->asked) && list_empty(&r->abort));
	detach();
	urctx_put(p);
	if (q)
		urctx_put(q);
	home();
}

/* All that an op may say of its end (G10). */
static void over(void)
{
	for (int i = 0; i < 3; i++) {
		if (!did[i].ended)
			continue;
		mc_assert(did[i].res == 1 || did[i].res == -EINTR ||
			  did[i].res == -ECANCELED);
		if (did[i].res < 0)
			mc_assert(did[i].cause == (i == 1 && then ? TWO : ONE));
	}
	mc_assert(did[0].ended);
	gone();
}

static const struct mc_scenario any = {
	"ring_answers", "G10 G11", init_any, { t_owner, t_cancel }, over, RING | MC_QUICK,
};
static const struct mc_scenario any_maybe = {
	"ring_answers_maybe", "G10 G11", init_maybe, { t_owner, t_cancel }, over,
	RING | MC_QUICK,
};
static const struct mc_scenario any_two = {
	"ring_answers_two", "G10 G11", init_two, { t_owner_cancels }, over, RING,
};
static const struct mc_scenario stuck = {
	"ring_stuck", "G11", init_stuck, { t_owner_cancels }, over, RING | MC_QUICK,
};
static const struct mc_scenario narrow = {
	"ring_sq_full", "G11", init_narrow, { t_owner, t_cancel }, over, RING,
};
static const struct mc_scenario reused = {
	"ring_slot_reused", "G10 G11", init_reused, { t_reuse_cancel }, over, RING | MC_QUICK,
};
static const struct mc_scenario reused_other = {
	"ring_slot_reused_other", "G10 G11", init_reused, { t_reuse, t_cancel }, over, RING,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &any, &any_maybe, &any_two, &stuck, &narrow, &reused,
		       &reused_other, NULL);
}
