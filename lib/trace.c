/* SPDX-License-Identifier: MIT */
/*
 * trace.c - a table beside each slab of contexts, which stay a cache line
 *
 * A record is its context's from birth to reuse.  Who reads one of a context that
 * has gone meanwhile reads another's.
 */
#include "stock.h"
#include "trace.h"

#if defined(URCTX_DEBUG) && !defined(URCTX_MC)

static struct trace *table[STOCK_SLABS];

/* Pages are zero whoever sees them first: nothing has to be ordered. */
static struct trace *record(const struct urctx *n, bool make)
{
	uint32_t at = index_of(&stock_contexts, n) + SLAB_OBJECTS;
	unsigned k = 31 - (unsigned)__builtin_clz(at / SLAB_OBJECTS);
	size_t bytes = ((size_t)SLAB_OBJECTS << k) * sizeof(struct trace);
	struct trace *t = load_relaxed(&table[k]), *mine;

	if (!t && make) {
		mine = (struct trace *)sys_pages(bytes);
		if (mine && !cas_relaxed(&table[k], &t, mine))
			sys_pages_free(mine, bytes);
		else
			t = mine;
	}
	return t ? &t[at - (SLAB_OBJECTS << k)] : NULL;
}

void trace_born(const struct urctx *n)
{
	struct trace *t = record(n, true);

	if (!t)
		return;
	store_relaxed(&t->site, NULL);
	store_relaxed(&t->birth, sys_now());
}

int trace_made(int ret, struct urctx *const *child, const void *site)
{
	struct trace *t = ret ? NULL : record(*child, false);

	if (t)
		store_relaxed(&t->site, site);
	return ret;
}

void trace_trim(uint32_t first, uint32_t nr)
{
	uint32_t at = first + SLAB_OBJECTS;
	unsigned k = 31 - (unsigned)__builtin_clz(at / SLAB_OBJECTS);
	struct trace *t = load_relaxed(&table[k]);

	if (t)			/* seldom: no memory for it */
		sys_pages_clear(&t[at - (SLAB_OBJECTS << k)], nr * sizeof(*t));
}

bool trace_of(const struct urctx *n, struct trace *out)
{
	const struct trace *t = record(n, false);

	if (!t)			/* seldom: as above */
		return false;
	out->site = load_relaxed(&t->site);
	out->birth = load_relaxed(&t->birth);
	return out->birth;
}

#endif
