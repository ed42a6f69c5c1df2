/* SPDX-License-Identifier: MIT */
/*
 * GLib's GCancellable.  It has no tree: a child is a GCancellable of its own that a
 * handler connected to the parent cancels.
 */
#include <gio/gio.h>
#include <stdlib.h>
#include "peer.h"

static GCancellable *parent;

struct child {
	GCancellable *self, *parent;
	gulong link;
};

static void forward(GCancellable *from, gpointer to)
{
	(void)from;
	g_cancellable_cancel(to);
}

static void child_open(struct child *c, GCancellable *of)
{
	c->self = g_cancellable_new();
	c->parent = of;
	c->link = g_cancellable_connect(of, G_CALLBACK(forward), c->self, NULL);
}

static void child_close(struct child *c)
{
	g_cancellable_disconnect(c->parent, c->link);
	g_object_unref(c->self);
}

static const char *version(void)
{
	static char text[32];

	g_snprintf(text, sizeof(text), "GLib %u.%u.%u", glib_major_version,
		   glib_minor_version, glib_micro_version);
	return text;
}

static void open_glib(void)
{
	parent = g_cancellable_new();
}

PEER_LOOP static void poll(unsigned long n)
{
	unsigned long found = 0;

	while (n--)
		if (g_cancellable_is_cancelled(parent))
			found++;
	if (found)
		exit(1);
}

static void derive_put(unsigned long n)
{
	struct child c;

	while (n--) {
		child_open(&c, parent);
		child_close(&c);
	}
}

static void derive_cancel_put(unsigned long n)
{
	struct child c;

	while (n--) {
		child_open(&c, parent);
		g_cancellable_cancel(c.self);
		child_close(&c);
	}
}

static void nothing(GCancellable *from, gpointer data)
{
	PEER_KEEP(from);
	PEER_KEEP(data);
}

static void after_stop(unsigned long n)
{
	while (n--) {
		gulong id = g_cancellable_connect(parent, G_CALLBACK(nothing),
						  NULL, NULL);

		g_cancellable_disconnect(parent, id);
	}
}

struct tree {
	GCancellable *root;
	unsigned long n;
	GCancellable *child[];
};

static struct tree *tree_new(unsigned long n, bool deep)
{
	struct tree *t = malloc(sizeof(*t) + n * sizeof(t->child[0]));

	if (!t)
		exit(1);
	t->root = g_cancellable_new();
	t->n = n;
	for (unsigned long i = 0; i < n; i++) {
		struct child c;

		child_open(&c, deep && i ? t->child[i - 1] : t->root);
		t->child[i] = c.self;
	}
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

	g_cancellable_cancel(t->root);
}

static bool all_done(void *tree)
{
	struct tree *t = tree;

	for (unsigned long i = 0; i < t->n; i++)
		if (!g_cancellable_is_cancelled(t->child[i]))
			return false;
	return true;
}

static void *waitable(void)
{
	return g_cancellable_new();
}

/* As GLib's own blocking calls wait: in poll(), on its descriptor. */
static void wait(void *w)
{
	GPollFD fd;

	if (!g_cancellable_make_pollfd(w, &fd))
		exit(1);
	if (g_poll(&fd, 1, -1) != 1)
		exit(1);
	g_cancellable_release_fd(w);
}

static void wake(void *w)
{
	g_cancellable_cancel(w);
}

const struct peer peer = {
	.version = version,
	.open = open_glib,
	.poll = poll,
	.derive_put = derive_put,
	.derive_cancel_put = derive_cancel_put,
	.after_stop = after_stop,
	.fan = fan,
	.chain = chain,
	.cancel = cancel,
	.all_done = all_done,
	.waitable = waitable,
	.wait = wait,
	.wake = wake,
};
