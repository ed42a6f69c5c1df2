/* SPDX-License-Identifier: MIT */
/*
 * main.c - run the scenarios of a program, each in a process of its own
 */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model.h"
#include "progress.h"

static struct {
	const char *only, *replay;
	int bound, then;		/* of preemptions; -1: none */
	double seconds, bounded_seconds;
	unsigned probes;
	bool list, json, quick;
} opt = { .bound = -1, .then = 3, .probes = 200, .seconds = 60, .bounded_seconds = 240 };

static struct result *shared;

#ifdef MC_BREAKABLE
int mc_broken;
bool mc_full;
#endif

static void run_child(const struct mc_scenario *s, int bound, double seconds)
{
	pid_t pid;
	int status;

	memset(shared, 0, sizeof(*shared));
	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		perror("mc: fork");
		exit(2);
	}
	if (!pid) {
		search_scenario(s, bound, seconds, opt.probes, opt.replay, shared);
		fflush(stdout);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (!shared->verdict || status) {
		shared->verdict = "FAIL";
		snprintf(shared->why, sizeof(shared->why),
			 "the checker ended with status %#x", (unsigned)status);
	}
}

static void escape(const char *s)
{
	for (; *s; s++)
		if (*s == '"' || *s == '\\')
			printf("\\%c", *s);
		else
			putchar(*s);
}

static void print_progress(const struct result *r)
{
#define X(name) #name,
	static const char *const names[] = { PROGRESS(X) };
#undef X
	int i;

	printf("{\"progress\":%lu", r->progress_runs);
	for (i = 0; i < PROGRESS_KINDS; i++)
		printf(",\"%s\":%u", names[i], r->progress[i]);
	printf("}\n");
}

/* 0 passed, 1 failed */
static int one(const struct mc_scenario *s)
{
	struct result *r = shared;
	bool bad;

	run_child(s, opt.bound, opt.seconds);
	if (!strcmp(r->verdict, "incomplete") && opt.bound < 0 && !opt.replay)
		run_child(s, opt.then, opt.bounded_seconds);
	bad = !strcmp(r->verdict, "FAIL") != !!(s->flags & MC_MUST_FAIL) ||
	      !strcmp(r->verdict, "incomplete");
	if (opt.json) {
		printf("{\"name\":\"");
		escape(s->name);
		printf("\",\"guarantees\":\"%s\",\"verdict\":\"%s\",\"passed\":%s,\"why\":\"",
		       s->guarantees ? s->guarantees : "", r->verdict, bad ? "false" : "true");
		escape(r->why);
		printf("\",\"executions\":%lu,\"states\":%lu,\"steps\":%lu,\"locations\":%u,"
		       "\"restarts\":%lu,\"seconds\":%.3f,\"bound\":%d,"
		       "\"histories\":%lu,\"outcomes\":\"%u:%lx\"}\n",
		       r->executions, r->states, r->steps, r->locations, r->restarts,
		       r->seconds, r->bound, r->histories, r->noutcomes,
		       (unsigned long)r->outcomes);
		if (progress_limit)
			print_progress(r);
	} else {
		printf("%-36s %-8s %-10s %10lu ex %9lu st %11lu steps %8.3f s", s->name,
		       s->guarantees ? s->guarantees : "", r->verdict, r->executions,
		       r->states, r->steps, r->seconds);
		if (r->histories)
			printf(" %lu histories", r->histories);
		if (r->bound >= 0)
			printf(" bound %d", r->bound);
		printf(" %s\n", r->why);
	}
	fflush(stdout);
	return bad;
}

static void usage(const char *name)
{
	printf("usage: %s [options] [scenario]\n"
	       "  -l, --list       the names, a line each\n"
	       "  -q, --quick      those marked quick only\n"
	       "  -b, --bound N    at most N preemptions\n"
	       "  -t, --time S     CPU seconds before a bound is set (60)\n"
	       "  -n, --then N     that bound (3)\n"
	       "  -T, --bounded S  seconds for that (240)\n"
	       "  -p, --probes N   executions at random before the search (200)\n"
	       "  -r, --replay R   the execution that a failure printed\n"
	       "  -P, --progress K each call ends in K steps while the others stand still\n"
	       "  -j, --json       a line of JSON for each scenario\n", name);
}

static void options(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "list", 0, NULL, 'l' }, { "quick", 0, NULL, 'q' },
		{ "bound", 1, NULL, 'b' }, { "time", 1, NULL, 't' }, { "then", 1, NULL, 'n' },
		{ "bounded", 1, NULL, 'T' }, { "probes", 1, NULL, 'p' }, { "replay", 1, NULL, 'r' },
		{ "progress", 1, NULL, 'P' }, { "json", 0, NULL, 'j' },
		{ "help", 0, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "lqb:t:n:T:p:r:P:jhB:F", longs, NULL)) != -1)
		switch (c) {
		case 'l':
			opt.list = true;
			break;
		case 'q':
			opt.quick = true;
			break;
		case 'b':
			opt.bound = atoi(optarg);
			break;
		case 't':
			opt.seconds = atof(optarg);
			break;
		case 'n':
			opt.then = atoi(optarg);
			break;
		case 'T':
			opt.bounded_seconds = atof(optarg);
			break;
		case 'p':
			opt.probes = (unsigned)atoi(optarg);
			break;
		case 'r':
			opt.replay = optarg;
			break;
		case 'P':
			progress_limit = (unsigned)atoi(optarg);
			break;
		case 'j':
			opt.json = true;
			break;
#ifdef MC_BREAKABLE
		case 'B':
			mc_broken = atoi(optarg);
			break;
		case 'F':
			mc_full = true;
			break;
#endif
		default:
			usage(argv[0]);
			exit(c == 'h' ? 0 : 2);
		}
	opt.only = argv[optind];
}

int mc_main(int argc, char **argv, const struct mc_scenario *s, ...)
{
	int failures = 0, ran = 0;
	va_list ap;

	options(argc, argv);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 2;
	va_start(ap, s);
	for (; s; s = va_arg(ap, const struct mc_scenario *)) {
		if ((opt.only && strcmp(opt.only, s->name)) ||
		    (opt.quick && !(s->flags & MC_QUICK)))
			continue;
		ran++;
		if (opt.list)
			printf("%s\n", s->name);
		else
			failures += one(s);
	}
	va_end(ap);
	if (!ran && opt.only) {
		fprintf(stderr, "%s: no such scenario: %s\n", argv[0], opt.only);
		return 2;
	}
	return failures ? 1 : 0;
}
