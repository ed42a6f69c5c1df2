/* SPDX-License-Identifier: MIT */
/*
 * s_hist_call.c - after, stop, try_stop among cancels: whole histories (G2, G6)
 *
 * MC: -DRETIRE_BATCH=9
 */
#include "s_hist.h"

/* 0 - 1, and 2 apart; callback 0 on 1 */
static void init(void)
{
	threads(3);
	root(0);
	child(1, 0);
	root(2);
	after(1, 0);
}

static void init_two(void)
{
	init();
	after(2, 1);
}

static void fini(void)
{
	outcome(0, 1);
	try_stop(0);
}

static void fini_after(void)
{
	fini();
	try_stop(1);
}

static void t_cancel(void)
{
	cancel(0, 1);
	err(1);
}

static void t_cancel_child(void)
{
	cancel(1, 2);
	cause(1);
}

static void t_stop(void)
{
	stop(0);
	err(1);
}

static void t_try_stop(void)
{
	try_stop(0);
	cause(1);
}

static void t_after(void)
{
	after(1, 1);
	try_stop(1);
}

static void t_after_stop(void)
{
	after(1, 1);
	stop(1);
	done(1);
}

/* The callback asks, and cancels what another callback waits for. */
static void in_ask(void)
{
	cause(1);
}

static void in_cancel(void)
{
	cancel(2, 2);
}

static void init_ask(void)
{
	init();
	inside_[0] = in_ask;
}

static void init_nested(void)
{
	init_two();
	inside_[0] = in_cancel;
}

/* What is done after a stop is not known in the callback. */
static void in_late(void)
{
	cause(2);
}

static void init_late(void)
{
	init();
	inside_[0] = in_late;
}

static void t_stop_cancel(void)
{
	stop(0);
	cancel(2, 2);
}

static void t_stop_second(void)
{
	try_stop(1);
	err(2);
}

static void t_cancel_second(void)
{
	cancel(2, 1);
	cause(2);
}

#define SCENARIO(name, of, init, fini, flags, ...) \
static const struct mc_scenario s_##name = { \
	"hist_" #name, of, init, { __VA_ARGS__ }, fini, TREE | flags }

SCENARIO(stop, "G2 G6", init, fini, MC_QUICK, t_cancel, t_stop);
SCENARIO(try_stop, "G2 G6", init, fini, MC_QUICK, t_cancel, t_try_stop);
SCENARIO(call_two, "G2 G6", init, fini, 0, t_cancel, t_cancel_child);
SCENARIO(call_ask, "G1 G6", init_ask, fini, 0, t_cancel, t_cancel_child);
SCENARIO(stop_waits, "G6", init_late, fini, MC_QUICK, t_cancel, t_stop_cancel);
SCENARIO(after, "G2 G6", init, fini_after, MC_QUICK, t_cancel, t_after);
SCENARIO(after_stop, "G6", init, fini_after, MC_QUICK, t_cancel, t_after_stop);
SCENARIO(nested, "G2 G6", init_nested, fini_after, MC_QUICK, t_cancel, t_stop_second);
SCENARIO(nested_two, "G2 G6", init_nested, fini_after, 0, t_cancel, t_cancel_second);
SCENARIO(call_three, "G2 G6", init, fini, 0, t_cancel, t_cancel_child, t_try_stop);

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &s_stop, &s_try_stop, &s_call_two, &s_call_ask, &s_stop_waits,
		       &s_after, &s_after_stop, &s_nested, &s_nested_two, &s_call_three, NULL);
}
