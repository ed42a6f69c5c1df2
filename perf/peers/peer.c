/* SPDX-License-Identifier: MIT */
/* The rows, timed, of a peer that speaks C. */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "peer.h"

enum {
	CHUNK_NS = 5000000,	/* of a loop; a few, and the best of them */
	CHUNKS = 6,
	WAKES = 150,
	DEADLINES = 60,
};

int64_t peer_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static long resident(void)
{
	long size, pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f || fscanf(f, "%ld %ld", &size, &pages) != 2)
		exit(1);
	fclose(f);
	return pages * sysconf(_SC_PAGESIZE);
}

static void sleep_ns(long ns)
{
	struct timespec t = { .tv_nsec = ns };

	nanosleep(&t, NULL);
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static double median(int64_t *v, size_t n)
{
	qsort(v, n, sizeof(*v), compare);
	return (double)v[n / 2];
}

/* -------------------------------------------------------------------- loops */

typedef int64_t (*timed_fn)(peer_loop loop, unsigned long n);

static int64_t timed(peer_loop loop, unsigned long n)
{
	int64_t t0 = peer_now();

	loop(n);
	return peer_now() - t0;
}

/* ns an operation: the best chunk. */
static double best_chunk(timed_fn fn, peer_loop loop)
{
	unsigned long n = 1000;
	double best = INFINITY;

	while (fn(loop, n) < CHUNK_NS)
		n *= 2;
	for (int i = 0; i < CHUNKS; i++)
		best = fmin(best, (double)fn(loop, n) / (double)n);
	return best;
}

static atomic_int ready;

struct half {
	pthread_t thread;
	peer_loop loop;
	unsigned long n;
	int64_t from, to;
};

static void *half(void *arg)
{
	struct half *h = arg;

	atomic_fetch_add(&ready, 1);
	while (atomic_load(&ready) < 2)
		;
	h->from = peer_now();
	h->loop(h->n);
	h->to = peer_now();
	return NULL;
}

/* Two threads, each n operations on the one parent: as long as both take. */
static int64_t timed_two(peer_loop loop, unsigned long n)
{
	struct half h[2];

	atomic_store(&ready, 0);
	for (int i = 0; i < 2; i++) {
		h[i] = (struct half){ .loop = loop, .n = n };
		if (pthread_create(&h[i].thread, NULL, half, &h[i]))
			exit(1);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(h[i].thread, NULL);
	return (h[0].to > h[1].to ? h[0].to : h[1].to) -
	       (h[0].from < h[1].from ? h[0].from : h[1].from);
}

/* -------------------------------------------------------------------- trees */

/* ns a context: the best of so many trees. */
static double tree(void *(*make)(unsigned long n), unsigned long n, int times)
{
	double best = INFINITY;

	while (times--) {
		void *t = make(n);
		int64_t t0 = peer_now();

		peer.cancel(t);
		best = fmin(best, (double)(peer_now() - t0) / (double)n);
		if (!peer.all_done(t))
			exit(1);
	}
	return best;
}

/* The array of pointers to the children is not charged. */
static double bytes(unsigned long n)
{
	long before = resident();

	PEER_KEEP(peer.fan(n));
	return (double)(resident() - before) / (double)n - sizeof(void *);
}

/* ------------------------------------------------------------------ waiting */

static struct {
	_Atomic(void *) blocked;	/* a thread is about to block on it */
	_Atomic int64_t ran;		/* when it was back */
} wake;

static void *waiter(void *arg)
{
	(void)arg;
	for (int i = 0; i < WAKES; i++) {
		void *w = peer.waitable();

		atomic_store(&wake.blocked, w);
		peer.wait(w);
		atomic_store(&wake.ran, peer_now());
	}
	return NULL;
}

/* From the call of cancel to the waiter running, median. */
static double wait_wake(void)
{
	static int64_t ns[WAKES];
	pthread_t t;

	if (pthread_create(&t, NULL, waiter, NULL))
		exit(1);
	for (int i = 0; i < WAKES; i++) {
		int64_t t0, t1;
		void *w;

		while (!(w = atomic_exchange(&wake.blocked, NULL)))
			;
		sleep_ns(300000);	/* it is asleep by then */
		t0 = peer_now();
		peer.wake(w);
		while (!(t1 = atomic_exchange(&wake.ran, 0)))
			;
		ns[i] = t1 - t0;
	}
	pthread_join(t, NULL);
	return median(ns, WAKES);
}

static double deadline_late(void)
{
	static int64_t ns[DEADLINES];

	for (int i = 0; i < DEADLINES; i++)
		ns[i] = peer.late(peer_now() + 1000000 + i * 7919);
	return median(ns, DEADLINES);
}

/* --------------------------------------------------------------------- rows */

static bool loop_row(const char *name)
{
	const struct {
		const char *name;
		timed_fn fn;
		peer_loop loop;
	} rows[] = {
		{ "poll", timed, peer.poll },
		{ "derive_put", timed, peer.derive_put },
		{ "derive_cancel_put", timed, peer.derive_cancel_put },
		{ "derive_put_2t", timed_two, peer.derive_put },
		{ "after_stop", timed, peer.after_stop },
		{ "with_timeout_put", timed, peer.with_timeout_put },
		{ "with_deadline_put", timed, peer.with_deadline_put },
		{ "value_100_hit", timed, peer.value_hit },
		{ "value_100_miss", timed, peer.value_miss },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].name, name))
			continue;
		if (rows[i].loop)
			printf("%s %.3f ns\n", name,
			       best_chunk(rows[i].fn, rows[i].loop));
		return true;
	}
	return false;
}

static bool other_row(const char *name)
{
	if (!strcmp(name, "cancel_child_10k"))
		printf("%s %.3f ns\n", name, tree(peer.fan, 10000, 10));
	else if (!strcmp(name, "cancel_child_1m"))
		printf("%s %.3f ns\n", name, tree(peer.fan, 1000000, 1));
	else if (!strcmp(name, "deep_10k"))
		printf("%s %.3f ns\n", name, tree(peer.chain, 10000, 5));
	else if (!strcmp(name, "deep_100k"))
		printf("%s %.3f ns\n", name, tree(peer.chain, 100000, 3));
	else if (!strcmp(name, "bytes_per_leaf"))
		printf("%s %.1f bytes\n", name, bytes(200000));
	else if (!strcmp(name, "cancel_wait_wake") && peer.wait)
		printf("%s %.0f ns\n", name, wait_wake());
	else if (!strcmp(name, "deadline_late_idle") && peer.late)
		printf("%s %.0f ns\n", name, deadline_late());
	else
		return false;
	return true;
}

static void *idle(void *arg)
{
	for (;;)
		pause();
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t t;

	/*
	 * Who cancels has threads. In a process without, libstdc++ and malloc leave
	 * the atomics out that they need, and a figure would be nobody's.
	 */
	if (pthread_create(&t, NULL, idle, NULL))
		return 1;
	peer.open();
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "version"))
			printf("version %s\n", peer.version());
		else if (!loop_row(argv[i]))
			other_row(argv[i]);
	}
	fflush(stdout);
	_exit(ferror(stdout) ? 1 : 0);	/* the trees are left as they are */
}
