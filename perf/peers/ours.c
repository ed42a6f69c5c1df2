/* SPDX-License-Identifier: MIT */
/* liburctx, linked as its users do. */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <urctx.h>
#include "peer.h"

enum { DEPTH = 100 };

static struct urctx *parent, *leaf;
static struct urctx_key keys[DEPTH + 1];
static int64_t far;

static void *must(int error, void *p)
{
	if (error)
		exit(1);
	return p;
}

static const char *version(void)
{
	static char text[4096];
	Dl_info info;
	char *so;

	if (!dladdr(dlsym(RTLD_DEFAULT, "urctx_with_cancel"), &info) ||
	    !realpath(info.dli_fname, text))
		return "liburctx";
	so = strstr(text, "liburctx.so.");
	return so ? so : "liburctx";
}

static void open_ours(void)
{
	must(urctx_with_cancel(NULL, &parent), parent);
	far = peer_now() + 3600 * INT64_C(1000000000);
	leaf = parent;
	for (int i = 0; i < DEPTH; i++)
		must(urctx_with_value(leaf, &keys[i], &keys[i], &leaf), leaf);
}

PEER_LOOP static void poll(unsigned long n)
{
	struct urctx *ctx = parent;
	unsigned long found = 0;

	while (n--) {
		if (urctx_done(ctx))
			found++;
		PEER_KEEP(ctx);
	}
	must(found, ctx);
}

static void derive_put(unsigned long n)
{
	struct urctx *c;

	while (n--) {
		must(urctx_with_cancel(parent, &c), c);
		PEER_KEEP(c);
		urctx_put(c);
	}
}

static void derive_cancel_put(unsigned long n)
{
	struct urctx *c;

	while (n--) {
		must(urctx_with_cancel(parent, &c), c);
		urctx_cancel(c);
		urctx_put(c);
	}
}

static void nothing(struct urctx_callback *cb)
{
	PEER_KEEP(cb);
}

static void after_stop(unsigned long n)
{
	while (n--) {
		struct urctx_callback cb = { { NULL } };

		if (urctx_after(parent, &cb, nothing) || !urctx_stop(&cb))
			exit(1);
	}
}

static void with_timeout_put(unsigned long n)
{
	struct urctx *c;

	while (n--) {
		must(urctx_with_timeout(parent, 3600 * INT64_C(1000000000), &c),
		     c);
		PEER_KEEP(c);
		urctx_put(c);
	}
}

static void with_deadline_put(unsigned long n)
{
	struct urctx *c;

	while (n--) {
		must(urctx_with_deadline(parent, far, &c), c);
		PEER_KEEP(c);
		urctx_put(c);
	}
}

static void value(const struct urctx_key *key, const void *expected,
		  unsigned long n)
{
	while (n--) {
		if (urctx_value(leaf, key) != expected)
			exit(1);
		PEER_KEEP(leaf);
	}
}

static void value_hit(unsigned long n)
{
	value(&keys[0], &keys[0], n);
}

static void value_miss(unsigned long n)
{
	value(&keys[DEPTH], NULL, n);
}

/* -------------------------------------------------------------------- trees */

struct tree {
	struct urctx *root;
	unsigned long n;
	struct urctx *child[];
};

static struct tree *tree_new(unsigned long n, bool deep)
{
	struct tree *t = malloc(sizeof(*t) + n * sizeof(t->child[0]));

	if (!t || urctx_with_cancel(NULL, &t->root))
		exit(1);
	t->n = n;
	for (unsigned long i = 0; i < n; i++)
		must(urctx_with_cancel(deep && i ? t->child[i - 1] : t->root,
				       &t->child[i]), t);
	return t;
}

static void *fan(unsigned long n)
{
	return tree_new(n, false);
}

static void *chain(unsigned long n)
{
	return tree_new(n, true);
}

static void cancel(void *tree)
{
	struct tree *t = tree;

	urctx_cancel(t->root);
}

static bool all_done(void *tree)
{
	struct tree *t = tree;

	for (unsigned long i = 0; i < t->n; i++)
		if (!urctx_done(t->child[i]))
			return false;
	return true;
}

/* ------------------------------------------------------------------ waiting */

static void *waitable(void)
{
	struct urctx *c;

	must(urctx_with_cancel(parent, &c), c);
	return c;
}

static void wait(void *c)
{
	if (urctx_wait(c, URCTX_NEVER))
		exit(1);
	urctx_put(c);
}

static void wake(void *c)
{
	urctx_get(c);		/* the waiter puts it as soon as it is awake */
	urctx_cancel((struct urctx *)c);
	urctx_put(c);
}

struct late {
	struct urctx_callback cb;
	_Atomic int64_t ran;
};

static void expired(struct urctx_callback *cb)
{
	struct late *l = (struct late *)cb;	/* its first member */

	atomic_store(&l->ran, peer_now());
}

/* A callback's: what has to be told. A wait or a ring has its own sleep. */
static int64_t late(int64_t deadline)
{
	struct late l = { .ran = 0 };
	struct urctx *c;

	must(urctx_with_deadline(parent, deadline, &c), c);
	if (urctx_after(c, &l.cb, expired))
		exit(1);
	while (urctx_wait(NULL, deadline + 1000000) == -EINTR)
		;
	urctx_stop(&l.cb);
	urctx_put(c);
	return atomic_load(&l.ran) - deadline;
}

const struct peer peer = {
	.version = version,
	.open = open_ours,
	.poll = poll,
	.derive_put = derive_put,
	.derive_cancel_put = derive_cancel_put,
	.after_stop = after_stop,
	.with_timeout_put = with_timeout_put,
	.with_deadline_put = with_deadline_put,
	.value_hit = value_hit,
	.value_miss = value_miss,
	.fan = fan,
	.chain = chain,
	.cancel = cancel,
	.all_done = all_done,
	.waitable = waitable,
	.wait = wait,
	.wake = wake,
	.late = late,
};
