/* SPDX-License-Identifier: MIT */
/* common.h - what the torture programs share: arguments, dying, memory, chance */
#ifndef URCTX_TORTURE_COMMON_H
#define URCTX_TORTURE_COMMON_H

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <urctx.h>

/* Something that must not be: say where to look, leave a core. */
#define must(expr) ((expr) ? (void)0 : broken(#expr, __FILE__, __LINE__))

static inline void broken(const char *expr, const char *file, int line)
{
	fprintf(stderr, "%s:%d: not so: %s\n", file, line, expr);
	abort();
}

/* --name VALUE of the command line, or what else it is to be. */
static inline long option(int argc, char **argv, const char *name, long otherwise)
{
	int i;

	for (i = 1; i + 1 < argc; i++)
		if (!strcmp(argv[i], name))
			return atol(argv[i + 1]);
	return otherwise;
}

static inline bool flag(int argc, char **argv, const char *name)
{
	int i;

	for (i = 1; i < argc; i++)
		if (!strcmp(argv[i], name))
			return true;
	return false;
}

static inline unsigned long resident_kib(void)
{
	unsigned long size = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	must(f && fscanf(f, "%lu %lu", &size, &resident) == 2);
	fclose(f);
	return resident * 4;
}

/* xorshift: every thread its own seed, the same run each time but for timing */
static inline uint32_t chance(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (uint32_t)(*seed >> 16);
}

static inline struct urctx *derive(struct urctx *parent)
{
	struct urctx *child = NULL;

	must(urctx_with_cancel(parent, &child) == 0);
	return child;
}

static inline pthread_t start(void *(*fn)(void *), void *arg)
{
	pthread_t id;

	must(pthread_create(&id, NULL, fn, arg) == 0);
	return id;
}

#endif
