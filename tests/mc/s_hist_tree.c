/* SPDX-License-Identifier: MIT */
/*
 * s_hist_tree.c - derive, cancel, err, cause, done, put: whole histories (G1 – G4, G12)
 *
 * MC: -DRETIRE_BATCH=9
 */
#include "s_hist.h"

/* 0 - 1 - 2, and 3 under 0 */
static void init(void)
{
	threads(3);
	root(0);
	child(1, 0);
	child(2, 1);
	child(3, 0);
}

static void fini(void)
{
	outcome(0, 3);
}

static void fini_one(void)
{
	outcome(0, 4);
}

static void fini_two(void)
{
	outcome(0, 5);
}

/* 4 beside it, done */
static void init_done(void)
{
	init();
	root(4);
	cancel(4, 2);
}

/* A join's links are malloc()ed: it goes before the end. */
static void fini_any(void)
{
	outcome(2, 5);
	put(5);
	put(4);
}

static void t_cancel(void)
{
	cancel(0, 1);
	err(2);
	cause(3);
}

static void t_cancel_below(void)
{
	cancel(1, 2);
	cause(2);
}

static void t_cancel_leaf(void)
{
	cancel(2, 2);
	cause(2);
	err(0);
}

static void t_ask(void)
{
	cause(2);
	err(1);
	done(0);
}

static void t_ask_down(void)
{
	done(0);
	err(1);
	done(2);
	cause(2);
}

static void t_derive(void)
{
	child(4, 1);
	err(4);
	cause(4);
}

static void t_derive_chain(void)
{
	child(4, 2);
	child(5, 4);
	done(5);
	cause(4);
}

static void t_derive_cancel(void)
{
	child(4, 1);
	child(5, 4);
	cancel(4, 2);
	cause(5);
}

static void t_shield(void)
{
	shield(4, 1);
	child(5, 4);
	err(5);
	err(1);
}

static void t_any(void)
{
	any(4, 2, 3);
	child(5, 4);
	cause(5);
	cause(4);
}

/* A parent that is done, one that a cancel comes to, which is not yet at 3. */
static void t_any_done(void)
{
	any(5, 2, 4);
	err(3);
	cause(5);
}

static void t_any_done_first(void)
{
	any(5, 4, 2);
	err(3);
	cause(5);
}

static void t_cancel_three(void)
{
	cancel(3, 2);
}

static void t_put(void)
{
	put(1);
	err(2);
	cause(2);
}

static void fini_put(void)
{
	outcome(2, 3);
}

static void fini_any_done(void)
{
	outcome(0, 4);
	put(5);
}

#define SCENARIO_OF(name, of, init, fini, flags, ...) \
static const struct mc_scenario s_##name = { \
	"hist_" #name, of, init, { __VA_ARGS__ }, fini, TREE | flags }
#define SCENARIO(name, of, fini, flags, ...) \
	SCENARIO_OF(name, of, init, fini, flags, __VA_ARGS__)

SCENARIO(two, "G2 G4", fini, MC_QUICK, t_cancel, t_cancel_below);
SCENARIO(ask, "G1 G2 G12", fini, MC_QUICK, t_cancel, t_ask);
SCENARIO(ask_down, "G12", fini, MC_QUICK, t_cancel, t_ask_down);
SCENARIO(three, "G1 G2 G4", fini, 0, t_cancel, t_cancel_leaf, t_ask);
SCENARIO(derive, "G3", fini_one, MC_QUICK, t_cancel, t_derive);
SCENARIO(chain, "G3", fini_two, MC_QUICK, t_cancel, t_derive_chain);
SCENARIO(derive_cancel, "G2 G3 G4", fini_two, 0, t_cancel, t_derive_cancel);
SCENARIO(derive_three, "G2 G3", fini_one, 0, t_cancel, t_cancel_below, t_derive);
SCENARIO(shield, "G2 G3", fini_two, MC_QUICK, t_cancel, t_shield);
SCENARIO(any, "G2 G3 G4", fini_any, 0, t_cancel, t_any);
SCENARIO(any_second, "G2 G3 G4", fini_any, MC_QUICK, t_cancel_three, t_any);
SCENARIO(any_three, "G2 G3 G4", fini_any, 0, t_cancel, t_any, t_cancel_three);
SCENARIO_OF(any_done, "G3 G4", init_done, fini_any_done, MC_QUICK, t_cancel, t_any_done);
SCENARIO_OF(any_done_first, "G3 G4", init_done, fini_any_done, 0, t_cancel,
	    t_any_done_first);
SCENARIO(put, "G2 G9", fini_put, MC_QUICK, t_cancel, t_put);

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &s_two, &s_ask, &s_ask_down, &s_three, &s_derive,
		       &s_chain, &s_derive_cancel, &s_derive_three, &s_shield, &s_any,
		       &s_any_second, &s_any_three, &s_any_done, &s_any_done_first,
		       &s_put, NULL);
}
