/* SPDX-License-Identifier: MIT */
/*
 * What this machine's kernel and liburing have, and what the library does with it.
 * Numbers, not names: the headers that this was compiled with may be older than
 * the kernel it runs on.
 */
#include <errno.h>
#include <dlfcn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <urctx/ring.h>
#include "bench.h"
#include "latency.h"
#include "probe.h"
#include "target.h"

void probe_line(const char *what, const char *has, const char *use)
{
	printf("%-34s %-24s %s\n", what, has, use);
}

static void heading(const char *text)
{
	printf("\n%s\n", text);
}

/* ------------------------------------------------------------------ the machine */

static void probe_clock(const struct bench *b)
{
	enum { READS = 1000000 };
	int64_t t0 = now_ns();
	char source[32] = "unknown", text[64];
	FILE *f;

	for (int i = 0; i < READS; i++)
		now_ns();
	t0 = now_ns() - t0;
	f = fopen("/sys/devices/system/clocksource/clocksource0/"
		  "current_clocksource", "re");
	if (f) {
		if (fscanf(f, "%31s", source) != 1)
			strcpy(source, "unknown");
		fclose(f);
	}
	snprintf(text, sizeof(text), "%s, %.1f ns", source, (double)t0 / READS);
	probe_line("clock source, a read", text,
		   strcmp(source, "tsc") && (double)t0 / READS > 100 ?
		   "used: deadlines are dear, it is a system call" :
		   "used: by turns with deadlines in flight");
	snprintf(text, sizeof(text), "%u", b->nr_cpus);
	probe_line("CPUs that may be used", text, b->nr_cpus > 1 ? "used" :
		   "rows that need two threads are skipped");
}

static void probe_membarrier(void)
{
	long all = syscall(SYS_membarrier, 0 /* QUERY */, 0, 0);

	probe_line("membarrier, private expedited",
		   all < 0 ? strerror(errno) : all & 8 ? "yes" : "no",
		   all >= 0 && all & 8 ? "used: by liburcu, readers have no fence" :
					 "worked round: by liburcu, readers have one");
}

/* ----------------------------------------------------------- io_uring as a whole */

static void probe_sysctl(void)
{
	static const char *const use[] = {
		"used", "worked round: io.h over poll(2) where unprivileged",
		"worked round: io.h over poll(2)",
	};
	FILE *f = fopen("/proc/sys/kernel/io_uring_disabled", "re");
	unsigned value = 0;
	char text[16];

	if (!f || fscanf(f, "%u", &value) != 1 || value > 2) {
		probe_line("kernel.io_uring_disabled", "absent (before 6.6)",
			   "not needed: setup says it");
	} else {
		snprintf(text, sizeof(text), "%u", value);
		probe_line("kernel.io_uring_disabled", text, use[value]);
	}
	if (f)
		fclose(f);
}

static void probe_liburing(const struct machine *m)
{
	int (*major)(void), (*minor)(void);
	char text[48];

	*(void **)&major = dlsym(RTLD_DEFAULT, "io_uring_major_version");
	*(void **)&minor = dlsym(RTLD_DEFAULT, "io_uring_minor_version");
	if (major && minor)
		snprintf(text, sizeof(text), "%d.%d", major(), minor());
	else
		snprintf(text, sizeof(text), "%.20s (so), before 2.4", m->liburing);
	probe_line("liburing at run time", text, "used: 2.3 and newer");
#ifdef IO_URING_VERSION_MAJOR
	snprintf(text, sizeof(text), "%d.%d", IO_URING_VERSION_MAJOR,
		 IO_URING_VERSION_MINOR);
	probe_line("liburing compiled with", text, "used");
#else
	probe_line("liburing compiled with", "before 2.4", "used");
#endif
}

/* -------------------------------------------------------------------- setup flags */

static const struct {
	const char *name;
	unsigned bit, with;
	const char *use;
} setups[] = {
	{ "SETUP_IOPOLL", 0, 0, "polled I/O alone runs there: no cancel" },
	{ "SETUP_SQPOLL", 1, 0, "yours, or not" },
	{ "SETUP_R_DISABLED", 6, 0, "yours, or not" },
	{ "SETUP_SUBMIT_ALL", 7, 0, "yours, or not" },
	{ "SETUP_COOP_TASKRUN", 8, 0, "yours; io.h where DEFER is not" },
	{ "SETUP_TASKRUN_FLAG", 9, 1U << 8, "yours, or not" },
	{ "SETUP_SQE128", 10, 0, "yours, or not" },
	{ "SETUP_CQE32", 11, 0, "yours, or not" },
	{ "SETUP_SINGLE_ISSUER", 12, 0, "yours; used by io.h" },
	{ "SETUP_DEFER_TASKRUN", 13, 1U << 12, "yours; used by io.h" },
	{ "SETUP_NO_MMAP", 14, 0, "yours, or not" },
	{ "SETUP_REGISTERED_FD_ONLY", 15, 1U << 14, "yours, or not" },
	{ "SETUP_NO_SQARRAY", 16, 0, "yours, or not" },
	{ "SETUP_HYBRID_IOPOLL", 17, 1U << 0, "not needed" },
	{ "SETUP_CQE_MIXED", 18, 0, "not needed" },
	{ "SETUP_SQE_MIXED", 19, 0, "not needed" },
	{ "SETUP_SQ_REWIND", 20, 1U << 16, "not needed" },
};

