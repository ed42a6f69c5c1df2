/* SPDX-License-Identifier: MIT */
/*
 * house.c - the housekeeper's thread, who is the timekeeper too
 *
 * It is started when first needed, takes what was retired and not reused by the
 * threads themselves, waits for the readers of that moment, naps so that more
 * comes together, and goes after a second with nothing to do.  If it cannot be
 * started the list waits and nothing fails; the next put tries again.
 */
#include "clock.h"
#include "fork.h"
#include "house.h"
#include "leave.h"
#include "rcu.h"
#include "readers.h"
#include "retire.h"
#include "signals.h"
#include "stock.h"
#include "timer.h"

#ifdef URCTX_TSAN
char urctx_grace_period;
#endif

/*
 * What it does; also the futex it sleeps on.  While it sleeps on descriptors
 * instead, it LISTENS, and above the low bits is the one to ring: so who is to wake it
 * knows the number from the word that it changed.
 */
enum {
	NOBODY = 0,
	WORKS = 1,
	NAPS = 2,
	SLEEPS = 3,
	DOES = 3,
	LISTENS = 4,
	BELL_SHIFT = 3,
};
#define STARTS	((uint32_t)WORKS | LISTENS)	/* perhaps: his thread is being made */
static uint32_t house;
static int64_t asleep_until;

static void wake(uint32_t from)
{
	if (!cas_relaxed(&house, &from, WORKS))
		return;
	if (from & LISTENS)
		signals_ring((int)(from >> BELL_SHIFT));
	else
		sys_futex_wake(&house);
}

void house_pushed(void)
{
	uint32_t now;

	fence_after_rmw(HOUSE_PUSH_SB);
	now = load_relaxed(&house);
	if ((now & DOES) == SLEEPS)
		wake(now);
}

void house_needed(void)
{
	uint32_t now = load_relaxed(&house);

	if ((now & DOES) == NAPS)
		wake(now);	/* a nap sooner */
}

void house_until(int64_t when)
{
	uint32_t now;

	fence_after_rmw(HOUSE_PUSH_SB);
	now = load_relaxed(&house);
	if ((now & DOES) >= NAPS && when < load_relaxed(&asleep_until))
		wake(now);
}

bool house_there(void)
{
	uint32_t now = load_relaxed(&house);

	return now != NOBODY && now != STARTS;	/* seldom: he is being made */
}

/*
 * A grace period: looked for, while there are times to keep or signals to read,
 * rather than waited for.  A reader may be held up for longer than a deadline may be
 * late.
 */
static bool grace_over(void)
{
	static unsigned looks;

	if ((timers_any() || signals_any()) && sys_asymmetric() &&
	    looks++ < GRACE_LOOKS)
		return readers_quiet();
	looks = 0;
	fork_hold();
	rcu_wait_readers();
	fork_release();
	return true;
}

bool house_turn(void)
{
	struct urctx *list = retired_take();
	bool left = leftovers_any();

	if (left)
		leftovers_take();
	if (!list)
		return left;
	if (!sys_membarrier()) {
		retired_back(list);
		return true;
	}
	list = retired_sort(list);
	if (list && grace_over())
		retired_free(list);
	else if (list)
		retired_back(list);
	return true;	/* what comes next comes within a nap */
}

static bool work_left(void)
{
	return retired_any() || stocks_fat() || timers_any() ||
	       signals_any() ||
	       leftovers_any() ||	/* seldom: pushed since they were taken */
	       load_relaxed(&timer_wanted) ||
	       (sys_clock_held() && clock_asked());
}

/* When it is to be awake again.  A clock that is held comes to no timer. */
static int64_t rest_until(bool worked, bool held)
{
	/* with timers, too: what was dropped meanwhile is thrown out */
	int64_t until = signals_any() && !timers_any() && !worked ?
				URCTX_NEVER :
				sys_now_real() + (worked ? HOUSE_NAP : HOUSE_IDLE);
	int64_t timer = held ? URCTX_NEVER : timers_next();
	int64_t look = signals_any() ? signals_until() : URCTX_NEVER;

	if (timer < until)
		until = timer;
	return look < until ? look : until;
}

/* Pushed before we were seen to sleep: not to be slept over. */
static bool new_work(bool worked)
{
	return timers_new() || signals_new() ||	/* seldom: all of it, it was a moment ago */
	       (!worked && (retired_any() || stocks_fat() || leftovers_any()));
}

/* The clock has been taken or let go since it was @held, or is to be moved. */
static bool new_time(bool held)
{
	return sys_clock_held() != held ||	/* seldom: since a moment ago */
	       (held && clock_asked());
}

