/* SPDX-License-Identifier: MIT */
/* The table and the JSON. */
#include <errno.h>
#include <string.h>
#include "bench.h"
#include "latency.h"

/* Three digits that matter, whatever the size. */
static void figure(char *buf, size_t size, double v)
{
	double a = fabs(v);

	if (isnan(v))
		snprintf(buf, size, "-");
	else
		snprintf(buf, size, "%.*f", a < 10 ? 2 : a < 100 ? 1 : 0, v);
}

static void goal_text(char *buf, size_t size, const struct row *row)
{
	char more[32] = "";

	if (row->goal_ratio > 0)
		snprintf(more, sizeof(more), ", x<=%g", row->goal_ratio);
	switch (row->kind) {
	case GOAL_NONE:
		snprintf(buf, size, "-");
		break;
	case GOAL_OURS_MAX:
		snprintf(buf, size, "<=%g%s", row->goal, more);
		break;
	case GOAL_RATIO_MAX:
		snprintf(buf, size, "x<=%g", row->goal);
		break;
	case GOAL_RATIO_MIN:
		snprintf(buf, size, "x>=%g", row->goal);
		break;
	case GOAL_OVER_MAX:
		snprintf(buf, size, "<=base+%g", row->goal);
		break;
	}
}

static void print_row(FILE *f, const struct row *row, const struct result *r)
{
	static const char *const verdict[] = { "", "NOT MET", "met" };
	char ours[24], lo[24], hi[24], base[24], ratio[24], goal[40];
	char spread[52];

	if (r->failed[0] || r->skipped[0]) {
		fprintf(f, "%-24s %s: %s\n", row->name,
			r->failed[0] ? "FAILED" : "skipped",
			r->failed[0] ? r->failed : r->skipped);
		return;
	}
	figure(ours, sizeof(ours), r->ours);
	figure(lo, sizeof(lo), r->lo);
	figure(hi, sizeof(hi), r->hi);
	figure(base, sizeof(base), r->base);
	snprintf(spread, sizeof(spread), "[%s..%s]", lo, hi);
	if (isnan(result_ratio(r)))
		snprintf(ratio, sizeof(ratio), "-");
	else
		snprintf(ratio, sizeof(ratio), "%.3f", result_ratio(r));
	goal_text(goal, sizeof(goal), row);
	fprintf(f, "%-24s %7s %-5s %-17s %8s  %-26s %7s  %-12s %s\n",
		row->name, ours, row->unit, spread, base,
		row->baseline ? row->baseline : "-", ratio, goal,
		verdict[result_met(row, r) + 1]);
	if (r->note[0])
		fprintf(f, "%-24s   %s\n", "", r->note);
}

void report_table(FILE *f, const struct row *const *rows,
		  const struct result *res, unsigned nr)
{
	unsigned met = 0, missed = 0, skipped = 0, failed = 0;

	fprintf(f, "%-24s %7s %-5s %-17s %8s  %-26s %7s  %-12s %s\n", "what",
		"ours", "", "[least..most]", "baseline", "which is", "ratio",
		"goal", "");
	for (unsigned i = 0; i < nr; i++) {
		int m = result_met(rows[i], &res[i]);

		print_row(f, rows[i], &res[i]);
		failed += res[i].failed[0] != 0;
		skipped += !res[i].failed[0] && res[i].skipped[0];
		if (!res[i].failed[0] && !res[i].skipped[0]) {
			met += m == 1;
			missed += m == 0;
		}
	}
	fprintf(f, "\n%u goals met, %u not met; %u rows skipped, %u failed.  "
		"x is the ratio ours/baseline; bind rows: ours is what is "
		"added.\n", met, missed, skipped, failed);
}

/* ---------------------------------------------------------------------- JSON */

static void json_string(FILE *f, const char *s)
{
	fputc('"', f);
	for (; s && *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c < 0x20)
			fprintf(f, "\\u%04x", c);
		else
			fputc(c, f);
	}
	fputc('"', f);
}

static void json_number(FILE *f, const char *name, double v)
{
	fprintf(f, ", \"%s\": ", name);
	if (isfinite(v))
		fprintf(f, "%.6g", v);
	else
		fputs("null", f);
}

static void json_text(FILE *f, const char *name, const char *s)
{
	fprintf(f, ", \"%s\": ", name);
	if (s && *s)
		json_string(f, s);
	else
		fputs("null", f);
}

static void json_row(FILE *f, const struct row *row, const struct result *r)
{
	static const char *const kinds[] = {
		"none", "ours<=", "ratio<=", "ratio>=", "ours-baseline<=",
	};
	int met = result_met(row, r);

	fprintf(f, "    {\"name\": \"%s\", \"unit\": \"%s\"", row->name,
		row->unit);
	json_number(f, "ours", r->ours);
	json_number(f, "baseline", r->base);
	json_text(f, "baseline_name", row->baseline);
	json_number(f, "ratio", result_ratio(r));
	json_number(f, "goal", row->kind == GOAL_NONE ? NAN : row->goal);
	json_text(f, "goal_kind", kinds[row->kind]);
	if (row->goal_ratio > 0)
		json_number(f, "goal_ratio", row->goal_ratio);
	fprintf(f, ", \"met\": %s", met < 0 ? "null" : met ? "true" : "false");
	json_number(f, "spread_lo", r->lo);
	json_number(f, "spread_hi", r->hi);
	json_number(f, "baseline_lo", r->base_lo);
	json_number(f, "baseline_hi", r->base_hi);
	fprintf(f, ", \"rounds\": %u", r->rounds);
	for (unsigned i = 0; i < r->nr_extra; i++)
		json_number(f, r->extra[i].name, r->extra[i].value);
	json_text(f, "what", row->what);
	if (r->note[0])
		json_text(f, "note", r->note);
	if (r->skipped[0])
		json_text(f, "skipped", r->skipped);
	if (r->failed[0])
		json_text(f, "failed", r->failed);
	fputc('}', f);
}

static void json_machine(FILE *f, const struct machine *m,
			 const struct bench *b)
{
	fprintf(f, "  \"machine\": {\"cores\": %d, \"memory_mib\": %ld",
		m->cores, m->memory_mib);
	json_text(f, "cpu", m->cpu);
	json_text(f, "kernel", m->kernel);
	json_text(f, "governor", m->governor);
	json_text(f, "compiler", m->compiler);
	json_text(f, "liburctx", m->urctx);
	json_text(f, "liburcu_bp", m->liburcu);
	json_text(f, "liburing", m->liburing);
	json_text(f, "ring", b->ring_name);
	fprintf(f, ", \"rounds\": %u, \"quick\": %s}", b->rounds,
		b->quick ? "true" : "false");
}

int report_json(const char *path, const struct row *const *rows,
		const struct result *res, unsigned nr, const struct machine *m,
		const struct bench *b, const struct aborted *ab)
{
	FILE *f = fopen(path, "we");
	int e;

	if (!f)
		return -1;
	fprintf(f, "{\n  \"rows\": [");
	for (unsigned i = 0; i < nr; i++) {
		fputs(i ? ",\n" : "\n", f);
		json_row(f, rows[i], &res[i]);
	}
	fprintf(f, "\n  ],\n");
	if (ab) {
		aborted_json(f, ab);
		fprintf(f, ",\n");
	}
	json_machine(f, m, b);
	fprintf(f, "\n}\n");
	e = ferror(f);
	return fclose(f) || e ? -1 : 0;
}
