/* SPDX-License-Identifier: MIT */
/*
 * signals.c - cancel from a signal handler, in the middle of derive, put, cancel
 *
 * One thread works on a tree, and a timer interrupts it every few microseconds.
 * The handler cancels a context: one that the interrupted call may be at work
 * on, the parent it derives from, or one that is done already.
 *
 *   signals             10,000 signals, for make check
 *   signals --long      a million
 *   signals --count N
 */
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common.h"

#define MINE	-4321

/* What the handler cancels next; the worker puts it there and takes it away. */
static struct urctx *victim, *group;
static unsigned long count, handled, worked, won;
static timer_t timer;

/* The next one, at some moment of the work to come. */
static void rearm(void)
{
	static uint64_t seed = 88172645463325252;
	struct itimerspec soon = { .it_value.tv_nsec = 500 + chance(&seed) % 30000 };

	must(timer_settime(timer, 0, &soon, NULL) == 0);
}

static void handler(int sig)
{
	struct urctx *ctx = __atomic_load_n(&victim, __ATOMIC_ACQUIRE);
	int saved = errno;

	(void)sig;
	errno = 99;
	if (ctx) {
		if (urctx_cancel_cause(ctx, URCTX_CAUSE(MINE, "by a signal")))
			won++;
		must(urctx_done(ctx));
	}
	must(errno == 99);
	if (__atomic_add_fetch(&handled, 1, __ATOMIC_RELAXED) < count)
		rearm();
	errno = saved;
}

static void set_victim(struct urctx *ctx)
{
	__atomic_store_n(&victim, ctx, __ATOMIC_RELEASE);
}

/* Whatever it is cancelled by, everything below a done parent is done. */
static void check(struct urctx *parent, struct urctx *child)
{
	bool done = urctx_done(parent);

	must(!done || urctx_err(child) == -ECANCELED);
	must(!done || urctx_cause(child));
	must(urctx_done(child) || !urctx_done(parent) || urctx_err(child));
}

static void derive_and_put(struct urctx *parent)
{
	struct urctx *a = derive(parent), *b = derive(a), *c = derive(parent);

	check(parent, a);
	check(a, b);
	check(parent, c);
	urctx_put(a);
	check(parent, b);
	urctx_put(c);
	urctx_put(b);
}

static void cancel_below(struct urctx *parent)
{
	struct urctx *kids[70];
	int i;

	for (i = 0; i < 70; i++)
		kids[i] = derive(i % 7 ? parent : i ? kids[i - 1] : parent);
	if (urctx_cancel(kids[0]))
		must(urctx_cause(kids[0])->code == -ECANCELED);
	for (i = 0; i < 70; i++) {
		check(parent, kids[i]);
		urctx_put(kids[i]);
	}
}

/* A context that only the handler ends: derived from while that happens. */
static void *work(void *arg)
{
	uint64_t seed = 0x9e3779b97f4a7c15;
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID,
				  .sigev_signo = SIGUSR1 };
	struct timespec ts;

	(void)arg;
	event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
	must(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
	/* On a thread that has derived before: that is the rule for handlers. */
	derive_and_put(group);
	rearm();
	while (__atomic_load_n(&handled, __ATOMIC_RELAXED) < count) {
		struct urctx *root = derive(group), *mid = derive(root);
		int i, rounds = 1 + (int)(chance(&seed) % 20);

		set_victim(chance(&seed) % 2 ? root : mid);
		for (i = 0; i < rounds; i++) {
			derive_and_put(mid);
			derive_and_put(root);
			if (i % 4 == 3)
				cancel_below(chance(&seed) % 2 ? mid : root);
		}
		if (chance(&seed) % 4 == 0)
			urctx_cancel(root);
		/* TSan delivers signals in the calls that it intercepts. */
		clock_gettime(CLOCK_MONOTONIC, &ts);
		set_victim(NULL);
		check(root, mid);
		must(!urctx_done(group));
		urctx_put(root);
		urctx_put(mid);
		worked++;
	}
	timer_delete(timer);
	return NULL;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = handler };

	count = flag(argc, argv, "--long") ? 1000000 : 10000;
	count = (unsigned long)option(argc, argv, "--count", (long)count);
	must(sigaction(SIGUSR1, &action, NULL) == 0);
	group = derive(NULL);
	pthread_join(start(work, NULL), NULL);
	must(handled == count);
	printf("%lu signals, %lu of them ended a context, %lu trees\n", handled, won,
	       worked);
	urctx_end(group);
	return won ? 0 : 1;
}
