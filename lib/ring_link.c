/* SPDX-License-Identifier: MIT */
/*
 * ring_link.c - what ties the ops of a ring to one context
 *
 * One callback of the context serves all its ops here: the second op of a
 * context costs a look-up and a list push.
 */
#include "ring.h"

/* Contexts are 64 bytes apart. */
static inline uint32_t place(const struct urctx_ring *r, const struct urctx *ctx)
{
	uint64_t hash = ((uintptr_t)ctx >> 6) * UINT64_C(0x9e3779b97f4a7c15);

	return (uint32_t)(hash >> 32) & r->table_mask;
}

struct ring_link *link_find(const struct urctx_ring *r, const struct urctx *ctx)
{
	struct ring_link *link;

	for (uint32_t i = place(r, ctx); (link = r->table[i]);
	     i = (i + 1) & r->table_mask)
		if (link->ctx == ctx)
			break;
	return link;
}

void link_insert(struct urctx_ring *r, struct ring_link *link)
{
	uint32_t i = place(r, link->ctx);

	while (r->table[i])
		i = (i + 1) & r->table_mask;
	r->table[i] = link;
	r->links++;
}

/* No tombstones: those that were pushed aside by @link move up. */
void link_remove(struct urctx_ring *r, const struct ring_link *link)
{
	uint32_t mask = r->table_mask, hole = place(r, link->ctx), i;

	while (r->table[hole] != link)
		hole = (hole + 1) & mask;
	for (i = (hole + 1) & mask; r->table[i]; i = (i + 1) & mask) {
		uint32_t home = place(r, r->table[i]->ctx);

		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		r->table[hole] = r->table[i];
		hole = i;
	}
	r->table[hole] = NULL;
	r->links--;
}

/* What link_fired() does not do. */
static void cancel_here(struct ring_link *link)
{
	for (struct ring_node *n = link->ops.next; n != &link->ops; n = n->next) {
		struct io_uring_sync_cancel_reg reg = {
			.addr = op_ud(link->ring, op_of(n), KIND_OP),
			.timeout = { -1, -1 },
		};

		(void)io_uring_register_sync_cancel(link->ring->ring, &reg);
	}
}

/*
 * The context has ended; this is the canceller's thread.  Whatever it did to
 * the ring itself would be refused (-EEXIST) or race with its owner.
 */
static void link_fired(struct urctx_callback *cb)
{
	struct ring_link *link = container_of(cb, struct ring_link, cb);
	struct urctx_ring *r = link->ring;

	if (URCTX_RULE_33)
		wake_push(&r->wake, &link->wake, ring_mine(r) && r->awake);
	else
		cancel_here(link);
}

int link_make(struct urctx_ring *r, struct urctx *ctx, struct ring_link **out)
{
	struct ring_link *link = r->link_free;
	int64_t when;
	int ret;

	if (unlikely(!link)) {	/* many are leaving, and no turn has heard of it */
		ret = ring_grow(r, r->slots * 2);
		if (ret)
			return ret;
		link = r->link_free;
	}
	r->link_free = link->free;
	link->cb = (struct urctx_callback){ 0 };
	link->call.kind = CALL_RING;
	link->ring = r;
	link->ctx = urctx_get(ctx);
	link->cause = NULL;
	link->told = false;
	link->place = 0;
	list_init(&link->ops);
	list_init(&link->calls);
	list_init(&link->idles);
	/* If it has ended by now fn runs in here: the next turn tells the op. */
	ret = urctx_after(ctx, &link->cb, link_fired);
	if (unlikely(ret)) {
		ring_put(r, link_free(r, link));
		return ret;
	}
	link_insert(r, link);
	when = load_relaxed(&ctx->deadline);
	if (unlikely(when != URCTX_NEVER))
		times_add(&r->ends, when, &link->place);
	if (unlikely(r->armed == ARM_NO))
		r->armed = ARM_WANTED;
	*out = link;
	return 0;
}

/* Its reference to the context is the caller's to put. */
struct urctx *link_free(struct urctx_ring *r, struct ring_link *link)
{
	link->free = r->link_free;
	r->link_free = link;
	return link->ctx;
}

/* An op of @link has left: returns as link_unused(). */
struct urctx *link_drop(struct urctx_ring *r, struct ring_link *link)
{
	link_ops_add(link, -1UL);
	return link->call.ops ? NULL : link_unused(r, link);
}

/*
 * An op or a callback of @link has left: was that the last?  Then put what this says.
 * Whom fn has not told us of yet needs no context any more, and a turn may be far.
 */
struct urctx *link_unused(struct urctx_ring *r, struct ring_link *link)
{
	if (!link_idle(link)) {
		/* whether that is still so the turn asks, in front of each of them */
		if (link->told && !link->call.ops && list_empty(&link->ops))
			list_add_tail(&r->vacant, &link->ops);
		return NULL;
	}
	list_del_init(&link->ops);
	if (unlikely(link->place))
		times_del(&r->ends, &link->place);
	link_remove(r, link);
	r->told -= link->told;
	if (!link->told && !urctx_try_stop(&link->cb)) {
		struct urctx *ctx = link->ctx;

		link->ctx = NULL;
		r->leaving++;	/* hear_link() frees it */
		return ctx;
	}
	return link_free(r, link);
}
