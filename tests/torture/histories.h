/* SPDX-License-Identifier: MIT */
/*
 * histories.h - short bursts of calls, written down as they were made
 */
#ifndef URCTX_TORTURE_HISTORIES_H
#define URCTX_TORTURE_HISTORIES_H

#include <errno.h>

#include "../spec/history.h"
#include "common.h"

#define THREADS	4
#define OPS	8		/* of a thread in a burst */
#define ARMS	2		/* of these, callbacks armed */
#define SETUP	6		/* contexts that are there before */
#define SHARED	2		/* callbacks that are there before, for all to stop */
#define RUNS	(SHARED + THREADS * ARMS)
#define LINES	(OPS + 2 * RUNS + SETUP)
#define BATCH	64

struct callback {
	struct urctx_callback cb;	/* first */
	uint8_t nr;
	bool armed;
};

/* What one thread does in a burst. */
struct page {
	struct history_call call[LINES];
	unsigned nr, outer;
	struct urctx *made[OPS];	/* NULL: put */
	struct callback cb[ARMS];
	unsigned nr_made, nr_armed;
};

struct burst {
	struct history h;
	struct urctx *ctx[SETUP];
	struct callback shared[SHARED];
	unsigned nr_ctx;
	struct page page[THREADS];
};

/* histories_calls.c */
extern __thread struct page *writing;
extern bool by_tsc;			/* which clock stamps */
void burst_ready(struct burst *b, uint64_t *seed);
void burst_calls(struct burst *b, unsigned thread, uint64_t *seed);
void burst_last_looks(struct burst *b);
void burst_gather(struct burst *b);
void burst_over(struct burst *b);

#endif
