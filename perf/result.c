/* SPDX-License-Identifier: MIT */
/* Rounds, medians, and what a row makes of them. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"

void result_init(struct result *r)
{
	memset(r, 0, sizeof(*r));
	r->ours = r->base = r->lo = r->hi = r->base_lo = r->base_hi = NAN;
}

void result_extra(struct result *r, const char *name, double value)
{
	if (r->nr_extra < ARRAY_SIZE(r->extra))
		r->extra[r->nr_extra++] =
			(struct extra){ .name = name, .value = value };
}

#define FORMAT_INTO(field)                                                     \
	do {                                                                   \
		va_list ap;                                                    \
		va_start(ap, fmt);                                             \
		vsnprintf(field, sizeof(field), fmt, ap);                      \
		va_end(ap);                                                    \
	} while (0)

void result_skip(struct result *r, const char *fmt, ...)
{
	FORMAT_INTO(r->skipped);
}

void result_fail(struct result *r, const char *fmt, ...)
{
	if (!r->failed[0])	/* the first is the cause of the others */
		FORMAT_INTO(r->failed);
}

void result_note(struct result *r, const char *fmt, ...)
{
	FORMAT_INTO(r->note);
}

double result_ratio(const struct result *r)
{
	return r->base > 0 ? r->ours / r->base : NAN;
}

int result_met(const struct row *row, const struct result *r)
{
	double ratio = result_ratio(r);
	bool met = true;

	if (row->kind == GOAL_NONE || isnan(r->ours))
		return -1;
	switch (row->kind) {
	case GOAL_NONE:
		break;
	case GOAL_OURS_MAX:
		met = r->ours <= row->goal;
		break;
	case GOAL_RATIO_MAX:
	case GOAL_RATIO_MIN:
		if (isnan(ratio))
			return -1;
		met = row->kind == GOAL_RATIO_MAX ? ratio <= row->goal :
						    ratio >= row->goal;
		break;
	case GOAL_OVER_MAX:
		if (isnan(r->base))
			return -1;
		met = r->ours - r->base <= row->goal;
		break;
	}
	if (row->goal_ratio > 0 && !isnan(ratio))
		met = met && ratio <= row->goal_ratio;
	return met;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Leaves v sorted. */
static double median_of(double *v, unsigned n)
{
	qsort(v, n, sizeof(*v), compare);
	return n & 1 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

double series_median(const struct series *s)
{
	double v[ROUNDS_MAX];

	if (!s->nr)
		return NAN;
	memcpy(v, s->v, s->nr * sizeof(*v));
	return median_of(v, s->nr);
}

static void spread(const struct series *s, double *lo, double *hi)
{
	for (unsigned i = 0; i < s->nr; i++) {
		*lo = fmin(*lo, s->v[i]);	/* of NAN and v: v */
		*hi = fmax(*hi, s->v[i]);
	}
}

void series_to_result(struct result *r, const struct series *ours,
		      const struct series *base)
{
	r->rounds = ours->nr;
	r->ours = series_median(ours);
	spread(ours, &r->lo, &r->hi);
	if (!base || !base->nr)
		return;
	r->base = series_median(base);
	spread(base, &r->base_lo, &r->base_hi);
}

/* Every side once more, by turns, as slice k. */
static bool slice_run(const side_fn *side, unsigned nr, void *arg,
		      double slice[SIDES][SLICES], unsigned k)
{
	for (unsigned s = 0; s < nr; s++) {
		slice[s][k] = side[s](arg);
		if (isnan(slice[s][k]))
			return false;
	}
	return true;
}

bool rounds_run(unsigned rounds, unsigned slices, const side_fn *side,
		unsigned nr, void *arg, struct series *out)
{
	double slice[SIDES][SLICES];

	for (unsigned s = 0; s < nr; s++)
		out[s].nr = 0;
	if (!slice_run(side, nr, arg, slice, 0))
		return false;
	for (unsigned i = 0; i < rounds && i < ROUNDS_MAX; i++) {
		for (unsigned k = 0; k < slices; k++)
			if (!slice_run(side, nr, arg, slice, k))
				return false;
		for (unsigned s = 0; s < nr; s++)
			out[s].v[out[s].nr++] = median_of(slice[s], slices);
	}
	return true;
}

struct bench bench_fewer(const struct bench *b, unsigned n)
{
	struct bench fewer = *b;

	fewer.rounds = (b->rounds + n - 1) / n;
	return fewer;
}

void bench_ab(const struct bench *b, struct result *r, unsigned slices,
	      side_fn ours, side_fn base, void *arg)
{
	side_fn side[2] = { ours, base };
	static struct series s[2];

	if (!rounds_run(b->rounds, slices, side, base ? 2 : 1, arg, s))
		result_fail(r, "a round failed");
	else
		series_to_result(r, &s[0], base ? &s[1] : NULL);
}
