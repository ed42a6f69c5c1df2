/* SPDX-License-Identifier: MIT */
/*
 * s_tree_wait.c - whoever sleeps on a context is woken by its end (G1, G2)
 */
#include "s_tree.h"

static struct urctx *p, *k;

static void init(void)
{
	users(3);
	p = make(NULL, "P");
	k = make(p, "K");
}

static void init_leaf(void)
{
	users(2);
	k = p = make(NULL, "P");
}

static void t_wait(void)
{
	mc_assert(!urctx_wait(k, URCTX_NEVER));
	mc_assert(cause_of(k) == ONE);
}

static void t_wait_until(void)
{
	int ret;

	ret = urctx_wait(k, 1000);
	mc_assert(!ret || ret == -ETIME);
	mc_assert(ret || cause_of(k) == ONE);
}

static void t_wait_eintr(void)
{
	int ret;

	ret = urctx_wait(k, URCTX_NEVER);
	mc_assert(!ret || ret == -EINTR);
	mc_assert(ret || cause_of(k) == ONE);
}

static void t_cancel(void)
{
	cancel_one(p);
}

static void t_derive_wait(void)
{
	struct urctx *n;

	n = derive(p);
	mc_assert(!urctx_wait(n, URCTX_NEVER));
	mc_assert(cause_of(n) == ONE);
}

static void init_derive(void)
{
	users(2);
	p = k = make(NULL, "P");
	urctx_put(derive(p));
	stock_up(1, 1, 1);
	hint(1, p, &chunk_first(p)->slot[0]);
}

static void ended(void)
{
	ended_by(p, ONE);
	ended_by(k, ONE);
}

static const struct mc_scenario one = {
	"wait_cancel", "G2", init_leaf, { t_wait, t_cancel }, ended, TREE | MC_QUICK,
};
static const struct mc_scenario above = {
	"wait_ancestor", "G2", init, { t_wait, t_cancel }, ended, TREE | MC_QUICK,
};
static const struct mc_scenario two = {
	"wait_two", "G2", init, { t_wait, t_wait, t_cancel }, ended, TREE | MC_QUICK,
};
static const struct mc_scenario until = {
	"wait_until", "G2", init, { t_wait_until, t_cancel }, ended, TREE | MC_QUICK,
};
static const struct mc_scenario eintr = {
	"wait_eintr", "G2", init, { t_wait_eintr, t_wait_eintr, t_cancel }, ended,
	TREE | MC_QUICK | MC_FAIL_EINTR, 2,
};
static const struct mc_scenario born = {
	"wait_born_done", "G2 G3", init_derive, { t_derive_wait, t_cancel }, ended,
	TREE | MC_QUICK,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &one, &above, &two, &until, &eintr, &born, NULL);
}
