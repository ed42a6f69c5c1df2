/* SPDX-License-Identifier: MIT */
/*
 * selfcheck.c - the checker checked (-DMC_BREAKABLE builds only)
 *
 * The key of a state is a sum that each change corrects: here it is summed anew.
 * And the reduction must lose nothing: the set of final memories, with it and
 * without, must be the same (run litmus compares them).
 */
#include "model.h"

#ifdef MC_BREAKABLE

#include <stdio.h>
#include <stdlib.h>

#define OUTCOMES (1 << 20)

static uint64_t outcomes[OUTCOMES], sum;
static unsigned nr;

void check_key(void)
{
	uint64_t k = plain_sum();
	int i, j;

	for (i = 1; i <= nthr; i++)
		k += T[i].hash;
	for (i = 0; i < nracy; i++)
		for (j = 0; j < M[i].n; j++)
			k += M[i].m[j].hash;
	if (k != K) {
		fprintf(stderr, "mc: the key of a state is wrong: %#lx, not %#lx\n",
			(unsigned long)K, (unsigned long)k);
		abort();
	}
}

/* All threads are done: what does the memory hold? */
void check_outcome(void)
{
	uint64_t h = plain_contents();
	unsigned i;

	for (i = h & (OUTCOMES - 1); outcomes[i]; i = (i + 1) & (OUTCOMES - 1))
		if (outcomes[i] == h)
			return;
	if (nr == OUTCOMES / 2)
		return;
	outcomes[i] = h;
	sum += h;
	nr++;
}

void check_begin(void)
{
	memset(outcomes, 0, sizeof(outcomes));
	sum = 0;
	nr = 0;
}

uint64_t check_outcomes(unsigned *n)
{
	*n = nr;
	return sum;
}

#endif
