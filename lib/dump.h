/* SPDX-License-Identifier: MIT */
/*
 * dump.h - the live tree in rows, a few at a time, and rows as text
 */
#ifndef URCTX_DUMP_H
#define URCTX_DUMP_H

#include <stdio.h>

#include "context.h"

/* What was seen in one slot.  Of all pointers the slot alone may be followed. */
struct dump_row {
	const void *what;		/* a context, or a callback */
	const struct slot *slot;	/* where it was found; NULL: the root */
	uintptr_t v;			/* and with which tag */
	const struct urctx *parent;	/* TAG_ANY: the first; a callback: its context */
	unsigned level;

	/* a context's; those of another that was here meanwhile may be among them */
	uintptr_t word;
	uint32_t ref, watch;
	int64_t deadline;
	const void *value;
	/* of its extra, else 0 */
	uint32_t links, fd;		/* fd: + 1 */
	int64_t grace, when;
};

struct dump {
	struct urctx *root;
	struct urctx *at;		/* whose slots are read; pinned between sections */
	struct chunk *chunk;
	struct slot *s, *end;
	unsigned level;			/* of what is in these slots */
	bool pinned;
	unsigned nr;
	struct dump_row row[DUMP_ROWS];
};

/* @root is the caller's.  Then dump_more() as long as it says true, or dump_stop(). */
void dump_start(struct dump *d, struct urctx *root);
bool dump_more(struct dump *d);
void dump_stop(struct dump *d);

/*
 * One line; not in a section.  1: a context was printed, 0: what is none, or has
 * left meanwhile, -EIO.
 */
int dump_print(const struct dump_row *r, FILE *out);

#endif
