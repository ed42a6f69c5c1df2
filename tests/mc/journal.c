/* SPDX-License-Identifier: MIT */
/*
 * journal.c - what was there before, so that the search can turn back
 *
 * Entries are the old bytes followed by where they were; undone backwards.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "model.h"

#define JOURNAL	(4ul << 30)		/* of address space; little of it is used */

struct tail {
	void *p;
	size_t n;
};

static char *base, *top;

void jinit(void)
{
	base = mmap(NULL, JOURNAL, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED) {
		perror("mc: journal");
		exit(2);
	}
	top = base;
}

size_t jmark(void)
{
	return (size_t)(top - base);
}

void jlog(void *p, size_t n)
{
	size_t room = (n + 7) & ~(size_t)7;
	struct tail *t = (struct tail *)(top + room);

	if (top + room + sizeof(*t) > base + JOURNAL) {
		fprintf(stderr, "mc: the journal is full\n");
		exit(2);
	}
	memcpy(top, p, n);
	t->p = p;
	t->n = n;
	top = (char *)(t + 1);
}

void jundo(size_t mark)
{
	while (top > base + mark) {
		struct tail *t = (struct tail *)top - 1;

		top = (char *)t - ((t->n + 7) & ~(size_t)7);
		memcpy(t->p, top, t->n);
	}
}
