/* SPDX-License-Identifier: MIT */
/*
 * spec.c - what contexts are: see spec.h
 */
#include "spec.h"

#include <errno.h>
#include <string.h>

enum { UNUSED, ARMED, DUE, RUNNING, OVER, STOPPED };	/* DUE: armed on a done one */

static void end(struct spec *s, unsigned x, uint8_t cause, uint8_t expired)
{
	s->ctx[x].cause = cause;
	s->ctx[x].expired = expired;
}

static bool among(const struct spec *some, int n, const struct spec *s)
{
	while (n--)
		if (!memcmp(&some[n], s, sizeof(*s)))
			return true;
	return false;
}

static int ends(const struct spec *s, unsigned x, struct spec *out, int room);

/* To the @n ways that are there, those in which a parent may have ended @x by now. */
static int by_parents(const struct spec *s, unsigned x, struct spec *out, int n, int room)
{
	const struct spec_context *c = &s->ctx[x];
	int i, k, more;

	for (i = 0; i < c->nr_parents; i++) {
		unsigned p = c->parent[i];

		more = ends(s, p, out + n, room - n);
		if (more < 0)
			return -1;
		for (k = n; more; more--, k++) {
			end(&out[k], x, out[k].ctx[p].cause, out[k].ctx[p].expired);
			if (!among(out, n, &out[k]))
				out[n++] = out[k];
		}
	}
	return n;
}

/* The ways in which @x may have ended by now: by its deadline, by a parent. */
static int ends(const struct spec *s, unsigned x, struct spec *out, int room)
{
	const struct spec_context *c = &s->ctx[x];
	int n = 0;

	if (room < 2)
		return -1;
	out[0] = *s;
	if (c->cause)
		return 1;
	if (c->deadline <= s->now)
		end(&out[n++], x, c->deadline_cause, 1);
	return by_parents(s, x, out, n, room);
}

/* @below[]: @x, and what ends when it does. */
static void descend(const struct spec *s, unsigned x, bool *below)
{
	unsigned y, i;

	for (y = 0; y < SPEC_CONTEXTS; y++) {
		below[y] = y == x;
		for (i = 0; i < s->ctx[y].nr_parents; i++)
			below[y] |= s->ctx[y].parent[i] < y && below[s->ctx[y].parent[i]];
	}
}

bool spec_quiet(const struct spec *s, unsigned ctx)
{
	bool below[SPEC_CONTEXTS];
	int i;

	descend(s, ctx, below);
	for (i = 0; i < SPEC_CALLBACKS; i++)
		if ((s->cb[i].state == ARMED || s->cb[i].state == DUE) &&
		    s->cb[i].ctx != SPEC_NONE && below[s->cb[i].ctx])
			return false;
	return true;
}

/* All below @x have ended, in all ways. */
static int settle(const struct spec *s, unsigned x, struct spec *out)
{
	struct spec tmp[SPEC_WAYS];
	bool below[SPEC_CONTEXTS];
	int n = 1, i, k, m, ways;
	unsigned y;

	descend(s, x, below);
	out[0] = *s;
	for (y = 0; y < SPEC_CONTEXTS; y++) {
		if (!below[y] || s->ctx[y].cause)
			continue;
		for (i = m = 0; i < n; i++) {
			ways = ends(&out[i], y, tmp + m, SPEC_WAYS - m);
			if (ways < 0)
				return -1;
			for (k = m; ways; ways--, k++)
				if (!among(tmp, m, &tmp[k]))
					tmp[m++] = tmp[k];
		}
		memcpy(out, tmp, (size_t)m * sizeof(*out));
		n = m;
	}
	return n;
}

/*
 * A child of one that is done is born done: by any of those that are, or may be by
 * now.  If none has to be, it is born live, and ends when one of them does.
 */
static int born(const struct spec *s, unsigned x, struct spec *out)
{
	const struct spec_context *c = &s->ctx[x];
	int i;

	for (i = 0; i < c->nr_parents; i++)
		if (s->ctx[c->parent[i]].cause)
			return by_parents(s, x, out, 0, SPEC_WAYS);
	out[0] = *s;
	return 1;
}

static int derive(const struct spec *before, const struct spec_call *c, struct spec *out)
{
	struct spec s = *before;
	struct spec_context *x = &s.ctx[c->ctx];
	unsigned i;

	memset(x, 0, sizeof(*x));
	x->refs = 1;
	x->deadline = SPEC_NEVER;
	for (i = 0; i < c->nr_parents && c->kind != SPEC_SHIELD; i++) {
		const struct spec_context *p = &s.ctx[c->parent[i]];

		if (c->parent[i] == SPEC_NONE)
			continue;
		x->parent[x->nr_parents++] = c->parent[i];
		if (p->deadline < x->deadline) {
			x->deadline = p->deadline;
			x->deadline_cause = p->deadline_cause;
		}
	}
	if (c->kind != SPEC_SHIELD && c->when < x->deadline) {
		x->deadline = c->when;
		x->deadline_cause = c->cause;
	}
	return born(&s, c->ctx, out);
}

