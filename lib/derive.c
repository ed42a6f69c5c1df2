/* SPDX-License-Identifier: MIT */
/*
 * derive.c - make a context, and make references to it
 */
#include <errno.h>

#include "slab.h"
#include "slot.h"
#include "word.h"

struct urctx *urctx_background(void)
{
	return NULL;
}

struct urctx *urctx_get(struct urctx *ctx)
{
	touch(ctx);
	if (ctx) {
		uint32_t had = fetch_add_relaxed(&ctx->ref, 1);

		urctx_assert(had, "the context was put for the last time: only who "
				  "holds a reference may get another");
		(void)had;
	}
	return ctx;
}

/* Everything but its state and slot, which come with the slot. */
static void context_init(struct urctx *n, struct urctx *parent)
{
	store_relaxed(&n->ref, 1);
	store_relaxed(&n->watch, 0);
	store_relaxed(&n->chunks, (struct chunk *)NULL);
	n->parent = parent;
	n->slot = NULL;
	n->deadline = parent ? parent->deadline : URCTX_NEVER;
	n->deadline_cause = parent ? parent->deadline_cause : NULL;
	n->value = parent ? parent->value : NULL;
}

int urctx_with_cancel(struct urctx *parent, struct urctx **child)
{
	struct thread *t = this_thread();
	struct urctx *n;
	uintptr_t w;

	touch(parent);
	if (!child)
		return -EINVAL;
	urctx_assert(!parent || load_relaxed(&parent->ref),
		     "the parent was put for the last time: hold a reference "
		     "to it while you derive from it");
	n = context_alloc(t);
	if (!n)
		return -ENOMEM;
	context_init(n, parent);
	if (!parent) {
		store_relaxed(&n->state, (uintptr_t)&no_slot);
		*child = n;
		return 0;
	}
	if (!slot_take(t, parent, n, TAG_CHILD, 0)) {
		context_free(t, n);
		return -ENOMEM;
	}
	w = slot_published(parent);
	if (__builtin_expect(w & DONE, 0))
		word_end(n, inherit(w));
	*child = n;
	return 0;
}
