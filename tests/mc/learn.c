/* SPDX-License-Identifier: MIT */
/*
 * learn.c - who uses which location, and until when: the reduction
 *
 * An operation that no other thread's later operation can notice, and that
 * notices none of theirs, need not be interleaved with them: only its thread is
 * explored from there (a persistent set of one; the state graph has no cycles).
 * Which operations are to come is learned while searching.  A decision is noted
 * as what was relied on; when a thread does what was relied on it would not do,
 * the search starts again with what has been learned.  So the last search, the
 * one that counts, met nothing that contradicts it: and by induction over the
 * length of an execution, a first contradiction would have been met.
 *
 * Locations 0, 1 and 2 stand for the order of fences, for grace periods and for
 * sys_membarrier(), which looks at what every thread knows.
 */
#include <stdio.h>
#include <stdlib.h>

#include "model.h"

enum { LOC_SC, LOC_RCU, LOC_MB, LOC_FIRST };

struct loc L[NL];
int nl = LOC_FIRST, nracy;
bool relearn, learned_coarse;
static unsigned slack;

int loc_covering(uintptr_t a)
{
	uint16_t *w = plain_loc(a);

	return w && *w ? *w - 1 : -1;
}

int loc_find(uintptr_t a, size_t size)
{
	uint16_t *w = plain_loc(a);
	size_t i;
	int l;

	if (!w) {
		die("atomic access to untracked memory at %p", (void *)a);
		return -1;
	}
	if (*w) {
		l = *w - 1;
		if (L[l].addr != a || L[l].size != size) {
			die("atomic accesses of different sizes overlap: %s, %d and %zu bytes",
			    addr_name(a), L[l].size, size);
			return -1;
		}
		return l;
	}
	if (nl == NL) {
		fprintf(stderr, "mc: more than %d atomic locations\n", NL);
		exit(2);
	}
	l = nl++;
	L[l].addr = a;
	L[l].size = (uint8_t)size;
	for (i = 0; i < size; i++)
		*plain_loc(a + i) = (uint16_t)(l + 1);
	return l;
}

static void touched(int l, int t, bool writes)
{
	struct loc *x = &L[l];
	unsigned at = T[t].ops + 1u, until = at + slack;

	if (learned_coarse || until > 0xffff)
		until = 0xffff;
	if (at > x->any[t]) {
		if (at > x->rely_any[t])
			relearn = true;
		x->any[t] = (uint16_t)until;
	}
	if (writes && at > x->wr[t]) {
		if (at > x->rely_wr[t])
			relearn = true;
		x->wr[t] = (uint16_t)until;
	}
	if (writes)
		x->writers |= (uint8_t)(1u << t);
	else
		x->readers |= (uint8_t)(1u << t);
	if (l >= LOC_FIRST && !x->racy && x->writers &&
	    ((x->readers | x->writers) & ((x->readers | x->writers) - 1u))) {
		if (nracy == NV) {
			fprintf(stderr, "mc: more than %d contended locations\n", NV);
			exit(2);
		}
		x->racy = true;
		x->v = (uint8_t)nracy++;
		relearn = true;
	}
}

/* Thread me is about to do @o. */
void learn(const struct op *o)
{
	switch (o->kind) {
	case OP_LOAD:
	case OP_FUTEX_QUEUE:
	case OP_FUTEX_WAIT:
		touched(o->loc, me, false);
		break;
	case OP_FENCE:
		if (o->mo == 5)
			touched(LOC_SC, me, true);
		break;
	case OP_MEMBARRIER:
	case OP_BARRIER_IN:
		touched(LOC_SC, me, true);
		touched(LOC_MB, me, true);
		break;
	case OP_LOCK:
	case OP_UNLOCK:
		touched(LOC_RCU, me, false);
		break;
	case OP_SYNC:
	case OP_SYNC_WAIT:
		touched(LOC_SC, me, true);
		touched(LOC_RCU, me, true);
		break;
	default:
		if (o->kind < OP_FENCE)
			touched(o->loc, me, true);
		if (o->mo == 5 && BROKEN(12))
			touched(LOC_SC, me, true);
	}
}

/* Does another thread still have to do with it? */
static bool later(int t, int l, bool any)
{
	struct loc *x = &L[l];
	int u;

	if (BROKEN(30))
		return false;
	for (u = 1; u <= nthr; u++) {
		if (u == t || T[u].done)
			continue;
		if (T[u].ops < (any ? x->any[u] : x->wr[u]))
			return true;
	}
	for (u = 1; u <= nthr; u++) {
		uint16_t *r = any ? &x->rely_any[u] : &x->rely_wr[u];

		if (u != t && !T[u].done && T[u].ops < *r)
			*r = T[u].ops;
	}
	return false;
}

bool op_local(int t, const struct op *o)
{
#ifdef MC_BREAKABLE
	if (mc_full)
		return o->kind == OP_CHOOSE;
#endif
	switch (o->kind) {
	case OP_LOAD:
		if (BROKEN(12) && o->mo == 5)
			return false;
		return op_direct(o) ? !later(t, o->loc, false) :
				      !later(t, o->loc, false) && !later(t, LOC_MB, true);
	case OP_FENCE:
		return !later(t, o->mo == 5 ? LOC_SC : LOC_MB, true);
	case OP_LOCK:
	case OP_UNLOCK:
		return !later(t, LOC_RCU, false) && !later(t, LOC_MB, true);
	case OP_CHOOSE:
		return true;
	}
	if (o->kind > OP_FENCE || (BROKEN(12) && o->mo == 5))
		return false;
	if (later(t, o->loc, true))
		return false;
	return op_direct(o) || o->kind == OP_STORE || !later(t, LOC_MB, true);
}

/* Before a search. */
void learn_reset(void)
{
	int l;

	for (l = 0; l < NL; l++) {
		memset(L[l].rely_any, 0xff, sizeof(L[l].rely_any));
		memset(L[l].rely_wr, 0xff, sizeof(L[l].rely_wr));
	}
	vbytes = (sizeof(uint64_t) + (size_t)nracy + 15) & ~(size_t)15;
	relearn = false;
}

/* Before the next one: leave room, so that it is not the last but two. */
void learn_restart(void)
{
	static int restarts;

	if (++restarts > 8)
		slack = slack ? slack * 2 : 2;
	if (restarts > 60)
		learned_coarse = true;
}
