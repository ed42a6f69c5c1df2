/* SPDX-License-Identifier: MIT */
/*
 * s_ring_detach.c - the owner takes leave while others are about to wake him (G9)
 *
 * After detach the memory of ring and links is gone and the eventfd is closed; who
 * comes late uses either after that, which the checker finds.
 *
 * MC: -DRETIRE_BATCH=9 -DOPS_LEAST=2U
 */
#include "s_ring.h"

static struct urctx *p, *q;

static void root(int nr)
{
	threads(nr);
	housekeeper();
	p = childless(NULL, "P");
	ring_here(4);
}

static void one(int nr, int fd)
{
	root(nr);
	bind_op(p, 0, fd);
	under_way();
}

static void init_never(void)
{
	one(2, FD_NEVER);
}

static void init_maybe(void)
{
	one(2, FD_MAYBE);
}

static void init_ready(void)
{
	one(2, FD_READY);
}

static void init_answers(void)
{
	mc_rules = (struct mc_rules){ .answers = A_ALL, .whims = 2, .lazy = 1 };
	one(2, FD_MAYBE);
}

static void init_two(void)
{
	root(3);
	q = childless(NULL, "Q");
	bind_op(p, 0, FD_READY);
	bind_op(q, 1, FD_READY);
	under_way();
}

static void init_none(void)
{
	root(2);
}

/* The canceller has the last reference but the link's. */
static void init_put(void)
{
	one(2, FD_READY);
	q = urctx_get(p);
}

/* P ends at WHEN, and its op by itself. */
static void init_ends(void)
{
	threads(2);
	housekeeper();
	p = until(NULL, "P");
	urctx_put(node(p, "left"));
	ring_here(4);
	bind_op(p, 0, FD_MAYBE);
	under_way();
}

static void init_deaf(void)
{
	mc_rules.deaf = 1;
	init_two();
}

static void t_cancel(void)
{
	(void)cancel_one(p);
}

static void t_cancel_q(void)
{
	(void)cancel_two(q);
}

static void t_cancel_put(void)
{
	mc_assert(cancel_one(p));
	urctx_put(p);
}

/* The op's last CQE first: its link leaves. */
static void t_wait_detach(void)
{
	t_owner();
	detach();
}

static void t_detach(void)
{
	detach();
}

static void t_bind_detach(void)
{
	bind_op(p, 0, FD_READY);
	(void)urctx_ring_turn(r);
	detach();
}

/* Not now: it may say that one is left, and is called again. */
static void t_detach_twice(void)
{
	int ret = urctx_ring_detach(r, urctx_now());
	struct urctx_op op = { 0 };

	mc_assert(ret == 0 || ret == 1);
	if (!ret) {
		mc_assert(!mc_eventfd_open());
		return;
	}
	op.complete = complete;
	mc_assert(urctx_ring_bind(r, urctx_ring_sqe(r), p, &op) == -ESHUTDOWN);
	detach();
}

/* Turned twice: heard, and a link made again that is about to leave. */
static void t_drain_detach(void)
{
	mc_assert(!urctx_ring_drain(r, p, URCTX_NEVER));
	mc_assert(!left);
	bind_op(p, 1, FD_READY);
	t_owner();
	detach();
}

static void gone(void)
{
	urctx_put(p);
	home();
}

static void over(void)
{
	mc_assert(did[0].ended);
	mc_assert(!did[0].cause || did[0].cause == ONE || did[0].cause == &urctx_canceled ||
		  did[0].cause == TWO);
	gone();
}

static void over_two(void)
{
	mc_assert(did[0].ended && did[1].ended);
	urctx_put(q);
	gone();
}

static void over_put(void)
{
	p = q;
	gone();
}

static const struct mc_scenario never = {
	"ring_detach", "G9 G11", init_never, { t_detach, t_cancel }, over, RING | MC_QUICK,
};
static const struct mc_scenario maybe = {
	"ring_detach_complete", "G9 G10", init_maybe, { t_wait_detach, t_cancel }, over,
	RING | MC_QUICK,
};
static const struct mc_scenario ready = {
	"ring_detach_leaving", "G9", init_ready, { t_wait_detach, t_cancel }, over,
	RING | MC_QUICK,
};
static const struct mc_scenario answers = {
	"ring_detach_answers", "G9 G11", init_answers, { t_detach, t_cancel }, over, RING,
};
static const struct mc_scenario twice = {
	"ring_detach_twice", "G9 G10", init_maybe, { t_detach_twice, t_cancel }, over,
	RING | MC_QUICK,
};
static const struct mc_scenario drains = {
	"ring_drain_detach", "G9", init_maybe, { t_drain_detach, t_cancel }, over, RING,
};
static const struct mc_scenario two = {
	"ring_detach_two", "G9", init_two, { t_wait_detach, t_cancel, t_cancel_q }, over_two,
	RING,
};
static const struct mc_scenario deaf = {
	"ring_detach_poll_ends", "G9", init_deaf, { t_detach, t_cancel, t_cancel_q },
	over_two, RING,
};
static const struct mc_scenario binds = {
	"ring_detach_bound", "G3 G9", init_none, { t_bind_detach, t_cancel }, over, RING,
};
static const struct mc_scenario last_put = {
	"ring_detach_put", "G9", init_put, { t_wait_detach, t_cancel_put }, over_put, RING,
};
static const struct mc_scenario ends = {
	"ring_detach_ends", "G5 G9", init_ends, { t_detach, t_cancel }, over, RING,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &never, &maybe, &ready, &answers, &twice, &drains, &two,
		       &deaf, &binds, &last_put, &ends, NULL);
}
