/* SPDX-License-Identifier: MIT */
/* The machine a figure belongs to, and the few things asked of it. */
#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include "bench.h"

static int64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

int64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

int64_t thread_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

int64_t process_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

void spin_until(int64_t t)
{
	while (now_ns() < t)
		;
}

void pin_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	/* Refused, it measures unpinned: a worse figure, not a wrong one. */
	(void)pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

long rss_bytes(void)
{
	long size, resident = -1;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f)
		return -1;
	if (fscanf(f, "%ld %ld", &size, &resident) != 2)
		resident = -1;
	fclose(f);
	return resident < 0 ? -1 : resident * sysconf(_SC_PAGESIZE);
}

/* The first line of a file, without its end; "" if there is none. */
static void read_line(const char *path, char *buf, size_t size)
{
	FILE *f = fopen(path, "re");

	buf[0] = '\0';
	if (!f)
		return;
	if (fgets(buf, (int)size, f))
		buf[strcspn(buf, "\n")] = '\0';
	fclose(f);
}

/* Whether two CPUs are threads of one core: then they share its pipelines. */
static bool siblings(int a, int b)
{
	char path[96], list[256], *p = list;

	snprintf(path, sizeof(path),
		 "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
		 a);
	read_line(path, list, sizeof(list));
	while (*p) {
		long lo = strtol(p, &p, 10), hi = lo;

		if (*p == '-')
			hi = strtol(p + 1, &p, 10);
		if (b >= lo && b <= hi)
			return true;
		if (*p++ != ',')
			break;
	}
	return false;
}

/*
 * The last CPU that we may use, as the first ones have the interrupts, and one
 * on another core for the second thread.
 */
void cpus_choose(struct bench *b)
{
	cpu_set_t set;

	b->cpu[0] = b->cpu[1] = 0;
	b->nr_cpus = 1;
	if (sched_getaffinity(0, sizeof(set), &set))
		return;
	b->nr_cpus = (unsigned)CPU_COUNT(&set);
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set))
			b->cpu[0] = i;
	b->cpu[1] = b->cpu[0];
	for (int i = b->cpu[0] - 1; i >= 0; i--) {
		if (!CPU_ISSET(i, &set))
			continue;
		b->cpu[1] = i;
		if (!siblings(b->cpu[0], i))
			break;
	}
}

static void read_cpu(struct machine *m)
{
	char line[256];
	FILE *f = fopen("/proc/cpuinfo", "re");

	snprintf(m->cpu, sizeof(m->cpu), "unknown");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		char *colon = strchr(line, ':');

		if (strncmp(line, "model name", 10) || !colon)
			continue;
		line[strcspn(line, "\n")] = '\0';
		while (isspace((unsigned char)*++colon))
			;
		snprintf(m->cpu, sizeof(m->cpu), "%.90s", colon);
		break;
	}
	fclose(f);
}

/* A shared library's version as its file name has it: libfoo.so.2.3.0. */
static void version_of(const void *symbol, char *buf, size_t size)
{
	char path[4096];
	const char *so;
	Dl_info info;

	snprintf(buf, size, "unknown");
	if (!symbol || !dladdr(symbol, &info) ||
	    !realpath(info.dli_fname, path))
		return;
	so = strstr(path, ".so.");
	if (so)
		snprintf(buf, size, "%.20s", so + 4);
}

void machine_read(struct machine *m)
{
	struct utsname u;

	memset(m, 0, sizeof(*m));
	read_cpu(m);
	m->cores = (int)sysconf(_SC_NPROCESSORS_ONLN);
	m->memory_mib = sysconf(_SC_PHYS_PAGES) / 1024 *
			(sysconf(_SC_PAGESIZE) / 1024);
	if (!uname(&u))
		snprintf(m->kernel, sizeof(m->kernel), "%.20s %.60s %.20s",
			 u.sysname, u.release, u.machine);
	read_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
		  m->governor, sizeof(m->governor));
	if (!m->governor[0])
		snprintf(m->governor, sizeof(m->governor), "not readable");
	snprintf(m->compiler, sizeof(m->compiler), "%.80s",
#ifdef __clang__
		 __VERSION__
#else
		 "gcc " __VERSION__
#endif
	);
	version_of(dlsym(RTLD_DEFAULT, "io_uring_queue_init_params"),
		   m->liburing, sizeof(m->liburing));
	version_of(dlsym(RTLD_DEFAULT, "urcu_bp_read_lock"), m->liburcu,
		   sizeof(m->liburcu));
	version_of(dlsym(RTLD_DEFAULT, "urctx_with_cancel"), m->urctx,
		   sizeof(m->urctx));
}

void machine_print(FILE *f, const struct machine *m, const struct bench *b)
{
	fprintf(f, "machine   %s, %d CPUs, %ld MiB; threads on CPU %d and %d\n",
		m->cpu, m->cores, m->memory_mib, b->cpu[0], b->cpu[1]);
	fprintf(f, "kernel    %s, governor %s\n", m->kernel, m->governor);
	fprintf(f, "versions  liburctx.so.%s, liburcu-bp.so.%s, "
		"liburing.so.%s, %s\n",
		m->urctx, m->liburcu, m->liburing, m->compiler);
	fprintf(f, "method    rounds of ours and baseline by turns: median of "
		"%u [least..most]; ring %s\n", b->rounds, b->ring_name);
}
