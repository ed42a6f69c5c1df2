/* SPDX-License-Identifier: MIT */
/* From a cancel on one CPU to the thread running again that waits on another. */
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <urctx.h>
#include "bench.h"
#include "hist.h"

enum { ASLEEP_NS = 100000 };	/* by then its CPU is idle, too */

struct wake {
	const struct bench *b;
	pthread_t thread;
	atomic_int tid;
	/* What the waiter blocks on next: a context, or else the futex. */
	atomic_bool go, stop;
	struct urctx *ctx;
	_Atomic uint32_t futex;
	_Atomic int64_t ran;	/* when it was back; 0: not yet */
	struct hist ours;
};

static long futex(struct wake *w, int op, uint32_t val)
{
	return syscall(SYS_futex, &w->futex, op, val, NULL, NULL, 0);
}

static void *waiter(void *arg)
{
	struct wake *w = arg;

	pin_to(w->b->cpu[1]);
	atomic_store(&w->tid, (int)syscall(SYS_gettid));
	for (;;) {
		while (!atomic_exchange(&w->go, false))
			if (atomic_load(&w->stop))
				return NULL;
		if (w->ctx)
			while (urctx_wait(w->ctx, URCTX_NEVER))
				;
		else
			while (!atomic_load(&w->futex))
				futex(w, FUTEX_WAIT_PRIVATE, 0);
		atomic_store(&w->ran, now_ns());
	}
}

static bool asleep(const struct wake *w)
{
	char path[64], stat[128], *state;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", w->tid);
	f = fopen(path, "re");
	if (!f)
		return true;	/* no /proc: as long as ASLEEP_NS */
	n = fread(stat, 1, sizeof(stat) - 1, f);
	fclose(f);
	stat[n] = '\0';
	state = strrchr(stat, ')');
	return state && state[1] == ' ' && state[2] == 'S';
}

/* ctx or the futex: lets the waiter fall asleep and wakes it; ns. */
static double wake(struct wake *w, struct urctx *ctx)
{
	int64_t t0, t1;

	w->ctx = ctx;
	atomic_store(&w->futex, 0);
	atomic_store(&w->ran, 0);
	atomic_store(&w->go, true);
	while (!asleep(w))
		;
	spin_until(now_ns() + ASLEEP_NS);
	t0 = now_ns();
	if (ctx) {
		urctx_cancel(ctx);
	} else {
		atomic_store(&w->futex, 1);
		futex(w, FUTEX_WAKE_PRIVATE, 1);
	}
	while (!(t1 = atomic_load(&w->ran)))
		;
	return (double)(t1 - t0);
}

static double side_cancel(void *arg)
{
	struct wake *w = arg;
	struct urctx *ctx;
	double ns;

	if (urctx_with_cancel(NULL, &ctx))
		return NAN;
	ns = wake(w, ctx);
	urctx_put(ctx);
	hist_add(&w->ours, (int64_t)ns);
	return ns;
}

static double side_futex(void *arg)
{
	return wake(arg, NULL);
}

static void run_wake(const struct bench *b, struct result *r)
{
	static struct wake w;

	if (b->nr_cpus < 2) {
		result_skip(r, "needs two CPUs");
		return;
	}
	w.b = b;
	hist_reset(&w.ours);
	if (pthread_create(&w.thread, NULL, waiter, &w)) {
		result_fail(r, "no thread");
		return;
	}
	while (!atomic_load(&w.tid))
		;
	bench_ab(b, r, SLICES, side_cancel, side_futex, &w);
	result_extra(r, "p99", hist_percentile(&w.ours, 99));
	result_note(r, "p50 of a round; ours p99 %.0f ns",
		    hist_percentile(&w.ours, 99));
	atomic_store(&w.stop, true);
	pthread_join(w.thread, NULL);
}

const struct row wake_rows[] = {
	{ "cancel_wait_wake", "core", "ns",
	  "urctx_cancel() to a thread blocked in urctx_wait() running, p50",
	  "bare futex wake", 1.2, GOAL_RATIO_MAX, 0, run_wake },
	{ NULL }
};
