/* SPDX-License-Identifier: MIT */
/*
 * house.c - the housekeeper's thread
 *
 * It is started when first needed, takes what was retired and not reused by the
 * threads themselves, waits for the readers of that moment, naps so that more
 * comes together, and goes after a second with nothing to do.  If it cannot be
 * started the list waits and nothing fails; the next put tries again.
 */
#include "fork.h"
#include "house.h"
#include "rcu.h"
#include "retire.h"
#include "stock.h"

#ifdef URCTX_TSAN
char urctx_grace_period;
#endif

/* What it does; also the futex it sleeps on. */
enum { NOBODY, WORKS, NAPS, SLEEPS };
static uint32_t house;

static void wake(uint32_t from)
{
	if (cas_relaxed(&house, &from, WORKS))
		sys_futex_wake(&house);
}

void house_pushed(void)
{
	fence_after_rmw(HOUSE_PUSH_SB);
	if (load_relaxed(&house) == SLEEPS)
		wake(SLEEPS);
}

void house_needed(void)
{
	if (load_relaxed(&house) == NAPS)
		wake(NAPS);
}

bool house_turn(void)
{
	struct urctx *list = retired_take();

	if (!list)
		return false;
	if (!sys_membarrier()) {
		retired_back(list);
		return true;
	}
	list = retired_sort(list);
	if (list) {
		fork_hold();
		rcu_wait_readers();
		fork_release();
		retired_free(list);
	}
	return true;
}

static bool work_left(void)
{
	return retired_any() || stocks_fat();
}

bool house_rest(bool worked)
{
	uint32_t state = worked ? NAPS : SLEEPS, was = state;

	store_relaxed(&house, state);
	/* whoever pushes from here on sees that; what was pushed before is seen */
	fence(HOUSE_REST_SB);
	if (worked || !work_left())
		sys_futex_wait(&house, state,
			       sys_now() + (worked ? HOUSE_NAP : HOUSE_IDLE));
	if (worked || work_left()) {
		store_relaxed(&house, WORKS);
		return true;
	}
	/* woken: WORKS.  Else go, unless someone pushed and saw us asleep */
	if (!cas_relaxed(&house, &was, NOBODY))
		return true;
	fence(HOUSE_REST_SB);
	was = NOBODY;
	return work_left() && cas_relaxed(&house, &was, WORKS);
}

static void house_main(void)
{
	bool worked;

	do {
		worked = house_turn();
		if (!worked && stocks_fat()) {
			stocks_trim();
			worked = true;
		}
	} while (house_rest(worked));
}

/* The last start was refused: only a full batch asks again. */
static bool refused;

void house_ensure(bool batch)
{
	uint32_t none = NOBODY;

	if (load_relaxed(&house) != NOBODY || !work_left() ||
	    (load_relaxed(&refused) && !batch) ||
	    !cas_relaxed(&house, &none, WORKS))
		return;
	if (sys_thread_start(house_main)) {
		store_relaxed(&refused, true);
		store_relaxed(&house, NOBODY);
	} else {
		store_relaxed(&refused, false);
	}
}

void house_forked(void)
{
	store_relaxed(&house, NOBODY);
}
