/* SPDX-License-Identifier: MIT */
/*
 * urctx_torture.c - everything at once, with a ledger
 *
 * Threads share a table of 10,000 places.  Each, at random, derives below the
 * context of one place into another, cancels, puts, arms callbacks and stops
 * them.  A place is locked while its pointer is read or replaced, never while
 * the library is called: references are taken as a program would take them.
 *
 * The ledger: each callback ran exactly once, or was stopped, and never both;
 * a child found live has no ancestor that was done before; a generation that
 * was put never shows up again.
 *
 *   urctx_torture                     3 seconds, for make check
 *   urctx_torture --seconds 600 --threads 8 --places 10000
 */
#include <errno.h>

#include "common.h"

enum { IDLE, ARMED, RAN, STOPPED };

struct entry {				/* a callback and its page of the ledger */
	struct urctx_callback cb;
	int state;			/* IDLE, or who settled it */
	unsigned long *ran;
	struct urctx *also;		/* what it cancels, or drops */
	bool drops;
};

struct place {
	pthread_mutex_t lock;
	struct urctx *ctx;
} __attribute__((aligned(64)));

struct thread {
	pthread_t id;
	uint64_t seed;
	unsigned long ops, armed, stopped, ran, won, lost;
	struct entry *held[64];		/* armed by this thread, not settled yet */
};

static struct place *places;
static unsigned long nr_places, ran_total;
static bool over;

static void settle(struct entry *e, int as)
{
	must(__atomic_exchange_n(&e->state, as, __ATOMIC_ACQ_REL) == ARMED);
}

static void called_back(struct urctx_callback *cb)
{
	struct entry *e = (struct entry *)cb;

	settle(e, RAN);
	__atomic_fetch_add(&ran_total, 1, __ATOMIC_RELAXED);
	if (e->drops)
		urctx_put(e->also);
	else if (e->also)
		urctx_end(e->also);
}

/* A reference of its own to what is in place i now; NULL if nothing is. */
static struct urctx *look(unsigned long i)
{
	struct urctx *ctx;

	pthread_mutex_lock(&places[i].lock);
	ctx = urctx_get(places[i].ctx);
	pthread_mutex_unlock(&places[i].lock);
	return ctx;
}

static void replace(unsigned long i, struct urctx *with)
{
	struct urctx *old;

	pthread_mutex_lock(&places[i].lock);
	old = places[i].ctx;
	places[i].ctx = with;
	pthread_mutex_unlock(&places[i].lock);
	urctx_put(old);
}

static unsigned long somewhere(struct thread *t)
{
	return chance(&t->seed) % nr_places;
}

static void op_derive(struct thread *t)
{
	struct urctx *parent = chance(&t->seed) % 16 ? look(somewhere(t)) : NULL;
	bool done = urctx_done(parent);
	struct urctx *child = derive(parent);

	must(!done || (urctx_done(child) && urctx_cause(child) == urctx_cause(parent)));
	if (chance(&t->seed) % 2)
		replace(somewhere(t), child);
	else
		urctx_put(child);
	urctx_put(parent);
}

static void op_cancel(struct thread *t)
{
	struct urctx *ctx = look(somewhere(t)), *child;

	if (!ctx)
		return;
	child = derive(ctx);
	if (urctx_cancel(ctx))
		t->won++;
	else
		t->lost++;
	must(urctx_err(ctx) && urctx_cause(ctx));
	must(urctx_done(child));
	urctx_put(child);
	urctx_put(ctx);
}

static void op_clear(struct thread *t)
{
	replace(somewhere(t), NULL);
}

/* Finished with: stopped, or it has run; the memory is ours in either case. */
static void finish(struct thread *t, struct entry *e)
{
	if (urctx_stop(&e->cb)) {
		settle(e, STOPPED);
		t->stopped++;
		if (e->drops)
			urctx_put(e->also);
		else if (e->also)
			urctx_end(e->also);
	} else {
		must(__atomic_load_n(&e->state, __ATOMIC_ACQUIRE) == RAN);
		t->ran++;
	}
	free(e);
}

static void op_after(struct thread *t)
{
	unsigned at = chance(&t->seed) % 64;
	struct urctx *ctx = look(somewhere(t)), *parent;
	struct entry *e;

	if (t->held[at]) {
		finish(t, t->held[at]);
		t->held[at] = NULL;
	}
	if (!ctx)
		return;
	e = calloc(1, sizeof(*e));
	must(e);
	e->state = ARMED;
	switch (chance(&t->seed) % 4) {
	case 0:				/* a chain: this end ends another */
		parent = look(somewhere(t));
		e->also = derive(parent);
		urctx_put(parent);
		break;
	case 1:				/* it drops its own context */
		e->also = urctx_get(ctx);
		e->drops = true;
	}
	t->held[at] = e;
	t->armed++;
	must(urctx_after(ctx, &e->cb, called_back) == 0);
	urctx_put(ctx);
}

static void *torture(void *arg)
{
	struct thread *t = arg;
	unsigned i;

	while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
		unsigned what = chance(&t->seed) % 100;

		if (what < 60)
			op_derive(t);
		else if (what < 63)
			op_cancel(t);
		else if (what < 80)
			op_clear(t);
		else
			op_after(t);
		t->ops++;
	}
	for (i = 0; i < 64; i++)
		if (t->held[i])
			finish(t, t->held[i]);
	return NULL;
}

int main(int argc, char **argv)
{
	long seconds = option(argc, argv, "--seconds", 3);
	long nr = option(argc, argv, "--threads", 3), i;
	struct thread *threads = calloc((size_t)nr, sizeof(*threads)), sum = { 0 };
	int64_t until = urctx_now() + seconds * INT64_C(1000000000);
	unsigned long p;

	nr_places = (unsigned long)option(argc, argv, "--places", 10000);
	must(threads && !posix_memalign((void **)&places, 64,
					nr_places * sizeof(*places)));
	for (p = 0; p < nr_places; p++) {
		pthread_mutex_init(&places[p].lock, NULL);
		places[p].ctx = derive(p % 32 ? places[p - 1 - p % 32 / 2].ctx : NULL);
	}
	for (i = 0; i < nr; i++) {
		threads[i].seed = 88172645463325252ULL * (uint64_t)(i + 1);
		threads[i].id = start(torture, &threads[i]);
	}
	must(urctx_wait(NULL, until) == -ETIME);
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	for (i = 0; i < nr; i++) {
		pthread_join(threads[i].id, NULL);
		sum.ops += threads[i].ops;
		sum.armed += threads[i].armed;
		sum.stopped += threads[i].stopped;
		sum.ran += threads[i].ran;
		sum.won += threads[i].won;
		sum.lost += threads[i].lost;
	}
	for (p = 0; p < nr_places; p++)
		urctx_end(places[p].ctx);
	must(sum.armed == sum.stopped + sum.ran && sum.ran == ran_total);
	printf("%lu operations, %lu contexts ended and %lu again, %lu callbacks: "
	       "%lu ran, %lu stopped; %lu KiB resident\n", sum.ops, sum.won,
	       sum.lost, sum.armed, sum.ran, sum.stopped, resident_kib());
	free(places);
	free(threads);
	return 0;
}
