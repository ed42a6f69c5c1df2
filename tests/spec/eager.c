/* SPDX-License-Identifier: MIT */
/*
 * eager.c - does the model lose nothing by ending descendants late (spec.h)?
 *
 * Contexts the other way: a machine does one thing after another, each end of each
 * context at an instant of its own, and threads come to be seen in between.  What
 * they see are histories, by chance, and each of them has to be right.
 *
 *	cc -I. eager.c spec.c history.c && ./a.out 100000 [seed]
 */
#include "history.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS		3
#define CALLS		4	/* of each */
#define TREE		5	/* contexts that are there before, and callbacks: */
#define ARMED_BEFORE	2
#define DEADLINE	60	/* and more: causes of deadlines */

enum { UNUSED, ARMED, DUE, RUNNING, OVER, STOPPED };	/* as spec.c has them */
enum phase { IDLE, CALLED, WORKING, INSIDE, WAITING, RETURNING };

static struct history h;
static struct history_room room;
static struct spec is;			/* how it is, by the rules of this file alone */
static uint64_t tick, seed;
static struct thread {
	enum phase phase;
	int nr, call, cb;		/* calls made; the one it is in; the callback */
} threads[THREADS];

static unsigned chance(unsigned of)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 20) % of;
}

static void end(struct spec_context *c, uint8_t cause, uint8_t expired)
{
	c->cause = cause;
	c->expired = expired;
}

/* If @x is live, one of the things that may end it does.  False: there is none. */
static bool reach(unsigned x, bool by_time)
{
	struct spec_context *c = &is.ctx[x], *from[SPEC_PARENTS];
	unsigned i, n = 0;

	for (i = 0; i < c->nr_parents; i++)
		if (is.ctx[c->parent[i]].cause)
			from[n++] = &is.ctx[c->parent[i]];
	by_time &= c->deadline <= is.now;
	if (c->cause || !(n + by_time))
		return false;
	i = chance(n + by_time);
	if (i == n)
		end(c, c->deadline_cause, 1);
	else
		end(c, from[i]->cause, from[i]->expired);
	return true;
}

static bool below(unsigned x, unsigned top)
{
	unsigned i;

	if (x == top)
		return true;
	for (i = 0; i < is.ctx[x].nr_parents; i++)
		if (below(is.ctx[x].parent[i], top))
			return true;
	return false;
}

static void make(const struct spec_call *w)
{
	struct spec_context *x = &is.ctx[w->ctx];
	unsigned i;

	*x = (struct spec_context){ .deadline = w->when, .deadline_cause = w->cause, .refs = 1 };
	if (w->kind == SPEC_SHIELD) {
		x->deadline = SPEC_NEVER;
		x->deadline_cause = 0;
		return;
	}
	x->nr_parents = w->nr_parents;
	memcpy(x->parent, w->parent, sizeof(x->parent));
	for (i = x->nr_parents; i--;)
		if (is.ctx[x->parent[i]].deadline <= x->deadline) {
			x->deadline = is.ctx[x->parent[i]].deadline;
			x->deadline_cause = is.ctx[x->parent[i]].deadline_cause;
		}
	if (x->deadline == SPEC_NEVER)
		x->deadline_cause = 0;
	reach(w->ctx, false);
}

/* Some context of the tree, or that @t has made. */
static uint8_t some(int t)
{
	unsigned i, tries = 8;

	while (t >= 0 && tries--) {
		i = TREE + (unsigned)t * CALLS + chance(CALLS);
		if (is.ctx[i].refs)
			return (uint8_t)i;
	}
	return (uint8_t)chance(TREE);
}

static void parents(struct spec_call *w, int t, unsigned room_below)
{
	unsigned i, nr = 1 + chance(2) + chance(2);

	for (w->nr_parents = 0; nr--;) {
		uint8_t p = t < 0 ? (uint8_t)chance(room_below) : some(t);

		for (i = 0; i < w->nr_parents && w->parent[i] != p; i++)
			;
		if (i == w->nr_parents)
			w->parent[w->nr_parents++] = p;
	}
}

