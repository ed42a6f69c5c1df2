/* SPDX-License-Identifier: MIT */
/*
 * s_time_expiry.c - a deadline that who looks finds passed (G4, G5, G12)
 *
 * MC: -DRETIRE_BATCH=9
 */
#include "s_time.h"

static struct urctx *a, *k;
static int seen, won;

static void init(void)
{
	threads(3);
	a = k = until(NULL, "A");
}

static void init_child(void)
{
	threads(3);
	a = until(NULL, "A");
	k = node(a, "K");
}

/* The first answer stays. */
static void t_err(void)
{
	seen = urctx_err(k);
	ended_in_time(k);
	if (seen)
		mc_assert(urctx_err(k) == seen);
}

/* Who was told of a descendant's end is told of the ancestor's. */
static void t_err_above(void)
{
	seen = urctx_err(k);
	if (seen)
		mc_assert(urctx_err(a));
}

static void t_err_late(void)
{
	mc_time_is(WHEN);
	mc_assert(urctx_err(k));	/* from the deadline on it is never 0 */
	ended_in_time(k);
}

static void t_remaining(void)
{
	if (!urctx_remaining(k))
		mc_assert(urctx_err(k));
}

static void t_cancel(void)
{
	won = cancel_one(a);
}

/* What the deadline has ended is not ended by this (G4). */
static void t_cancel_late(void)
{
	mc_time_is(WHEN);
	mc_assert(!cancel_one(a));
	mc_assert(urctx_cause(a) == TWO);
}

static void t_wait(void)
{
	mc_assert(!urctx_wait(k, URCTX_NEVER));
	mc_assert(urctx_err(k));
	ended_in_time(k);
}

static void t_wait_less(void)
{
	int ret = urctx_wait(k, WHEN / 2);

	mc_assert(!ret || ret == -ETIME);
	if (!ret)
		ended_in_time(k);
}

static void t_poll(void)
{
	if (urctx_done(k))
		mc_assert(urctx_err(k));
}

static void over(void)
{
	if (won)
		mc_assert(urctx_cause(a) == ONE);
	ended_in_time(a);
	ended_in_time(k);
	if (k != a)
		urctx_put(k);
	urctx_put(a);
	home();
}

static const struct mc_scenario err_cancel = {
	"expiry_err", "G4 G5", init, { t_err, t_cancel, t_time }, over, LIFE | MC_QUICK,
};
static const struct mc_scenario late = {
	"expiry_late", "G5", init, { t_err_late, t_cancel }, over, LIFE | MC_QUICK,
};
static const struct mc_scenario cancel_late = {
	"expiry_cancel_late", "G4", init_child, { t_cancel_late, t_err }, over,
	LIFE | MC_QUICK,
};
static const struct mc_scenario above = {
	"expiry_above", "G12", init_child, { t_err_above, t_cancel, t_time }, over, LIFE,
};
static const struct mc_scenario above_poll = {
	"expiry_poll", "G5 G12", init_child, { t_poll, t_err, t_time }, over, LIFE,
};
static const struct mc_scenario remaining = {
	"expiry_remaining", "G5", init, { t_remaining, t_cancel, t_time }, over, LIFE,
};
static const struct mc_scenario waits = {
	"expiry_wait", "G2 G5", init, { t_wait, t_cancel }, over, LIFE | MC_QUICK,
};
static const struct mc_scenario waits_child = {
	"expiry_wait_above", "G2 G5", init_child, { t_wait, t_cancel }, over, LIFE,
};
static const struct mc_scenario waits_less = {
	"expiry_wait_less", "G5", init, { t_wait_less, t_cancel, t_time }, over, LIFE,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &err_cancel, &late, &cancel_late, &above, &above_poll,
		       &remaining, &waits, &waits_child, &waits_less, NULL);
}
