/* SPDX-License-Identifier: MIT */
/*
 * s_life_rest.c - the housekeeper rests, is woken, goes, or was never there
 *
 * MC: -DRETIRE_BATCH=9
 */
#include "s_life.h"

static struct urctx *a, *b;

static void another(void)
{
}

/* One works already; whoever has another started is seen to. */
static void init_one(void)
{
	threads(2);
	housekeeper();
	a = childless(NULL, "A");
	mc_thread_start(another);
}

/* No thread can be started. */
static void init_none(void)
{
	threads(2);
	a = childless(NULL, "A");
	b = childless(NULL, "B");
	batch_full(1);
	batch_full(2);
}

static void t_put_a(void)
{
	urctx_put(a);
}

static void t_put_b(void)
{
	urctx_put(b);
}

static void inside(struct urctx *n)
{
	section_enter();
	urctx_put(n);
	section_exit();
}

static void t_put_a_inside(void)
{
	inside(a);
}


/* The clock stands where HOUSE_IDLE is never over: nobody wakes it, a deadlock. */
static void t_first_turn(void)
{
	while (!house_turn())
		house_rest(false);
}

static void t_main(void)
{
	bool worked;

	do
		worked = house_turn();
	while (house_rest(worked));
}

/* It has gone: then nothing is left, or there is another. */
static void gone(void)
{
	mc_assert(!retired_any() || mc_started() != another);
	home();
}

#define AT_THE_END	(INT64_MAX - HOUSE_IDLE)

static const struct mc_scenario wakes = {
	"rest_woken", "G9", init_one, { t_first_turn, t_put_a }, home, LIFE | MC_QUICK,
	.now = AT_THE_END,
};
static const struct mc_scenario goes = {
	"rest_goes", "G9", init_one, { t_main, t_put_a }, gone, LIFE | MC_QUICK,
};
static const struct mc_scenario needed = {
	"rest_needed", "G9", init_one, { t_main, t_put_a_inside }, gone, LIFE,
};
static const struct mc_scenario refused = {
	"rest_refused", "G9", init_none, { t_put_a_inside, t_put_b }, home,
	LIFE | MC_NO_THREADS,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &wakes, &goes, &needed, &refused,
		       NULL);
}