static struct spec_call invent(int t)
{
	static const uint8_t kinds[] = {
		SPEC_DERIVE, SPEC_DERIVE, SPEC_DERIVE, SPEC_SHIELD, SPEC_CANCEL, SPEC_CANCEL,
		SPEC_CANCEL, SPEC_CANCEL, SPEC_ERR, SPEC_ERR, SPEC_CAUSE, SPEC_CAUSE,
		SPEC_CAUSE, SPEC_DONE, SPEC_AFTER, SPEC_STOP, SPEC_TRY_STOP, SPEC_TIME,
	};
	int own = t * CALLS + threads[t].nr;
	struct spec_call w = { .kind = kinds[chance(sizeof(kinds))], .ctx = some(t),
			       .when = SPEC_NEVER };

	if (w.kind <= SPEC_SHIELD) {
		parents(&w, t, 0);
		w.ctx = (uint8_t)(TREE + own);
		if (w.nr_parents == 1 && !chance(3)) {
			w.when = 1 + chance(8);
			w.cause = (uint8_t)(DEADLINE + own);
		}
	}
	if (w.kind == SPEC_SHIELD)
		w.nr_parents = 1;
	if (w.kind == SPEC_CANCEL)
		w.cause = (uint8_t)(1 + own);
	if (w.kind == SPEC_AFTER)
		w.cb = (uint8_t)(ARMED_BEFORE + own);
	if (w.kind == SPEC_STOP || w.kind == SPEC_TRY_STOP)
		w.cb = (uint8_t)chance(ARMED_BEFORE);
	if (w.kind == SPEC_TIME)
		w.when = is.now + 1 + chance(4);
	return w;
}

static enum phase ask(struct spec_call *w)
{
	struct spec_context *x = &is.ctx[w->ctx];

	if (w->kind != SPEC_DONE && x->deadline <= is.now)
		reach(w->ctx, true);
	if (w->kind == SPEC_CAUSE)
		w->cause = x->cause;
	else if (w->kind == SPEC_ERR)
		w->result = !x->cause ? 0 : x->expired ? -ETIME : -ECANCELED;
	else if (w->kind == SPEC_DONE)
		w->result = x->cause != 0;
	if (w->kind != SPEC_CANCEL)
		return RETURNING;
	w->result = !x->cause;
	if (!x->cause)
		end(x, w->cause, 0);
	return WORKING;
}

static enum phase take_effect(struct spec_call *w)
{
	struct spec_callback *cb = &is.cb[w->cb];

	switch (w->kind) {
	case SPEC_DERIVE:
	case SPEC_SHIELD:
		make(w);
		return RETURNING;
	case SPEC_AFTER:
		*cb = (struct spec_callback){ .state = ARMED, .ctx = w->ctx };
		return is.ctx[w->ctx].cause ? WORKING : RETURNING;
	case SPEC_STOP:
	case SPEC_TRY_STOP:
		w->result = cb->state == ARMED;
		if (w->result)
			cb->state = STOPPED;
		return w->kind == SPEC_STOP && !w->result ? WAITING : RETURNING;
	case SPEC_TIME:
		is.now = w->when > is.now ? w->when : is.now;
		return RETURNING;
	}
	return ask(w);
}

/* A callback, of those that this call has to run, is entered. */
static bool enter(struct thread *t, int b)
{
	struct history_call *outer = &h.call[t->call];
	const struct spec_callback *cb = &is.cb[b];

	if (cb->state != ARMED || !is.ctx[cb->ctx].cause ||
	    (outer->what.kind == SPEC_AFTER ? outer->what.cb != b :
	     !below(cb->ctx, outer->what.ctx)))
		return false;
	is.cb[b].state = RUNNING;
	t->cb = b;
	h.call[h.nr++] = (struct history_call){
		.what = { .kind = SPEC_CLAIM, .cb = (uint8_t)b }, .thread = outer->thread,
		.outer = (uint8_t)t->call, .invoked = outer->invoked, .returned = ++tick,
	};
	return true;
}

