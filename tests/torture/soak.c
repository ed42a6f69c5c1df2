/* SPDX-License-Identifier: MIT */
/*
 * soak.c - every kind of op, on every kind of ring, ended at random moments
 *
 *   soak                       a few of each, for make check
 *   soak --ops 10000           as many of each kind x ring x canceller
 *   soak --ops 1000000 --kind accept --ring default --who elsewhere
 *
 *   --kind NAME|all  --ring NAME|all  --who NAME|all
 *   --threads T                that end contexts elsewhere: 1 to 4, 0: in turn
 *   --fed 0|1                  whether what ops wait for comes: what is lost may be
 *                              hidden by it, and races need it; 2: every other run
 *   --seconds S                begins nothing new after so long; 0: all of it
 *   --seed S                   another run
 *   --stall S                  what does not end in so long hangs (30)
 *
 * Each op completes once, with its own cause; no byte, caller, fd or context is
 * lost.  What hangs is printed, and aborts.
 */
#include <signal.h>

#include "soak.h"

#define DEFER (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)

static const struct ring_kind rings[] = {
	{ "default", 0, 64, 0 },
	{ "coop", IORING_SETUP_COOP_TASKRUN, 64, 0 },
	{ "defer", DEFER, 64, 0 },
	{ "sqpoll", IORING_SETUP_SQPOLL, 64, 0 },
	{ "disabled", IORING_SETUP_R_DISABLED | DEFER, 64, 0 },
	{ "sqe128-cqe32", IORING_SETUP_SQE128 | IORING_SETUP_CQE32, 64, 0 },
	{ "sq4", 0, 4, 0 },
	{ "sq4-defer", DEFER, 4, 0 },
	{ "link-timeout", 0, 64, URCTX_RING_LINK_TIMEOUT },
	{ "timer", DEFER, 64, URCTX_RING_TIMER },
	{ 0 },
};

static struct run run;
static pthread_mutex_t begins = PTHREAD_MUTEX_INITIALIZER;
static unsigned stall;
static uint64_t runs, ops, told, late, retries, stuck, skipped;

static const char *choice(int argc, char **argv, const char *name)
{
	for (int i = 1; i + 1 < argc; i++)
		if (!strcmp(argv[i], name))
			return argv[i + 1];
	return "all";
}

static bool chosen(const char *choice, const char *name)
{
	return !strcmp(choice, "all") || !strcmp(choice, name);
}

static void print_state(void)
{
	struct urctx_ring_stats s = { 0 };

	fprintf(stderr, "soak: nothing ends: %s, %s, %s: %lu bound, %lu ended\n",
		run.kind->name, run.ring->name, who_name(run.who),
		__atomic_load_n(&run.bound, __ATOMIC_RELAXED),
		__atomic_load_n(&run.ended, __ATOMIC_RELAXED));
	urctx_ring_stats(run.r, &s, sizeof(s));
	fprintf(stderr,
		"in flight %lu, stuck %lu, told %lu, cancels %lu, retries %lu\n",
		s.in_flight, s.stuck, s.told, s.cancels, s.retries);
	for (int i = 0; i < PLACES; i++) {
		const struct place *p = &run.place[i];

		fprintf(stderr, "%2d: %s%s, %u CQEs, cause %s\n", i,
			p->busy ? "busy" : "free", p->tail_busy ? " (tail)" : "", p->cqes,
			p->op.cause ? p->op.cause->reason : "none");
	}
	abort();
}

/* Looks once a second; whoever goes on is left alone. */
static void *watch(void *arg)
{
	uint64_t last_run = 0, last_ended = 0;
	unsigned idle = 0;

	(void)arg;
	while (urctx_wait(NULL, urctx_now() + INT64_C(1000000000)) == -ETIME) {
		uint64_t ended;

		pthread_mutex_lock(&begins);
		ended = __atomic_load_n(&run.ended, __ATOMIC_RELAXED);
		idle = run.ops && runs == last_run && ended == last_ended ? idle + 1 : 0;
		if (idle == stall)
			print_state();
		last_run = runs;
		last_ended = ended;
		pthread_mutex_unlock(&begins);
	}
	return NULL;
}

static void interrupted(int sig)
{
	(void)sig;
}

