/* SPDX-License-Identifier: MIT */
/*
 * s_sync_lock.c - lib/lock.h: one at a time, and nobody sleeps on
 */
#include "mc.h"

#include <urctx.h>

#include "lock.h"

static uint32_t lock;
static int sum;

static void init(void)
{
	mc_name(&lock, sizeof(lock), "lock");
}

static void t_add(void)
{
	lock_take(&lock);
	sum++;
	lock_drop(&lock);
}

static void added(void)
{
	mc_assert(!lock);
	mc_assert(sum);
}

static void three(void)
{
	added();
	mc_assert(sum == 3);
}

static const struct mc_scenario two_threads = {
	"lock_two", "sync", init, { t_add, t_add }, added, MC_QUICK,
};
static const struct mc_scenario three_threads = {
	"lock_three", "sync", init, { t_add, t_add, t_add }, three, MC_QUICK,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &two_threads, &three_threads, NULL);
}
