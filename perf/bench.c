/* SPDX-License-Identifier: MIT */
/* urctx-bench: the command line, and the rows one after the other. */
#include <errno.h>
#include <getopt.h>
#include <liburing.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench.h"
#include "latency.h"

enum { MAX_ROWS = 96 };

static struct bench bench = { .ring_name = "defer" };
static const char *json_path, *svg_path;
static const struct row *rows[MAX_ROWS];
static struct result results[MAX_ROWS];
static unsigned nr_rows;

static const char usage_text[] =
"usage: urctx-bench [OPTION]... [COMMAND]\n"
"\n"
"How long a cancellation takes, and what it costs to be cancellable: liburctx\n"
"against a baseline measured in the same run, by turns.\n"
"\n"
"  all              every row, one table (the default; about a minute)\n"
"  core             the rows of the context tree\n"
"  ring             the rows of the io_uring binding\n"
"  io               the rows of system calls with a context\n"
"  row NAME...      these rows (--list has their names)\n"
"  latency          from cancel on one thread to the end of real I/O on\n"
"                   another: percentiles for each kind of operation\n"
"  probe            what kernel and liburing have, and what the library does\n"
"                   with each\n"
"\n"
"  --op OP          latency: recv, accept, poll, pipe, or read of --file\n"
"  --file PATH      latency: what read reads; a regular file or a FIFO\n"
"  --count N        latency: so many operations of each kind\n"
"  --ring KIND      default, coop, sqpoll or defer (the default)\n"
"  --reps N         rounds of ours and of the baseline (default 11)\n"
"  --quick          a smoke test: few rounds, small trees\n"
"  --json FILE      write the results there too\n"
"  --svg FILE       and a picture of them\n"
"  --list           the rows: name, group, what it measures, baseline\n"
"  --help, --version\n"
"\n"
"Exit status: 0, also when goals are missed or rows skipped; 1 when a row\n"
"fails or a file cannot be written; 2 for a command line it does not know.\n";

static __attribute__((noreturn, format(printf, 1, 2)))
void usage_error(const char *fmt, ...)
{
	va_list ap;

	fputs("urctx-bench: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("\nTry 'urctx-bench --help'.\n", stderr);
	exit(2);
}

static unsigned long number(const char *option, const char *s,
			    unsigned long max)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(s, &end, 10);
	if (errno || end == s || *end || s[0] == '-' || !n || n > max)
		usage_error("%s takes a number from 1 to %lu, not '%s'",
			    option, max, s);
	return n;
}

static void choose_ring(const char *name)
{
	static const struct {
		const char *name;
		unsigned flags;
	} kinds[] = {
		{ "default", 0 },
		{ "coop", IORING_SETUP_COOP_TASKRUN },
		{ "defer", IORING_SETUP_SINGLE_ISSUER |
			   IORING_SETUP_DEFER_TASKRUN },
		{ "sqpoll", IORING_SETUP_SQPOLL },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i].name, name)) {
			bench.ring_flags = kinds[i].flags;
			bench.ring_name = kinds[i].name;
			return;
		}
	usage_error("--ring takes default, coop, defer or sqpoll, not '%s'", name);
}

static void list_rows(void)
{
	for (unsigned g = 0; row_groups[g]; g++)
		for (const struct row *row = row_groups[g]; row->name; row++) {
			printf("%-24s %-5s %s; baseline: %s\n", row->name,
			       row->group, row->what,
			       row->baseline ? row->baseline : "none");
		}
}

static void add_group(const char *group)
{
	for (unsigned g = 0; row_groups[g]; g++)
		for (const struct row *row = row_groups[g]; row->name; row++)
			if (!group || !strcmp(row->group, group))
				rows[nr_rows++] = row;
}

static void add_row(const char *name)
{
	const struct row *row = row_find(name);

	if (!row)
		usage_error("no row is called '%s'; --list has them", name);
	for (unsigned i = 0; i < nr_rows; i++)
		if (rows[i] == row)
			return;
	rows[nr_rows++] = row;
}

static void run_row(void *arg, void *out)
{
	const struct row *row = arg;
	struct result *r = out;

	pin_to(bench.cpu[0]);
	/* Wakes the CPU up, so that the first round is like the others. */
	spin_until(now_ns() + 20 * 1000000);
	row->run(&bench, r);
}

static void progress(unsigned i, unsigned n, const char *name)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r[%u/%u] %-30s", i, n, name);
	else
		fprintf(stderr, "[%u/%u] %s\n", i, n, name);
}

static void run_rows(unsigned extra)
{
	for (unsigned i = 0; i < nr_rows; i++) {
		progress(i + 1, nr_rows + extra, rows[i]->name);
		result_init(&results[i]);
		in_child(run_row, (void *)rows[i], &results[i],
			 sizeof(results[i]), ROW_SECONDS, &results[i]);
	}
}

