/* SPDX-License-Identifier: MIT */
/*
 * leak.c - is everything back where it was?
 *
 * All threads are gone, and have given their caches back: so of the slabs' objects
 * those that were given out are free.  The housekeeper goes when he has nothing to
 * do; where he was refused he is asked for once more, now that he may come.
 */
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "house.h"
#include "retire.h"
#include "stock.h"

#include "faults.h"

#define LOOKS	3000		/* ms */

static size_t entries(const char *path)
{
	DIR *dir = opendir(path);
	size_t n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

static void *ask(void *arg)
{
	(void)house_ensure(true);
	return arg;
}

/* Has everybody gone, and was nothing left for the housekeeper? */
static bool settled(void)
{
	const struct timespec ms = { 0, 1000000 };
	unsigned i;

	for (i = 0; i < LOOKS; i++) {
		pthread_t id;

		if (entries("/proc/self/task") == 3) {
			if (!retired_any())
				return true;
			if (pthread_create(&id, NULL, ask, NULL) || pthread_join(id, NULL))
				return false;
		}
		nanosleep(&ms, NULL);
	}
	return false;
}

static long slabs(const struct stock *st)
{
	long n = 0;
	unsigned k;

	for (k = 0; k < STOCK_SLABS; k++)
		n += st->slab[k] != NULL;
	return n;
}

static uint32_t lost(struct stock *st)
{
	uint32_t raw = 0, nr;

	while (stock_pop(st, &st->raw, &nr))
		raw += nr;
	return st->carved - st->spare - raw;
}

struct balance left_over(void)
{
	struct balance b = allocated();

	b.pages -= slabs(&stock_contexts) + slabs(&stock_chunks) + slabs(&stock_extras);
	return b;
}

size_t descriptors(void)
{
	return entries("/proc/self/fd");
}

const char *leaks(const struct ends *before, bool caches)
{
	static char text[200];
	struct balance b;
	size_t fds;

	if (!settled())
		return retired_any() ? "retired contexts are not reused" :
				       "a thread does not go";
	fds = descriptors();
	b = left_over();
	if (fds != before->fds)
		snprintf(text, sizeof(text), "descriptors: %zu, were %zu", fds, before->fds);
	else if (b.blocks > before->left.blocks || b.pages > before->left.pages)
		snprintf(text, sizeof(text), "blocks %ld pages %ld, elsewise %ld %ld",
			 b.blocks, b.pages, before->left.blocks, before->left.pages);
	else if (caches && (lost(&stock_contexts) || lost(&stock_chunks) ||
			    lost(&stock_extras)))
		snprintf(text, sizeof(text), "not free: %u contexts %u chunks %u extras",
			 lost(&stock_contexts), lost(&stock_chunks), lost(&stock_extras));
	return text[0] ? text : NULL;
}
