/* SPDX-License-Identifier: MIT */
/*
 * s_progress.c - calls of the same kind side by side: for --progress
 *
 * MC: -DRETIRE_BATCH=9
 */
#include "s_hist.h"

static const struct urctx_key key_ = { .name = "key" };
static struct urctx *holder;

/* 0 - 1 - 2 and a value on a child of 0 */
static void init(void)
{
	threads(2);
	give(1, 1, 1);
	give(2, 1, 1);
	root(0);
	child(1, 0);
	child(2, 1);
	mc_assert(!urctx_with_value(ctx_[0], &key_, &holder, &holder));
	after(2, 0);
	after(0, 1);
}

static void fini(void)
{
	urctx_put(holder);
}

static void init_put(void)
{
	init();
	get(1);
}

static void fini_put(void)
{
	put(1);
	fini();
}

static void t_derive(void)
{
	child(3, 0);
	put(3);
}

static void t_derive_too(void)
{
	child(4, 0);
	put(4);
}

static void t_put(void)
{
	put(1);
}

static void t_put_leaf(void)
{
	put(2);
}

static void t_try_stop(void)
{
	try_stop(0);
}

static void t_after(void)
{
	after(1, 2);
	try_stop(2);
}

static void t_cancel(void)
{
	cancel(0, 1);
}

static void t_cancel_child(void)
{
	cancel(1, 2);
}

static void t_value(void)
{
	mc_assert(urctx_value(holder, &key_) == &holder);
	mc_assert(!urctx_value(ctx_[1], &key_));
}

static void init_time(void)
{
	threads(2);
	until(0, SPEC_NONE, 1000);
	child(1, 0);
}

static void t_poll(void)
{
	(void)urctx_done_slow_(ctx_[1]);
	err(1);
}

static void t_late(void)
{
	time_is(1000);
	cause(0);
}

#define SCENARIO(name, of, init, fini, flags, ...) \
static const struct mc_scenario s_##name = { \
	"progress_" #name, of, init, { __VA_ARGS__ }, fini, TREE | flags }

SCENARIO(derive, "G3", init, fini, MC_QUICK, t_derive, t_derive_too);
SCENARIO(put, "G9", init, fini, MC_QUICK, t_put, t_put_leaf);
SCENARIO(stop, "G6", init, fini, MC_QUICK, t_try_stop, t_after);
SCENARIO(value, "G12", init, fini, MC_QUICK, t_value, t_cancel);
SCENARIO(cancel_derive, "G3", init, fini, 0, t_cancel, t_derive);
SCENARIO(cancel_put, "G2 G9", init_put, fini_put, 0, t_cancel_child, t_put);
SCENARIO(cancel_stop, "G2 G6", init, fini, 0, t_cancel_child, t_try_stop);
SCENARIO(poll, "G5 G7", init_time, NULL, MC_QUICK, t_poll, t_late);

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &s_derive, &s_put, &s_stop, &s_value, &s_cancel_derive,
		       &s_cancel_put, &s_cancel_stop, &s_poll, NULL);
}