static int finish(const struct aborted *ab, bool table)
{
	struct machine m;
	int status = 0;

	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r%60s\r", "");
	machine_read(&m);
	machine_print(stdout, &m, &bench);
	putchar('\n');
	if (table)
		report_table(stdout, rows, results, nr_rows);
	if (ab && !table)
		aborted_table(stdout, ab);
	else if (ab)
		aborted_line(stdout, ab);
	for (unsigned i = 0; i < nr_rows; i++)
		if (results[i].failed[0])
			status = 1;
	if (ab && aborted_failed(ab))
		status = 1;
	if (json_path && report_json(json_path, rows, results, nr_rows, &m,
				     &bench, ab)) {
		fprintf(stderr, "urctx-bench: %s: %s\n", json_path,
			strerror(errno));
		status = 1;
	}
	if (svg_path && report_svg(svg_path, rows, results, nr_rows, &m)) {
		fprintf(stderr, "urctx-bench: %s: %s\n", svg_path,
			strerror(errno));
		status = 1;
	}
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "urctx-bench: output: %s\n", strerror(errno));
		status = 1;
	}
	return status;
}

enum { O_JSON = 1, O_SVG, O_REPS, O_QUICK, O_RING, O_OP, O_FILE, O_COUNT,
       O_LIST, O_HELP, O_VERSION };

static const struct option options[] = {
	{ "json", required_argument, NULL, O_JSON },
	{ "svg", required_argument, NULL, O_SVG },
	{ "reps", required_argument, NULL, O_REPS },
	{ "quick", no_argument, NULL, O_QUICK },
	{ "ring", required_argument, NULL, O_RING },
	{ "op", required_argument, NULL, O_OP },
	{ "file", required_argument, NULL, O_FILE },
	{ "count", required_argument, NULL, O_COUNT },
	{ "list", no_argument, NULL, O_LIST },
	{ "help", no_argument, NULL, O_HELP },
	{ "version", no_argument, NULL, O_VERSION },
	{ NULL, 0, NULL, 0 },
};

static void parse_options(int argc, char **argv)
{
	int c;

	opterr = 0;
	choose_ring("defer");
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1)
		switch (c) {
		case O_JSON:
			json_path = optarg;
			break;
		case O_SVG:
			svg_path = optarg;
			break;
		case O_REPS:
			bench.rounds = (unsigned)number("--reps", optarg,
							ROUNDS_MAX);
			break;
		case O_QUICK:
			bench.quick = true;
			break;
		case O_RING:
			choose_ring(optarg);
			break;
		case O_OP:
			if (!latency_op_known(optarg))
				usage_error("--op takes recv, accept, poll, "
					    "pipe or read, not '%s'", optarg);
			bench.op = optarg;
			break;
		case O_FILE:
			bench.file = optarg;
			break;
		case O_COUNT:
			bench.count = number("--count", optarg, 100000000);
			break;
		case O_LIST:
			list_rows();
			exit(0);
		case O_HELP:
			fputs(usage_text, stdout);
			exit(0);
		case O_VERSION:
			puts("urctx-bench " URCTX_BENCH_VERSION);
			exit(0);
		case ':':
			usage_error("%s needs a value", argv[optind - 1]);
		default:
			usage_error("unknown option %s", argv[optind - 1]);
		}
	if (!bench.rounds)
		bench.rounds = bench.quick ? ROUNDS_QUICK : ROUNDS;
}

static void latency_only_options(void)
{
	if (bench.op || bench.file || bench.count)
		usage_error("%s is for the command latency",
			    bench.op ? "--op" :
			    bench.file ? "--file" : "--count");
}

int main(int argc, char **argv)
{
	struct aborted *ab = NULL;
	const char *command;
	bool rows_wanted = true;

	parse_options(argc, argv);
	cpus_choose(&bench);
	command = optind < argc ? argv[optind++] : "all";
	if (!strcmp(command, "row")) {
		if (optind == argc)
			usage_error("row needs the name of one");
		while (optind < argc)
			add_row(argv[optind++]);
	}
	if (optind < argc)
		usage_error("'%s' after '%s'?", argv[optind], command);
	if (strcmp(command, "latency"))
		latency_only_options();
	if (!strcmp(command, "probe"))
		return probe(&bench);
	if (!strcmp(command, "all"))
		add_group(NULL);
	else if (!strcmp(command, "core") || !strcmp(command, "ring") ||
		 !strcmp(command, "io"))
		add_group(command);
	else if (!strcmp(command, "latency"))
		rows_wanted = false;
	else if (strcmp(command, "row"))
		usage_error("unknown command '%s'", command);
	if (!rows_wanted && svg_path)
		usage_error("--svg is for rows");
	if (!rows_wanted || !strcmp(command, "all") || !strcmp(command, "ring"))
		ab = aborted_new();
	run_rows(ab ? 1 : 0);
	if (ab) {
		progress(nr_rows + 1, nr_rows + 1, "latency");
		latency_run(&bench, ab, !rows_wanted);
	}
	return finish(ab, rows_wanted);
}
