/* SPDX-License-Identifier: MIT */
#ifndef URCTX_BENCH_LATENCY_H
#define URCTX_BENCH_LATENCY_H

#include <stdbool.h>
#include <stdio.h>
#include "bench.h"

/* Cancellations that aborted real I/O, by kind of operation. */
struct aborted;
struct aborted *aborted_new(void);
bool latency_op_known(const char *op);
/* full: the command latency; else as many as "all" has time for. */
void latency_run(const struct bench *b, struct aborted *ab, bool full);
void aborted_table(FILE *f, const struct aborted *ab);
void aborted_line(FILE *f, const struct aborted *ab);
void aborted_json(FILE *f, const struct aborted *ab);
bool aborted_failed(const struct aborted *ab);

int probe(const struct bench *b);

#endif
