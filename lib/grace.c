/* SPDX-License-Identifier: MIT */
/*
 * grace.c - a shield that ends some time after its parent has
 *
 * A walk that comes by its slot gives it to the timekeeper, with the word that the
 * parent ended with: no callback, no memory.  So it has an extra from its birth,
 * and the housekeeper is there from then on: a cancel may not start him.
 */
#include <errno.h>

#include "derive.h"
#include "grace.h"
#include "house.h"
#include "timer.h"

void grace_begin(struct urctx *n, uintptr_t word)
{
	struct extra *e = extra_of(n);
	int64_t now = sys_now();
	int64_t when = e->grace < URCTX_NEVER - now ? now + e->grace : URCTX_NEVER;

	(void)timer_start(e, TIMER_GRACE, when, word);
}

static int publish(struct thread *t, struct urctx *parent, struct urctx *n,
		   int64_t grace)
{
	struct extra *e;
	uintptr_t w;
	int ret;

	store_relaxed(&n->state, (uintptr_t)&no_slot);
	/* who notices its deadline does not come by here */
	ret = timer_watch(parent);
	if (ret)
		return ret;
	e = extra_get(t, n);
	if (!e)
		return -ENOMEM;
	e->grace = grace > 0 ? grace : 0;
	if (!timer_expect(e))
		return -EAGAIN;
	if (!slot_take(t, parent, n, TAG_GRACE, (uintptr_t)&no_slot | HASCH)) {
		slot_untell(n);
		return -ENOMEM;
	}
	w = slot_published(parent);
	if (w & DONE)
		grace_begin(n, inherit(w));
	return 0;
}

int urctx_with_grace(struct urctx *parent, int64_t grace, struct urctx **child)
{
	struct thread *t = this_thread();
	struct urctx *n;
	int ret;

	derive_check(parent, child);
	if (!parent || grace == URCTX_NEVER)
		return derived(urctx_without_cancel(parent, child), child);
	n = child_make(t, parent);
	if (!n)
		return -ENOMEM;
	store_relaxed(&n->deadline, URCTX_NEVER);
	ret = publish(t, parent, n, grace);
	if (!ret) {
		*child = n;
		return derived(0, child);
	}
	store_relaxed(&n->parent, (struct urctx *)NULL);	/* in no slot of it */
	urctx_put(n);
	return ret;
}
