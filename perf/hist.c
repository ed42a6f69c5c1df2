/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>
#include "hist.h"

void hist_reset(struct hist *h)
{
	memset(h, 0, sizeof(*h));
	h->min = UINT64_MAX;
}

/* Below 2^HIST_BITS a bucket is one ns; above, 2^HIST_BITS per power of two. */
static unsigned index_of(uint64_t v)
{
	unsigned shift;

	if (v < 1U << HIST_BITS)
		return (unsigned)v;
	shift = 63 - (unsigned)__builtin_clzll(v) - HIST_BITS;
	return ((shift + 1) << HIST_BITS) +
	       (unsigned)((v >> shift) - (1U << HIST_BITS));
}

/* The middle of a bucket. */
static double value_of(unsigned index)
{
	unsigned shift;

	if (index < 1U << HIST_BITS)
		return index;
	shift = (index >> HIST_BITS) - 1;
	return ldexp((index & ((1U << HIST_BITS) - 1)) + (1U << HIST_BITS) + 0.5,
		     (int)shift);
}

void hist_add(struct hist *h, int64_t ns)
{
	uint64_t v = ns < 0 ? 0 : (uint64_t)ns;

	h->bucket[index_of(v)]++;
	h->count++;
	h->sum += v;
	if (v < h->min)
		h->min = v;
	if (v > h->max)
		h->max = v;
}

void hist_merge(struct hist *to, const struct hist *from)
{
	for (unsigned i = 0; i < HIST_SIZE; i++)
		to->bucket[i] += from->bucket[i];
	to->count += from->count;
	to->sum += from->sum;
	if (from->min < to->min)
		to->min = from->min;
	if (from->max > to->max)
		to->max = from->max;
}

double hist_percentile(const struct hist *h, double percent)
{
	uint64_t rank, seen = 0;

	if (!h->count)
		return NAN;
	if (percent >= 100)
		return (double)h->max;
	rank = (uint64_t)(percent / 100 * (double)h->count) + 1;
	for (unsigned i = 0; i < HIST_SIZE; i++) {
		seen += h->bucket[i];
		if (seen >= rank)
			return fmin(value_of(i), (double)h->max);
	}
	return (double)h->max;
}