/* What it says while it sleeps until @until. */
static uint32_t rest_state(bool worked, int64_t until)
{
	uint32_t state = worked ? NAPS : SLEEPS;
	int bell = signals_any() ? signals_bell(until) : -1;

	return bell < 0 ? state : state | LISTENS | (uint32_t)bell << BELL_SHIFT;
}

static void rest(uint32_t state, int64_t until)
{
	if (state & LISTENS)
		signals_sleep();
	else
		sys_futex_wait_real(&house, state, until);
}

/* Who was first to say so rings, where that is heard: has, or will in a moment. */
static void awake(uint32_t state)
{
	if (!(state & LISTENS))
		store_relaxed(&house, WORKS);
	else if (!cas_relaxed(&house, &state, WORKS))
		signals_ring_due();
}

/* There is work, and somebody may count on him who was about to go. */
static bool stay(void)
{
	uint32_t was = NOBODY;

	while (!cas_relaxed(&house, &was, WORKS)) {
		if (was != STARTS)
			return false;	/* it is another's */
		/* he who is being made may be refused */
		sys_futex_wait_real(&house, STARTS, URCTX_NEVER);
		was = NOBODY;
	}
	fence_after_rmw(HOUSE_REST_SB);	/* others may have come and gone */
	fence_takes(&house);
	return true;
}

bool house_rest(bool worked)
{
	bool held = sys_clock_held();
	int64_t until = rest_until(worked, held);
	uint32_t state = rest_state(worked, until), was = state;

	/* while it is held he is woken for every timer: no time comes by itself */
	store_relaxed(&asleep_until, held ? URCTX_NEVER : until);
	store_relaxed(&house, state);
	/* whoever pushes from here on sees that; what was pushed before is seen */
	fence(HOUSE_REST_SB);
	if (!new_work(worked) && !new_time(held))
		rest(state, until);
	if (worked || work_left()) {	/* it LISTENS: there is a bell to be closed */
		awake(state);
		return true;
	}
	/* woken: WORKS.  Else go, unless someone pushed and saw us asleep */
	fence_gives(&house);
	if (!cas_relaxed(&house, &was, NOBODY))	/* behind that fence */
		return true;
	fence(HOUSE_REST_SB);
	return work_left() && stay();
}

/* What is due; where a test holds the clock, one time after the other (clock.c). */
static void keep_time(void)
{
	uint32_t nr;

	timers_turn();
	while (sys_clock_held() && (nr = clock_asked())) {
		timers_turn();		/* with all that was armed before it was asked */
		clock_step(nr, timers_next());
	}
}

/* What STARTS becomes; whoever relies on him waits for it. */
static void outcome(uint32_t state)
{
	store_relaxed(&house, state);
	sys_futex_wake(&house);
}

static void house_main(void)
{
	bool worked;

	this_thread()->keeps_house = true;
	outcome(WORKS);
	do {
		store_relaxed(&timer_wanted, false);
		keep_time();
		if (signals_any())
			signals_turn();
		worked = house_turn();
		if (!worked && stocks_fat()) {
			stocks_trim();
			worked = true;
		}
	} while (house_rest(worked));
	/* destructors of this thread may fork */
	this_thread()->keeps_house = false;
}

/* The last start was refused: only a full batch asks again. */
static bool refused;

/* If it succeeds, `house` is his from then on. */
static bool start(void)
{
	bool there = !sys_thread_start(house_main);

	store_relaxed(&refused, !there);
	if (!there || !sys_threads_run)
		outcome(there ? WORKS : NOBODY);
	return there;
}

bool house_ensure(bool batch)
{
	uint32_t none = NOBODY;

	if (load_relaxed(&house) != NOBODY || !work_left())
		return true;
	if (load_relaxed(&refused) && !batch)
		return false;
	if (!cas_relaxed(&house, &none, STARTS))
		return true;
	/* the new one finds what the one before him left: that was behind a fence */
	fence_after_rmw(HOUSE_REST_SB);
	fence_takes(&house);
	return start();
}

bool house_rely(void)
{
	bool there;

	fence_after_rmw(HOUSE_PUSH_SB);	/* what he stays for is counted */
	do {
		there = house_ensure(true);
		while (load_relaxed(&house) == STARTS)
			sys_futex_wait_real(&house, STARTS, URCTX_NEVER);
	} while (there && load_relaxed(&house) == NOBODY && work_left());
	return there;
}

/* A callback of his own may have forked: then he is that of the child. */
void house_forked(void)
{
	store_relaxed(&house, this_thread()->keeps_house ? WORKS : NOBODY);
}
