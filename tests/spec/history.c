/* SPDX-License-Identifier: MIT */
/*
 * history.c - the search for an order of calls: see history.h
 */
#include "history.h"

#include <stdio.h>
#include <string.h>

struct search {
	const struct history *h;
	struct history_room *room;
	uint64_t all;
	uint64_t inside[HISTORY_CALLS];	/* calls in callbacks that this one runs */
	bool full;
};

static uint64_t hash(const struct spec *s, uint64_t effects, uint64_t returns)
{
	uint64_t x = effects * 0x9e3779b97f4a7c15u ^ (returns + 1) * 0xd6e8feb86659fd93u, w;
	const char *p = (const char *)s;
	size_t i;

	for (i = 0; i < sizeof(*s); i += sizeof(w)) {
		memcpy(&w, p + i, sizeof(w));
		x = (x ^ w) * 0xff51afd7ed558ccdu;
		x ^= x >> 32;
	}
	return x ? x : 1;
}

_Static_assert(sizeof(struct spec) % sizeof(uint64_t) == 0, "hashed in words");

/* True: this place was seen. */
static bool seen(struct search *x, uint64_t key)
{
	struct history_room *r = x->room;
	unsigned i = key % HISTORY_PLACES;

	for (; r->place[i]; i = (i + 1) % HISTORY_PLACES)
		if (r->place[i] == key)
			return true;
	if (r->nr_places > HISTORY_PLACES / 2) {
		x->full = true;
		return true;
	}
	r->place[i] = key;
	r->nr_places++;
	return false;
}

/* Call @i returns: it and what it had to run are through. */
static int returned(const struct search *x, int i, const struct spec *s, struct spec *out)
{
	const struct history_call *c = &x->h->call[i];
	int k;

	if (c->outer == HISTORY_OUTER)
		for (k = 0; k < x->h->nr; k++)
			if (x->inside[i] >> k & 1 &&
			    x->h->call[k].what.kind == SPEC_CANCEL &&
			    x->h->call[k].what.ctx != SPEC_NONE &&
			    !spec_quiet(s, x->h->call[k].what.ctx))
				return 0;
	return spec_return(s, &c->what, out);
}

static bool search(struct search *x, int depth, const struct spec *s, uint64_t effects,
		   uint64_t returns)
{
	struct spec *out = x->room->s[depth];
	int i, k, n;

	if (returns == x->all)
		return true;
	if (seen(x, hash(s, effects, returns)))
		return false;
	for (i = 0; i < x->h->nr; i++) {
		const struct history_call *c = &x->h->call[i];
		uint64_t me = 1ull << i;
		bool took = effects & me;

		if (returns & me || (!took && c->before & ~returns) ||
		    (took && x->inside[i] & ~returns))
			continue;
		n = took ? returned(x, i, s, out) : spec_step(s, &c->what, out);
		if (n < 0)
			x->full = true;
		x->room->order[depth] = (uint8_t)(i + (took ? 128 : 0));
		for (k = 0; k < n; k++)
			if (search(x, depth + 1, &out[k], effects | me,
				   took || (!x->inside[i] && !spec_returns(&c->what)) ?
				   returns | me : returns))
				return true;
	}
	return false;
}

int history_check(const struct history *h, struct history_room *room)
{
	struct search x = { .h = h, .room = room };
	bool right;
	int i;

	x.all = h->nr == 64 ? ~0ull : (1ull << h->nr) - 1;
	for (i = 0; i < h->nr; i++)
		if (h->call[i].outer != HISTORY_OUTER)
			x.inside[h->call[i].outer] |= 1ull << i;
	memset(room->place, 0, sizeof(room->place));
	room->nr_places = 0;
	right = search(&x, 0, &h->start, 0, 0);
	room->places += room->nr_places;
	return right ? 1 : x.full ? -1 : 0;
}

void history_order(struct history *h)
{
	int i, k;

	for (i = 0; i < h->nr; i++) {
		h->call[i].before = 0;
		for (k = 0; k < h->nr; k++)
			if (h->call[k].returned < h->call[i].invoked)
				h->call[i].before |= 1ull << k;
	}
}

void history_text(const struct history *h, int i, char *text, size_t size)
{
	static const char *const names[] = {
		"derive", "shield", "cancel", "err", "cause", "done", "get", "put", "after",
		"stop", "try_stop", "runs", "has run", "time",
	};
	const struct history_call *c = &h->call[i];
	const struct spec_call *w = &c->what;
	int n = snprintf(text, size, "%2d: thread %d %s", i, c->thread, names[w->kind]);

	if (w->kind >= SPEC_STOP && w->kind <= SPEC_OVER)
		n += snprintf(text + n, size - (size_t)n, " of callback %d", w->cb);
	else if (w->kind != SPEC_TIME)
		n += snprintf(text + n, size - (size_t)n, " c%d", w->ctx);
	if (w->kind == SPEC_AFTER)
		n += snprintf(text + n, size - (size_t)n, " callback %d", w->cb);
	for (int k = 0; w->kind <= SPEC_SHIELD && k < w->nr_parents; k++)
		n += snprintf(text + n, size - (size_t)n, " under c%d", w->parent[k]);
	if (w->kind == SPEC_CANCEL || w->kind == SPEC_CAUSE)
		n += snprintf(text + n, size - (size_t)n, " cause %d", w->cause);
	snprintf(text + n, size - (size_t)n, " -> %d%s, after %llx", w->result,
		 w->nested ? " nested" : "", (unsigned long long)c->before);
}
