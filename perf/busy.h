/* SPDX-License-Identifier: MIT */
/* A thread that spins on each CPU a row may use. */
#ifndef URCTX_BENCH_BUSY_H
#define URCTX_BENCH_BUSY_H

#include "bench.h"

bool busy_start(const struct bench *b, struct result *r);	/* or r has failed */
void busy_stop(void);						/* also without start */

#endif