static void one(const struct soak_kind *kind, const struct ring_kind *ring, enum who who,
		uint64_t nr, unsigned threads, unsigned fed, uint64_t seed)
{
	pthread_mutex_lock(&begins);
	run = (struct run){
		.kind = kind,
		.ring = ring,
		.who = who,
		.ops = nr,
		.threads = threads ? threads : 1 + (unsigned)(runs % 4),
		/* behind drains ops end one by one, each when it is asked for again */
		.fed = kind->feed && (fed == 2 ? runs % 2 || kind->traits & DRAINS : fed),
		.by_hand = runs / 2 % 2,
		.signals = runs / 4 % 4 == 0,
		.seed = (seed + runs + 1) * 88172645463325252ULL,
		.salt = (seed + runs + 1) * 0xda942042e4dd58b5ULL,
	};
	runs++;
	pthread_mutex_unlock(&begins);
	run_one(&run);
	ops += run.ended;
	told += run.told;
	late += run.late;
	retries += run.retries;
	stuck += run.stuck;
}

static bool ring_there(const struct ring_kind *ring, const struct soak_kind *kind)
{
	struct io_uring u;
	int ret;

	/* a drain would wait for that timer */
	if (kind->traits & DRAINS && ring->attach & URCTX_RING_TIMER)
		return false;
	ret = io_uring_queue_init(ring->entries, &u, ring->flags);
	if (!ret)
		io_uring_queue_exit(&u);
	else
		printf("skipped: %s: %s\n", ring->name, strerror(-ret));
	skipped += ret != 0;
	return !ret;
}

static bool kind_there(const struct io_uring_probe *probe, const struct soak_kind *kind)
{
	bool there = kind->opcode <= probe->last_op &&
		     probe->ops[kind->opcode].flags & IO_URING_OP_SUPPORTED;

	if (!there)
		printf("skipped: %s: this kernel lacks it\n", kind->name);
	skipped += !there;
	return there;
}

static void print_kind(const char *name, int64_t began)
{
	static uint64_t last[5];

	printf("%-17s %9lu ops, %9lu told, %8lu of these too late, %7lu asked again, "
	       "%lu stuck, %5.1f s\n",
	       name, ops - last[0], told - last[1], late - last[2], retries - last[3],
	       stuck - last[4], (double)(urctx_now() - began) / 1e9);
	fflush(stdout);
	last[0] = ops;
	last[1] = told;
	last[2] = late;
	last[3] = retries;
	last[4] = stuck;
}

int main(int argc, char **argv)
{
	uint64_t nr = (uint64_t)option(argc, argv, "--ops", 12);
	uint64_t seed = (uint64_t)option(argc, argv, "--seed", 1);
	unsigned threads = (unsigned)option(argc, argv, "--threads", 0);
	unsigned fed = (unsigned)option(argc, argv, "--fed", 2);
	long seconds = option(argc, argv, "--seconds", 0);
	const char *kind = choice(argc, argv, "--kind");
	const char *ring = choice(argc, argv, "--ring");
	const char *who = choice(argc, argv, "--who");
	const struct soak_kind *lists[] = { soak_streams, soak_waits };
	struct io_uring_probe *probe = io_uring_get_probe();
	int64_t start_of_all = urctx_now(), until = start_of_all + seconds * 1000000000;

	stall = (unsigned)option(argc, argv, "--stall", 30);
	must(threads <= 4 && fed <= 2);
	if (!probe) {
		printf("skipped: io_uring is forbidden here\n");
		return 0;
	}
	must(sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = interrupted }, NULL) == 0);
	start(watch, NULL);
	for (int l = 0; l < 2; l++)
		for (const struct soak_kind *k = lists[l]; k->name; k++) {
			int64_t began = urctx_now();

			if (!chosen(kind, k->name) || !kind_there(probe, k))
				continue;
			for (const struct ring_kind *r = rings; r->name; r++) {
				if (!chosen(ring, r->name) || !ring_there(r, k))
					continue;
				for (enum who w = 0; w < WHO; w++)
					if (chosen(who, who_name(w)) &&
					    (!seconds || urctx_now() < until))
						one(k, r, w, nr, threads, fed, seed);
			}
			print_kind(k->name, began);
		}
	io_uring_free_probe(probe);
	must(runs);
	printf("%lu runs, %lu ops, each completed once, %lu told, %lu of these too late, "
	       "%lu asked again, %lu stuck, %lu skipped, %.1f s\n", runs, ops, told, late,
	       retries, stuck, skipped, (double)(urctx_now() - start_of_all) / 1e9);
	return 0;
}
