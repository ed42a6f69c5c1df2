/* SPDX-License-Identifier: MIT */
/*
 * s_time_house.c - the timekeeper's sleep, and his going, against who arms a timer
 *
 * MC: -DRETIRE_BATCH=9
 */
#include "s_time.h"

#define FAR	(INT64_MAX - HOUSE_IDLE)	/* a second from here does not pass */
#define SOON	(FAR + WHEN)
#define LATE	(2 * HOUSE_IDLE)	/* he need not be woken for it */

static struct urctx *a, *k, *other;
static bool told[2];
static void (*house_main)(void);

/* In init(): as if @thread had had one. */
static void give_extra(int thread)
{
	struct extra *e = (struct extra *)cache_take(this_thread(), &this_thread()->extras,
						     offsetof(struct extra, next));

	remember(extras_, e);
	mc_become(thread);
	extra_free(this_thread(), e);
	mc_become(0);
}

/* Somebody has one started; whoever is asked next is seen to be. */
static void another(void)
{
}

static struct urctx *ends_at(int64_t when, const char *name)
{
	struct urctx *n = NULL;

	mc_assert(!urctx_with_deadline_cause(NULL, when, TWO, &n));
	mc_name(n, sizeof(*n), name);
	remember(contexts_, n);
	two_.payload = 1;
	return n;
}

static void keeper(int nr)
{
	threads(nr);
	housekeeper();
	house_main = mc_started();
	mc_thread_start(another);
}

static void init_soon(void)
{
	keeper(2);
	a = with_extra(ends_at(SOON, "A"));
}

static void init_goes(void)
{
	keeper(2);
	a = with_extra(until(NULL, "A"));
}

/* He is about to go; the next cannot be started, perhaps. */
static void init_refused(void)
{
	keeper(3);
	a = with_extra(ends_at(LATE, "A"));
	k = with_extra(ends_at(LATE, "K"));
}

/* A grace that may begin: whose cancel cannot start him. */
static void init_expected(void)
{
	keeper(2);
	a = with_extra(childless(NULL, "A"));
}

/* A timer that was dropped: the first has a heap for it, and leaves that. */
static void init_heir(void)
{
	init_goes();
	urctx_put(watched(NULL, "B"));
	while (house_turn())
		;
}

/* Two that hold it, and it has no extra yet. */
static void init_made(void)
{
	threads(2);
	housekeeper();
	a = until(NULL, "A");
	give(1, 0, 1);
	give(2, 0, 1);
	give_extra(1);
	give_extra(2);
}

/* There is nobody yet, and perhaps none can be started: two want him. */
static void init_starts(void)
{
	threads(2);
	a = with_extra(until(NULL, "A"));
	k = with_extra(until(NULL, "K"));
}

/* A's extra is one that whoever frees it makes another's of. */
static void init_reuse(void)
{
	threads(2);
	housekeeper();
	other = childless(NULL, "O");
	a = watched(NULL, "A");
	mc_time_is(WHEN);
	batch_full(2);
}

static bool over(const struct urctx *n)
{
	return load_relaxed(&n->state) & DONE;
}

/* As the housekeeper, until A has ended.  Who is not woken sleeps for ever. */
static void t_keeper(void)
{
	timers_turn();
	while (!over(a)) {
		house_rest(false);
		timers_turn();
	}
	mc_assert(mc_time() == SOON);
}

static void t_watch(void)
{
	mc_assert(!timer_watch(a));
}

static void t_house(void)
{
	house_main();
}

/* Whoever is told that it is watched relies on it. */
static bool is_watched(struct urctx *n)
{
	int ret = timer_watch(n);

	mc_assert(!ret || ret == -EAGAIN);
	return !ret;
}

/* Even if the other is told that there is none. */
static void t_relies_a(void)
{
	told[0] = is_watched(a);
}

static void t_relies_k(void)
{
	told[1] = is_watched(k);
}

static void t_expects(void)
{
	mc_assert(timer_expect(extra_of(a)));
}

/* Once: woken, or gone. */
static void t_rests(void)
{
	(void)house_rest(false);
}

static void t_first(void)
{
	do
		timers_turn();
	while (house_rest(false));
}