static int setup(unsigned flags)
{
	struct io_uring_params p = { .flags = flags };
	int fd = (int)syscall(SYS_io_uring_setup, 4, &p);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* Setup and attachment do not depend on each other: attach reads the flags. */
static int attach(struct io_uring *ring, unsigned flags)
{
	struct io_uring copy = *ring;
	struct urctx_ring *r;
	int e;

	copy.flags |= flags;
	e = urctx_ring_attach(&copy, NULL, &r);
	return e ? e : urctx_ring_detach(r, URCTX_NEVER);
}

/* Memory that is not there (NO_MMAP) says that the flag is. */
static const char *setup_has(unsigned flags)
{
	int e = setup(flags);

	if (!e || e == -EFAULT)
		return "yes";
	return e == -EINVAL ? "no" : strerror(-e);
}

static void probe_setups(struct io_uring *ring)
{
	for (unsigned i = 0; i < ARRAY_SIZE(setups); i++) {
		unsigned flags = 1U << setups[i].bit | setups[i].with;
		const char *has = setup_has(flags);
		char use[96];
		int e = attach(ring, flags);

		snprintf(use, sizeof(use), "%s%s", setups[i].use,
			 e == -EOPNOTSUPP ? "; attach refuses it" :
			 e ? "; attach fails" : "");
		probe_line(setups[i].name, has, use);
	}
}

/* ----------------------------------------------------------------------- features */

static const struct {
	const char *name;
	unsigned bit;
	const char *use, *without;
} features[] = {
	{ "FEAT_NODROP", 1, "needed: a CQE is never lost", "attach refuses" },
	{ "FEAT_SUBMIT_STABLE", 2, "needed: SQEs are read once",
	  "attach refuses" },
	{ "FEAT_FAST_POLL", 5, "needed: what waits is in no worker",
	  "attach refuses" },
	{ "FEAT_EXT_ARG", 8, "needed: waits with a timeout", "attach refuses" },
	{ "FEAT_CQE_SKIP", 11, "used: cancels that succeed are silent",
	  "worked round: each costs a CQE" },
	{ "FEAT_LINKED_FILE", 12, "not needed", "not needed" },
	{ "FEAT_REG_REG_RING", 13, "not needed", "not needed" },
	{ "FEAT_RECVSEND_BUNDLE", 14, "not needed", "not needed" },
	{ "FEAT_MIN_TIMEOUT", 15, "not needed", "not needed" },
	{ "FEAT_RW_ATTR", 16, "not needed", "not needed" },
	{ "FEAT_NO_IOWAIT", 17, "not needed", "not needed" },
};

static void probe_features(unsigned mask)
{
	for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
		bool has = mask >> features[i].bit & 1;

		probe_line(features[i].name, has ? "yes" : "no",
			   has ? features[i].use : features[i].without);
	}
}

/* -------------------------------------------------------------------------- all */

static void probe_ring_parts(struct io_uring *ring)
{
	heading("Rings that the kernel makes, and that can be attached to");
	probe_setups(ring);
	heading("Features");
	probe_features(ring->features);
	heading("Operations");
	probe_opcodes(ring);
	heading("Calls and flags");
	probe_calls(ring);
}

int probe(const struct bench *b)
{
	struct io_uring ring;
	struct machine m;
	int e;

	machine_read(&m);
	machine_print(stdout, &m, b);
	putchar('\n');
	probe_line("what", "here", "what the library does with it");
	heading("Machine");
	probe_clock(b);
	probe_membarrier();
	heading("io_uring");
	probe_liburing(&m);
	probe_sysctl();
	e = io_uring_queue_init(8, &ring, 0);
	probe_line("a ring can be made", e ? strerror(-e) : "yes",
		   e ? "worked round: io.h over poll(2); ring.h is of no use" :
		       "used");
	if (!e) {
		probe_ring_parts(&ring);
		io_uring_queue_exit(&ring);
	}
	heading("System calls of io.h");
	probe_nowait();
	return fflush(stdout) || ferror(stdout) ? 1 : 0;
}