/* What err, cause, done and a cancel that comes too late say of one that ended. */
static bool answers(const struct spec_context *x, const struct spec_call *c)
{
	switch (c->kind) {
	case SPEC_ERR:
		return c->result == (x->expired ? -ETIME : -ECANCELED);
	case SPEC_CAUSE:
		return c->cause == x->cause;
	case SPEC_DONE:
		return c->result;
	default:
		return !c->result;
	}
}

static int ask(const struct spec *s, const struct spec_call *c, struct spec *out)
{
	const struct spec_context *x = &s->ctx[c->ctx];
	bool late = x->deadline <= s->now && c->kind != SPEC_DONE;
	bool no = c->kind == SPEC_CAUSE ? !c->cause : !c->result;
	int n, k, m = 0;

	if (c->kind == SPEC_CANCEL)
		no = !no;
	if (no) {		/* it was live, and a cancel ends it */
		if (x->cause || late)
			return 0;
		out[0] = *s;
		if (c->kind == SPEC_CANCEL)
			end(&out[0], c->ctx, c->cause, 0);
		return 1;
	}
	n = ends(s, c->ctx, out, SPEC_WAYS);
	for (k = 0; k < n; k++)
		if (answers(&out[k].ctx[c->ctx], c))
			out[m++] = out[k];
	return n < 0 ? n : m;
}

static int callback(const struct spec *s, const struct spec_call *c, struct spec *out)
{
	uint8_t state = s->cb[c->cb].state;
	bool armed = state == ARMED || state == DUE;
	int n = 1, k;

	out[0] = *s;
	switch (c->kind) {
	case SPEC_AFTER:
		out[0].cb[c->cb].ctx = c->ctx;
		out[0].cb[c->cb].state = c->ctx != SPEC_NONE && s->ctx[c->ctx].cause ?
					 DUE : ARMED;
		return 1;
	case SPEC_CLAIM:
		if (!armed || s->cb[c->cb].ctx == SPEC_NONE)
			return 0;
		n = ends(s, s->cb[c->cb].ctx, out, SPEC_WAYS);
		for (k = 0; k < n; k++)
			out[k].cb[c->cb].state = RUNNING;
		return n;
	case SPEC_OVER:
		out[0].cb[c->cb].state = OVER;
		return state == RUNNING;
	}
	if (c->result)		/* it was stopped */
		out[0].cb[c->cb].state = STOPPED;
	return armed == !!c->result;
}

int spec_step(const struct spec *s, const struct spec_call *c, struct spec *out)
{
	if (c->kind >= SPEC_AFTER && c->kind <= SPEC_OVER && (c->kind != SPEC_AFTER || !c->result))
		return callback(s, c, out);
	out[0] = *s;
	if (c->kind == SPEC_TIME) {
		if (out[0].now < c->when)
			out[0].now = c->when;
		return 1;
	}
	if (c->kind <= SPEC_SHIELD || c->kind == SPEC_AFTER)
		return c->kind == SPEC_AFTER || c->result ? 1 : derive(s, c, out);
	if (c->ctx == SPEC_NONE)
		return c->kind >= SPEC_GET || (!c->result && (c->kind != SPEC_CAUSE || !c->cause));
	if (!s->ctx[c->ctx].refs)
		return 0;		/* the caller's own mistake */
	if (c->kind == SPEC_GET || c->kind == SPEC_PUT) {
		out[0].ctx[c->ctx].refs += c->kind == SPEC_GET ? 1 : -1;
		return 1;
	}
	return ask(s, c, out);
}

bool spec_returns(const struct spec_call *c)
{
	return (c->kind == SPEC_CANCEL && c->ctx != SPEC_NONE) ||
	       (c->kind == SPEC_AFTER && !c->result) ||
	       (c->kind == SPEC_STOP && !c->result && !c->own);
}

int spec_return(const struct spec *s, const struct spec_call *c, struct spec *out)
{
	if (!spec_returns(c) || c->kind != SPEC_CANCEL) {
		out[0] = *s;
		if (c->kind == SPEC_AFTER)
			return s->cb[c->cb].state != DUE;
		return c->kind != SPEC_STOP || c->own || s->cb[c->cb].state != RUNNING;
	}
	if (!c->nested && !spec_quiet(s, c->ctx))
		return 0;
	return settle(s, c->ctx, out);
}
