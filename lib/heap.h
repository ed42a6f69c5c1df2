/* SPDX-License-Identifier: MIT */
/*
 * heap.h - the times at which something is to be done, earliest first
 *
 * Four children a node: half the depth of a binary heap, and a node's children
 * are 64 bytes.  Whoever is in it keeps his place (0: not in), which the heap
 * writes as it moves him.  No memory is allocated here: the caller sees to it
 * that there is room before he adds.
 */
#ifndef URCTX_HEAP_H
#define URCTX_HEAP_H

#include <stdbool.h>
#include <stdint.h>

struct heap_entry {
	int64_t key;
	uint32_t *place;		/* index + 1 */
};

struct heap {
	struct heap_entry *v;
	uint32_t nr;
};

void heap_add(struct heap *h, int64_t key, uint32_t *place);
void heap_del(struct heap *h, uint32_t *place);		/* nothing if it is not in */
void heap_move(struct heap *h, int64_t key, uint32_t *place);	/* it is in */

#endif
