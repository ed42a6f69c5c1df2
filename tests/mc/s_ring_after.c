/* SPDX-License-Identifier: MIT */
/*
 * s_ring_after.c - callbacks that run in the owner's turn (G6, G9)
 *
 * The memory of a callback goes when it runs, or when it was taken back.
 *
 * MC: -DRETIRE_BATCH=9 -DOPS_LEAST=2U
 */
#include "s_ring.h"

static struct urctx *p, *q;
static struct job *j, *other;
static int ran, stopped, said;

static void fn(struct urctx_callback *cb)
{
	struct urctx *of = j == (struct job *)cb ? p : q;

	mc_assert(mc_self() <= 1 && !stopped);
	mc_assert(urctx_done(of));
	mc_assert(!urctx_try_stop(NULL));
	ran++;
	fn_free(cb);
}

/* Ends another context, whose own is heard in the next turn. */
static void fn_cancels(struct urctx_callback *cb)
{
	fn(cb);
	if (q)
		mc_assert(cancel_two(q));
}

static void root(int nr)
{
	threads(nr);
	housekeeper();
	p = childless(NULL, "P");
	ring_here(4);
}

static void arm(struct urctx *ctx, void (*how)(struct urctx_callback *cb))
{
	mc_assert(!urctx_ring_after(r, ctx, &j->cb, how));
}

static void init_free(void)
{
	root(2);
	j = job();
}

static void init_armed(void)
{
	init_free();
	arm(p, fn);
	under_way();
}

/* On the same link as an op. */
static void init_beside(void)
{
	init_free();
	arm(p, fn);
	bind_op(p, 0, FD_MAYBE);
	under_way();
}

/* The first of two takes the second back, which is due as well. */
static void fn_stops(struct urctx_callback *cb)
{
	fn(cb);
	mc_assert(urctx_try_stop(&other->cb));
	mc_free(other);
}

static void init_second(void)
{
	init_free();
	other = job();
	arm(p, fn_stops);
	mc_assert(!urctx_ring_after(r, p, &other->cb, fn_run));
	under_way();
}

static void init_cancels(void)
{
	init_free();
	q = childless(NULL, "Q");
	arm(p, fn_cancels);
	bind_op(q, 0, FD_NEVER);
	under_way();
}

static void init_ends(void)
{
	threads(2);
	housekeeper();
	p = until(NULL, "P");
	urctx_put(node(p, "left"));
	ring_here(4);
	j = job();
	arm(p, fn);
	under_way();
}

static void t_cancel(void)
{
	(void)cancel_one(p);
}

static void t_run(void)
{
	while (!ran)
		wait_once();
	t_owner();
}

static void t_after(void)
{
	arm(p, fn);
	t_run();
}

static void stop(void)
{
	if (ran)
		return;
	mc_assert(urctx_try_stop(&j->cb));	/* true until fn is entered */
	stopped = 1;
	mc_free(j);
}

static void t_stop(void)
{
	stop();
}

/* Between two turns: it may have run in the first, or is due. */
static void t_turn_stop(void)
{
	(void)urctx_ring_turn(r);
	stop();
	t_owner();
}

static void t_wait_stop(void)
{
	while (left && !ran)
		wait_once();
	stop();
	t_owner();
}

/* Taken back, and armed again in the same memory. */
static void t_again(void)
{
	if (urctx_try_stop(&j->cb))
		arm(p, fn);
	t_run();
}

static void t_cancel_say(void)
{
	(void)cancel_one(p);
	__atomic_store_n(&said, 1, __ATOMIC_RELEASE);
}

/* What had ended before is told. */
static void t_detach(void)
{
	int before = __atomic_load_n(&said, __ATOMIC_ACQUIRE);

	detach();
	stopped = 1;
	mc_assert(ran || !before);
}

static void gone(void)
{
	urctx_put(p);
	if (q)
		urctx_put(q);
	home();
}

static void over(void)
{
	mc_assert(ran + stopped == 1 && !r->links && timeless());
	detach();
	gone();
}

static void over_detached(void)
{
	mc_assert(ran <= 1);
	if (!ran)
		mc_free(j);
	gone();
}

static const struct mc_scenario runs = {
	"ring_after", "G6", init_armed, { t_run, t_cancel }, over, RING | MC_QUICK,
};
static const struct mc_scenario arms = {
	"ring_after_armed", "G3 G6", init_free, { t_after, t_cancel }, over, RING | MC_QUICK,
};
static const struct mc_scenario stops = {
	"ring_after_stop", "G6", init_armed, { t_stop, t_cancel }, over, RING | MC_QUICK,
};
static const struct mc_scenario turns = {
	"ring_after_turn_stop", "G6", init_armed, { t_turn_stop, t_cancel }, over,
	RING | MC_QUICK,
};
static const struct mc_scenario beside = {
	"ring_after_beside", "G6 G10", init_beside, { t_run, t_cancel }, over,
	RING | MC_QUICK,
};
static const struct mc_scenario beside_stop = {
	"ring_after_beside_stop", "G6 G10", init_beside, { t_wait_stop, t_cancel }, over,
	RING | MC_QUICK,
};
static const struct mc_scenario again = {
	"ring_after_again", "G6", init_armed, { t_again, t_cancel }, over, RING,
};
static const struct mc_scenario second = {
	"ring_after_second", "G6", init_second, { t_run, t_cancel }, over, RING | MC_QUICK,
};
static const struct mc_scenario cancels = {
	"ring_after_cancels", "G6 G11", init_cancels, { t_run, t_cancel }, over,
	RING | MC_QUICK,
};
static const struct mc_scenario ends = {
	"ring_after_ends", "G5 G6", init_ends, { t_run, t_cancel }, over, RING | MC_QUICK,
};
static const struct mc_scenario detaches = {
	"ring_after_detach", "G6 G9", init_armed, { t_detach, t_cancel_say },
	over_detached, RING,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &runs, &arms, &stops, &turns, &beside, &beside_stop,
		       &again, &second, &cancels, &ends, &detaches, NULL);
}
