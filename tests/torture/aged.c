/* SPDX-License-Identifier: MIT */
/*
 * aged.c - the ages of contexts and chunks, beside their memory
 *
 *	0	linked, or held by somebody
 *	1	put for the last time; its grace period is not over
 *	2..10	its grace period is over, and so many less one have been since
 *
 * A walker may see 0 and 1.  And a grace period may not end for what was retired
 * while a section goes on that began before: that is looked at where memory becomes
 * free.  What never had a chunk is reused at once, and never entered.
 */
#include "ages.h"
#include "../../lib/context.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define LINES	(1UL << 30)	/* of 64 bytes: what is further apart than 64 GiB */
#define READERS_MAX 4096

enum { LINKED, RETIRED, FREED, STATES = 4 };

void aged_linked(const volatile void *what);
void aged_retired(const volatile void *n);
void aged_freed(struct chunk *first);
void aged_seen(const volatile void *what);
void aged_section(int more);

/* Of each thread that has been in a section: since when it is, or 0. */
struct reader {
	uint64_t since;
	unsigned depth;
} __attribute__((aligned(64)));

static uint64_t *lines;		/* state, and above it the number of an event */
static uint64_t events = 1, freed_batches;
static uint64_t seen[AGES];
static struct reader readers[READERS_MAX];
static unsigned nr_readers;
static __thread struct reader *reader;
static __thread uint64_t mine[AGES];	/* not yet in seen[] */
static __thread unsigned nr_mine;

__attribute__((constructor)) static void make(void)
{
	void *p = mmap(NULL, LINES * sizeof(*lines), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED) {
		perror("torture: room for ages");
		exit(77);
	}
	madvise(p, LINES * sizeof(*lines), MADV_NOHUGEPAGE);
	lines = p;
}

static uint64_t *line_of(const volatile void *what)
{
	return &lines[(uintptr_t)what / 64 % LINES];
}

static void wrong(const char *what)
{
	fprintf(stderr, "torture: %s\n", what);
	ages_print(stderr);
	abort();
}

void aged_linked(const volatile void *what)
{
	__atomic_store_n(line_of(what), LINKED, __ATOMIC_RELAXED);
}

void aged_retired(const volatile void *n)
{
	uint64_t now = __atomic_add_fetch(&events, 1, __ATOMIC_SEQ_CST);

	__atomic_store_n(line_of(n), now * STATES + RETIRED, __ATOMIC_RELAXED);
}

/* Nobody may be in a section that began before @n was retired. */
static void look_at_readers(const struct urctx *n)
{
	uint64_t line = __atomic_load_n(line_of(n), __ATOMIC_RELAXED);
	unsigned nr = __atomic_load_n(&nr_readers, __ATOMIC_ACQUIRE), i;

	if (line % STATES != RETIRED)
		wrong("a context that is not retired becomes free");
	for (i = 0; i < nr; i++) {
		uint64_t since = __atomic_load_n(&readers[i].since, __ATOMIC_RELAXED);

		if (since && since < line / STATES && &readers[i] != reader)
			wrong("a grace period ended with a reader inside");
	}
}

void aged_freed(struct chunk *first)
{
	uint64_t now = __atomic_add_fetch(&freed_batches, 1, __ATOMIC_RELAXED);
	struct urctx *n = first->owner;
	struct chunk *c;

	look_at_readers(n);
	__atomic_store_n(line_of(n), now * STATES + FREED, __ATOMIC_RELAXED);
	for (c = first; c; c = __atomic_load_n(&c->next, __ATOMIC_RELAXED))
		__atomic_store_n(line_of(c), now * STATES + FREED, __ATOMIC_RELAXED);
}

static void mine_give(void)
{
	for (int i = 0; i < AGES; i++) {
		__atomic_fetch_add(&seen[i], mine[i], __ATOMIC_RELAXED);
		mine[i] = 0;
	}
	nr_mine = 0;
}

void aged_seen(const volatile void *what)
{
	uint64_t line = __atomic_load_n(line_of(what), __ATOMIC_RELAXED), age;

	age = line % STATES;
	if (age == FREED) {
		uint64_t now = __atomic_load_n(&freed_batches, __ATOMIC_RELAXED);

		age += now - line / STATES;
		if (age >= AGES)
			age = AGES - 1;
	}
	mine[age]++;
	if (++nr_mine == 1024 || age > 1)
		mine_give();
	if (age > 1)
		wrong("a walker sees what its grace period should have kept from it");
}

static void join(void)
{
	unsigned i = __atomic_fetch_add(&nr_readers, 1, __ATOMIC_ACQ_REL);

	if (i >= READERS_MAX)
		wrong("more threads than places for them");
	reader = &readers[i];
}

/* Out of it is noted before it is left, in when it has begun. */
void aged_section(int more)
{
	if (!reader)
		join();
	if (more > 0 && !reader->depth++)
		__atomic_store_n(&reader->since,
				 __atomic_load_n(&events, __ATOMIC_SEQ_CST),
				 __ATOMIC_RELAXED);
	else if (more < 0 && !--reader->depth)
		__atomic_store_n(&reader->since, 0, __ATOMIC_RELEASE);
}

void ages_print(FILE *out)
{
	uint64_t freed = __atomic_load_n(&freed_batches, __ATOMIC_RELAXED);

	mine_give();
	fprintf(out, "ages that walkers saw:");
	for (int i = 0; i < AGES; i++)
		fprintf(out, " %lu", (unsigned long)seen[i]);
	fprintf(out, "; %lu contexts reused after a grace period\n",
		(unsigned long)freed);
}
