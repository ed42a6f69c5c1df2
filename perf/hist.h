/* SPDX-License-Identifier: MIT */
/*
 * A histogram of latencies, log-linear: 128 steps to a power of two, so that a
 * percentile is never off by more than 0.8 %, whatever the range.
 */
#ifndef URCTX_BENCH_HIST_H
#define URCTX_BENCH_HIST_H

#include <stdint.h>

enum { HIST_BITS = 7, HIST_SIZE = (64 - HIST_BITS + 1) << HIST_BITS };

struct hist {
	uint64_t count, sum, min, max;
	uint32_t bucket[HIST_SIZE];
};

void hist_reset(struct hist *h);
void hist_add(struct hist *h, int64_t ns);	/* below 0 counts as 0 */
void hist_merge(struct hist *to, const struct hist *from);
double hist_percentile(const struct hist *h, double percent); /* NAN: empty */

#endif
