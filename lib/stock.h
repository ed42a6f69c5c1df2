/* SPDX-License-Identifier: MIT */
/*
 * stock.h - what slab.c and trim.c share: the free objects that no thread caches
 */
#ifndef URCTX_STOCK_H
#define URCTX_STOCK_H

#include "context.h"

struct magazine {		/* one a possible head, beside the objects */
	uint32_t next;		/* index + 1 of the next magazine's head */
	uint32_t nr;		/* objects in this one */
};

/* Two stacks of magazines: a tag << 32 | index + 1 of the first one's head. */
struct stock {
	uint64_t top;		/* of lists */
	uint64_t raw;		/* of runs of zeroed objects: pages given back */
	uint32_t carved;	/* objects that were ever given out */
	uint32_t spare;		/* objects in lists, about */
	uint32_t left;		/* of these, so many the last trim could not give back */
	uint32_t seen;		/* trim.c: spare when it last looked, and */
	uint32_t looks;		/* how often in a row it had changed */
	uint32_t size;		/* bytes an object */
	uint32_t link;		/* where a free one has the link to the next */
	uint32_t keep;		/* objects a thread's cache holds */
	char *slab[STOCK_SLABS];
} __attribute__((aligned(64)));

extern struct stock stock_contexts __attribute__((visibility("hidden")));
extern struct stock stock_chunks __attribute__((visibility("hidden")));
extern struct stock stock_extras __attribute__((visibility("hidden")));

void stock_push(struct stock *st, uint64_t *stack, void *head, uint32_t nr);
void *stock_pop(struct stock *st, uint64_t *stack, uint32_t *nr);

static inline void *link_get(const struct stock *st, void *obj)
{
	return load_relaxed((void **)(void *)((char *)obj + st->link));
}

static inline void link_set(const struct stock *st, void *obj, void *next)
{
	store_relaxed((void **)(void *)((char *)obj + st->link), next);
}

void *object(struct stock *st, uint32_t index);
uint32_t index_of(struct stock *st, const void *obj);

/* Is it worth a trim? */
static inline bool stock_fat(const struct stock *st)
{
	uint32_t spare = load_relaxed(&st->spare), left = load_relaxed(&st->left);

	return spare > left + TRIM_BYTES / st->size;
}

static inline bool stocks_fat(void)
{
	return stock_fat(&stock_contexts) ||	/* seldom: the last alone */
	       stock_fat(&stock_chunks) || stock_fat(&stock_extras);
}

/* The housekeeper's, when it has nothing else to do. */
void stocks_trim(void);

#endif
