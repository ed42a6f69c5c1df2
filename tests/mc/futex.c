/* SPDX-License-Identifier: MIT */
/*
 * futex.c - sleep on a word
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
static void leave_queue(int t)
{
	int u, place = T[t].asleep;

	for (u = 1; u <= nthr; u++)
		if (T[u].asleep > place) {
			touch_thread(u);
			T[u].asleep--;
			rehash_thread(u);
		}
	touch_thread(t);
	T[t].asleep = 0;
	rehash_thread(t);
	SAVE(G.sleepers);
	G.sleepers--;
}

static int wake(uintptr_t a, int nr)
{
	int woken = 0;

	while (woken < nr && !BROKEN(17)) {
		int u, first = 0;

		for (u = 1; u <= nthr; u++)
			if (T[u].asleep && T[u].op.addr == a &&
			    (!first || T[u].asleep < T[first].asleep))
				first = u;
		if (!first)
			break;
		leave_queue(first);
		woken++;
	}
	return woken;
}

/* Of a sleeper: go on if woken, else by the deadline or a signal. */
int futex_alternatives(int t)
{
	if (!T[t].asleep)
		return 1;
	return (T[t].deadline != INT64_MAX) +
	       ((S->flags & MC_FAIL_EINTR) && G.faults < S->faults);
}

static uint64_t sleep_over(int t, int alt)
{
	if (!T[t].asleep)
		return 0;
	leave_queue(t);
	if (T[t].deadline != INT64_MAX && alt == 0) {
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

uint64_t futex_op(int t, const struct op *o, int alt)
{
	switch (o->kind) {
	case OP_FUTEX_WAIT:
		if (newest(t, o) != (uint32_t)o->expect)
			return (uint64_t)-EAGAIN;
		T[t].deadline = (int64_t)o->arg;
		if (!BROKEN(18)) {
			SAVE(G.sleepers);
			T[t].asleep = (uint16_t)++G.sleepers;
		}
		return 0;
	case OP_FUTEX_SLEEP:
		return sleep_over(t, alt);
	}
	return (uint64_t)wake(o->addr, (int)o->arg);
}
