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
		ring_put(r, link_unused(r, link));
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

static void run(struct urctx_ring *r, struct ring_call *c)
{
	void (*fn)(struct urctx_callback *cb) = c->fn;

	let_go(c);
	r->calls++;
	fn((struct urctx_callback *)c);
	r->calls--;
}

/* Those that are due now; what they arm on a context that is over, the next time. */
bool calls_run(struct urctx_ring *r)
{
	struct ring_node now;
	bool any = !list_empty(&r->due);

	list_init(&now);
	list_splice(&now, &r->due);
	while (!list_empty(&now))
		run(r, call_of(now.next));
	return any;
}

/*
 * One of each context: what it calls may have bound an op to any of them, and what
 * it arms again is for the next time.
 */
bool idles_run(struct urctx_ring *r)
{
	struct ring_node now;
	bool any = false;

	list_init(&now);
	list_splice(&now, &r->vacant);
	while (!list_empty(&now)) {
		struct ring_link *link = container_of(now.next, struct ring_link, ops);

		list_del_init(&link->ops);
		if (link->call.ops)
			continue;		/* its end comes by here again */
		any = true;
		link_ops_add(link, 1);		/* stays while it is called for */
		run(r, call_of(link->idles.next));
		ring_put(r, link_drop(r, link));
	}
	return any;
}

/* Their contexts have not ended, and the ring does: they will not run. */
void calls_drop(struct urctx_ring *r)
{
	uint32_t i;

	do	/* of those that have, some were not heard of, or not called */
		(void)ring_turn(r);
	while (r->heard || wake_any(&r->wake) || !list_empty(&r->vacant));
	while (!list_empty(&r->never))
		let_go(call_of(r->never.next));
	for (i = 0; r->links; i = (i + 1) & r->table_mask) {
		struct ring_link *link = r->table[i];

		if (!link)
			continue;
		while (!list_empty(&link->calls))
			let_go(call_of(link->calls.next));
		while (!list_empty(&link->idles))
			let_go(call_of(link->idles.next));
		ring_put(r, link_unused(r, link));
	}
}

/*
 * On which list it waits, or a negative errno.  Only what runs anyway, as the context
 * has ended, or never, as it is the background, is on none of a link.
 */
static int list_of(struct urctx_ring *r, struct urctx *ctx, bool idle,
		   struct ring_link **link, struct ring_node **list)
{
	bool over = ring_over(ctx), linked = ctx && (idle || !over);
	int ret;

	*link = linked ? link_find(r, ctx) : NULL;
	if (linked && !*link) {
		ret = link_make(r, ctx, link);
		if (ret)
			return ret;
	}
	if (*link)
		*list = idle ? &(*link)->idles : &(*link)->calls;
	else
		*list = over ? &r->due : &r->never;
	return 0;
}

static int call_arm(struct urctx_ring *r, struct urctx *ctx,
		    struct urctx_callback *cb, void (*fn)(struct urctx_callback *cb),
		    bool idle, const char *func)
{
	struct ring_call *c = (struct ring_call *)cb;
	struct ring_link *link;
	struct ring_node *list;
	int ret;

	if (!r || !cb || !fn)
		return -EINVAL;
	if (!ring_mine(r))
		return ring_not_mine(func);
	if (r->closing)
		return -ESHUTDOWN;
	ret = list_of(r, ctx, idle, &link, &list);
	if (ret)
		return ret;
	r->awake = true;
	c->fn = fn;
	c->slot = foreign_slot(&by_ring);
	c->link = link;
	c->ring = r;
	list_add_tail(list, &c->node);
	return 0;
}

int urctx_ring_after(struct urctx_ring *r, struct urctx *ctx,
		     struct urctx_callback *cb,
		     void (*fn)(struct urctx_callback *cb))
{
	return call_arm(r, ctx, cb, fn, false, __func__);
}

int urctx_ring_idle(struct urctx_ring *r, struct urctx *ctx,
		    struct urctx_callback *cb,
		    void (*fn)(struct urctx_callback *cb))
{
	return call_arm(r, ctx, cb, fn, true, __func__);
}
