/* SPDX-License-Identifier: MIT */
/*
 * check.h - what the examples hold themselves to; no part of the library
 *
 *	#include "check.h"		first: it defines _GNU_SOURCE
 *	check_begin();			before the first context and thread
 *	...
 *	CHECK(got == wanted);		says what failed, and goes on
 *	...
 *	return check_end(root);		ends root; main()'s status
 *
 * check_end() wants back what was there at check_begin(): no context derived from
 * root is left, and no child process; as many threads and file descriptors as
 * before; and a process that needs no CPU.  It sleeps only for what the kernel
 * still has to do: a thread that was joined is in /proc a little longer.
 */
#ifndef EXAMPLES_CHECK_H
#define EXAMPLES_CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <urctx.h>

#define MSEC		INT64_C(1000000) /* in nanoseconds */
#define SECOND		(1000 * MSEC)
/* For what must come: a machine may be slow, an example does not hang. */
#define PATIENCE	(20 * SECOND)
/* And if something never comes, SIGALRM ends it: seconds. */
#define HOPELESS	120
/* Quiet: at most so much CPU in so long a time. */
#define QUIET_WINDOW	(20 * MSEC)
#define QUIET_CPU	(2 * MSEC)

#define CHECK(cond) check_((cond), #cond, __FILE__, __LINE__, __func__)

static struct {
	int threads, fds; /* at check_begin() */
	int failed; /* CHECKs so far, by any thread */
} check_state;

static inline bool check_(bool ok, const char *what, const char *file, int line,
			  const char *func)
{
	if (!ok) {
		__atomic_add_fetch(&check_state.failed, 1, __ATOMIC_RELAXED);
		fprintf(stderr, "%s:%d: %s(): not so: %s\n", file, line, func, what);
	}
	return ok;
}

/*
 * The library's own thread comes and goes, as do the workers of an io_uring: by
 * their names they are no threads of the program.
 */
static inline bool check_own_thread(const char *tid)
{
	char path[320], name[32] = "";
	FILE *comm;

	snprintf(path, sizeof(path), "/proc/self/task/%s/comm", tid);
	comm = fopen(path, "re");
	if (!comm)
		return false; /* it has gone meanwhile */
	if (!fgets(name, sizeof(name), comm))
		name[0] = '\0';
	fclose(comm);
	return name[0] && strcmp(name, "urctx\n") && strncmp(name, "iou-", 4);
}

static inline int check_count(const char *dir, bool threads)
{
	struct dirent *entry;
	DIR *d = opendir(dir);
	int nr = threads ? 0 : -1; /* d itself is a file descriptor */

	if (!d)
		return -1;
	while ((entry = readdir(d)))
		if (entry->d_name[0] != '.')
			nr += !threads || check_own_thread(entry->d_name);
	closedir(d);
	return nr;
}

static inline int count_threads(void)
{
	return check_count("/proc/self/task", true);
}

static inline int count_fds(void)
{
	return check_count("/proc/self/fd", false);
}

/* CPU time of the whole process, all threads, user and system. */
static inline int64_t cpu_time(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * SECOND + ts.tv_nsec;
}

/* How many contexts below root are there?  A dump counts them, root included. */
static inline int live(struct urctx *root)
{
	FILE *nowhere = fopen("/dev/null", "we");
	int nr = nowhere ? urctx_dump(root, nowhere) : 0;

	if (nowhere)
		fclose(nowhere);
	return nr - 1;
}

/* Return: a file that has no name any more; -1. */
static inline int temp_file(void)
{
	char path[] = "/tmp/urctx-example-XXXXXX";
	int fd = mkstemp(path);

	if (fd >= 0)
		unlink(path);
	return fd;
}

/* Return: what is in a file, with a 0 behind it, to be freed; NULL. */
static inline char *contents(int fd, size_t *len)
{
	struct stat st;
	char *text;

	if (fstat(fd, &st) || !(text = calloc(1, (size_t)st.st_size + 1)))
		return NULL;
	if (pread(fd, text, (size_t)st.st_size, 0) != st.st_size) {
		free(text);
		return NULL;
	}
	*len = (size_t)st.st_size;
	return text;
}

static inline void check_nap(int64_t ns)
{
	struct timespec ts = { ns / SECOND, ns % SECOND };

	nanosleep(&ts, NULL);
}

static inline void *check_first_thread(void *arg)
{
	snprintf(arg, 64, "/proc/self/task/%d", (int)gettid());
	return NULL;
}

static inline void check_begin(void)
{
	char path[64] = "/none";
	pthread_t thread;

	alarm(HOPELESS);
	/* With the first thread a sanitizer starts one of its own. */
	if (!pthread_create(&thread, NULL, check_first_thread, path))
		pthread_join(thread, NULL);
	while (!access(path, F_OK))
		check_nap(MSEC / 10);
	check_state.threads = count_threads();
	check_state.fds = count_fds();
}

/* Return: the CPU time spent in a quiet window; -1: there was none. */
static inline int64_t check_quiet(void)
{
	int64_t until = urctx_now() + PATIENCE, spent;

	do {
		spent = cpu_time();
		check_nap(QUIET_WINDOW);
		spent = cpu_time() - spent;
		if (spent <= QUIET_CPU)
			return spent;
	} while (urctx_now() < until);
	return -1;
}

/*
 * Ends root, which may be done already; NULL: there was none.
 * Return: main()'s status.
 */
static inline int check_end(struct urctx *root)
{
	int64_t until = urctx_now() + PATIENCE, spent;
	int threads, fds, left = 0;

	if (root) {
		CHECK(urctx_wait_idle(root, until) == 0);
		left = live(root);
		CHECK(left == 0);
		urctx_end(root);
	}
	for (;;) {
		threads = count_threads();
		fds = count_fds();
		if ((threads == check_state.threads && fds == check_state.fds) ||
		    urctx_now() >= until)
			break;
		check_nap(MSEC / 10);
	}
	CHECK(threads == check_state.threads);
	CHECK(fds == check_state.fds);
	CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
	spent = check_quiet();
	CHECK(spent >= 0);
	printf("%s: threads %d, fds %d, contexts left %d, then %d us of CPU in %d ms\n",
	       check_state.failed ? "failed" : "ok", threads, fds, left, (int)(spent / 1000),
	       (int)(QUIET_WINDOW / MSEC));
	return check_state.failed != 0;
}

#endif
