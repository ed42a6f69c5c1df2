/* SPDX-License-Identifier: MIT */
/*
 * states.c - the set of states that were seen: their keys, open addressing
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "model.h"

unsigned long states;

static uint64_t *table;
static size_t table_size;

static bool table_add(uint64_t *t, size_t size, uint64_t k)
{
	size_t i;

	for (i = k & (size - 1); t[i]; i = (i + 1) & (size - 1))
		if (t[i] == k)
			return false;
	t[i] = k;
	return true;
}

static uint64_t *table_new(size_t size)
{
	uint64_t *t = mmap(NULL, size * sizeof(*t), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (t == MAP_FAILED) {
		perror("mc: states");
		exit(2);
	}
	madvise(t, size * sizeof(*t), MADV_HUGEPAGE);
	return t;
}

bool seen(uint64_t k)
{
	if (!k)
		k = 1;
	if (states > table_size / 2) {
		uint64_t *bigger = table_new(table_size * 2);
		size_t i;

		for (i = 0; i < table_size; i++)
			if (table[i])
				table_add(bigger, table_size * 2, table[i]);
		munmap(table, table_size * sizeof(*table));
		table = bigger;
		table_size *= 2;
	}
	if (!table_add(table, table_size, k))
		return true;
	states++;
	return false;
}

void states_reset(void)
{
	if (table)
		munmap(table, table_size * sizeof(*table));
	table_size = 1 << 16;
	table = table_new(table_size);
	states = 0;
}
