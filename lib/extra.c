/* SPDX-License-Identifier: MIT */
/*
 * extra.c - hang an extra on a context
 *
 * Also by a poll in a signal handler, if it does not interrupt this very thread
 * inside a cache (thread.busy).
 */
#include "extra.h"
#include "slab.h"
#include "slot.h"

static struct extra *extra_alloc(struct thread *t)
{
	return (struct extra *)cache_take(t, &t->extras,
					  offsetof(struct extra, next));
}

void extra_free(struct thread *t, struct extra *e)
{
	cache_give(t, &t->extras, e, offsetof(struct extra, next));
}

static void extra_init(struct extra *e, struct urctx *n)
{
	store_relaxed(&e->next, (struct extra *)NULL);
	e->ctx = n;
	e->when = e->grace = 0;
	e->word = 0;
	store_relaxed(&e->timer, TIMER_NONE);
	e->place = 0;
	e->turn = 0;
	store_relaxed(&e->fd, 0);
	store_relaxed(&e->fd_uses, 0);
	store_relaxed(&e->idle_seq, 0);
	store_relaxed(&e->awaited, (struct slot *)NULL);
	e->links = NULL;
	e->nr_links = 0;
	e->left = NULL;
}

struct extra *extra_get(struct thread *t, struct urctx *n)
{
	struct extra *e, *mine;
	struct chunk *first;

	if (!interior_make(t, n))
		return NULL;
	first = chunk_first(n);
	e = (struct extra __force *)load(&first->extra, EXTRA_READ);
	if (e)
		return e;
	mine = extra_alloc(t);
	if (!mine)
		return NULL;
	extra_init(mine, n);
	if (cas_or_read(&first->extra, &e, (struct extra __rcu *)mine, EXTRA_SET,
			EXTRA_READ))
		return mine;
	extra_free(t, mine);
	return e;
}
