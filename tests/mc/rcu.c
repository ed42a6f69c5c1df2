/* SPDX-License-Identifier: MIT */
/*
 * rcu.c - read-side sections, grace periods, membarrier
 *
 * The weakest of what liburcu's flavours give (readers without fences and
 * membarrier; readers with fences and no membarrier), which is what RCU promises:
 * a section that the grace period did not wait for began after it began, and
 * knows what was known then; one that it waited for is known when it ends.  It
 * is a fence for its caller, and for nobody else.
 */
#include "model.h"

static void proxy_fences(int t)
{
	int u;

	for (u = 1; u <= nthr; u++) {
		touch_thread(u);
		if (BROKEN(33) && T[u].dirty)
			clock_set(&T[u].cur.c, u, clock_of(&T[u].cur, u) + 1u);
		view_join(&G.sc, &T[u].cur);
		view_join(&G.sc, &T[u].acq);
		T[u].published = 1;
	}
	for (u = 1; u <= nthr; u++) {
		view_join(&T[u].cur, &G.sc);
		T[u].acq = T[u].rel = T[u].cur;
		if (u != t)
			rehash_thread(u);
	}
}

/* The section begins behind every grace period that has begun. */
static void enter(struct thread *x)
{
	if (x->nest++ || BROKEN(15))
		return;
	view_join(&x->cur, &G.gp);
	view_join(&x->acq, &G.gp);
}

static void leave(struct thread *x)
{
	if (!x->nest) {
		die("a read-side section ends that was not begun");
		return;
	}
	if (--x->nest)
		return;
	x->gen++;
	SAVE(G.rd);
	view_join(&G.rd, &x->cur);
	view_join(&G.rd, &x->acq);
	x->published = 1;
}

static void sync_begin(int t)
{
	int u;

	if (T[t].nest) {
		die("deadlock: a grace period is waited for inside a read-side section");
		return;
	}
	fence_sc(t);
	SAVE(G.gp);
	view_join(&G.gp, &T[t].cur);
	for (u = 1; u <= nthr; u++)
		T[t].wait[u] = u != t && T[u].nest ? (uint8_t)(T[u].gen + 1) : 0;
	T[t].published = 1;
}

bool rcu_blocked(int t)
{
	int u;

	if (BROKEN(14))
		return false;
	for (u = 1; u <= nthr; u++)
		if (T[t].wait[u] && T[u].nest && (uint8_t)(T[u].gen + 1) == T[t].wait[u])
			return true;
	return false;
}

void rcu_op(int t, const struct op *o)
{
	struct thread *x = &T[t];

	switch (o->kind) {
	case OP_MEMBARRIER:
		if (BROKEN(13)) {
			fence_sc(t);
			break;
		}
		SAVE(G.sc);
		proxy_fences(t);
		break;
	case OP_BARRIER_IN:
		touch_thread((int)o->arg);
		SAVE(G.sc);
		fence_sc((int)o->arg);
		T[o->arg].published = 1;
		rehash_thread((int)o->arg);
		break;
	case OP_LOCK:
		enter(x);
		break;
	case OP_UNLOCK:
		leave(x);
		break;
	case OP_SYNC:
		sync_begin(t);
		break;
	case OP_SYNC_WAIT:
		memset(x->wait, 0, sizeof(x->wait));
		if (!BROKEN(16)) {
			view_join(&x->cur, &G.rd);
			view_join(&x->acq, &G.rd);
		}
		fence_sc(t);
		break;
	}
}
