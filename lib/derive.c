/* SPDX-License-Identifier: MIT */
/*
 * derive.c - make a context, and make references to it
 */
#include <errno.h>

#include "derive.h"

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

int child_publish_root(struct urctx *n, uintptr_t live)
{
	store_relaxed(&n->state,
		      (uintptr_t)&no_slot | (live & STATE_BITS));
	return 0;
}

int child_refused(struct thread *t, struct urctx *n)
{
	context_free(t, n);
	return -ENOMEM;
}

int urctx_with_cancel(struct urctx *parent, struct urctx **child)
{
	struct thread *t = this_thread();
	struct urctx *n;
	int ret;

	derive_check(parent, child);
	n = child_make(t, parent);
	if (!n)
		return -ENOMEM;
	ret = child_publish(t, parent, n, child_lazy(parent));
	if (!ret)
		*child = n;
	return derived(ret, child);
}

/*
 * A shield: its parent keeps it linked, for the values' sake and the tree's, and
 * does not find its own slot in its word.
 */
int urctx_without_cancel(struct urctx *parent, struct urctx **child)
{
	struct thread *t = this_thread();
	struct urctx *n;

	derive_check(parent, child);
	n = child_make(t, parent);
	if (!n)
		return -ENOMEM;
	store_relaxed(&n->deadline, URCTX_NEVER);
	if (!parent) {
		child_publish_root(n, 0);
	} else if (!slot_take(t, parent, n, TAG_CHILD, (uintptr_t)&no_slot)) {
		return child_refused(t, n);
	}
	*child = n;
	return derived(0, child);
}
