/* SPDX-License-Identifier: MIT */
/*
 * s_time_timer.c - the timekeeper against put, stop, cancel and a second armer
 *
 * MC: -DRETIRE_BATCH=9
 */
#include "s_time.h"

static struct urctx *a;
static struct job *j;
static int runs;

static void fn_count(struct urctx_callback *cb)
{
	(void)cb;
	runs++;
}

static void init(void)
{
	threads(3);
	housekeeper();
	a = watched(NULL, "A");
}

static void init_late(void)
{
	init();
	mc_time_is(WHEN);
}

static void init_call(void)
{
	init();
	j = armed(a, fn_run);
}

static void init_call_late(void)
{
	init_call();
	mc_time_is(WHEN);
}

static void init_lazy(void)
{
	threads(3);
	housekeeper();
	a = with_extra(until(NULL, "A"));
}

static void t_keeper(void)
{
	timers_turn();
}

static void t_keeper_late(void)
{
	mc_time_is(WHEN);
	timers_turn();
}

static void t_put(void)
{
	urctx_put(a);
}

static void t_cancel(void)
{
	cancel_one(a);
}

static void t_cancel_put(void)
{
	cancel_one(a);
	urctx_put(a);
}

static void t_stop(void)
{
	if (urctx_stop(&j->cb))
		mc_assert(!__atomic_load_n(&j->runs, __ATOMIC_RELAXED));
	else
		mc_assert(j->body == 1);
}

static void t_try_stop(void)
{
	if (urctx_try_stop(&j->cb))
		mc_assert(!__atomic_load_n(&j->runs, __ATOMIC_RELAXED));
}

static void t_after(void)
{
	static struct urctx_callback cb;

	mc_assert(!urctx_after(a, &cb, fn_count));
}

static void t_watch(void)
{
	mc_assert(!timer_watch(a));
}

/* As one who polls often. */
static void t_poll(void)
{
	if (urctx_done(a))
		mc_assert(urctx_err(a));
	if (urctx_done(a))
		mc_assert(urctx_err(a));
}

static void put_all(void)
{
	ended_in_time(a);
	urctx_put(a);
	home();
}

static void keep(void)
{
	mc_time_is(WHEN);
	timers_turn();
}

static void put_called(void)
{
	keep();
	mc_assert(runs == 1);
	remember(chunks_, chunk_first(a));
	put_all();
}

static void put_watched(void)
{
	keep();
	mc_assert(load_relaxed(&a->state) & DONE);
	put_all();
}

static void free_job(void)
{
	keep();
	mc_assert(j->runs <= 1);
	mc_free(j);
	put_all();
}

static void free_job_zombie(void)
{
	keep();
	mc_assert(j->runs == 1);	/* nobody stopped it */
	mc_free(j);
	home();
}

static const struct mc_scenario fire_put = {
	"timer_put", "G5 G9", init_late, { t_keeper, t_put }, home, LIFE | MC_QUICK,
};
static const struct mc_scenario fire_cancel_put = {
	"timer_cancel_put", "G4 G9", init_late, { t_keeper, t_cancel_put }, home, LIFE,
};
static const struct mc_scenario fire_cancel = {
	"timer_cancel", "G4 G5", init, { t_keeper_late, t_cancel }, put_all, LIFE,
};
static const struct mc_scenario fire_stop = {
	"timer_stop", "G6", init_call_late, { t_keeper, t_stop }, free_job, LIFE,
};
static const struct mc_scenario fire_try_stop = {
	"timer_try_stop", "G6", init_call_late, { t_keeper, t_try_stop }, free_job, LIFE,
};
static const struct mc_scenario fire_call_put = {
	"timer_call_put", "G6 G9", init_call_late, { t_keeper, t_put }, free_job_zombie, LIFE,
};
static const struct mc_scenario fire_call_cancel = {
	"timer_call_cancel", "G6", init_call_late, { t_keeper, t_cancel }, free_job, LIFE,
};
static const struct mc_scenario arm_two = {
	"timer_arm_two", "G5", init_lazy, { t_watch, t_watch, t_keeper }, put_watched, LIFE,
};
static const struct mc_scenario arm_after = {
	"timer_after", "G6", init_lazy, { t_after, t_keeper_late }, put_called, LIFE,
};
static const struct mc_scenario arm_poll = {
	"timer_poll", "G5 G7", init_lazy, { t_poll, t_watch, t_keeper_late }, put_watched, LIFE,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &fire_put, &fire_cancel_put, &fire_cancel, &fire_stop,
		       &fire_try_stop, &fire_call_put, &fire_call_cancel, &arm_two,
		       &arm_after, &arm_poll, NULL);
}
