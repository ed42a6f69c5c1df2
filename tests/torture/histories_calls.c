/* SPDX-License-Identifier: MIT */
/*
 * histories_calls.c - one burst: a small tree, what threads call, what was answered
 *
 * A call is stamped in front of it and behind it: by one counter that all threads
 * add to, or by the processor's clock, which is the same for all and does not keep
 * stores and loads in order beyond what is needed.
 */
#include "histories.h"

__thread struct page *writing;
bool by_tsc;

#define C(n) { "history", NULL, NULL, 0, n }
static const struct urctx_cause causes[] = {
	C(1), C(2), C(3), C(4), C(5), C(6), C(7), C(8), C(9), C(10), C(11), C(12), C(13),
	C(14), C(15), C(16), C(17), C(18), C(19), C(20), C(21), C(22), C(23), C(24),
	C(25), C(26), C(27), C(28), C(29), C(30), C(31), C(32),
};

static uint64_t stamp(void)
{
	static uint64_t clock __attribute__((aligned(64)));

#ifdef __x86_64__
	if (by_tsc) {
		uint64_t now;

		__builtin_ia32_lfence();
		now = __builtin_ia32_rdtsc();
		__builtin_ia32_lfence();
		return now;
	}
#endif
	return __atomic_add_fetch(&clock, 1, __ATOMIC_SEQ_CST);
}

static struct history_call *write_down(struct spec_call what)
{
	struct history_call *c = &writing->call[writing->nr++];

	must(writing->nr <= LINES);
	*c = (struct history_call){ .what = what, .outer = HISTORY_OUTER };
	return c;
}

/* Two calls: it was taken by the one around it, and is over. */
static void called_back(struct urctx_callback *cb)
{
	struct callback *k = (struct callback *)cb;
	struct history_call *c;

	c = write_down((struct spec_call){ .kind = SPEC_CLAIM, .cb = k->nr });
	c->outer = (uint8_t)writing->outer;
	c->invoked = writing->call[writing->outer].invoked;
	c->returned = stamp();
	c = write_down((struct spec_call){ .kind = SPEC_OVER, .cb = k->nr });
	c->outer = (uint8_t)writing->outer;
	c->invoked = stamp();
	c->returned = UINT64_MAX;
}

/* Around a call of the library. */
#define CALL(c, expr)                                                          \
	do {                                                                   \
		writing->outer = (unsigned)((c) - writing->call);              \
		(c)->invoked = stamp();                                        \
		expr;                                                          \
		(c)->returned = stamp();                                       \
	} while (0)

static unsigned cause_number(const struct urctx_cause *cause)
{
	return cause ? (unsigned)cause->code : 0;
}

/* One of the tree's, or one that this thread has made and not put. */
static struct urctx *some(struct burst *b, unsigned thread, uint64_t *seed, uint8_t *nr)
{
	const struct page *p = &b->page[thread];
	unsigned i = chance(seed) % (b->nr_ctx + p->nr_made);

	if (i >= b->nr_ctx && p->made[i - b->nr_ctx]) {
		*nr = (uint8_t)(SETUP + thread * OPS + i - b->nr_ctx);
		return p->made[i - b->nr_ctx];
	}
	*nr = (uint8_t)(i % b->nr_ctx);
	return b->ctx[*nr];
}

static void call_derive(struct burst *b, unsigned thread, uint64_t *seed)
{
	struct page *p = &b->page[thread];
	struct history_call *c = write_down((struct spec_call){ .when = SPEC_NEVER });
	struct urctx *both[2];
	unsigned how = chance(seed) % 8;
	int ret;

	c->what.ctx = (uint8_t)(SETUP + thread * OPS + p->nr_made);
	both[0] = some(b, thread, seed, &c->what.parent[0]);
	c->what.nr_parents = 1;
	if (how == 0) {
		c->what.kind = SPEC_SHIELD;
		CALL(c, ret = urctx_without_cancel(both[0], &p->made[p->nr_made]));
	} else if (how == 1) {
		both[1] = some(b, thread, seed, &c->what.parent[1]);
		c->what.nr_parents = 1 + (both[0] != both[1]);
		CALL(c, ret = urctx_with_any(both, 2, &p->made[p->nr_made]));
	} else {
		CALL(c, ret = urctx_with_cancel(both[0], &p->made[p->nr_made]));
	}
	must(ret == 0);
	p->nr_made++;
}

static void call_put(struct page *p, unsigned thread, uint64_t *seed)
{
	unsigned i = p->nr_made ? chance(seed) % p->nr_made : 0;
	struct history_call *c;

	if (!p->nr_made || !p->made[i])
		return;
	c = write_down((struct spec_call){ .kind = SPEC_PUT,
					   .ctx = (uint8_t)(SETUP + thread * OPS + i) });
	CALL(c, urctx_put(p->made[i]));
	p->made[i] = NULL;
}

static void call_after(struct burst *b, unsigned thread, uint64_t *seed)
{
	struct page *p = &b->page[thread];
	struct callback *k = &p->cb[p->nr_armed];
	struct history_call *c;
	struct urctx *ctx;
	int ret;

	if (p->nr_armed == ARMS)
		return;
	*k = (struct callback){ .nr = (uint8_t)(SHARED + thread * ARMS + p->nr_armed),
				.armed = true };
	p->nr_armed++;
	c = write_down((struct spec_call){ .kind = SPEC_AFTER, .cb = k->nr });
	ctx = some(b, thread, seed, &c->what.ctx);
	CALL(c, ret = urctx_after(ctx, &k->cb, called_back));
	must(ret == 0);
}

