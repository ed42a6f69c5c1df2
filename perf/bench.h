/* SPDX-License-Identifier: MIT */
/*
 * urctx-bench: what its files share.
 *
 * A row is one measurement and its baseline.  The main process never calls the
 * library: every row runs in a process of its own, forked from that pristine
 * one, so that no row finds the memory another has left behind, and a row that
 * dies or hangs costs its own line only.
 */
#ifndef URCTX_BENCH_H
#define URCTX_BENCH_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Hides a value's origin: the loop around it is neither folded nor hoisted. */
#define HIDE(x)	 __asm__ volatile("" : "+r"(x) : : "memory")
#define BARRIER() __asm__ volatile("" : : : "memory")

enum {
	ROUNDS = 11,		/* of ours and of the baseline, by turns */
	ROUNDS_QUICK = 3,
	ROUNDS_MAX = 1001,
	ROW_SECONDS = 120,	/* then a row is given up */
	SIDES = 4,		/* at most: ours, the baseline, others */
};

/* What the command line says; constant once rows run. */
struct bench {
	unsigned rounds;
	bool quick;		/* fewer rounds, smaller loops: a smoke test */
	unsigned ring_flags;	/* IORING_SETUP_* of --ring */
	const char *ring_name;
	const char *op;		/* --op, or NULL: all of them */
	const char *file;	/* --file, or NULL */
	unsigned long count;	/* --count, or 0 */
	int cpu[2];		/* where the first and the second thread go */
	unsigned nr_cpus;	/* that may be used; 1: nothing that needs two */
};

enum goal_kind {
	GOAL_NONE,
	GOAL_OURS_MAX,		/* ours <= goal */
	GOAL_RATIO_MAX,		/* ours / baseline <= goal */
	GOAL_RATIO_MIN,		/* ours / baseline >= goal: more is better */
	GOAL_OVER_MAX,		/* ours - baseline <= goal */
};

struct result;

struct row {
	const char *name, *group;
	const char *unit;
	const char *what;	/* one line for --list and the JSON */
	const char *baseline;
	double goal;
	enum goal_kind kind;
	double goal_ratio;	/* a second goal, <=; 0: none */
	void (*run)(const struct bench *b, struct result *r);
};

struct extra {
	const char *name;	/* a literal: its address survives the fork */
	double value;
};

/*
 * What a row found.  It goes through a pipe as it is, from a process that is a
 * fork of the reader: pointers to literals mean the same in both.
 */
struct result {
	double ours, base;	/* medians; NAN: none */
	double lo, hi;		/* least and most of ours */
	double base_lo, base_hi;
	unsigned rounds;
	unsigned nr_extra;
	struct extra extra[12];
	char skipped[160];	/* the reason; "": it ran */
	char failed[160];
	char note[160];
};

/* bench.c */
void result_init(struct result *r);
void result_extra(struct result *r, const char *name, double value);
void result_skip(struct result *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void result_fail(struct result *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void result_note(struct result *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
double result_ratio(const struct result *r);
int result_met(const struct row *row, const struct result *r); /* -1: no goal */

/*
 * Each side runs once to warm up, then side 0, 1, ... by turns; a side returns
 * its figure, NAN stops the row.  A round is the median of so many slices of a
 * fraction of a ms, shorter than what a scheduler gives: another program on this
 * CPU then takes some slices out, but does not make a round slower.
 */
enum { SLICES = 31, WHOLE = 1 };

struct series {
	unsigned nr;
	double v[ROUNDS_MAX];
};
typedef double (*side_fn)(void *arg);
bool rounds_run(unsigned rounds, unsigned slices, const side_fn *side,
		unsigned nr, void *arg, struct series *out);
double series_median(const struct series *s);
void series_to_result(struct result *r, const struct series *ours,
		      const struct series *base);
/* The same with every n-th round only: for what takes long and varies little. */
struct bench bench_fewer(const struct bench *b, unsigned n);
void bench_ab(const struct bench *b, struct result *r, unsigned slices,
	      side_fn ours, side_fn base, void *arg);

/* Runs fn in a child process; false: it died, and r says how. */
bool in_child(void (*fn)(void *arg, void *out), void *arg, void *out,
	      size_t size, unsigned seconds, struct result *r);

/* rows.c */
extern const struct row *const row_groups[];	/* each ends with a NULL name */
const struct row *row_find(const char *name);
extern const struct row poll_rows[], deadline_rows[], value_rows[], tree_rows[],
	stall_rows[], memory_rows[], wake_rows[], expiry_rows[], sync_rows[],
	cancel_rows[], mass_rows[], bind_rows[], late_rows[], io_rows[];

/* machine.c */
int64_t now_ns(void);
/* CPU time: what another program takes in between is not in it. */
int64_t thread_ns(void);
int64_t process_ns(void);
void pin_to(int cpu);
long rss_bytes(void);
void spin_until(int64_t t);
void cpus_choose(struct bench *b);
struct machine {
	char cpu[96], kernel[160], governor[32], compiler[96];
	char liburing[32], liburcu[32], urctx[32];
	int cores;
	long memory_mib;
};
void machine_read(struct machine *m);
void machine_print(FILE *f, const struct machine *m, const struct bench *b);

/* report.c, svg.c, latency.c, probe.c */
struct aborted;
void report_table(FILE *f, const struct row *const *rows,
		  const struct result *res, unsigned nr);
int report_json(const char *path, const struct row *const *rows,
		const struct result *res, unsigned nr, const struct machine *m,
		const struct bench *b, const struct aborted *ab);
int report_svg(const char *path, const struct row *const *rows,
	       const struct result *res, unsigned nr, const struct machine *m);

#endif
