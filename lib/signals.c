/* SPDX-License-Identifier: MIT */
/*
 * signals.c - a context that ends with the first of some signals
 *
 * Each signal that is named has a hidden root, and the context is a child of those
 * and of its parent (any.c).  The housekeeper reads the signal (signals_read.c),
 * takes its root away, for contexts that are made from here on have not seen that
 * one, and cancels it: one signal ends all that named it.  When the last context
 * that names a signal is gone, it is read no more.
 *
 * No lock is held when a root is ended or put: both run user's code.
 */
#include "any.h"
#include "cancel.h"
#include "derive.h"
#include "house.h"
#include "signals_read.h"

static struct source {
	struct urctx *root;	/* of contexts made since it last arrived, or NULL */
	uint32_t users;		/* contexts that name it, over or not */
} source[NSIG];

/* What a context named. */
struct named {
	sigset_t set;
};

#define for_each_signal(sig, set)                                              \
	for ((sig) = 1; (sig) < NSIG; (sig)++)                                 \
		if (sigismember(set, sig))

/* NULL: it is empty, or has one that cannot be named. */
static struct named *named_make(const sigset_t *set, int *ret)
{
	struct named *n;
	int sig, nr = 0;

	*ret = -EINVAL;
	if (!set)
		return NULL;
	for_each_signal(sig, set) {
		if (!signal_cause(sig))
			return NULL;
		nr++;
	}
	if (!nr || !sys_signals_blocked(set))
		return NULL;
	n = (struct named *)sys_alloc(sizeof(*n));
	*ret = n ? 0 : -ENOMEM;
	if (n)
		n->set = *set;
	return n;
}

/* One context more for each of @set, and a reference to the root of each. */
static int sources_take(const sigset_t *set, struct urctx **roots, size_t *nr)
{
	int sig, ret = 0;
	struct sys_calm calm;

	sys_calm_begin(&calm);	/* a handler may fork, which takes this lock */
	lock_take(&signals_lock);
	for_each_signal(sig, set) {
		struct source *s = &source[sig];

		s->users++;
		sigaddset(&signals_wanted, sig);
		if (!ret && !s->root)
			ret = urctx_with_cancel(NULL, &s->root);
		if (!ret)
			roots[(*nr)++] = urctx_get(s->root);
	}
	fetch_add_relaxed(&signals_kept, 1);
	signals_want();
	lock_drop(&signals_lock);
	sys_calm_end(&calm);
	house_until(INT64_MIN);
	return ret;
}

/* One less; the roots that nobody has any more are put. */
static void sources_drop(const sigset_t *set, bool swallow)
{
	struct urctx *roots[NSIG];
	sigset_t free;
	size_t nr = 0;
	int sig;
	struct sys_calm calm;

	sigemptyset(&free);
	sys_calm_begin(&calm);
	lock_take(&signals_lock);
	for_each_signal(sig, set) {
		struct source *s = &source[sig];

		if (--s->users)
			continue;
		if (s->root)
			roots[nr++] = s->root;
		s->root = NULL;
		sigdelset(&signals_wanted, sig);
		sigaddset(&free, sig);
	}
	fetch_sub_relaxed(&signals_kept, 1);
	signals_want();
	/* what came before this was the contexts', though nobody has read it yet */
	sigandset(&free, &free, &calm.signals);
	while (swallow && sys_signal_take(&free))
		;
	lock_drop(&signals_lock);
	sys_calm_end(&calm);
	house_until(INT64_MIN);
	while (nr)
		urctx_put(roots[--nr]);
}

/* The context is gone. */
static void released(void *arg)
{
	struct named *n = (struct named *)arg;

	sources_drop(&n->set, true);
	sys_free(n);
}

int urctx_with_signals(struct urctx *parent, const sigset_t *set,
		       struct urctx **child)
{
	struct urctx *parents[NSIG] = { parent };
	struct named *n;
	size_t nr = 1;
	int ret;

	derive_check(parent, child);
	n = named_make(set, &ret);
	if (!n)
		return ret;
	ret = sources_take(&n->set, parents, &nr);
	if (!ret && !house_rely())
		ret = -EAGAIN;
	if (!ret)
		ret = any_derive(parents, nr, released, n, child);
	if (ret) {
		sources_drop(&n->set, false);
		sys_free(n);
	}
	while (nr > 1)
		urctx_put(parents[--nr]);
	return derived(ret, child);
}

/* One that has arrived, or 0; its root, if anybody is to hear of it. */
static int arrived(struct urctx **root)
{
	int sig;

	lock_take(&signals_lock);
	sig = signals_next();
	if (sig) {
		*root = source[sig].root;
		source[sig].root = NULL;
	}
	lock_drop(&signals_lock);
	return sig;
}

void signals_turn(void)
{
	struct urctx *root;
	int sig, nr = 0;

	lock_take(&signals_lock);
	signals_follow();
	lock_drop(&signals_lock);
	/* a flood of them does not keep him from his other duties */
	while (nr++ < NSIG && (sig = arrived(&root))) {
		if (!root)
			continue;
		tree_end(root, (uintptr_t)signal_cause(sig) | DONE);
		urctx_put(root);
	}
}
