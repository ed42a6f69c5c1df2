/* SPDX-License-Identifier: MIT */
/*
 * ring_calls.c - callbacks that run in the owner's turn
 *
 * They hang on the link of their context, beside its ops: arming one is a list
 * push, and no slot of the context.  All of it is the owner's, so whether one can
 * be taken back has one answer: until its fn is entered.
 */
#include "ring.h"

struct ring_call {			/* of a struct urctx_callback */
	void (*fn)(struct urctx_callback *cb);
	struct slot *slot;		/* foreign_slot(&by_ring) */
	struct ring_link *link;		/* NULL: it is due, or on the background */
	struct ring_node node;
	struct urctx_ring *ring;
} __attribute__((may_alias));

_Static_assert(sizeof(struct ring_call) <= sizeof(struct urctx_callback), "");

static struct ring_call *call_of(struct ring_node *n)
{
	return container_of(n, struct ring_call, node);
}

/* The caller's again. */
static void let_go(struct ring_call *c)
{
	list_del(&c->node);
	c->slot = NULL;
	c->fn = NULL;
}

/* urctx_stop() and urctx_try_stop(). */
static bool call_stop(struct urctx_callback *cb)
{
	struct ring_call *c = (struct ring_call *)cb;
	struct ring_link *link = c->link;
	struct urctx_ring *r = c->ring;

	if (!ring_mine(r)) {
		(void)ring_not_mine("urctx_stop");
		return false;
	}
	let_go(c);
	if (link)
		link_unused(r, link);
	return true;
}

static const struct foreign by_ring = { call_stop };

void calls_due(struct urctx_ring *r, struct ring_link *link)
{
	struct ring_node *n;

	for (n = link->calls.next; n != &link->calls; n = n->next)
		call_of(n)->link = NULL;
	list_splice(r->due.prev, &link->calls);
}

/* Those that are due now; what they arm on a context that is over, the next time. */
bool calls_run(struct urctx_ring *r)
{
	struct ring_node now;
	bool any = !list_empty(&r->due);

	list_init(&now);
	list_splice(&now, &r->due);
	while (!list_empty(&now)) {
		struct ring_call *c = call_of(now.next);
		void (*fn)(struct urctx_callback *cb) = c->fn;

		let_go(c);
		r->calls++;
		fn((struct urctx_callback *)c);
		r->calls--;
	}
	return any;
}

/* Their contexts have not ended, and the ring does: they will not run. */
void calls_drop(struct urctx_ring *r)
{
	uint32_t i;

	do	/* of those that have, some were not heard of */
		(void)ring_turn(r);
	while (r->links && (r->heard || wake_any(&r->wake)));
	for (i = 0; r->links; i = (i + 1) & r->table_mask) {
		struct ring_link *link = r->table[i];

		if (!link)
			continue;
		while (!list_empty(&link->calls))
			let_go(call_of(link->calls.next));
		link_unused(r, link);
	}
}

int urctx_ring_after(struct urctx_ring *r, struct urctx *ctx,
		     struct urctx_callback *cb,
		     void (*fn)(struct urctx_callback *cb))
{
	struct ring_call *c = (struct ring_call *)cb;
	bool over = ctx && urctx_done(ctx);
	struct ring_link *link = NULL;
	int ret;

	if (!r || !cb || !fn)
		return -EINVAL;
	if (!ring_mine(r))
		return ring_not_mine(__func__);
	if (r->closing)
		return -ESHUTDOWN;
	if (ctx && !over) {
		link = link_find(r, ctx);
		if (!link) {
			ret = link_make(r, ctx, &link);
			if (ret)
				return ret;
		}
	}
	r->awake = true;
	c->fn = fn;
	c->slot = foreign_slot(&by_ring);
	c->link = link;
	c->ring = r;
	list_init(&c->node);
	if (link)
		list_add_tail(&link->calls, &c->node);
	else if (over)
		list_add_tail(&r->due, &c->node);
	return 0;
}
