/* SPDX-License-Identifier: MIT */
/*
 * s_sync_futex.c - a sleep on a word and on a context: neither is missed
 */
#include "s_tree.h"

#include <urctx/sync.h>

static struct urctx *p, *k;
static uint32_t word;
static int said, counted;

static void init(void)
{
	users(3);
	p = make(NULL, "P");
	k = make(p, "K");
	mc_name(&word, sizeof(word), "word");
}

static void init_leaf(void)
{
	users(3);
	k = p = make(NULL, "P");
	mc_name(&word, sizeof(word), "word");
}

static void t_wait(void)
{
	said = urctx_futex_wait(k, &word, 0);
	if (said == -ECANCELED)
		mc_assert(cause_of(k) == ONE);
	else
		mc_assert(!said || said == -EAGAIN || said == -EINTR);
}

static void t_cancel(void)
{
	cancel_one(p);
}

static void t_wake(void)
{
	__atomic_store_n(&word, 1, __ATOMIC_RELEASE);
	counted = mc_futex_wake(&word, 1);
}

/* A waker that changes nothing: whoever is counted says so. */
static void t_nudge(void)
{
	counted = mc_futex_wake(&word, 1);
}

/* Until the word has changed, whatever it takes. */
static void t_event(void)
{
	while (!__atomic_load_n(&word, __ATOMIC_ACQUIRE)) {
		int ret = urctx_futex_wait(k, &word, 0);

		mc_assert(!ret || ret == -EAGAIN || ret == -EINTR);
	}
}

static void init_deadline(void)
{
	init_leaf();
	k->deadline = 1000;
}

/* At its deadline it is asleep no longer: the context is asked again, and goes on. */
static void t_wait_until(void)
{
	said = urctx_futex_wait(k, &word, 0);
	mc_assert(!said || said == -EAGAIN || said == -ECANCELED || said == -ETIME);
	if (said == -ETIME)
		mc_assert(mc_now() >= 1000);
}

static void told(void)
{
	mc_assert(!counted || !said);
}

static void told_and_ended(void)
{
	told();
	ended_by(k, ONE);
}

static const struct mc_scenario ended = {
	"futex_cancel", "G2", init_leaf, { t_wait, t_cancel }, told_and_ended,
	TREE | MC_QUICK,
};
static const struct mc_scenario above = {
	"futex_ancestor", "G2", init, { t_wait, t_cancel }, told_and_ended,
	TREE | MC_QUICK,
};
static const struct mc_scenario both = {
	"futex_cancel_wake", "G2", init_leaf, { t_wait, t_cancel, t_wake },
	told_and_ended, TREE | MC_QUICK,
};
static const struct mc_scenario nudge = {
	"futex_cancel_nudge", "G2", init_leaf, { t_wait, t_cancel, t_nudge },
	told_and_ended, TREE | MC_QUICK,
};
static const struct mc_scenario event = {
	"futex_event", "sync", init_leaf, { t_event, t_wake }, NULL,
	TREE | MC_QUICK,
};
static const struct mc_scenario until = {
	"futex_deadline", "G5", init_deadline, { t_wait_until, t_cancel, t_nudge },
	told, TREE | MC_QUICK,
};
static const struct mc_scenario eintr = {
	"futex_eintr", "G2", init_leaf, { t_wait, t_cancel, t_nudge }, told_and_ended,
	TREE | MC_QUICK | MC_FAIL_EINTR, 1,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &ended, &above, &both, &nudge, &event, &until, &eintr,
		       NULL);
}
