/* SPDX-License-Identifier: MIT */
/*
 * urctx_torture.c - everything at once, with a ledger
 *
 * Some threads work at random on a tree of 10,000 contexts; others meet in pairs, at
 * the places where two calls may pass each other (torture_duels.c).  What must be so
 * is looked at all the time.  At the end: each callback ran exactly once or was
 * stopped, each operation of a ring ended once, each value was released, nothing is
 * left of what was put; and nobody saw what was older than he may see (aged.c,
 * torture_values.c).
 *
 *   urctx-torture                      3 seconds, for make check
 *   urctx-torture --seconds 600 --seed 7
 *
 *   --seconds S | --duration 90s|10m|2h
 *   --threads T      that work on the tree (2)
 *   --duellists D    that meet, two and two (2)
 *   --duel NAME      only this one
 *   --places P       contexts of the tree (10000)
 *   --seed N         another run; 0: any, printed
 *   --stall S        whatever should come and does not is an error after so long (60)
 *   --no-rings       no io_uring
 */
#include <sys/resource.h>
#include <unistd.h>

#include "torture.h"

struct torture torture;
__thread struct thread *this_one;
struct thread keeper;
bool over;

static struct thread *threads;
static long nr_threads;

static const char *const names[WHATS] = {
	"derive", "deadline", "value", "shield", "grace", "any", "get", "put", "cancel",
	"after", "stop", "look", "look-up", "wait", "idle", "fd", "dump", "bind", "turn",
};

static void step(void)
{
	uint32_t what = one_of(1000);

	if (what < 420)
		op_derive();
	else if (what < 432)
		op_cancel();
	else if (what < 520)
		op_clear();
	else if (what < 640)
		op_after();
	else if (what < 690)
		op_stop();
	else if (what < 830)
		op_look();
	else if (what < 970)
		op_lookup();
	else if (what < 980)
		op_family();
	else if (what < 990)
		op_wait();
	else if (what < 999)
		torture.rings ? op_ring() : op_look();
	else if (!one_of(64))
		op_dump();
}

static void *work(void *arg)
{
	this_one = arg;
	while (!is_over()) {
		step();
		more(&me()->steps, 1);
	}
	if (torture.rings)
		ring_over();
	return NULL;
}

/* Returns when the time is up; whoever does not go on is named. */
static void watch(int64_t until)
{
	uint64_t *last = calloc((size_t)nr_threads + 1, sizeof(*last));
	int64_t *since = calloc((size_t)nr_threads + 1, sizeof(*since));
	int64_t now;
	long i;

	must(last && since);
	while ((now = urctx_now()) < until) {
		int64_t next = now + SECOND < until ? now + SECOND : until;

		for (i = 1; i < nr_threads; i++) {
			uint64_t steps = __atomic_load_n(&threads[i].steps,
							 __ATOMIC_RELAXED);

			if (steps != last[i] || !since[i])
				since[i] = now;
			last[i] = steps;
			if (now - since[i] > 2 * torture.stall) {
				fprintf(stderr, "torture: thread %ld does not go on\n", i);
				abort();
			}
		}
		must(urctx_wait(NULL, next) == -ETIME);
	}
	free(last);
	free(since);
}

static void add_up(struct thread *sum)
{
	long i;

	for (i = 0; i <= nr_threads; i++) {
		const struct thread *t = i < nr_threads ? &threads[i] : &keeper;

		for (int w = 0; w < WHATS; w++)
			sum->did[w] += t->did[w];
		for (int a = 0; a < AGES; a++)
			sum->ages[a] += t->ages[a];
		sum->won += t->won;
		sum->lost += t->lost;
		sum->armed += t->armed;
		sum->ran += t->ran;
		sum->stopped += t->stopped;
		sum->bound += t->bound;
		sum->ended += t->ended;
		sum->told += t->told;
		sum->duels += t->duels;
		sum->families += t->families;
	}
}

