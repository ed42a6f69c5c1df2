/* SPDX-License-Identifier: MIT */
/* Cancellations that abort real I/O, and how long each took. */
#include <stdlib.h>
#include <string.h>
#include "cross.h"
#include "hist.h"
#include "latency.h"
#include "target.h"

enum { COUNT = 20000, COUNT_ALL = 2000, COUNT_QUICK = 100 };

static const char *const ops[] = { "recv", "accept", "poll", "pipe", "read" };

/* Of one kind of operation; goes through a pipe as it is. */
struct one {
	bool run;
	uint64_t aborted, completed;
	struct hist hist;
	struct result why;	/* skipped, failed */
};

struct aborted {
	const char *ring;
	struct one one[ARRAY_SIZE(ops)];
};

struct job {
	const struct bench *b;
	const char *op;
	unsigned n;
};

struct aborted *aborted_new(void)
{
	struct aborted *ab = calloc(1, sizeof(*ab));

	if (!ab)
		abort();
	return ab;
}

bool latency_op_known(const char *op)
{
	for (unsigned i = 0; i < ARRAY_SIZE(ops); i++)
		if (!strcmp(ops[i], op))
			return true;
	return false;
}

static void run_one(void *arg, void *out)
{
	const struct job *job = arg;
	struct one *one = out;
	struct target target;
	struct cross x = { .b = job->b, .target = &target, .n = job->n,
			   .hist = &one->hist };
	char why[128];

	pin_to(job->b->cpu[0]);
	if (!ring_usable(job->b, &one->why))
		return;
	if (job->b->nr_cpus < 2) {
		result_skip(&one->why, "needs two CPUs");
		return;
	}
	if (!target_open(&target, job->op, job->b->file, why, sizeof(why))) {
		if (job->b->file)
			result_fail(&one->why, "%s", why);
		else
			result_skip(&one->why, "%s", why);
		return;
	}
	/* The first ones warm up. */
	x.n = job->n / 10 + 1;
	if (cross_ours(&x)) {
		hist_reset(&one->hist);
		x.aborted = x.completed = 0;
		x.n = job->n;
		cross_ours(&x);
	}
	if (x.error)
		result_fail(&one->why, "%s", strerror(-x.error));
	one->aborted = x.aborted;
	one->completed = x.completed;
	target_close(&target);
}

void latency_run(const struct bench *b, struct aborted *ab, bool full)
{
	ab->ring = b->ring_name;
	for (unsigned i = 0; i < ARRAY_SIZE(ops); i++) {
		struct job job = { .b = b, .op = ops[i] };
		struct one *one = &ab->one[i];
		unsigned long n = b->count ? b->count :
				  b->quick ? COUNT_QUICK :
				  full ? COUNT : COUNT_ALL;

		if (b->op && strcmp(b->op, ops[i]))
			continue;
		/* Eight at a time, and each lot waits for its worker. */
		job.n = (unsigned)(strcmp(ops[i], "read") ? n : n / 8 + 1);
		one->run = true;
		hist_reset(&one->hist);
		result_init(&one->why);
		in_child(run_one, &job, one, sizeof(*one),
			 ROW_SECONDS + job.n / 1000, &one->why);
	}
}

bool aborted_failed(const struct aborted *ab)
{
	for (unsigned i = 0; i < ARRAY_SIZE(ops); i++)
		if (ab->one[i].run && ab->one[i].why.failed[0])
			return true;
	return false;
}

static double us(const struct one *one, double percent)
{
	return hist_percentile(&one->hist, percent) / 1e3;
}

void aborted_table(FILE *f, const struct aborted *ab)
{
	fprintf(f, "From urctx_cancel() on one thread to the operation's "
		"complete() on another, us, ring %s\n\n", ab->ring);
	fprintf(f, "%-8s %9s %9s %9s %9s %9s %9s %9s %9s\n", "op", "aborted",
		"ended", "least", "p50", "p90", "p99", "p99.9", "most");
	for (unsigned i = 0; i < ARRAY_SIZE(ops); i++) {
		const struct one *one = &ab->one[i];

		if (!one->run)
			continue;
		if (one->why.failed[0] || one->why.skipped[0]) {
			fprintf(f, "%-8s %s: %s\n", ops[i],
				one->why.failed[0] ? "failed" : "skipped",
				one->why.failed[0] ? one->why.failed :
						     one->why.skipped);
			continue;
		}
		fprintf(f, "%-8s %9llu %9llu", ops[i],
			(unsigned long long)one->aborted,
			(unsigned long long)one->completed);
		if (one->hist.count)
			fprintf(f, " %9.2f %9.2f %9.2f %9.2f %9.2f %9.2f",
				(double)one->hist.min / 1e3, us(one, 50),
				us(one, 90), us(one, 99), us(one, 99.9),
				us(one, 100));
		fputc('\n', f);
	}
	fprintf(f, "\nended: by itself, before it could be aborted; a file's "
		"read that has begun is never.\n");
}

void aborted_line(FILE *f, const struct aborted *ab)
{
	const char *sep = "";

	fprintf(f, "\ncancellations that aborted real I/O:");
	for (unsigned i = 0; i < ARRAY_SIZE(ops); i++) {
		const struct one *one = &ab->one[i];
		const char *name = strcmp(ops[i], "read") ? ops[i] :
							    "file read";

		if (!one->run)
			continue;
		if (one->why.failed[0])
			fprintf(f, "%s %s failed: %s", sep, name,
				one->why.failed);
		else if (one->why.skipped[0])
			fprintf(f, "%s %s skipped: %s", sep, name,
				one->why.skipped);
		else
			fprintf(f, "%s %llu %s, p50 %.1f us", sep,
				(unsigned long long)one->aborted, name,
				us(one, 50));
		sep = ";";
	}
	fputc('\n', f);
}

void aborted_json(FILE *f, const struct aborted *ab)
{
	const char *sep = "";

	fprintf(f, "  \"aborted\": [");
	for (unsigned i = 0; i < ARRAY_SIZE(ops); i++) {
		const struct one *one = &ab->one[i];

		if (!one->run)
			continue;
		fprintf(f, "%s\n    {\"op\": \"%s\", \"ring\": \"%s\", "
			"\"aborted\": %llu, \"ended\": %llu", sep, ops[i],
			ab->ring, (unsigned long long)one->aborted,
			(unsigned long long)one->completed);
		if (one->hist.count)
			fprintf(f, ", \"p50_us\": %.3f, \"p90_us\": %.3f, "
				"\"p99_us\": %.3f, \"p999_us\": %.3f, "
				"\"max_us\": %.3f", us(one, 50), us(one, 90),
				us(one, 99), us(one, 99.9), us(one, 100));
		fputc('}', f);
		sep = ",";
	}
	fprintf(f, "\n  ]");
}
