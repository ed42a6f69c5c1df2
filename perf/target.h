/* SPDX-License-Identifier: MIT */
/* Real I/O that stays pending until somebody cancels it, and rings for it. */
#ifndef URCTX_BENCH_TARGET_H
#define URCTX_BENCH_TARGET_H

#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>
#include "bench.h"

enum { TARGET_BATCH = 8 };

/*
 * One kind of operation.  Reads of a regular file cannot be aborted once they
 * run, only while they wait for a worker: so there are several at once, and the
 * ring has one worker.
 */
struct target {
	const char *op;
	int fd, other;
	unsigned batch;		/* operations at a time */
	size_t len;
	bool queued;		/* in io-wq: IOSQE_ASYNC and one worker */
	char *buf;
};

/* false: why says what is missing.  file: for "read"; NULL: a file of our own. */
bool target_open(struct target *t, const char *op, const char *file,
		 char *why, size_t size);
void target_prep(const struct target *t, struct io_uring_sqe *sqe, unsigned i);
void target_close(struct target *t);

/* 0 or -errno; cq 0: the default. */
int ring_open(const struct bench *b, struct io_uring *ring, unsigned sq,
	      unsigned cq);
const char *ring_why(int error);
/* false, and r says why, if there is no such ring on this machine. */
bool ring_usable(const struct bench *b, struct result *r);

#endif
