/* SPDX-License-Identifier: MIT */
/*
 * helpers.c - what the sequences share
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <urctx.h>

#include "faults.h"

const struct sequence sequences[] = {
	{ "tree", seq_tree },
	{ "kinds", seq_kinds },
	{ "many", seq_many },
	{ "burst", seq_burst },
	{ "time", seq_time },
	{ "clock", seq_clock },
	{ "sync", seq_sync },
	{ "sync_no_waitv", seq_sync, NULL, "futex_waitv" },
	{ "clock_no_waitv", seq_clock, NULL, "futex_waitv" },
	{ "many_no_membarrier", seq_many, NULL, "membarrier" },
	{ "group", seq_group },
	{ "signals", seq_signals },
	{ "fork", seq_fork },
	{ "ring", seq_ring },
	{ "ring_own", seq_ring_own },
	{ "ring_defer", seq_ring_defer },
	{ "ring_drain", seq_ring_drain },
	{ "ring_timer", seq_ring_timer },
	{ "ring_sqpoll", seq_ring_sqpoll },
	{ "io", seq_io },
	{ "io_sockets", seq_io_sockets },
	{ "io_others", seq_io_others },
	{ "io_nothing", seq_io_nothing },
	{ "io_null", seq_io_null },
	{ "io_plain", seq_io, "URCTX_NO_URING" },
	{ "io_sockets_plain", seq_io_sockets, "URCTX_NO_URING" },
	{ "io_others_plain", seq_io_others, "URCTX_NO_URING" },
	{ NULL }
};

static bool is_allowed(long ret, const int *allowed)
{
	const struct plan *p = &shared->plan;

	for (; *allowed != ENOUGH; allowed++)
		if (*allowed == MACHINE ?
			    (is_seen && ret == -assumed) ||
			    (p->n && p->site && ret == -p->err &&
			     calls[p->site >> 48].kind != QUIET) :
			    ret == *allowed)
			return true;
	return false;
}

bool try_again(const char *file, int line, const char *what, long ret, bool right,
	       unsigned tries, const int *allowed)
{
	static char text[400];

	if (errno != ERRNO_KEPT) {
		snprintf(text, sizeof(text), "%s: errno was written", what);
		wrong(file, line, text, errno);
	}
	if (right)
		return false;
	if (!is_allowed(ret, allowed))
		wrong(file, line, what, ret);
	if (!assumed && !__atomic_load_n(&shared->hits, __ATOMIC_SEQ_CST)) {
		snprintf(text, sizeof(text), "%s: though nothing failed", what);
		wrong(file, line, text, ret);
	}
	if (tries == 3) {
		snprintf(text, sizeof(text), "%s: repeated, and again", what);
		wrong(file, line, text, ret);
	}
	if (shared->plan.from)
		__atomic_store_n(&shared->over, 1, __ATOMIC_SEQ_CST);
	return true;
}

struct helper {
	pthread_t id;
	long whose;
	void (*fn)(void *arg);
	void *arg;
};

static bool sleeps(long tid)
{
	char path[64], text[256], *at;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%ld/stat", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return true;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return true;
	text[n] = '\0';
	at = strrchr(text, ')');
	return at && at[1] && at[2] == 'S';
}

static void *help(void *arg)
{
	const struct timespec nap = { 0, 200000 };
	struct helper *h = arg;
	unsigned i;

	/* twice: it may have slept for a lock on its way */
	for (i = 0; i < 250 && !sleeps(h->whose); i++)
		nanosleep(&nap, NULL);
	nanosleep(&nap, NULL);
	for (; i < 250 && !sleeps(h->whose); i++)
		nanosleep(&nap, NULL);
	h->fn(h->arg);
	return NULL;
}

struct helper *later(void (*fn)(void *arg), void *arg)
{
	struct helper *h = malloc(sizeof(*h));

	if (!h)
		abort();
	*h = (struct helper){ .whose = syscall(SYS_gettid), .fn = fn, .arg = arg };
	if (pthread_create(&h->id, NULL, help, h))
		abort();
	return h;
}

void helper_join(struct helper *h)
{
	pthread_join(h->id, NULL);
	free(h);
}

void end_it(void *ctx)
{
	urctx_cancel((struct urctx *)ctx);
}
