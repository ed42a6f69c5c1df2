/* SPDX-License-Identifier: MIT */
/*
 * torture_duels.c - two threads at one spot, again and again
 *
 * A race that two threads of a big tree run once in an hour is run here a hundred
 * thousand times a second.  They meet in front of each try, and each is late by a
 * random number of steps, none to a few hundred.
 */
#include <sched.h>

#include "duels.h"

static struct match *matches;

struct try *try_of(const struct urctx_callback *cb)
{
	const char *at = (const char *)cb;
	long i;

	for (i = 0; i < torture.duellists / 2; i++) {
		struct match *m = &matches[i];

		if (at >= (char *)m->try && at < (char *)(m + 1))
			return &m->try[(at - (char *)m->try) / (long)sizeof(struct try)];
	}
	must(!"a callback of a duel");
	return NULL;
}

/* Both are here. */
static void meet(struct match *m, int side)
{
	uint32_t *mine = &m->meets[side][0], *theirs = &m->meets[!side][0];
	uint32_t now = *mine + 1;
	unsigned spins = 0;

	__atomic_store_n(mine, now, __ATOMIC_SEQ_CST);
	while ((int32_t)(__atomic_load_n(theirs, __ATOMIC_ACQUIRE) - now) < 0)
		if (++spins % 256 == 0)
			sched_yield();
}

/*
 * Stores later than loads: in front of them in the store buffer stand some that miss
 * every cache.  That is what fences are for.
 */
static char far[2][FAR][64] __attribute__((aligned(64)));

static void far_away(int side)
{
	unsigned i, n = one_of(4) ? FAR : 0;

	for (i = 0; i < n; i++) {
#ifdef __x86_64__
		__builtin_ia32_clflush(far[side][i]);
#endif
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void hold_up(int side, unsigned from, unsigned to)
{
	while (from < to)
		__atomic_store_n(far[side][from++], 1, __ATOMIC_RELAXED);
}

static void late(int side)
{
	uint32_t steps = one_of(2) ? one_of(32) : one_of(400), lines = one_of(8);

	while (steps--)
		__asm__ __volatile__("" : "+r"(steps));	/* and stores nothing */
	hold_up(side, FAR - lines, FAR);
}

static const struct duel *choose(void)
{
	const struct duel *d;
	unsigned nr = 0;

	for (d = duels; d->name; d++) {
		if (torture.duel && !strcmp(d->name, torture.duel))
			return d;
		nr++;
	}
	must(!torture.duel);
	return &duels[one_of(nr)];
}

static void tries(struct match *m, int side)
{
	for (int i = 0; i < TRIES; i++) {
		far_away(side);
		meet(m, side);
		late(side);
		m->duel->act[side](m, &m->try[i]);
	}
}

/* What was put is gone, if nobody was lost. */
static void pen_empties(struct match *m)
{
	did(IDLE);
	if (urctx_wait_idle(m->pen, urctx_now() + torture.stall)) {
		fprintf(stderr, "torture: %s: what was put does not go\n", m->duel->name);
		abort();
	}
}

static void lead(struct match *m)
{
	unsigned batches = 0;
	int i;

	do {
		m->duel = is_over() ? NULL : choose();
		for (i = 0; m->duel && i < TRIES; i++)
			m->duel->ready(m, &m->try[i]);
		meet(m, 0);
		if (!m->duel)
			break;
		tries(m, 0);
		meet(m, 0);
		for (i = 0; i < TRIES; i++)
			m->duel->judge(m, &m->try[i]);
		more(&me()->duels, TRIES);
		more(&me()->steps, 1);
		if (++batches % 128 == 0)
			pen_empties(m);
	} while (true);
}

static void follow(struct match *m)
{
	do {
		meet(m, 1);
		if (!m->duel)
			break;
		tries(m, 1);
		meet(m, 1);
		more(&me()->steps, 1);
	} while (true);
}

void *duel(void *arg)
{
	static uint32_t came;
	uint32_t nr = __atomic_fetch_add(&came, 1, __ATOMIC_RELAXED);
	struct match *m = &matches[nr / 2];

	this_one = arg;
	if (nr % 2)
		follow(m);
	else
		lead(m);
	return NULL;
}

void duels_make(void)
{
	long i;

	if (!torture.duellists)
		return;
	must(!posix_memalign((void **)&matches, 64, (size_t)torture.duellists / 2 *
							     sizeof(*matches)));
	memset(matches, 0, (size_t)torture.duellists / 2 * sizeof(*matches));
	for (i = 0; i < torture.duellists / 2; i++)
		matches[i].pen = t_derive(NULL);
}

void duels_over(void)
{
	long i;

	for (i = 0; i < torture.duellists / 2; i++) {
		matches[i].duel = &duels[0];
		pen_empties(&matches[i]);
		t_put(matches[i].pen);
	}
	free(matches);
}
