/* SPDX-License-Identifier: MIT */
/*
 * How late the callback of a deadline runs, which is the housekeeper's: beside a
 * thread of the same kind that does nothing but sleep until the same moments.
 */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <time.h>
#include <urctx.h>
#include "bench.h"
#include "busy.h"
#include "hist.h"

/* Deadlines that fall on no grid: a timer tick is nobody's advantage. */
enum { LEAST_NS = 1000000, STEP_NS = 7919, STEPS = 50 };

struct expiry {
	const struct bench *b;
	unsigned i;
	int64_t deadline, ran;
	sem_t go, back;
	struct hist ours, bare;
	atomic_bool stop;
};

struct told {
	struct urctx_callback cb;
	struct expiry *e;
};

static int64_t next_deadline(struct expiry *e)
{
	return now_ns() + LEAST_NS + (int64_t)(e->i++ % STEPS) * STEP_NS;
}

static void wait_for(sem_t *sem)
{
	while (sem_wait(sem))
		;	/* EINTR alone */
}

static void told(struct urctx_callback *cb)
{
	struct told *t = (struct told *)cb;	/* its first member */

	t->e->ran = now_ns();
	sem_post(&t->e->back);
}

static double side_callback(void *arg)
{
	struct expiry *e = arg;
	struct told t = { .e = e };
	struct urctx *c;

	e->deadline = next_deadline(e);
	if (urctx_with_deadline(NULL, e->deadline, &c))
		return NAN;
	if (urctx_after(c, &t.cb, told))
		return NAN;
	wait_for(&e->back);
	urctx_stop(&t.cb);	/* it may still be in sem_post() */
	urctx_put(c);
	hist_add(&e->ours, e->ran - e->deadline);
	return (double)(e->ran - e->deadline);
}

static void *sleeper(void *arg)
{
	struct expiry *e = arg;
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	prctl(PR_SET_TIMERSLACK, 1);
	for (;;) {
		struct timespec ts;

		wait_for(&e->go);
		if (atomic_load(&e->stop))
			return NULL;
		ts.tv_sec = e->deadline / 1000000000;
		ts.tv_nsec = e->deadline % 1000000000;
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts,
				       NULL))
			;
		e->ran = now_ns();
		sem_post(&e->back);
	}
}

static double side_sleep(void *arg)
{
	struct expiry *e = arg;

	e->deadline = next_deadline(e);
	sem_post(&e->go);
	wait_for(&e->back);
	hist_add(&e->bare, e->ran - e->deadline);
	return (double)(e->ran - e->deadline);
}

/* ------------------------------------------------------------ idle, and busy */

/* All on the row's one CPU, so that a thread's place is nobody's luck. */
static void run_expiry(const struct bench *b, struct result *r, bool busy)
{
	static struct expiry e;
	pthread_t t;

	e.b = b;
	hist_reset(&e.ours);
	hist_reset(&e.bare);
	sem_init(&e.go, 0, 0);
	sem_init(&e.back, 0, 0);
	if (pthread_create(&t, NULL, sleeper, &e)) {
		result_fail(r, "no thread");
		return;
	}
	if (!busy || busy_start(b, r))
		bench_ab(b, r, SLICES, side_callback, side_sleep, &e);
	busy_stop();
	atomic_store(&e.stop, true);
	sem_post(&e.go);
	pthread_join(t, NULL);
	result_extra(r, "p99", hist_percentile(&e.ours, 99));
	result_extra(r, "baseline_p99", hist_percentile(&e.bare, 99));
	result_note(r, "p50 of a round; p99 of all %.0f, of the baseline %.0f ns",
		    hist_percentile(&e.ours, 99),
		    hist_percentile(&e.bare, 99));
}

static void run_idle(const struct bench *b, struct result *r)
{
	run_expiry(b, r, false);
}

static void run_busy(const struct bench *b, struct result *r)
{
	run_expiry(b, r, true);
}

const struct row expiry_rows[] = {
	{ "deadline_late_idle", "core", "ns",
	  "lateness of the callback of a deadline, p50",
	  "bare clock_nanosleep", 1.1, GOAL_RATIO_MAX, 0, run_idle },
	{ "deadline_late_busy", "core", "ns",
	  "the same while all CPUs that it may use are spinning",
	  "bare clock_nanosleep", 1.1, GOAL_RATIO_MAX, 0, run_busy },
	{ NULL }
};
