/* SPDX-License-Identifier: MIT */
/*
 * tree_call.c - callbacks that act
 *
 * On the thread that cancels, or on the library's while the clock is advanced, for
 * which the main thread waits: there is never more than one at work.
 */
#include "tree.h"

#include <string.h>

static void act(struct t_call *c)
{
	struct m_node *n = t_node(c->target);
	unsigned parent, i;

	switch (c->action % 9) {
	case 1:
		t_put(n);
		break;
	case 2:
		t_cancel(n, 2 + c->action / 9 % (M_CAUSES - 2));
		break;
	case 3:
		if (tree.m.nr == M_NODES)
			break;
		parent = n ? (unsigned)(n - tree.m.node) : 0;
		n = t_new(&parent, !!n, M_PLAIN, 0);
		expect(!urctx_with_cancel(n->nr_parents ? tree.ctx[parent] : NULL,
					  t_place(n)), "no memory");
		t_look(n);
		if (c->action / 9 % 2)
			t_put(n);
		break;
	case 4:
	case 5:
		t_stop(&tree.call[c->target % T_CALLS], c->action % 9 == 5);
		break;
	case 6:
		if (c->ran < 3)
			t_arm(c, n);
		break;
	case 7:
		for (i = 0; i < tree.m.nr; i++)
			if (tree.m.node[i].refs && !tree.m.node[i].loose)
				t_look(&tree.m.node[i]);
		break;
	case 8:
		expect(urctx_clock_advance(1) < 0, "within a callback");
		break;
	}
}

static void called(struct urctx_callback *cb)
{
	struct t_call *c = (struct t_call *)cb;
	struct m_node *n;

	if (tree.advancing)
		m_time(&tree.m, urctx_now());
	expect(c->armed, "callback %d, run %u", (int)(c - tree.call), c->ran);
	n = &tree.m.node[c->on];
	expect(n->over, "callback %d of a live context", (int)(c - tree.call));
	c->armed = false;
	c->ran++;
	if (tree.depth < T_DEPTH) {
		tree.depth++;
		act(c);
		tree.depth--;
	}
	n->calls--;
}

void t_arm(struct t_call *c, struct m_node *n)
{
	bool over = n && n->over, fixed = n && n->fixed;
	unsigned ran = c->ran;
	int ret;

	if (c->armed)
		return;
	c->armed = true;
	c->on = n ? (int)(n - tree.m.node) : -1;
	if (n)
		n->calls++;
	ret = urctx_after(t_ctx(n), &c->cb, called);
	expect(!ret, "%d", ret);
	/* one that expires in this nanosecond the timekeeper may still have to tell */
	if (fixed)
		expect(c->ran > ran, "the context was over");
	else if (!over)
		expect(c->ran == ran, "the context was live");
}

void t_stop(struct t_call *c, bool wait)
{
	bool armed = c->armed, stopped;

	/* before the call: what it held may go in it */
	c->armed = false;
	if (armed && c->on >= 0)
		tree.m.node[c->on].calls--;
	stopped = wait ? urctx_stop(&c->cb) : urctx_try_stop(&c->cb);
	expect(stopped == armed, "callback %d", (int)(c - tree.call));
}

void t_all_told(void)
{
	unsigned i;

	for (i = 0; i < T_CALLS; i++)
		expect(!tree.call[i].armed || tree.call[i].on < 0 ||
		       !tree.m.node[tree.call[i].on].over,
		       "callback %u was not told", i);
}

void t_calls_end(void)
{
	unsigned i;

	for (i = 0; i < T_CALLS; i++)
		t_stop(&tree.call[i], i & 1);
}
