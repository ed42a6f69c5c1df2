/* SPDX-License-Identifier: MIT */
/* A picture of the table: how much of its goal each row uses up. */
#include <errno.h>
#include <string.h>
#include "bench.h"

enum {
	WIDTH = 960, LABEL = 190, SCALE = 220 /* px of a whole goal */, TOP = 64,
	STEP = 24, BAR = 15, CLIP = 2 /* goals, then a bar is cut */,
};

static void text(FILE *f, const char *s)
{
	for (; *s; s++)
		switch (*s) {
		case '&':
			fputs("&amp;", f);
			break;
		case '<':
			fputs("&lt;", f);
			break;
		case '>':
			fputs("&gt;", f);
			break;
		default:
			if ((unsigned char)*s >= 0x20)
				fputc(*s, f);
		}
}

/* 1: just met; less is better. NAN: no goal, or no figure. */
static double used_up(const struct row *row, const struct result *r)
{
	switch (row->kind) {
	case GOAL_OURS_MAX:
		return r->ours / row->goal;
	case GOAL_RATIO_MAX:
		return result_ratio(r) / row->goal;
	case GOAL_RATIO_MIN:
		return row->goal / result_ratio(r);
	case GOAL_OVER_MAX:
		return r->ours / (r->base + row->goal);
	default:
		return NAN;
	}
}

static void value_text(char *buf, size_t size, const struct row *row,
		       const struct result *r)
{
	double ratio = result_ratio(r);
	int n;

	if (r->failed[0] || r->skipped[0] || isnan(r->ours)) {
		snprintf(buf, size, "%s%.60s",
			 r->failed[0] ? "failed: " : "skipped: ",
			 r->failed[0] ? r->failed : r->skipped);
		return;
	}
	n = snprintf(buf, size, "%.4g %s", r->ours, row->unit);
	if (!isnan(ratio) && n > 0 && (size_t)n < size)
		snprintf(buf + n, size - (size_t)n, "; %s %.4g, ratio %.3g",
			 row->baseline, r->base, ratio);
}

static void draw_row(FILE *f, const struct row *row, const struct result *r,
		     int y)
{
	double part = used_up(row, r);
	double length = isnan(part) ? 0 : fmin(fmax(part, 0.004), CLIP) * SCALE;
	int met = result_met(row, r);
	char value[160];

	value_text(value, sizeof(value), row, r);
	fprintf(f, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n",
		LABEL - 8, y + 12, row->name);
	if (length > 0)
		fprintf(f, "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" "
			"height=\"%d\" fill=\"%s\"/>\n", LABEL, y, length, BAR,
			met == 1 ? "#3a7d44" : "#b3432b");
	fprintf(f, "<text x=\"%.1f\" y=\"%d\" fill=\"#444\">", LABEL + length +
		(length > 0 ? 6 : 0), y + 12);
	text(f, value);
	if (part > CLIP)
		fprintf(f, " (%.1f times the goal)", part);
	fputs("</text>\n", f);
}

int report_svg(const char *path, const struct row *const *rows,
	       const struct result *res, unsigned nr, const struct machine *m)
{
	int height = TOP + (int)nr * STEP + 20, e;
	FILE *f = fopen(path, "we");

	if (!f)
		return -1;
	fprintf(f, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
		"height=\"%d\" font-family=\"sans-serif\" font-size=\"12\">\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
		"<text x=\"12\" y=\"22\" font-size=\"15\">urctx-bench: how much "
		"of its goal each row uses up (shorter is better)</text>\n"
		"<text x=\"12\" y=\"42\" fill=\"#444\">", WIDTH, height);
	text(f, m->cpu);
	text(f, ", ");
	text(f, m->kernel);
	fputs("</text>\n", f);
	for (unsigned i = 0; i < nr; i++)
		draw_row(f, rows[i], &res[i], TOP + (int)i * STEP);
	fprintf(f, "<line x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\" "
		"stroke=\"#222\" stroke-dasharray=\"4 3\"/>\n"
		"<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">goal</text>\n"
		"</svg>\n", LABEL + SCALE, LABEL + SCALE, TOP - 6,
		TOP + (int)nr * STEP, LABEL + SCALE, TOP - 9);
	e = ferror(f);
	return fclose(f) || e ? -1 : 0;
}
