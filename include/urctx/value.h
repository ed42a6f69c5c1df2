/* SPDX-License-Identifier: MIT */
/**
 * DOC: what a request carries with it; part of <urctx.h>
 *
 * Request-scoped data that passes through code which does not know of it: who
 * asked, a trace, a logger.  A look-up costs the same however deep the context is
 * and however many values are above it, found or not.  A value does not change and
 * is not taken away; deriving with the same key hides it from there on.
 */
#ifndef URCTX_VALUE_H
#define URCTX_VALUE_H

#include <urctx.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct urctx_key - what a value is found by: the address of this is its identity
 * @name: for people, in urctx_dump(); may be NULL
 * @release: called with the value when its context is gone; NULL: nothing is
 *
 * Make it static, in the file that owns the values, and export functions rather
 * than the key: ``const struct user *request_user(const struct urctx *)``.
 *
 * @release runs once, when nothing can look the value up any more: in the last put
 * of its context or of what was derived from it.  Where another was still inside, with
 * a cancel, a stop or a put, it is left for the library's thread, or for the next put or
 * stop of any thread, whichever comes first: it must not take a lock that is held around
 * those.  It may call anything of this file.  Values of one chain whose contexts one
 * thread puts, child before parent, with nobody else inside, are released in that order;
 * else a child's may come behind its parent's: who needs the parent's value in it holds
 * a reference of his own to that.
 */
struct urctx_key {
	const char *name;
	void (*release)(void *value);
};

/**
 * urctx_with_value() - derive a context that carries one value more
 * @parent: a context the caller has a reference to; NULL makes a root
 * @key: its identity; must outlive the context
 * @value: yours; NULL hides what is above
 * @child: where the new context goes, with one reference, the caller's
 *
 * Unlike Go's it can be cancelled by itself, as any other context.
 *
 * Beware: on failure @value is still yours: @key->release was not called.
 *
 * Context: any thread, inside callbacks too; calls malloc(); not async-signal-safe.
 * Return: 0; -ENOMEM; -EINVAL if @key or @child is NULL.
 */
URCTX_MUST_CHECK_ int urctx_with_value(struct urctx *parent,
				       const struct urctx_key *key, void *value,
				       struct urctx **child);

/**
 * urctx_value() - look a value up
 * @ctx: a context, or NULL: NULL
 * @key: its identity; NULL: NULL
 *
 * The nearest at or above @ctx; whether it is done does not matter.  Borrowed: it
 * lives as long as the caller's reference to @ctx.
 *
 * Beware: NULL is also what a NULL value looks like.
 *
 * Context: any thread; wait-free.
 * Return: the value, or NULL: there is none.
 */
void *urctx_value(const struct urctx *ctx, const struct urctx_key *key);

#ifdef __cplusplus
}
#endif
#endif