static void report(double live)
{
	struct thread sum = { 0 };
	uint64_t all = 0;
	int i;

	add_up(&sum);
	calls_over(&sum);
	must(sum.bound == sum.ended);
	printf("operations of rings: %lu bound, each ended once, %lu told to\n",
	       (unsigned long)sum.bound, (unsigned long)sum.told);
	printf("%lu contexts ended by a cancel, %lu were over; %lu families, %lu duels; "
	       "%.0f %% of the tree live at the end; %lu KiB resident\n",
	       (unsigned long)sum.won, (unsigned long)sum.lost,
	       (unsigned long)sum.families, (unsigned long)sum.duels, 100 * live,
	       resident_kib());
	printf("ages that readers saw:");
	for (i = 0; i < AGES; i++)
		printf(" %lu", (unsigned long)sum.ages[i]);
	printf("\n");
	ages_print(stdout);
	printf("calls:");
	for (i = 0; i < WHATS; i++) {
		printf(" %s %lu", names[i], (unsigned long)sum.did[i]);
		all += sum.did[i];
	}
	printf("\ntotal: torture_operations %lu\n", (unsigned long)all);
}

/* 90, 90s, 10m, 2h */
static int64_t duration(int argc, char **argv)
{
	long seconds = option(argc, argv, "--seconds", 3);
	char *end;
	int i;

	for (i = 1; i + 1 < argc; i++) {
		if (strcmp(argv[i], "--duration"))
			continue;
		seconds = strtol(argv[i + 1], &end, 10);
		must(end != argv[i + 1] && (!*end || !strcmp(end, "s") ||
					    !strcmp(end, "m") || !strcmp(end, "h")));
		seconds *= *end == 'm' ? 60 : *end == 'h' ? 3600 : 1;
	}
	return seconds * SECOND;
}

static void options(int argc, char **argv)
{
	int i;

	torture = (struct torture){
		.places = (unsigned long)option(argc, argv, "--places", 10000),
		.threads = option(argc, argv, "--threads", 2),
		.duellists = option(argc, argv, "--duellists", 2) / 2 * 2,
		.seed = (uint64_t)option(argc, argv, "--seed", 0),
		.ns = duration(argc, argv),
		.stall = option(argc, argv, "--stall", 60) * SECOND,
		.rings = !flag(argc, argv, "--no-rings") && rings_there(),
	};
	for (i = 1; i + 1 < argc; i++)
		if (!strcmp(argv[i], "--duel"))
			torture.duel = argv[i + 1];
	must(torture.places > 2 && torture.threads + torture.duellists > 0);
	if (torture.seed == 0)
		torture.seed = (uint64_t)urctx_now() % 1000000000 + 1;
}

static void threads_make(void)
{
	uint64_t seed = torture.seed;
	long i;

	nr_threads = 1 + torture.threads + torture.duellists;
	must(!posix_memalign((void **)&threads, 64,
			     (size_t)nr_threads * sizeof(*threads)));
	memset(threads, 0, (size_t)nr_threads * sizeof(*threads));
	for (i = 0; i < nr_threads; i++)
		threads[i].seed = (seed + (uint64_t)i + 1) * 88172645463325252ULL | 1;
	keeper.seed = ~seed | 1;
	this_one = &threads[0];		/* ours */
}

int main(int argc, char **argv)
{
	struct rlimit files;
	double live;
	long i;

	options(argc, argv);
	printf("urctx-torture --seed %lu --threads %ld --duellists %ld --places %lu: "
	       "%ld s, %s\n", (unsigned long)torture.seed, torture.threads,
	       torture.duellists, torture.places, (long)(torture.ns / SECOND),
	       torture.rings ? "with rings" : "no rings");
	fflush(stdout);
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	threads_make();
	places_make();
	duels_make();
	for (i = 1; i < nr_threads; i++)
		threads[i].id = start(i <= torture.threads ? work : duel, &threads[i]);
	watch(urctx_now() + torture.ns);
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	for (i = 1; i < nr_threads; i++)
		pthread_join(threads[i].id, NULL);
	live = live_part();
	calls_end();
	places_clear();
	duels_over();
	values_over();
	report(live);
	free(threads);
	return 0;
}
