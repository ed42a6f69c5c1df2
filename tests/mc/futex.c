/* SPDX-License-Identifier: MIT */
/*
 * futex.c - sleep on a word, or on two
 *
 * The kernel compares and queues in one step; what it compares is the newest
 * value there is.  Waiting and waking order nothing by themselves.  A sleeper
 * whom nobody will wake shows as a deadlock.
 */
#include <errno.h>

#include "model.h"

/* The four bytes at @a: a location, or one half of one of eight bytes. */
static uint32_t newest(int t, const struct op *o)
{
	struct loc *l = &L[o->loc];
	uint64_t v;

	if (!l->racy)
		return (uint32_t)mem_read(o->addr, 4);
	order_sync(l);
	v = M[l->v].m[M[l->v].n - 1].val;
	T[t].cur.l[l->v] = (uint8_t)(M[l->v].n - 1);
	if (T[t].acq.l[l->v] < M[l->v].n - 1)
		T[t].acq.l[l->v] = (uint8_t)(M[l->v].n - 1);
	return (uint32_t)(v >> (8 * (o->addr - l->addr)));
}

/* Sleepers keep their places in the queue, counted anew so that equal is equal. */
static void leave_queue(int t, int which)
{
	int u, i, place = T[t].asleep[which];

	for (u = 1; u <= nthr; u++)
		for (i = 0; i < 2; i++)
			if (T[u].asleep[i] > place) {
				touch_thread(u);
				T[u].asleep[i]--;
				rehash_thread(u);
			}
	touch_thread(t);
	T[t].asleep[which] = 0;
	rehash_thread(t);
	SAVE(G.sleepers);
	G.sleepers--;
}

static void join_queue(int t, int which, uintptr_t a)
{
	SAVE(G.sleepers);
	T[t].futex[which] = a;
	T[t].asleep[which] = (uint16_t)++G.sleepers;
}

/* Out of both; the last word it was woken on, or -1. */
static int unqueue(int t)
{
	int i, woken = T[t].woken & 2 ? 1 : (T[t].woken & 1) - 1;

	for (i = 0; i < 2; i++)
		if (T[t].asleep[i])
			leave_queue(t, i);
	T[t].woken = 0;
	return woken;
}

/* A sleeper on two words may be woken on both before it goes on. */
static int wake(uintptr_t a, int nr)
{
	int woken = 0;

	while (woken < nr && !BROKEN(17)) {
		int u, i, first = 0, which = 0;

		for (u = 1; u <= nthr; u++)
			for (i = 0; i < 2; i++)
				if (T[u].asleep[i] && T[u].futex[i] == a &&
				    (!first || T[u].asleep[i] < T[first].asleep[which])) {
					first = u;
					which = i;
				}
		if (!first)
			break;
		leave_queue(first, which);
		if (BROKEN(36) && T[first].asleep[!which])
			leave_queue(first, !which);
		touch_thread(first);
		T[first].woken |= (uint8_t)(1 << which);
		rehash_thread(first);
		woken++;
	}
	return woken;
}

/* Another can go on, and not by a deadline of his own. */
static bool others_go_on(int t)
{
	int u;

	for (u = 1; u <= nthr; u++)
		if (u != t && (T[u].op.kind == OP_FUTEX_SLEEP ? T[u].woken && !T[u].done :
								alternatives(u)))
			return true;
	return false;
}

/*
 * No thread stands still for ever: who naps again and again does so LATE times
 * before the others go on.
 */
static bool may_be_late(int t)
{
	return T[t].deadline != INT64_MAX &&
	       (T[t].late < LATE || !others_go_on(t) || BROKEN(37));
}

/* Of a sleeper: go on if woken, else by the deadline or a signal. */
int futex_alternatives(int t)
{
	if (T[t].woken)
		return 1;
	return may_be_late(t) +
	       ((S->flags & MC_FAIL_EINTR) && G.faults < S->faults);
}

static uint64_t sleep_over(int t, int alt)
{
	bool late = may_be_late(t);
	int woken = unqueue(t);

	if (woken >= 0)
		return woken > 0;
	if (late && alt == 0) {
		if (T[t].late < LATE && others_go_on(t))
			T[t].late++;
		if (T[t].deadline > G.now) {
			SAVE(G.now);
			G.now = T[t].deadline;
		}
		return (uint64_t)-ETIMEDOUT;
	}
	SAVE(G.faults);
	G.faults++;
	return (uint64_t)-EINTR;
}

/* Of two words: 1, it sleeps; 2, it was woken on the first already. */
static uint64_t second_wait(int t, const struct op *o)
{
	int woken;

	if (newest(t, o) == (uint32_t)o->expect && !(BROKEN(36) && T[t].woken)) {
		T[t].deadline = (int64_t)o->arg;
		join_queue(t, 1, o->addr);
		return 1;
	}
	woken = unqueue(t);
	return woken < 0 ? (uint64_t)-EAGAIN : 2;
}

uint64_t futex_op(int t, const struct op *o, int alt)
{
	switch (o->kind) {
	case OP_FUTEX_WAIT:
		if (o->mo)
			return second_wait(t, o);
		__attribute__((fallthrough));
	case OP_FUTEX_QUEUE:
		if (newest(t, o) != (uint32_t)o->expect)
			return (uint64_t)-EAGAIN;
		T[t].deadline = (int64_t)o->arg;
		T[t].woken = 0;
		if (!BROKEN(18))
			join_queue(t, 0, o->addr);
		return 0;
	case OP_FUTEX_SLEEP:
		return sleep_over(t, alt);
	}
	return (uint64_t)wake(o->addr, (int)o->arg);
}
