/* SPDX-License-Identifier: MIT */
/*
 * histories.c - what threads see of a small tree, against a model of contexts
 *
 * Two to four threads meet in front of a burst of a few calls each, and write down
 * what was answered and when.  Then each burst is held against tests/spec: is there an
 * order of the calls that explains it?  That check is exact.
 *
 *   histories                    3 seconds, for make check
 *   histories --seconds 240 --histories 1000000 --seed 7
 *
 *   --histories N    ends after so many
 *   --corrupt 1      one answer of each is falsified: each must be found wrong
 */
#include <sched.h>

#include "histories.h"

static struct burst bursts[BATCH];
static pthread_barrier_t all;
static unsigned here, nr_threads;	/* of this batch */
static uint64_t seed_of_all, wrong, calls, overlaps, too_much, checked;
static bool over;
static long corrupt;

/* Those who take part are here. */
static void meet(uint32_t round)
{
	unsigned spins = 0;

	__atomic_fetch_add(&here, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&here, __ATOMIC_ACQUIRE) < round * nr_threads)
		if (++spins % 128 == 0)
			sched_yield();
}

static void show(const struct history *h)
{
	char text[200];

	for (int i = 0; i < SETUP; i++)
		fprintf(stderr, "  c%d: %u parents: c%u c%u\n", i, h->start.ctx[i].nr_parents,
			h->start.ctx[i].parent[0], h->start.ctx[i].parent[1]);
	for (int i = 0; i < h->nr; i++) {
		history_text(h, i, text, sizeof(text));
		fprintf(stderr, "  %s\n", text);
	}
}

/* The last look at a context, after everything: it is not as it was. */
static void falsify(struct history *h)
{
	for (int i = h->nr; i--;)
		if (h->call[i].what.kind == SPEC_ERR && h->call[i].thread == 0) {
			h->call[i].what.result = h->call[i].what.result ? 0 : -ECANCELED;
			return;
		}
}

/* Calls of different threads of which neither was before the other. */
static uint64_t overlapping(const struct history *h)
{
	uint64_t n = 0;

	for (int i = 0; i < h->nr; i++)
		for (int k = 0; k < i; k++)
			n += h->call[i].thread != h->call[k].thread &&
			     !(h->call[i].before >> k & 1) && !(h->call[k].before >> i & 1);
	return n;
}

static void check(struct burst *b, struct history_room *room)
{
	int verdict;

	burst_gather(b);
	if (corrupt)
		falsify(&b->h);
	verdict = history_check(&b->h, room);
	__atomic_fetch_add(&checked, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&calls, (uint64_t)b->h.nr, __ATOMIC_RELAXED);
	__atomic_fetch_add(&overlaps, overlapping(&b->h), __ATOMIC_RELAXED);
	if (verdict < 0)
		__atomic_fetch_add(&too_much, 1, __ATOMIC_RELAXED);
	if (verdict != 0)
		return;
	if (__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED) == 0 && !corrupt) {
		fprintf(stderr, "histories: no order explains this one:\n");
		show(&b->h);
		abort();
	}
}

static void *take_part(void *arg)
{
	unsigned thread = (unsigned)(uintptr_t)arg, i;
	uint64_t seed = (seed_of_all + thread + 1) * 88172645463325252ULL | 1;
	struct history_room *room = calloc(1, sizeof(*room));

	must(room);
	for (;;) {
		pthread_barrier_wait(&all);	/* it is ready */
		if (over)
			break;
		for (i = 0; thread < nr_threads && i < BATCH; i++) {
			meet(i + 1);
			burst_calls(&bursts[i], thread, &seed);
		}
		pthread_barrier_wait(&all);
		for (i = thread; i < BATCH; i += THREADS) {
			burst_last_looks(&bursts[i]);
			check(&bursts[i], room);
			burst_over(&bursts[i]);
		}
		pthread_barrier_wait(&all);
	}
	free(room);
	return NULL;
}

/* Does this machine's clock count the same everywhere? */
static bool tsc_there(void)
{
	char name[16] = "";
	FILE *f = fopen("/sys/devices/system/clocksource/clocksource0/"
			"available_clocksource", "r");
	bool there = false;

	while (f && fscanf(f, "%15s", name) == 1)
		there |= !strcmp(name, "tsc");
	if (f)
		fclose(f);
	return there;
}

static void batch(uint64_t *seed, bool tsc)
{
	static const unsigned sizes[] = { 2, 2, 3, 4 };
	unsigned i;

	for (i = 0; i < BATCH; i++)
		burst_ready(&bursts[i], seed);
	nr_threads = sizes[chance(seed) % 4];
	by_tsc = tsc && chance(seed) % 2;
	here = 0;
	pthread_barrier_wait(&all);
	pthread_barrier_wait(&all);
	pthread_barrier_wait(&all);
}

int main(int argc, char **argv)
{
	int64_t until = urctx_now() + option(argc, argv, "--seconds", 3) * INT64_C(1000000000);
	uint64_t nr = (uint64_t)option(argc, argv, "--histories", 1000000000), seed;
	bool tsc = tsc_there();
	pthread_t id[THREADS];
	uintptr_t i;

	seed = (uint64_t)option(argc, argv, "--seed", 0);
	seed_of_all = seed ? seed : (uint64_t)urctx_now() % 1000000000 + 1;
	corrupt = option(argc, argv, "--corrupt", 0);
	printf("histories --seed %lu, stamps by a counter%s\n", (unsigned long)seed_of_all,
	       tsc ? " and by the processor's clock" : "");
	fflush(stdout);
	seed = seed_of_all * 0x9e3779b97f4a7c15 | 1;
	must(pthread_barrier_init(&all, NULL, THREADS + 1) == 0);
	for (i = 0; i < THREADS; i++)
		id[i] = start(take_part, (void *)i);
	while (checked < nr && urctx_now() < until)
		batch(&seed, tsc);
	over = true;
	pthread_barrier_wait(&all);
	for (i = 0; i < THREADS; i++)
		pthread_join(id[i], NULL);
	printf("%lu histories, %.1f calls each, %.1f pairs of them at the same time; "
	       "%lu wrong, %lu too long to decide\n", (unsigned long)checked,
	       (double)calls / (double)checked, (double)overlaps / (double)checked,
	       (unsigned long)wrong, (unsigned long)too_much);
	printf("total: torture_histories %lu\n", (unsigned long)(checked - too_much));
	if (corrupt)
		return wrong == checked ? 1 : 0;
	return wrong ? 1 : 0;
}
