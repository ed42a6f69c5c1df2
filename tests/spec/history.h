/* SPDX-License-Identifier: MIT */
/**
 * DOC: is there an order of these calls that the model allows?
 *
 * A history is what threads called, what was answered, and which call had returned
 * before which was made.  It is right if the calls' points (spec.h) can be put in
 * one order that keeps the latter and that the model agrees with.  The search is
 * exact; places that were seen are kept as hashes of 64 bits.
 *
 * What was before what: by stamps of one clock (history_order()), or given
 * (@before), where a memory model knows it better than any clock does.
 *
 * A callback's run is two calls of the thread it runs on: SPEC_CLAIM, from the
 * invocation of the library call that runs it (@outer) to the entry of its function,
 * and SPEC_OVER, from there to whenever @outer returns.
 */
#ifndef TESTS_HISTORY_H
#define TESTS_HISTORY_H

#include <stddef.h>

#include "spec.h"

#ifdef __cplusplus
extern "C" {
#endif

#define HISTORY_CALLS	64
#define HISTORY_OUTER	255		/* no callback around it */
#define HISTORY_PLACES	(1 << 16)

struct history {
	struct spec start;
	int nr;
	struct history_call {
		struct spec_call what;
		uint8_t thread;
		uint8_t outer;		/* the outermost call in whose callback this is */
		uint64_t invoked, returned;
		uint64_t before;	/* a bit for each call that had returned */
	} call[HISTORY_CALLS];
};

/* Room for the search; large: static, or malloc()ed, one a thread. */
struct history_room {
	struct spec s[2 * HISTORY_CALLS + 1][SPEC_WAYS];
	uint64_t place[HISTORY_PLACES];
	unsigned nr_places;
	unsigned long places;		/* sum over all checks */
	uint8_t order[2 * HISTORY_CALLS];	/* the witness: calls, +128: return */
};

/* @before from the stamps: returned < invoked.  UINT64_MAX: has not returned. */
void history_order(struct history *h);

/* 1: right; 0: no order explains it; -1: too much for the room. */
int history_check(const struct history *h, struct history_room *room);

/* One call as text. */
void history_text(const struct history *h, int i, char *text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
