/* SPDX-License-Identifier: MIT */
/*
 * urctx-timers: ways to keep many deadlines, and what each costs.
 *
 *   heap	lib/heap.c, 4-ary, its entries have the keys
 *   queue	lib/times.c, the same behind a queue of those that come in order
 *   wheel	hierarchical, 64 slots a level, a tick of 2^16 ns, exact within it
 *   pairing	a pairing heap, two passes
 *   none	keeps nothing: what the loop itself costs, its cache misses included
 *
 * A deadline sits in an operation of 96 bytes, as it does in a ring.
 *
 * A ring keeps the queue.  Operations that have their answer soon, beside many that
 * idle, cost 2 to 12 ns in it and in the heap; of a bind and complete of 100 there
 * are at most 8 to win.  Dear to a heap is who always removes the first, as answers
 * in the order of their requests do under one timeout for all: 13 to 47 ns, a fifth
 * of a bind and complete with a thousand in flight, and more beyond.  There queue and
 * wheel have 6 to 9; and the queue takes nothing from the other cases but 2 ns, and
 * none of its properties from the heap.
 *
 * The wheel is a third to a half faster where any of very many is replaced or moved.
 * What it takes for that: the owner is woken to take slots apart when nothing is due
 * (its column at n = 32, "fires"), a slot of many is taken apart in one turn, many
 * in one tick are a walk at each turn, and 4 KiB a ring.  The pairing heap is fast
 * for few and the slowest for many, and one removal may touch all of them, in the
 * middle of a loop.
 */
#include <stdio.h>
#include <stdlib.h>
#include "bench.h"
#include "timers.h"

enum { BATCH = 32, ROUNDS_HERE = 5, STEPS = 64 * 1024, STEP_NS = 100 };

#define MS	INT64_C(1000000)
#define SECONDS	INT64_C(1000000000)

struct load {
	const struct engine *e;
	struct timer *t;		/* n that are in, and a batch that is not */
	uint32_t n;
	bool random;			/* 1 ms to 60 s; else 30 s for all */
	uint64_t seed;
	int64_t now;
};

static uint64_t draw(struct load *l)
{
	l->seed ^= l->seed << 13;
	l->seed ^= l->seed >> 7;
	l->seed ^= l->seed << 17;
	return l->seed;
}

static int64_t timeout(struct load *l)
{
	return l->random ? MS + (int64_t)(draw(l) % (60 * SECONDS)) :
			   30 * SECONDS;
}

static void add(struct load *l, struct timer *t)
{
	t->key = l->now + timeout(l);
	l->e->add(t);
}

/* What a ring does before it sleeps. */
static void turn(struct load *l)
{
	struct timer *t;
	int64_t next;

	l->now += BATCH * STEP_NS;
	while ((t = l->e->pop(l->now)))
		add(l, t);
	next = l->e->next();
	HIDE(next);
}

/* Operations that have their answer soon, beside n that idle. */
static void batches(struct load *l)
{
	for (unsigned i = 0; i < STEPS; i += BATCH) {
		for (unsigned k = 0; k < BATCH; k++)
			add(l, &l->t[l->n + k]);
		turn(l);
		for (unsigned k = 0; k < BATCH; k++)
			l->e->del(&l->t[l->n + k]);
	}
}

/* One after the other, and answered in that order, as a lone client's are. */
static void queue(struct load *l)
{
	uint32_t n = l->n;

	for (unsigned i = 0; i < STEPS; i++) {
		struct timer *t = &l->t[i % n];

		l->e->del(t);
		l->now += STEP_NS;
		add(l, t);
		if (i % BATCH == 0)
			turn(l);
	}
}

static void replace(struct load *l)
{
	for (unsigned i = 0; i < STEPS; i++) {
		struct timer *t = &l->t[draw(l) % l->n];

		l->e->del(t);
		add(l, t);
		if (i % BATCH == 0)
			turn(l);
	}
}

static void rekey(struct load *l)
{
	for (unsigned i = 0; i < STEPS; i++) {
		struct timer *t = &l->t[draw(l) % l->n];

		l->e->move(t, l->now + timeout(l));
		if (i % BATCH == 0)
			turn(l);
	}
}

