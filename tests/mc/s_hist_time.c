/* SPDX-License-Identifier: MIT */
/*
 * s_hist_time.c - deadlines that pass among cancels: whole histories (G4, G5, G12)
 *
 * MC: -DRETIRE_BATCH=9
 */
#include "s_hist.h"

#define WHEN	1000

/* 0, ends at WHEN, - 1 - 2 */
static void init(void)
{
	threads(3);
	until(0, SPEC_NONE, WHEN);
	child(1, 0);
	child(2, 1);
}

/* The child's is earlier. */
static void init_below(void)
{
	threads(3);
	root(0);
	until(1, 0, WHEN);
	child(2, 1);
}

static void fini(void)
{
	outcome(0, 2);
}

static void t_late(void)
{
	time_is(WHEN);
	err(2);
	cause(0);
}

static void t_time(void)
{
	time_is(WHEN);
}

static void t_cancel(void)
{
	cancel(0, 1);
	cause(1);
}

static void t_cancel_late(void)
{
	time_is(WHEN);
	cancel(0, 1);
	cause(1);
}

static void t_cancel_child(void)
{
	cancel(1, 2);
	cause(1);
}

static void t_ask(void)
{
	err(2);
	cause(1);
}

#define SCENARIO(name, of, init, flags, ...) \
static const struct mc_scenario s_##name = { \
	"hist_" #name, of, init, { __VA_ARGS__ }, fini, TREE | flags }

SCENARIO(late, "G4 G5", init, MC_QUICK, t_late, t_cancel);
SCENARIO(late_cancel, "G4 G5", init, MC_QUICK, t_cancel_late, t_cancel_child);
SCENARIO(late_child, "G4 G5", init, MC_QUICK, t_late, t_cancel_child);
SCENARIO(late_below, "G4 G5", init_below, MC_QUICK, t_late, t_cancel);
SCENARIO(late_ask, "G5 G12", init, 0, t_time, t_cancel, t_ask);
SCENARIO(late_ask_below, "G5 G12", init_below, 0, t_time, t_cancel, t_ask);

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &s_late, &s_late_cancel, &s_late_child, &s_late_below,
		       &s_late_ask, &s_late_ask_below, NULL);
}
