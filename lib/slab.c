/* SPDX-License-Identifier: MIT */
/*
 * slab.c - slabs, magazines and the caches of threads
 *
 * A thread frees into its own cache and allocates from it.  A full cache spills
 * half as one magazine on the stock, where another thread finds it: contexts
 * made here and put there for ever do not grow memory.  The stock is a stack of
 * magazines; its word holds the index of the first one's head, and a tag that
 * counts, so that a pop that was overtaken fails (no pointer is packed: a tag
 * of 32 bits whatever the address space).
 */
#include "extra.h"
#include "house.h"
#include "slab.h"
#include "stock.h"

struct stock stock_contexts = { .size = sizeof(struct urctx),
				.link = offsetof(struct urctx, value),
				.keep = CACHE_CONTEXTS };
struct stock stock_chunks = { .size = sizeof(struct chunk),
			      .link = offsetof(struct chunk, next),
			      .keep = CACHE_CHUNKS };
struct stock stock_extras = { .size = sizeof(struct extra),
			      .link = offsetof(struct extra, next),
			      .keep = CACHE_CHUNKS };

static struct stock *stock_of(struct thread *t, struct cache *cache)
{
	return cache == &t->contexts ? &stock_contexts :
	       cache == &t->chunks   ? &stock_chunks :
				       &stock_extras;
}

/* Slab k holds SLAB_OBJECTS << k objects, the first of them with this index. */
static uint32_t slab_first(unsigned k)
{
	return SLAB_OBJECTS * ((1U << k) - 1);
}

static uint32_t slab_objects(unsigned k)
{
	return SLAB_OBJECTS << k;
}

static unsigned slab_of(uint32_t index)
{
	return 31 - (unsigned)__builtin_clz(index / SLAB_OBJECTS + 1);
}

static char *slab_at(struct stock *st, unsigned k)
{
	return load(&st->slab[k], SLAB_READ);
}

static char *slab_make(struct stock *st, unsigned k)
{
	size_t bytes = (size_t)slab_objects(k) *
		       (st->size + sizeof(struct magazine));
	char *mem, *theirs = NULL;

	mem = (char *)sys_pages(bytes);
	if (!mem)
		return NULL;
	if (cas(&st->slab[k], &theirs, mem, SLAB_PUBLISH))
		return mem;
	sys_pages_free(mem, bytes);
	return slab_at(st, k);
}

void *object(struct stock *st, uint32_t index)
{
	unsigned k = slab_of(index);

	return slab_at(st, k) + (size_t)(index - slab_first(k)) * st->size;
}

static struct magazine *magazine(struct stock *st, uint32_t index)
{
	unsigned k = slab_of(index);
	char *side = slab_at(st, k) + (size_t)slab_objects(k) * st->size;

	return (struct magazine *)(void *)side + (index - slab_first(k));
}

uint32_t index_of(struct stock *st, const void *obj)
{
	unsigned k = STOCK_SLABS;

	while (k--) {
		char *mem = slab_at(st, k);
		size_t off = (size_t)((const char *)obj - mem);

		if (mem && off < (size_t)slab_objects(k) * st->size)
			return slab_first(k) + (uint32_t)(off / st->size);
	}
	urctx_die("this is not one of ours: was it put twice, or overwritten?");
}

void stock_push(struct stock *st, uint64_t *stack, void *head, uint32_t nr)
{
	uint32_t i = index_of(st, head);
	struct magazine *m = magazine(st, i);
	uint64_t top = load_relaxed(stack), mine;

	m->nr = nr;
	do {
		store_relaxed(&m->next, (uint32_t)top);
		mine = ((top >> 32) + 1) << 32 | (i + 1);
	} while (!cas(stack, &top, mine, STOCK_PUSH));
}

void *stock_pop(struct stock *st, uint64_t *stack, uint32_t *nr)
{
	uint64_t top = load(stack, STOCK_POP), rest;
	uint32_t i;

	do {
		i = (uint32_t)top - 1;
		if ((uint32_t)top == 0)
			return NULL;
		/* overtaken, this reads the next life's link: the tag differs */
		rest = ((top >> 32) + 1) << 32 |
		       load_relaxed(&magazine(st, i)->next);
	} while (!cas_or_read(stack, &top, rest, STOCK_POP, STOCK_POP));
	*nr = magazine(st, i)->nr;
	return object(st, i);
}

/* @nr objects that lie one behind the other, zeroed: a list. */
static void *link_all(struct stock *st, uint32_t first, uint32_t nr)
{
	void *list = NULL;

	while (nr--) {
		void *obj = object(st, first + nr);

		link_set(st, obj, list);
		list = obj;
	}
	return list;
}

/* Objects that nobody has had yet: zeroed pages. */
static void *stock_carve(struct stock *st, uint32_t *nr)
{
	uint32_t i = load_relaxed(&st->carved);

	do {
		unsigned k = slab_of(i);

		if (k >= STOCK_SLABS ||		/* uncovered: 2^31 objects */
		    (!slab_at(st, k) && !slab_make(st, k)))
			return NULL;
	} while (!cas_relaxed(&st->carved, &i, i + CARVE_OBJECTS));
	*nr = CARVE_OBJECTS;
	return link_all(st, i, CARVE_OBJECTS);
}

void *cache_refill(struct thread *t, struct cache *cache)
{
	struct stock *st = stock_of(t, cache);
	uint32_t nr = 0;
	void *list;

	if (!t->id)
		thread_register(t);
	list = stock_pop(st, &st->top, &nr);
	if (list) {
		uint32_t spare = fetch_sub_relaxed(&st->spare, nr) - nr;

		if (spare < load_relaxed(&st->left))
			store_relaxed(&st->left, spare);
	}
	else if ((list = stock_pop(st, &st->raw, &nr)))
		list = link_all(st, index_of(st, list), nr);
	else
		list = stock_carve(st, &nr);
	if (!list)
		return NULL;
	cache->head = list;
	cache->room -= nr;
	return list;
}

/* Room for one at least: half of it goes to the others. */
void cache_spill(struct thread *t, struct cache *cache)
{
	struct stock *st = stock_of(t, cache);
	uint32_t nr = (st->keep + 1) / 2, i;
	void *list, *last;

	if (!t->id) {
		thread_register(t);
		return;
	}
	list = last = cache->head;
	for (i = 1; i < nr; i++)
		last = link_get(st, last);
	cache->head = link_get(st, last);
	cache->room += nr;
	link_set(st, last, NULL);
	stock_push(st, &st->top, list, nr);
	fetch_add_relaxed(&st->spare, nr);
	if (stock_fat(st)) {
		house_pushed();
		house_ensure(false);
	}
}

static void flush_one(struct thread *t, struct cache *cache)
{
	struct stock *st = stock_of(t, cache);

	if (cache->head) {
		stock_push(st, &st->top, cache->head, st->keep - cache->room);
		fetch_add_relaxed(&st->spare, st->keep - cache->room);
	}
	cache->head = NULL;
	cache->room = 0;
}

void cache_flush(struct thread *t)
{
	flush_one(t, &t->contexts);
	flush_one(t, &t->chunks);
	flush_one(t, &t->extras);
}
