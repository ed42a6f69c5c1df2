/* SPDX-License-Identifier: MIT */
/*
 * s_ring_idle.c - told when nothing of a context is left; bound inside complete()
 *
 * The callback comes behind each op's complete(), whoever was faster, and its memory
 * goes then.  An op that is bound to a context whose link is just leaving gets another.
 *
 * MC: -DRETIRE_BATCH=9 -DOPS_LEAST=2U
 */
#include "s_ring.h"

static struct urctx *p;
static struct job *j;
static int ran, stopped, said, inside;

static void fn(struct urctx_callback *cb)
{
	mc_assert(mc_self() <= 1 && !stopped && !inside && !left);
	mc_assert(urctx_done(p));
	ran++;
	fn_free(cb);
}

static void arm(void)
{
	mc_assert(!urctx_ring_idle(r, p, &j->cb, fn));
}

/* Inside complete(): it is not back. */
static void arm_inside(int nr)
{
	(void)nr;
	inside = 1;
	arm();
	mc_assert(!ran);
	inside = 0;
}

static void bind_inside(int nr)
{
	if (nr == 0)
		bind_op(p, 1, FD_NEVER);
}

static void after_inside(int nr)
{
	(void)nr;
	mc_assert(!urctx_ring_after(r, p, &j->cb, fn));
}

static void root(void)
{
	threads(2);
	housekeeper();
	p = childless(NULL, "P");
	ring_here(4);
	j = job();
}

static void one(int fd)
{
	root();
	bind_op(p, 0, fd);
}

static void init_armed(void)
{
	one(FD_MAYBE);
	arm();
	under_way();
}

static void init_answers(void)
{
	mc_rules = (struct mc_rules){ .answers = A_ALL, .whims = 2, .lazy = 1 };
	init_armed();
}

/* It is armed first, and nothing is left for a while. */
static void init_early(void)
{
	root();
	arm();
	under_way();
}

static void init_plain(void)
{
	one(FD_MAYBE);
	under_way();
}

static void init_inside(void)
{
	init_plain();
	then = arm_inside;
}

static void init_after_inside(void)
{
	init_plain();
	then = after_inside;
}

static void init_bind_inside(void)
{
	init_armed();
	then = bind_inside;
}

static void t_cancel(void)
{
	(void)cancel_one(p);
}

static void t_cancel_say(void)
{
	(void)cancel_one(p);
	__atomic_store_n(&said, 1, __ATOMIC_RELEASE);
}

static void t_run(void)
{
	while (!ran)
		wait_once();
	t_owner();
}

static void t_arm(void)
{
	arm();
	t_run();
}

static void t_bind(void)
{
	bind_op(p, 0, FD_MAYBE);
	t_run();
}

static void t_stop(void)
{
	wait_once();
	if (!ran) {
		mc_assert(urctx_try_stop(&j->cb));
		stopped = 1;
		mc_free(j);
	}
	t_owner();
}

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
	home();
}

static void over(void)
{
	mc_assert(ran + stopped == 1 && !r->links && !r->told);
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
	"ring_idle", "G6 G10", init_armed, { t_run, t_cancel }, over, RING | MC_QUICK,
};
static const struct mc_scenario answers = {
	"ring_idle_answers", "G6 G11", init_answers, { t_run, t_cancel }, over, RING,
};
static const struct mc_scenario arms = {
	"ring_idle_armed", "G3 G6", init_plain, { t_arm, t_cancel }, over, RING | MC_QUICK,
};
static const struct mc_scenario early = {
	"ring_idle_bind", "G3 G6", init_early, { t_bind, t_cancel }, over, RING | MC_QUICK,
};
static const struct mc_scenario stops = {
	"ring_idle_stop", "G6", init_armed, { t_stop, t_cancel }, over, RING | MC_QUICK,
};
static const struct mc_scenario leaves = {
	"ring_idle_detach", "G6 G9", init_armed, { t_detach, t_cancel_say }, over_detached,
	RING | MC_QUICK,
};
static const struct mc_scenario arms_inside = {
	"ring_idle_inside", "G6 G10", init_inside, { t_run, t_cancel }, over,
	RING | MC_QUICK,
};
static const struct mc_scenario afters_inside = {
	"ring_after_inside", "G6 G10", init_after_inside, { t_run, t_cancel }, over,
	RING | MC_QUICK,
};
static const struct mc_scenario binds_inside = {
	"ring_bind_inside", "G3 G10", init_bind_inside, { t_run, t_cancel }, over,
	RING | MC_QUICK,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &runs, &answers, &arms, &early, &stops, &leaves,
		       &arms_inside, &afters_inside, &binds_inside, NULL);
}
