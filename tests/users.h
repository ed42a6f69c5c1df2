/* SPDX-License-Identifier: MIT */
/*
 * users.h - start a daemon of examples/, and hold it to what it says at its end
 *
 * The daemon counts what is left of its descriptors, threads, ops and contexts
 * itself (examples/check.h), and its exit status says so.
 */
#ifndef URCTX_TESTS_USERS_H
#define URCTX_TESTS_USERS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define REQUESTS	10000
#define CLIENTS		4	/* threads, each with its part of them */
#define HOPELESS	120	/* seconds: then something hangs */
#define SEED		20261122

/* What is not so ends the program: the daemon dies with it. */
#define MUST(cond)                                                             \
	((cond) ? (void)0 : (fprintf(stderr, "%s:%d: %s(): not so: %s (errno %d)\n", \
				     __FILE__, __LINE__, __func__, #cond, errno), \
			     exit(1)))

struct rng {
	uint64_t state;
};

/* splitmix64. */
static inline uint32_t pick(struct rng *rng, uint32_t below)
{
	uint64_t z = rng->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ z >> 31) >> 32) % below;
}

/* A moment, so that what follows comes at a random one. */
static inline void dither(struct rng *rng)
{
	struct timespec ts = { 0, pick(rng, 200000) };

	if (pick(rng, 2))
		nanosleep(&ts, NULL);
}

/* What stands at @at of the stream, or block, @seed. */
static inline unsigned char pattern(uint32_t seed, size_t at)
{
	return (unsigned char)((seed * 2654435761u + (uint32_t)at * 40503u) >> 13);
}

struct daemon_run {
	const char *name;
	pid_t pid;
	FILE *out;
	int port;		/* if it says so */
};

static inline void daemon_exec(const char *name, const char *const *args, int out)
{
	const char *top = getenv("top_builddir");
	char path[4096];

	snprintf(path, sizeof(path), "%s/examples/%s", top ? top : ".", name);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(out, 1);
	execv(path, (char *const *)args);
	perror(path);
	_exit(127);
}

/* Its arguments from args[1] on.  Where it has no ring, the test is skipped. */
static inline struct daemon_run daemon_start(const char *name, const char **args)
{
	struct daemon_run d = { .name = name };
	char line[256];
	int fd[2], status;

	args[0] = name;
	MUST(!pipe2(fd, O_CLOEXEC));
	d.pid = fork();
	if (!d.pid)
		daemon_exec(name, args, fd[1]);
	MUST(d.pid > 0);
	close(fd[1]);
	d.out = fdopen(fd[0], "r");
	while (fgets(line, sizeof(line), d.out) && strcmp(line, "ready\n"))
		sscanf(line, "port %d", &d.port);
	if (!feof(d.out))
		return d;
	MUST(waitpid(d.pid, &status, 0) == d.pid);
	MUST(WIFEXITED(status) && WEXITSTATUS(status) == 77);
	printf("skipped: %s has no ring here\n", name);
	exit(77);
}

/*
 * SIGTERM, and what it says then: @counts, from "daemon: done 5, late 3, ...", and
 * the line of check_end().
 */
static inline void daemon_stop(struct daemon_run *d, unsigned long counts[4])
{
	char line[256];
	bool ok = false, counted = false;
	int status;

	MUST(!kill(d->pid, SIGTERM));
	while (fgets(line, sizeof(line), d->out)) {
		printf("  %s", line);
		if (!strncmp(line, "ok: ", 4))
			ok = strstr(line, "contexts left 0");
		else
			counted |= sscanf(line, "%*[a-z]: %*s %lu, %*s %lu, %*s %lu, %*s %lu",
					  &counts[0], &counts[1], &counts[2],
					  &counts[3]) == 4;
	}
	fclose(d->out);
	MUST(waitpid(d->pid, &status, 0) == d->pid);
	if (status)
		fprintf(stderr, "%s: status %#x\n", d->name, status);
	MUST(status == 0 && ok && counted);
}

struct client {
	pthread_t thread;
	struct rng rng;
	int nr;
	struct sums {		/* of whatever the program counts */
		unsigned long v[4];
	} sums;
};

/* CLIENTS threads of @fn, to their ends. */
static inline struct sums clients_run(void *(*fn)(void *))
{
	static struct client clients[CLIENTS];
	struct sums all = { { 0 } };
	int i, k;

	for (i = 0; i < CLIENTS; i++) {
		clients[i] = (struct client){ .nr = i, .rng = { SEED + (uint64_t)i } };
		MUST(!pthread_create(&clients[i].thread, NULL, fn, &clients[i]));
	}
	for (i = 0; i < CLIENTS; i++) {
		pthread_join(clients[i].thread, NULL);
		for (k = 0; k < 4; k++)
			all.v[k] += clients[i].sums.v[k];
	}
	return all;
}

#endif
