/* SPDX-License-Identifier: MIT */
/*
 * s_ring_signal.c - the owner himself ends a context, in a handler or not (R7, G11)
 *
 * The handler comes at any entry of a function of the ring, before the kernel is
 * entered, and in its sleep, which ends by it.
 *
 * MC: -DRETIRE_BATCH=9 -DOPS_LEAST=2U
 */
#include "s_ring.h"

static struct urctx *p, *q;
static int came;

static void handler(void)
{
	came = 1;
	mc_assert(cancel_one(p));
}

static void root(int nr)
{
	threads(nr);
	housekeeper();
	p = childless(NULL, "P");
	q = childless(NULL, "Q");
	ring_here(4);
	mc_rules.signal = handler;
}

static void init_one(void)
{
	root(2);
	bind_op(p, 0, FD_NEVER);
	under_way();
}

static void init_free(void)
{
	root(2);
}

static void init_two(void)
{
	root(2);
	bind_op(p, 0, FD_NEVER);
	bind_op(q, 1, FD_NEVER);
	under_way();
}

/* The turn looks at the clock in between. */
static void init_deadline(void)
{
	root(2);
	bind_op(p, 0, FD_NEVER);
	mc_assert(!bind_op_at(q, 1, FD_MAYBE, WHEN, 0));
	under_way();
}

/* No handler: the owner's own cancel, which wakes nobody. */
static void init_quiet(void)
{
	init_two();
	mc_rules.signal = NULL;
}

/* Without a handler nobody would wake him: he comes in this sleep, if not before. */
static void t_until_it_came(void)
{
	mc_rules.must = true;
	t_owner();
}

static void t_bind(void)
{
	mc_rules.must = true;
	bind_op(p, 0, FD_NEVER);
	t_owner();
}

/* Another thread wakes him as well, before the handler, after it or meanwhile. */
static void t_until_both(void)
{
	while (!did[1].ended || (came && !did[0].ended))
		wait_once();
}

static void t_quiet_bound(void)
{
	bind_op(q, 2, FD_NEVER);
	mc_assert(cancel_one(p));
	t_owner();
}

static void t_cancel_q(void)
{
	mc_assert(cancel_two(q));
}

static void over(void)
{
	mc_rules.signal = NULL;
	mc_assert(did[0].ended || !came);
	mc_assert(!did[0].ended || did[0].cause == ONE);
	mc_assert(!did[1].ended || did[1].res == 1 || did[1].cause);
	detach();
	urctx_put(p);
	urctx_put(q);
	home();
}

static const struct mc_scenario one = {
	"ring_signal", "G11", init_one, { t_until_it_came }, over, RING | MC_QUICK,
};
static const struct mc_scenario binds = {
	"ring_signal_bind", "G3 G11", init_free, { t_bind }, over, RING | MC_QUICK,
};
static const struct mc_scenario deadline = {
	"ring_signal_deadline", "G11", init_deadline, { t_until_it_came }, over,
	RING | MC_QUICK,
};
static const struct mc_scenario both = {
	"ring_signal_other", "G11", init_two, { t_until_both, t_cancel_q }, over, RING,
};
static const struct mc_scenario quiet = {
	"ring_quiet", "G11", init_quiet, { t_quiet_bound, t_cancel_q }, over, RING | MC_QUICK,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &one, &binds, &deadline, &both, &quiet, NULL);
}