static void call_stop(struct burst *b, unsigned thread, uint64_t *seed)
{
	struct page *p = &b->page[thread];
	unsigned i = chance(seed) % (SHARED + p->nr_armed);
	struct callback *k = i < SHARED ? &b->shared[i] : &p->cb[i - SHARED];
	struct history_call *c = write_down((struct spec_call){ .cb = k->nr });

	if (chance(seed) % 2) {
		c->what.kind = SPEC_STOP;
		CALL(c, c->what.result = urctx_stop(&k->cb));
	} else {
		c->what.kind = SPEC_TRY_STOP;
		CALL(c, c->what.result = urctx_try_stop(&k->cb));
	}
}

static void call_look(struct urctx *ctx, uint8_t nr, unsigned how)
{
	struct history_call *c = write_down((struct spec_call){ .ctx = nr });
	const struct urctx_cause *cause;

	if (how == 0) {
		c->what.kind = SPEC_ERR;
		CALL(c, c->what.result = urctx_err(ctx));
	} else if (how == 1) {
		c->what.kind = SPEC_CAUSE;
		CALL(c, cause = urctx_cause(ctx));
		c->what.cause = (uint8_t)cause_number(cause);
	} else {
		c->what.kind = SPEC_DONE;
		CALL(c, c->what.result = urctx_done(ctx));
	}
}

static void call_cancel(struct burst *b, unsigned thread, unsigned i, uint64_t *seed)
{
	struct history_call *c = write_down((struct spec_call){ .kind = SPEC_CANCEL });
	const struct urctx_cause *why = &causes[thread * OPS + i];
	struct urctx *ctx = some(b, thread, seed, &c->what.ctx);

	c->what.cause = (uint8_t)why->code;
	CALL(c, c->what.result = urctx_cancel_cause(ctx, why));
}

void burst_calls(struct burst *b, unsigned thread, uint64_t *seed)
{
	unsigned nr = 3 + chance(seed) % (OPS - 2), i;
	struct urctx *ctx;
	uint8_t at;

	writing = &b->page[thread];
	for (i = 0; i < nr; i++) {
		unsigned what = chance(seed) % 16;

		if (what < 4)
			call_derive(b, thread, seed);
		else if (what < 7)
			call_cancel(b, thread, i, seed);
		else if (what < 9)
			call_after(b, thread, seed);
		else if (what < 11)
			call_stop(b, thread, seed);
		else if (what < 12)
			call_put(writing, thread, seed);
		else if ((ctx = some(b, thread, seed, &at)))
			call_look(ctx, at, what % 3);
	}
}

static void first(struct burst *b, struct spec_call what)
{
	struct spec out[SPEC_WAYS];

	must(spec_step(&b->h.start, &what, out) == 1);
	b->h.start = out[0];
}

/* A tree, some of it with two parents or shielded. */
void burst_ready(struct burst *b, uint64_t *seed)
{
	unsigned i, how;

	memset(b, 0, sizeof(*b));
	b->nr_ctx = 2 + chance(seed) % (SETUP - 1);
	for (i = 0; i < b->nr_ctx; i++) {
		unsigned p = i ? chance(seed) % i : 0, q = i > 1 ? chance(seed) % i : 0;
		struct urctx *both[2] = { b->ctx[p], b->ctx[q] };
		struct spec_call what = { .kind = SPEC_DERIVE, .ctx = (uint8_t)i,
					  .when = SPEC_NEVER, .nr_parents = i > 0,
					  .parent = { (uint8_t)p, (uint8_t)q } };

		how = i ? chance(seed) % 8 : 2;
		if (how == 0) {
			what.kind = SPEC_SHIELD;
			must(urctx_without_cancel(both[0], &b->ctx[i]) == 0);
		} else if (how == 1 && p != q) {
			what.nr_parents = 2;
			must(urctx_with_any(both, 2, &b->ctx[i]) == 0);
		} else {
			b->ctx[i] = derive(i ? both[0] : NULL);
		}
		first(b, what);
	}
	for (i = 0; i < SHARED; i++) {
		unsigned at = chance(seed) % b->nr_ctx;

		b->shared[i] = (struct callback){ .nr = (uint8_t)i, .armed = true };
		must(urctx_after(b->ctx[at], &b->shared[i].cb, called_back) == 0);
		first(b, (struct spec_call){ .kind = SPEC_AFTER, .ctx = (uint8_t)at,
					     .cb = (uint8_t)i });
	}
}

/* By one thread, when the others are through: what came of it all. */
void burst_last_looks(struct burst *b)
{
	unsigned i;

	writing = &b->page[0];
	for (i = 0; i < b->nr_ctx; i++)
		call_look(b->ctx[i], (uint8_t)i, i % 2);
}

/* The threads' pages, one behind the other. */
void burst_gather(struct burst *b)
{
	unsigned t, i;

	for (t = 0; t < THREADS; t++) {
		const struct page *p = &b->page[t];
		int base = b->h.nr;

		must(base + (int)p->nr <= HISTORY_CALLS);
		for (i = 0; i < p->nr; i++) {
			struct history_call *c = &b->h.call[b->h.nr++];

			*c = p->call[i];
			c->thread = (uint8_t)t;
			if (c->outer != HISTORY_OUTER)
				c->outer = (uint8_t)(c->outer + base);
		}
	}
	history_order(&b->h);
}

void burst_over(struct burst *b)
{
	unsigned t, i;

	for (i = 0; i < SHARED; i++)
		urctx_stop(&b->shared[i].cb);
	for (t = 0; t < THREADS; t++) {
		for (i = 0; i < b->page[t].nr_armed; i++)
			urctx_stop(&b->page[t].cb[i].cb);
		for (i = 0; i < b->page[t].nr_made; i++)
			urctx_put(b->page[t].made[i]);
	}
	for (i = b->nr_ctx; i--;)
		urctx_put(b->ctx[i]);
}
