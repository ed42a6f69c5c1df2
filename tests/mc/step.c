/* SPDX-License-Identifier: MIT */
/*
 * step.c - one operation of a thread: what it may do, and doing it
 */
#include <errno.h>

#include "model.h"

void touch_thread(int t)
{
	jlog(&T[t], sizeof(T[t]));
	K -= T[t].hash;
	T[t].hash = 0;
}

void rehash_thread(int t)
{
	struct thread *x = &T[t];
	uint64_t h, w;

	memcpy(&w, x->wait, sizeof(w));
	h = mix(x->hist, x->ops | (uint64_t)x->done << 16 | (uint64_t)x->nest << 24 |
				 (uint64_t)x->gen << 32 | (uint64_t)x->dirty << 40 |
				 (uint64_t)x->published << 41 |
				 (uint64_t)x->asleep[0] << 48 |
				 (uint64_t)x->asleep[1] << 52 |
				 (uint64_t)x->woken << 56 | (uint64_t)x->late << 58);
	if (!BROKEN(31))
		h = mix(h + view_hash(&x->cur) * 3 + view_hash(&x->acq) * 5 +
				view_hash(&x->rel) * 7, w);
	K -= x->hash;
	x->hash = mix(h, (uint64_t)t + 77);
	K += x->hash;
}

/* How many ways there are to go on with what the thread is about to do. */
int alternatives(int t)
{
	const struct op *o = &T[t].op;
	int v;

	if (T[t].done)
		return 0;
	switch (o->kind) {
	case OP_SYNC_WAIT:
		return !rcu_blocked(t);
	case OP_FUTEX_SLEEP:
		return futex_alternatives(t);
	case OP_CHOOSE:
		return (int)o->arg;
	case OP_PAUSE:
		for (v = 0; v < nracy; v++)
			if (M[v].n && T[t].cur.l[v] < M[v].n - 1)
				return 1;
		return 0;
	}
	return o->kind <= OP_CAS ? op_alternatives(t, o) : 1;
}

static void tick(struct thread *x, int t)
{
	unsigned c = clock_of(&x->cur, t) + 1u;

	if ((!x->dirty && !x->published) || BROKEN(32))
		return;
	if (c > CLOCK_MAX) {
		die("a thread does more than the clocks can count: make it shorter");
		return;
	}
	clock_set(&x->cur.c, t, c);
	clock_set(&x->acq.c, t, c);
	x->dirty = x->published = 0;
}

uint64_t perform(int t, const struct op *o, int alt, bool local)
{
	struct thread *x = &T[t];
	uint64_t r = 0;
	int v;

	if (++x->ops > OPS_MAX) {
		die("a thread does more than %d operations: a loop that waits needs mc_pause()",
		    OPS_MAX);
		return 0;
	}
	if (!local || o->kind == OP_FENCE)
		tick(x, t);
	switch (o->kind) {
	case OP_FENCE:
		fence(t, o->mo);
		x->published = 1;
		break;
	case OP_CHOOSE:
		r = (uint64_t)alt;
		note(t, r);
		break;
	case OP_PAUSE:
		/* what others have done is seen in the end */
		for (v = 0; v < nracy; v++)
			if (M[v].n)
				x->cur.l[v] = x->acq.l[v] = (uint8_t)(M[v].n - 1);
		break;
	case OP_FUTEX_QUEUE:
	case OP_FUTEX_WAIT:
	case OP_FUTEX_SLEEP:
	case OP_FUTEX_WAKE:
		r = futex_op(t, o, alt);
		note(t, r);
		break;
	case OP_MEMBARRIER:
	case OP_BARRIER_IN:
	case OP_LOCK:
	case OP_UNLOCK:
	case OP_SYNC:
	case OP_SYNC_WAIT:
		rcu_op(t, o);
		break;
	default:
		plain_atomic(t, o, local);
		if (failed)
			return 0;
		r = op_memory(t, o, alt);
		if (o->kind != OP_STORE)
			note(t, r + (o->kind == OP_CAS ? T[t].ok << 63 : 0));
		if (o->kind != OP_LOAD && o->mo >= 3 && !local)
			x->published = 1;
	}
	return r;
}

/* init and fini: alone, so that memory is what it holds. */
static uint64_t alone(struct op *o)
{
	uint64_t r = 0;

	if (o->kind <= OP_CAS) {
		uint64_t old = mem_read(o->addr, o->size), new = o->arg;

		if (me == 0)
			plain_atomic(0, o, true);
		if (failed)
			return 0;
		o->weak = 1;
		switch (o->kind) {
		case OP_LOAD:
			return old;
		case OP_ADD:
			new = old + o->arg;
			break;
		case OP_SUB:
			new = old - o->arg;
			break;
		case OP_AND:
			new = old & o->arg;
			break;
		case OP_OR:
			new = old | o->arg;
			break;
		case OP_XOR:
			new = old ^ o->arg;
			break;
		case OP_NAND:
			new = ~(old & o->arg);
			break;
		case OP_CAS:
			if (old != o->expect) {
				o->weak = 0;
				return old;
			}
		}
		mem_write(o->addr, o->size, new);
		return old;
	}
	if (o->kind == OP_FUTEX_WAIT) {
		r = (uint64_t)-EAGAIN;
		if ((uint32_t)mem_read(o->addr, 4) == (uint32_t)o->expect)
			die("init or fini sleeps, and nobody is there to wake it");
	}
	return r;
}

/* Called by the code under test. */
uint64_t do_op(struct op *o)
{
	struct thread *x = &T[me < 0 ? 0 : me];
	int t = me, l;

	if (t <= 0)
		return alone(o);
	if (o->kind <= OP_CAS || o->kind == OP_FUTEX_WAIT || o->kind == OP_FUTEX_QUEUE) {
		l = o->kind > OP_CAS ? loc_covering(o->addr) : -1;
		if (l < 0)
			l = loc_find(o->addr, o->size);
		o->loc = (uint16_t)(l < 0 ? 0 : l);
	}
	learn(o);
	if (relearn)
		co_yield();
	x->op = *o;
	if (op_local(t, o) && alternatives(t) == 1) {
		x->ret = perform(t, o, 0, true);
		if (tracing)
			trace_op(t, o, x->ret, 0, 1);
	} else {
		co_yield();
	}
	o->weak = (uint8_t)x->ok;
	return x->ret;
}
