/* SPDX-License-Identifier: MIT */
/*
 * duels.h - two threads at one spot: what is made ready, what each does, what must be
 */
#ifndef URCTX_TORTURE_DUELS_H
#define URCTX_TORTURE_DUELS_H

#include "torture.h"

#define TRIES	32		/* that are made ready together */
#define KIDS	12
#define FAR	(2 * KIDS + 8U)	/* cache lines */

struct try {
	struct urctx_callback cb[KIDS];	/* each finds its own counter */
	unsigned ran[KIDS];
	struct urctx *at, *other, *kid[KIDS], *leaf[KIDS];
	bool said[2];
	int fd;
};

struct match;

struct duel {
	const char *name;
	void (*ready)(struct match *m, struct try *t);
	void (*act[2])(struct match *m, struct try *t);
	void (*judge)(struct match *m, struct try *t);
};

struct match {
	uint32_t meets[2][16] __attribute__((aligned(64)));	/* [0] counts, of each */
	const struct duel *duel;
	struct urctx *pen;		/* above what must be gone in the end */
	struct try try[TRIES];
};

/* torture_spots.c; the last has no name */
extern const struct duel duels[];

/* torture_duels.c */
void hold_up(int side, unsigned from, unsigned to);
struct try *try_of(const struct urctx_callback *cb);

#endif