/* One thing of what a cancel does behind its effect. */
static enum phase work(struct thread *t)
{
	const struct spec_call *w = &h.call[t->call].what;
	unsigned from = chance(SPEC_CONTEXTS), i;
	int b;

	if (chance(2))
		for (b = 0; b < SPEC_CALLBACKS; b++)
			if (enter(t, b))
				return INSIDE;
	for (i = 0; w->kind == SPEC_CANCEL && i < SPEC_CONTEXTS; i++) {
		unsigned x = (from + i) % SPEC_CONTEXTS;

		if (below(x, w->ctx) && reach(x, false))
			return WORKING;
	}
	for (b = 0; b < SPEC_CALLBACKS; b++)
		if (enter(t, b))
			return INSIDE;
	return RETURNING;
}

static void go_on(int nr)
{
	struct thread *t = &threads[nr];
	struct history_call *c = &h.call[t->call];

	switch (t->phase) {
	case IDLE:
		t->call = h.nr;
		h.call[h.nr++] = (struct history_call){
			.what = invent(nr), .thread = (uint8_t)nr, .outer = HISTORY_OUTER,
			.invoked = ++tick, .returned = UINT64_MAX,
		};
		t->nr++;
		t->phase = CALLED;
		break;
	case CALLED:
		t->phase = take_effect(&c->what);
		break;
	case WORKING:
		t->phase = work(t);
		break;
	case INSIDE:
		h.call[h.nr++] = (struct history_call){
			.what = { .kind = SPEC_OVER, .cb = (uint8_t)t->cb },
			.thread = (uint8_t)nr, .outer = (uint8_t)t->call,
			.invoked = ++tick, .returned = UINT64_MAX,
		};
		is.cb[t->cb].state = OVER;
		t->phase = WORKING;
		break;
	case WAITING:
		if (is.cb[c->what.cb].state != RUNNING)
			t->phase = RETURNING;
		break;
	case RETURNING:
		c->returned = ++tick;
		t->phase = IDLE;
	}
}

static void one(void)
{
	unsigned i;
	bool left;

	memset(&h, 0, sizeof(h));
	memset(&is, 0, sizeof(is));
	memset(threads, 0, sizeof(threads));
	for (i = 0; i < TREE; i++) {
		struct spec_call w = { .ctx = (uint8_t)i, .when = SPEC_NEVER };

		if (i && chance(4))
			parents(&w, -1, i);
		make(&w);
	}
	for (i = 0; i < ARMED_BEFORE; i++)
		is.cb[i] = (struct spec_callback){ ARMED, (uint8_t)chance(TREE) };
	h.start = is;
	do {
		int t = (int)chance(THREADS);

		if (threads[t].phase != IDLE || threads[t].nr < CALLS)
			go_on(t);
		if (!chance(8))		/* the timekeeper, or a walk */
			reach(chance(SPEC_CONTEXTS), true);
		for (i = left = 0; i < THREADS; i++)
			left |= threads[i].phase != IDLE || threads[i].nr < CALLS;
	} while (left);
	history_order(&h);
}

static void show(void)
{
	char text[120];
	int i;

	for (i = 0; i < TREE; i++)
		printf("  c%d: %d parents: c%d c%d c%d\n", i, h.start.ctx[i].nr_parents,
		       h.start.ctx[i].parent[0], h.start.ctx[i].parent[1],
		       h.start.ctx[i].parent[2]);
	for (i = 0; i < h.nr; i++) {
		history_text(&h, i, text, sizeof(text));
		printf("  %s\n", text);
	}
}

int main(int argc, char **argv)
{
	long nr = argc > 1 ? atol(argv[1]) : 100000, k, too_much = 0;
	int got;

	seed = (argc > 2 ? (uint64_t)atol(argv[2]) : 1) * 0x9e3779b97f4a7c15 | 1;
	for (k = 1; k <= nr; k++) {
		one();
		got = history_check(&h, &room);
		too_much += got < 0;
		if (got)
			continue;
		printf("no order explains history %ld:\n", k);
		show();
		return 1;
	}
	printf("eager: %ld histories, 0 wrong, %ld too long to decide\n", nr, too_much);
	return 0;
}
