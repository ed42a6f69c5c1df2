/* SPDX-License-Identifier: MIT */
/*
 * search.c - every execution of a scenario
 *
 * Depth first over the states in which all threads stand before an operation.
 * The way back is the journal: nothing is executed twice.  A state that was seen
 * is not entered again; its key covers all that can change, and of a thread's
 * own state the history of what it read, which determines it.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "model.h"

#define FRAMES	(1 << 16)
#define PATH	(1 << 16)
#define PROBES	200

struct thread T[NT];
struct global G;
int me = -1, nthr;
uint64_t K;
const struct mc_scenario *S;
bool failed, tracing;

static char why[256];
static int bound;
static unsigned long leaves, pruned, states, steps;

static struct frame {
	size_t mark;
	uint64_t key;
	int i, depth;
} frames[FRAMES];
static int nframes;
static uint8_t path[PATH];	/* choices, from the start */
static int depth;

struct move {
	uint8_t t, alt;
};

void die(const char *fmt, ...)
{
	va_list ap;

	if (!failed) {
		va_start(ap, fmt);
		vsnprintf(why, sizeof(why), fmt, ap);
		va_end(ap);
	}
	failed = true;
	if (co_inside())
		co_yield();
}

void mc_assert_fail(const char *expr, const char *file, int line)
{
	const char *base = strrchr(file, '/');

	die("%s:%d: mc_assert(%s)", base ? base + 1 : file, line, expr);
}

/* ---- the set of states that were seen ---- */

static uint64_t *table;
static size_t table_size;

static bool table_add(uint64_t *t, size_t size, uint64_t k)
{
	size_t i;

	for (i = k & (size - 1); t[i]; i = (i + 1) & (size - 1))
		if (t[i] == k)
			return false;
	t[i] = k;
	return true;
}

static uint64_t *table_new(size_t size)
{
	uint64_t *t = mmap(NULL, size * sizeof(*t), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (t == MAP_FAILED) {
		perror("mc: states");
		exit(2);
	}
	return t;
}

static bool seen(uint64_t k)
{
	if (!k)
		k = 1;
	if (states > table_size / 2) {
		uint64_t *bigger = table_new(table_size * 2);
		size_t i;

		for (i = 0; i < table_size; i++)
			if (table[i])
				table_add(bigger, table_size * 2, table[i]);
		munmap(table, table_size * sizeof(*table));
		table = bigger;
		table_size *= 2;
	}
	if (!table_add(table, table_size, k))
		return true;
	states++;
	return false;
}

static void table_reset(void)
{
	if (table)
		munmap(table, table_size * sizeof(*table));
	table_size = 1 << 16;
	table = table_new(table_size);
	states = 0;
}

static uint64_t key(void)
{
	uint64_t k = K;

	k += mix(view_hash(&G.sc), 1) + mix(view_hash(&G.gp), 2) + mix(view_hash(&G.rd), 3);
	k += mix((uint64_t)G.now, G.faults + 5) + G.blocks_hash * 7;
	k += mix((uintptr_t)G.started, 9);
	if (bound >= 0)
		k += mix((uint64_t)G.last, (uint64_t)G.preempted + 11);
	return k;
}

/* ---- threads ---- */

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
				 (uint64_t)x->published << 41 | (uint64_t)x->asleep << 48);
	if (!BROKEN(31))
		h = mix(h + view_hash(&x->cur) * 3 + view_hash(&x->acq) * 5 +
				view_hash(&x->rel) * 7, w);
	K -= x->hash;
	x->hash = mix(h, (uint64_t)t + 77);
	K += x->hash;
}

/* How many ways there are to go on with what the thread is about to do. */
static int alternatives(int t)
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