/* As the owner sleeps until the next one, and it fires. */
static void expire(struct load *l)
{
	for (unsigned i = 0; i < STEPS;) {
		struct timer *t;
		int64_t next = l->e->next();

		if (next == INT64_MAX)
			return;		/* none */
		l->now = next > l->now ? next : l->now + 1;
		while ((t = l->e->pop(l->now)) && i++ < STEPS)
			add(l, t);
		if (t)
			add(l, t);
	}
}

static const struct {
	const char *name;
	void (*run)(struct load *l);
	bool random;
} loads[] = {
	{ "add, remove 32 beside n, 30 s", batches, false },
	{ "add, remove 32 beside n, random", batches, true },
	{ "replace the first of n, 30 s", queue, false },
	{ "replace any of n, 30 s", replace, false },
	{ "replace any of n, random", replace, true },
	{ "move any of n, 30 s", rekey, false },
	{ "move any of n, random", rekey, true },
	{ "fires, one more, 30 s", expire, false },
	{ "fires, one more, random", expire, true },
};

static void load_open(struct load *l, const struct engine *e, uint32_t n,
		      bool random)
{
	*l = (struct load){ .e = e, .n = n, .random = random, .now = SECONDS,
			    .seed = UINT64_C(88172645463325252),
			    .t = calloc(n + BATCH, sizeof(*l->t)) };
	if (!l->t)
		abort();
	e->init(n + BATCH);
	for (uint32_t i = 0; i < n; i++) {
		l->now += 30 * SECONDS / n;
		add(l, &l->t[i]);
	}
	if (!random)	/* the first is due soon, the last in 30 s */
		l->now -= 30 * SECONDS / n;
	turn(l);
}

/* ns a step, the least of the rounds. */
static double measure(const struct engine *e, unsigned load, uint32_t n)
{
	double least = INFINITY;
	struct load l;

	load_open(&l, e, n, loads[load].random);
	for (unsigned i = 0; i <= ROUNDS_HERE; i++) {
		int64_t t0 = thread_ns();

		loads[load].run(&l);
		if (i)		/* the first warms up */
			least = fmin(least, (double)(thread_ns() - t0) / STEPS);
	}
	free(l.t);
	return least;
}

/* All engines let the same ones go, at the same times. */
static bool agree(void)
{
	uint64_t sum[ENGINES] = { 0 };
	enum { N = 1000, TURNS = 20000 };

	for (unsigned e = 0; e < REAL_ENGINES; e++) {
		struct timer *t;
		struct load l;

		load_open(&l, &engines[e], N, true);
		for (unsigned i = 0; i < TURNS; i++) {
			uint64_t due = 0, r = draw(&l);

			t = &l.t[r % N];
			if (r >> 32 & 1)
				l.e->move(t, l.now + (int64_t)(r >> 40) * 16);
			l.now += (int64_t)(draw(&l) % (4 * MS));
			for (; (t = l.e->pop(l.now)); due += (uint64_t)(t - l.t) + 1)
				l.t[t - l.t].key = 0;
			for (unsigned k = 0; k < N; k++)	/* in one order */
				if (!l.t[k].key)
					add(&l, &l.t[k]);
			sum[e] = sum[e] * 31 + due;
		}
		free(l.t);
	}
	return sum[0] == sum[1] && sum[0] == sum[2] && sum[0] == sum[3];
}

static void cell(double ns)
{
	if (ns > 0.1)
		printf("%9.1f", ns);
	else
		printf("%9s", "-");	/* of none, none fires */
}

int main(void)
{
	static const uint32_t sizes[] = { 32, 1000, 10000, 100000, 1000000 };

	if (!agree()) {
		fputs("urctx-timers: the engines do not agree\n", stderr);
		return 1;
	}
	printf("ns of CPU time a step, least of %d rounds of %d\n\n%-34s%9s",
	       ROUNDS_HERE, STEPS, "", "n");
	for (unsigned e = 0; e < ENGINES; e++)
		printf("%9s", engines[e].name);
	putchar('\n');
	for (unsigned load = 0; load < ARRAY_SIZE(loads); load++)
		for (unsigned s = 0; s < ARRAY_SIZE(sizes); s++) {
			printf("%-34s%9u", s ? "" : loads[load].name, sizes[s]);
			for (unsigned e = 0; e < ENGINES; e++)
				cell(measure(&engines[e], load, sizes[s]));
			putchar('\n');
			fflush(stdout);
		}
	return ferror(stdout) ? 1 : 0;
}
