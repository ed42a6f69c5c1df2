/* SPDX-License-Identifier: MIT */
/*
 * handover.c - contexts that one thread makes and another puts, for ever
 *
 * Producers derive below one parent and pass what they made to consumers that
 * put it.  Resident memory must stay where it was after the first hundredth:
 * slots are found again, free contexts come back to those who need them.
 *
 *   handover            a million, for make check
 *   handover --long     a hundred million
 *   handover --count N --pairs N
 */
#include <sched.h>

#include "common.h"

#define ROOM	4096

struct pair {
	struct urctx *ring[ROOM];
	pthread_t producer, consumer;
	unsigned long count;
};

static struct urctx *parent;

static void *produce(void *arg)
{
	struct pair *p = arg;
	unsigned long i;

	for (i = 0; i < p->count; i++) {
		struct urctx *ctx = derive(parent);

		while (__atomic_load_n(&p->ring[i % ROOM], __ATOMIC_RELAXED))
			sched_yield();
		__atomic_store_n(&p->ring[i % ROOM], ctx, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void *consume(void *arg)
{
	struct pair *p = arg;
	unsigned long i;

	for (i = 0; i < p->count; i++) {
		struct urctx *ctx;

		while (!(ctx = __atomic_load_n(&p->ring[i % ROOM], __ATOMIC_ACQUIRE)))
			sched_yield();
		__atomic_store_n(&p->ring[i % ROOM], NULL, __ATOMIC_RELAXED);
		must(!urctx_done(ctx));
		urctx_put(ctx);
	}
	return NULL;
}

static void hand_over(struct pair *pairs, long nr, unsigned long count)
{
	long i;

	for (i = 0; i < nr; i++) {
		pairs[i].count = count / (unsigned long)nr;
		pairs[i].producer = start(produce, &pairs[i]);
		pairs[i].consumer = start(consume, &pairs[i]);
	}
	for (i = 0; i < nr; i++) {
		pthread_join(pairs[i].producer, NULL);
		pthread_join(pairs[i].consumer, NULL);
	}
}

#if defined(__SANITIZE_THREAD__)
#define SHADOWED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SHADOWED 1
#endif
#endif
#ifndef SHADOWED
#define SHADOWED 0
#endif

int main(int argc, char **argv)
{
	unsigned long count, base, now, allowed = 4096;
	struct pair *pairs;
	long nr, round;

	count = flag(argc, argv, "--long") ? 100000000 : 1000000;
	count = (unsigned long)option(argc, argv, "--count", (long)count);
	nr = option(argc, argv, "--pairs", 2);
	pairs = calloc((size_t)nr, sizeof(*pairs));
	must(pairs);
	parent = derive(NULL);

	/* Each round's threads leave their caches to the next round's. */
	hand_over(pairs, nr, count / 100 + 100000);
	base = resident_kib();
	for (round = 1; round <= 10; round++) {
		hand_over(pairs, nr, count / 10);
		now = resident_kib();
		printf("%lu of %lu derived and put, resident %lu KiB, %lu before\n",
		       count / 10 * (unsigned long)round, count, now, base);
		fflush(stdout);
		if (SHADOWED)	/* what it keeps of each thread comes and goes */
			allowed = 1 << 20;
		must(now < base + allowed);
	}
	urctx_end(parent);
	free(pairs);
	return 0;
}