static uint64_t perform(int t, const struct op *o, int alt, bool local)
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
	case OP_FUTEX_WAIT:
	case OP_FUTEX_SLEEP:
	case OP_FUTEX_WAKE:
		r = futex_op(t, o, alt);
		note(t, r);
		break;
	case OP_MEMBARRIER:
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
	if (o->kind <= OP_CAS || o->kind == OP_FUTEX_WAIT) {
		l = o->kind == OP_FUTEX_WAIT ? loc_covering(o->addr) : -1;
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

static void step(int t, int alt)
{
	struct thread *x = &T[t];
	struct op o = x->op;
	int before = x->ops, nalt = tracing ? alternatives(t) : 0;
	bool local = op_local(t, &o);

	steps++;
	if (bound >= 0 && !local && t != G.last) {
		SAVE(G.last);
		SAVE(G.preempted);
		if (G.last && alternatives(G.last))
			G.preempted++;
		G.last = t;
	}
	touch_thread(t);
	co_save(t);
	x->ret = perform(t, &o, alt, local);
	if (tracing)
		trace_op(t, &o, x->ret, alt, nalt);
	if (!failed)
		co_run(t);
	if (failed || relearn)
		goto out;
	rehash_thread(t);
out:
	if (tracing)
		trace_step(t, alt, x->ops - before);
}

static int moves(struct move *m)
{
	int t, k, n = 0, alts[NT];

	for (t = 1; t <= nthr; t++) {
		alts[t] = alternatives(t);
		if (!alts[t] || failed || !op_local(t, &T[t].op))
			continue;
		for (k = 0; k < alts[t]; k++)
			m[k] = (struct move){ (uint8_t)t, (uint8_t)k };
		return alts[t];
	}
	/* the one that ran last goes on first: short counterexamples */
	for (t = 1; t <= nthr; t++) {
		if (bound >= 0 && G.preempted == bound && G.last && alts[G.last] &&
		    t != G.last)
			continue;
		for (k = 0; k < alts[t]; k++)
			m[n++] = (struct move){ (uint8_t)t, (uint8_t)k };
	}
	return n;
}

/* Each thread up to its first operation. */
static void threads_start(void)
{
	int t;

	for (t = 1; t <= nthr && !failed && !relearn; t++) {
		touch_thread(t);
		co_start(t, S->threads[t - 1]);
		co_run(t);
		if (!failed && !relearn)
			rehash_thread(t);
	}
}

static void run_alone(void (*fn)(void))
{
	jlog(&T[0], sizeof(T[0]));
	co_start(0, fn);
	co_run(0);
}

static void all_done(void)
{
	int t;

	for (t = 1; t <= nthr; t++) {
		if (T[t].done)
			continue;
		if (!BROKEN(26))
			die("deadlock: thread %d %s", t,
			    T[t].op.kind == OP_FUTEX_SLEEP ? "sleeps, and nobody will wake it" :
			    T[t].op.kind == OP_PAUSE ? "waits for what nobody will do" :
			    "waits for readers");
		return;
	}
	for (t = 1; t <= nthr && !failed; t++)
		if (T[t].nest)
			die("thread %d ended in a read-side section", t);
	if (S->fini && !failed)
		run_alone(S->fini);
	if (!failed)
		alloc_check_leaks();
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

enum outcome { DONE, FAILED, RELEARN, TIMEOUT };

/* Depth first.  Leaves path[] at the failure. */
static enum outcome search(double until)
{
	struct move m[NT * NM];
	int n;

	table_reset();
	nframes = depth = 0;
	threads_start();
	for (;;) {
		int i = 0;

		if (failed)
			return FAILED;
		if (relearn)
			return RELEARN;
		n = moves(m);
		if (failed)
			return FAILED;
		if (n == 1) {
			step(m[0].t, m[0].alt);
			continue;
		}
		if (!seen(key())) {
			if (n) {
				if (nframes == FRAMES || depth == PATH) {
					fprintf(stderr, "mc: too deep\n");
					exit(2);
				}
				frames[nframes++] = (struct frame){ jmark(), K, 0, depth };
			} else {
				leaves++;
				all_done();
				if (failed)
					return FAILED;
			}
		} else {
			pruned++;
			n = 0;
		}
		if (!n) {
			struct frame *f = &frames[nframes - 1];

			if (!nframes)
				return DONE;
			if (!((leaves + pruned) & 255) && now() > until)
				return TIMEOUT;
			jundo(f->mark);
			K = f->key;
			n = moves(m);
			i = ++f->i;
			depth = f->depth;
			if (i + 1 == n)
				nframes--;
		}
		path[depth++] = (uint8_t)i;
		step(m[i].t, m[i].alt);
	}
}

/* One execution: along path[], or at random and leaving path[]. */
static enum outcome one(uint64_t *random)
{
	struct move m[NT * NM];
	int n, i = 0, end = depth;

	depth = 0;
	threads_start();
	for (;;) {
		if (failed)
			return FAILED;
		if (relearn)
			return RELEARN;
		n = moves(m);
		if (failed)
			return FAILED;
		if (!n || (!random && n > 1 && depth == end)) {
			if (!n)
				all_done();
			return failed ? FAILED : DONE;
		}
		if (n > 1) {
			if (random) {
				*random = mix(*random, 0x1234567);
				path[depth] = (uint8_t)(*random % (uint64_t)n);
			}
			i = path[depth++];
		}
		if (depth == PATH)
			return DONE;
		step(m[n > 1 ? i : 0].t, m[n > 1 ? i : 0].alt);
	}
}

static void report(struct result *r, enum outcome o, double start)
{
	r->verdict = o == DONE ? "ok" : o == FAILED ? "FAIL" : "incomplete";
	r->executions = leaves + pruned;
	r->states = states;
	r->steps = steps;
	r->seconds = now() - start;
	r->bound = bound;
	r->locations = (unsigned)nracy;
	memcpy(r->why, why, sizeof(why));
}

static void replay_path(size_t base, uint64_t base_key)
{
	jundo(base);
	K = base_key;
	failed = false;
	tracing = true;
	one(NULL);
	tracing = false;
	trace_print(why);
}

static enum outcome follow(const char *replay)
{
	struct move m[NT * NM];
	int target = 0, alt = 0, t = 0, n, i;

	threads_start();
	while (!failed && !relearn) {
		n = moves(m);
		if (!n) {
			all_done();
			break;
		}
		if (!t || T[t].ops >= target) {
			char c = *replay;

			if (!c)
				break;
			t = c - 'a' + 1;
			replay++;
			alt = 0;
			n = (int)strtol(replay, (char **)&replay, 10);
			if (*replay == ':') {
				alt = n;
				replay++;
				n = (int)strtol(replay, (char **)&replay, 10);
			}
			if (t < 1 || t > nthr || n < 1)
				return DONE;
			target = T[t].ops + n;
		}
		i = alternatives(t);
		if (!i)
			break;
		step(t, alt < i ? alt : 0);
		alt = 0;
	}
	return failed ? FAILED : relearn ? RELEARN : DONE;
}

static void begin(const struct mc_scenario *s)
{
	S = s;
	jinit();
	co_init();
	plain_init();
	alloc_reset();
	memory_reset();
	G.now = s->now;
	for (nthr = 0; s->threads[nthr]; nthr++)
		;
	if (s->init)
		run_alone(s->init);
}

void search_scenario(const struct mc_scenario *s, int preemptions, double seconds,
		     const char *replay, struct result *r)
{
	double start = now();
	uint64_t base_key, random = 88172645463325252u;
	enum outcome o = DONE;
	size_t base;
	int probes = BROKEN(31) ? PROBES : 0;

	bound = preemptions;
	begin(s);
	base = jmark();
	base_key = K;
	if (failed)
		o = FAILED;
	while (o != FAILED) {
		learn_reset();
		K = base_key;
		leaves = pruned = 0;
		if (replay) {
			tracing = true;
			trace_print(NULL);
			o = follow(replay);
			tracing = false;
		} else if (probes < PROBES) {
			o = one(&random);
		} else {
			o = search(start + seconds);
		}
		if (o == FAILED)
			break;
		jundo(base);
		if (o == RELEARN) {
			r->restarts++;
			if (probes == PROBES)
				learn_restart();
		} else if (replay || probes++ == PROBES) {
			break;
		}
	}
	report(r, o, start);
	if (o == FAILED && !replay)
		replay_path(base, base_key);
	else if (replay)
		trace_print(o == FAILED ? why : "nothing: this execution is fine");
}
