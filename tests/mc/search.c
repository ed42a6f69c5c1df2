/* SPDX-License-Identifier: MIT */
/*
 * search.c - every execution of a scenario
 *
 * Depth first over the states in which all threads stand before an operation.
 * The way back is the journal: nothing is executed twice.  A state that was seen
 * is not entered again; its key covers all that can change, and of a thread's
 * own state the history of what it read, which determines it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "model.h"

#define FRAMES	(1 << 16)
#define PATH	(1 << 16)

struct thread T[NT];
struct global G;
int me = -1, nthr;
uint64_t K;
const struct mc_scenario *S;
bool failed, tracing;

static char why[256];
static int bound;
static unsigned probes;		/* executions at random, so far */
static unsigned long leaves, pruned, steps;

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

void search_step(int t, int alt)
{
	struct thread *x = &T[t];
	struct op o = x->op;
	int nalt = tracing ? alternatives(t) : 0;
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
	x->stops++;
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
		trace_step(t, alt, x->ops);
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
		/* 0 is what the others know of it: nothing */
		clock_set(&T[t].cur.c, t, 1);
		clock_set(&T[t].acq.c, t, 1);
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
#ifdef MC_BREAKABLE
	check_outcome();
#endif
	for (t = 1; t <= nthr && !failed; t++)
		if (T[t].nest)
			die("thread %d ended in a read-side section", t);
	if (S->fini && !failed)
		run_alone(S->fini);
	if (!failed)
		history_end();
	if (!failed)
		alloc_check_leaks();
}

/* Of this process: a limit means the same on a busy machine. */
static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

enum outcome { DONE, FAILED, RELEARN, TIMEOUT };

/* Depth first.  Leaves path[] at the failure. */
static enum outcome search(double until)
{
	struct move m[NT * NM];
	int n;

	states_reset();
#ifdef MC_BREAKABLE
	check_begin();
#endif
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
		/* where there is one way only, look now and then */
		if (n == 1 && (T[m[0].t].ops & 3)) {
			search_step(m[0].t, m[0].alt);
			continue;
		}
		if (!seen(key())) {
			progress_check();
			if (failed)
				return FAILED;
			if (relearn)
				return RELEARN;
			if (n == 1) {
				search_step(m[0].t, m[0].alt);
				continue;
			}
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
#ifdef MC_BREAKABLE
			check_key();
#endif
			n = moves(m);
			i = ++f->i;
			depth = f->depth;
			if (i + 1 == n)
				nframes--;
		}
		path[depth++] = (uint8_t)i;
		search_step(m[i].t, m[i].alt);
	}
}

/* Each second execution stays with a thread for a while: few preemptions. */
static uint8_t at_random(uint64_t *random, const struct move *m, int n, int last)
{
	int i;

	*random = mix(*random, 0x1234567);
	if ((*random >> 40) % 8 && probes % 2)
		for (i = 0; i < n; i++)
			if (m[i].t == last && (*random >> 32) % 4)
				return (uint8_t)i;
	return (uint8_t)(*random % (uint64_t)n);
}

/* One execution: along path[], or at random and leaving path[]. */
static enum outcome one(uint64_t *random)
{
	struct move m[NT * NM];
	int n, i = 0, end = depth, last = 0;

	depth = 0;
	threads_start();
	for (;;) {
		if (failed)
			return FAILED;
		if (relearn)
			return RELEARN;
		n = moves(m);
		if (!failed && !random && depth == end)
			progress_check();
		if (failed)
			return FAILED;
		if (!n || (!random && n > 1 && depth == end)) {
			if (!n)
				all_done();
			return failed ? FAILED : DONE;
		}
		if (n > 1) {
			if (random)
				path[depth] = at_random(random, m, n, last);
			i = path[depth++];
		}
		if (depth == PATH)
			return DONE;
		last = m[n > 1 ? i : 0].t;
		search_step(last, m[n > 1 ? i : 0].alt);
	}
}

static void report(struct result *r, enum outcome o, double start)
{
	r->verdict = o == DONE ? "ok" : o == FAILED ? "FAIL" : "incomplete";
	r->executions = leaves + pruned;
	r->states = states;
	r->histories = histories;
	r->progress_runs = progress_runs;
	memcpy(r->progress, progress_most, sizeof(r->progress));
	r->steps = steps;
	r->seconds = now() - start;
	r->bound = bound;
	r->locations = (unsigned)nracy;
	memcpy(r->why, why, sizeof(why));
#ifdef MC_BREAKABLE
	r->outcomes = check_outcomes(&r->noutcomes);
#endif
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

/*
 * Along a replay string.  It counts all operations of a thread, those too that
 * are not interleaved, so that it means the same before what was learned in the
 * search is learned again here.
 */
static enum outcome follow(const char *replay)
{
	int want[NT] = { 0 }, alt = 0, t = 0;

	threads_start();
	while (!failed && !relearn) {
		char *end = (char *)replay;

		if (t && T[t].ops < want[t] && alternatives(t)) {
			search_step(t, alt < alternatives(t) ? alt : 0);
			alt = 0;
			continue;
		}
		t = *replay - 'a' + 1;
		if (t < 1 || t > nthr)
			break;
		want[t] += (int)strtol(replay + 1, &end, 10);
		alt = 0;
		if (*end == ':') {
			want[t] -= alt = (int)strtol(replay + 1, &end, 10);
			want[t] += (int)strtol(end + 1, &end, 10);
		}
		replay = end;
	}
	for (t = 1; t <= nthr && !failed && !relearn && !alternatives(t); t++)
		;
	if (t > nthr && !failed && !relearn)
		all_done();
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
	history_begin();
}

void search_scenario(const struct mc_scenario *s, int preemptions, double seconds,
		     unsigned at_most, const char *replay, struct result *r)
{
	double start = now();
	uint64_t base_key, random = 88172645463325252u;
	enum outcome o = DONE;
	size_t base;
	unsigned wanted = BROKEN(31) ? 0 : at_most;

	bound = preemptions;
	probes = 0;
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
		} else if (probes < wanted) {
			o = one(&random);
		} else {
			o = search(start + seconds);
		}
		if (o == FAILED)
			break;
		jundo(base);
		if (o == RELEARN) {
			r->restarts++;
			if (probes == wanted)
				learn_restart();
		} else if (replay || probes == wanted) {
			break;
		} else {
			probes++;
		}
	}
	report(r, o, start);
	if (o == FAILED && !replay)
		replay_path(base, base_key);
	else if (replay)
		trace_print(o == FAILED ? why : "nothing: this execution is fine");
}