/* Who finds nobody has one started: that is us from here on. */
static void t_watch_heir(void)
{
	mc_assert(!timer_watch(a));
	if (mc_started() == another)
		return;
	mc_time_is(WHEN);
	timers_turn();
	mc_assert(over(a));
}

static void t_turn_reuse(void)
{
	timers_turn();
	extra_get(this_thread(), other);
}

static void t_put_reuse(void)
{
	urctx_put(a);
	extra_get(this_thread(), other);
}

static void wants(struct urctx *n)
{
	if (is_watched(n))
		mc_assert(mc_started());
}

static void t_wants_a(void)
{
	wants(a);
}

static void t_wants_k(void)
{
	wants(k);
}

/* A root, which lives, of the memory that was A's. */
static void t_put_again(void)
{
	urctx_put(a);
	k = derive(NULL);
	live(k);
}

static void t_turn(void)
{
	timers_turn();
}

static void t_put(void)
{
	urctx_put(a);
}

static void reused(void)
{
	remember(extras_, extra_get(this_thread(), other));
	urctx_put(other);
	home();
}

static void again(void)
{
	live(k);
	mc_time_is(2 * WHEN);
	timers_turn();
	live(k);
	urctx_put(k);
	urctx_put(other);
	home();
}

static void started(void)
{
	mc_assert(house_there() == !!mc_started());
	mc_time_is(WHEN);
	timers_turn();
	mc_assert(over(k));
	urctx_put(k);
	mc_assert(over(a));
	urctx_put(a);
	home();
}

static void put_ended(void)
{
	mc_assert(over(a) && urctx_err(a) == -ETIME && urctx_cause(a) == TWO);
	urctx_put(a);
	home();
}

/* He has gone when nothing was left, or there is another. */
static void ended_or_kept(void)
{
	if (!over(a)) {
		mc_assert(house_there());
		mc_assert(mc_started() != another);
		mc_time_is(WHEN);
		timers_turn();
	}
	put_ended();
}

static void kept(void)
{
	mc_assert(house_there());
	urctx_put(a);
	home();
}

static void kept_if_told(void)
{
	if ((told[0] && !over(a)) || (told[1] && !over(k)))
		mc_assert(house_there());
	mc_time_is(LATE);
	timers_turn();
	mc_assert(urctx_err(a) && urctx_err(k));
	urctx_put(k);
	put_ended();
}

static void made(void)
{
	mc_time_is(WHEN);
	timers_turn();
	mc_assert(over(a));
	urctx_put(a);
	home();
}

static const struct mc_scenario sleeps = {
	"keeper_sleeps", "G5", init_soon, { t_keeper, t_watch }, put_ended,
	LIFE | MC_QUICK, .now = FAR,
};
static const struct mc_scenario goes = {
	"keeper_goes", "G5", init_goes, { t_house, t_watch }, ended_or_kept, LIFE,
};
static const struct mc_scenario expected = {
	"keeper_expected", "G5", init_expected, { t_rests, t_expects }, kept,
	LIFE | MC_QUICK,
};
static const struct mc_scenario refused = {
	"keeper_refused", "G5", init_refused, { t_rests, t_relies_a, t_relies_k },
	kept_if_told, LIFE | MC_FAIL_THREAD, 1,
};
static const struct mc_scenario heir = {
	"keeper_heir", "G5", init_heir, { t_first, t_watch_heir }, put_ended, LIFE,
};
static const struct mc_scenario two_made = {
	"timer_two_made", "G5", init_made, { t_watch, t_watch }, made, LIFE | MC_QUICK,
};

static const struct mc_scenario put_reuse = {
	"timer_put_reuse", "G9", init_reuse, { t_turn, t_put_reuse }, reused, LIFE,
};
static const struct mc_scenario put_again = {
	"timer_put_again", "G3 G9", init_reuse, { t_turn, t_put_again }, again, LIFE,
};
static const struct mc_scenario turn_reuse = {
	"timer_turn_reuse", "G9", init_reuse, { t_turn_reuse, t_put }, reused, LIFE,
};

static const struct mc_scenario starts = {
	"keeper_starts", "G5", init_starts, { t_wants_a, t_wants_k }, started,
	LIFE | MC_FAIL_THREAD, 2,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &sleeps, &goes, &expected, &refused, &heir, &starts, &two_made,
		       &put_reuse, &put_again, &turn_reuse, NULL);
}
