/* SPDX-License-Identifier: MIT */
/*
 * calls.c - the calls of an execution, held against the model of ../spec
 *
 * What was before what is not a matter of which step the search did first, but of
 * happens-before: a call was over before another if that one's thread knew it when it
 * called.  A stamp is therefore the clock of the thread, as plain accesses have it, and
 * the history is a partial order.  Nothing is interleaved for its sake.
 *
 * Which calls were known is made part of what the thread has read, and so of the
 * state's key: executions whose histories differ are not taken for one.
 */
#include "../spec/history.h"
#include "calls.h"
#include "model.h"

#include <stdio.h>
#include <stdlib.h>

#define CALLS		16	/* of a thread; all of them fit HISTORY_CALLS */
#define DEEP	4		/* calls in callbacks in calls */
#define CHECKED	(1u << 21)

static struct mine {
	int nr, order, deep;
	struct one {
		struct spec_call what;
		int invoked, returned;	/* in this thread's order; 0: not yet */
		unsigned done;		/* the clock: who knows it knows of the return */
		uint8_t outer, over;
		uint16_t known[NT];	/* calls of others that were over */
	} call[CALLS];
	uint8_t inside[DEEP];
} H[NT];

static struct spec start;
static bool used;
unsigned long histories;	/* distinct ones that were checked */

static void save(struct mine *x)
{
	jlog(x, sizeof(*x));
}

/* The calls of others that this thread knows to be over. */
static void know(struct one *c)
{
	uint64_t mask = 0;
	int u, k;

	for (u = 1; u <= nthr; u++) {
		c->known[u] = 0;
		for (k = 0; u != me && k < H[u].nr; k++)
			if (H[u].call[k].returned &&
			    clock_of(&T[me].cur, u) >= H[u].call[k].done)
				c->known[u] |= (uint16_t)(1u << k);
		mask = mix(mask, c->known[u]);
	}
	note(me, mask);
}

static int add(const struct spec_call *what)
{
	struct mine *x = &H[me];
	struct one *c = &x->call[x->nr];

	if (x->nr == CALLS) {
		die("a history of more than %d calls of a thread", CALLS);
		return 0;
	}
	*c = (struct one){ .what = *what, .outer = HISTORY_OUTER };
	c->invoked = ++x->order;
	if (me)
		know(c);
	return x->nr++;
}

static void over(struct one *c)
{
	c->returned = ++H[me].order;
	c->done = clock_of(&T[me].cur, me) + 1u;
	T[me].dirty = 1;	/* its clock goes on from here */
	if (me)
		note(me, c->done);
}

int mc_invoke(const struct spec_call *what)
{
	struct mine *x = &H[me];
	int i;

	if (!used) {
		SAVE(used);
		used = true;
	}
	save(x);
	i = add(what);
	if (x->deep) {
		x->call[i].outer = x->inside[0];
		x->call[i].what.nested = true;
	}
	if (x->deep < DEEP)
		x->inside[x->deep] = (uint8_t)i;
	x->deep++;
	return i;
}

void mc_returned(int i, int result, int cause)
{
	struct mine *x = &H[me];

	save(x);
	x->call[i].what.result = result;
	x->call[i].what.cause = (uint8_t)cause;
	x->deep--;
	over(&x->call[i]);
}

/* At the entry of a callback's function, and before its end. */
void mc_claimed(int cb)
{
	struct mine *x = &H[me];
	struct one *c, *within;
	int i;

	save(x);
	if (!x->deep) {
		die("callback %d runs outside of any call of the library", cb);
		return;
	}
	within = &x->call[x->inside[x->deep - 1]];
	i = add(&(struct spec_call){ .kind = SPEC_CLAIM, .cb = (uint8_t)cb });
	c = &x->call[i];
	c->outer = x->inside[0];
	c->invoked = within->invoked;
	memcpy(c->known, within->known, sizeof(c->known));
	over(c);
}

void mc_over(int cb)
{
	struct mine *x = &H[me];
	int i;

	save(x);
	i = add(&(struct spec_call){ .kind = SPEC_OVER, .cb = (uint8_t)cb });
	x->call[i].outer = x->inside[0];
}

/* init(): as the model does it. */
void history_begin(void)
{
	struct spec out[SPEC_WAYS], back[SPEC_WAYS];
	int i;

	for (i = 0; i < H[0].nr && !failed; i++) {
		struct spec_call *c = &H[0].call[i].what;

		if (spec_step(&start, c, out) < 1 || spec_return(&out[0], c, back) < 1)
			die("history: call %d of init is not as in the model", i);
		start = back[0];
	}
	H[0].nr = 0;
}

static void history_of(struct history *h)
{
	int nr[NT + 1] = { 0 }, t, u, i, k, from;

	memset(h, 0, sizeof(*h));
	h->start = start;
	for (t = 1; t <= nthr; t++)
		nr[t + 1] = nr[t] + H[t].nr;
	for (t = 1; t <= nthr + 1; t++) {
		const struct mine *x = &H[t <= nthr ? t : 0];

		from = t <= nthr ? nr[t] : h->nr;
		for (i = 0; i < x->nr && h->nr < HISTORY_CALLS; i++) {
			const struct one *c = &x->call[i];
			struct history_call *to = &h->call[h->nr++];

			to->what = c->what;
			to->thread = (uint8_t)t;
			to->outer = c->outer == HISTORY_OUTER ?
				    c->outer : (uint8_t)(from + c->outer);
			for (k = 0; k < x->nr; k++)
				if (x->call[k].returned && x->call[k].returned < c->invoked)
					to->before |= 1ull << (from + k);
			if (t > nthr)		/* fini(): after all */
				to->before |= (1ull << from) - 1;
			for (u = 1; u <= nthr && t <= nthr; u++)
				to->before |= (uint64_t)c->known[u] << nr[u];
		}
	}
}

static bool is_new(const struct history *h)
{
	static uint64_t *set;
	uint64_t k = 1;
	const char *p = (const char *)h;
	size_t i;

	if (!set)
		set = calloc(CHECKED, sizeof(*set));
	if (!set || histories > CHECKED / 2)
		return true;
	for (i = 0; i < sizeof(*h); i += 8) {
		uint64_t w;

		memcpy(&w, p + i, 8);
		k = mix(k, w);
	}
	k |= !k;
	for (i = k % CHECKED; set[i]; i = (i + 1) % CHECKED)
		if (set[i] == k)
			return false;
	set[i] = k;
	return true;
}

/* The execution is over. */
void history_end(void)
{
	static struct history h;
	static struct history_room room;
	char text[160];
	int i, right;

	if (!used)
		return;
	history_of(&h);
	if (!tracing && !is_new(&h))
		return;
	histories++;
	for (i = 0; tracing && i < h.nr; i++) {
		history_text(&h, i, text, sizeof(text));
		printf("%s\n", text);
	}
	right = history_check(&h, &room);
	if (right == 1)
		return;
	die(right ? "history: too many orders to try" :
		    "history: no order of the calls explains the answers");
}
