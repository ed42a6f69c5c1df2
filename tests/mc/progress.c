/* SPDX-License-Identifier: MIT */
/*
 * progress.c - from where each thread stands, does its call end if no other moves?
 *
 * At every new state each thread that is in one of the calls of progress.h runs alone
 * until that call is over, and is put back: twice, once reading what is newest, once
 * the oldest that it may read.  Waiting for another thread has no end here, and a loop
 * that others have to end has too many steps.  What the scenario's own callbacks wait
 * for is theirs: urctx_stop(), urctx_wait(), mc_pause().
 */
#include "progress.h"

#include "model.h"

unsigned progress_limit;
unsigned progress_most[PROGRESS_KINDS];
unsigned long progress_runs;

/* Whose call is run to its end, which call, and where that was. */
static int alone_thread;
static unsigned alone_serial, alone_ended;

void progress_enter(enum progress_kind kind)
{
	struct thread *x = &T[me];

	if (me > 0 && !x->inside++ && !x->waiting) {
		x->call = (uint8_t)kind;
		x->serial++;
		x->begun = x->ops;
		x->stops = 0;
	}
}

void progress_leave(void)
{
	struct thread *x = &T[me];

	if (me <= 0 || --x->inside)
		return;
	if (me == alone_thread && x->serial == alone_serial)
		alone_ended = x->ops;
	/* nobody could have told that it was in it */
	if (!x->stops && !x->waiting && x->ops - x->begun > (int)progress_most[x->call])
		progress_most[x->call] = (unsigned)(x->ops - x->begun);
}

void progress_may_wait(void)
{
	if (me > 0)
		T[me].waiting++;
}

void progress_back(void)
{
	if (me > 0)
		T[me].waiting--;
}

static const char *name(int kind)
{
#define X(name) #name,
	static const char *const names[] = { PROGRESS(X) };
#undef X

	return names[kind];
}

/* Thread @t alone, to the end of its call. */
static void alone(int t, bool oldest)
{
	struct thread *x = &T[t];
	unsigned from = x->ops, took, serial = x->serial;
	int call = x->call, alts;

	alone_thread = t;
	alone_serial = serial;
	alone_ended = 0;
	while (x->inside && x->serial == serial && !x->waiting && x->op.kind != OP_PAUSE) {
		alts = alternatives(t);
		if (!alts) {
			die("progress: %s of thread %d waits for another thread",
			    name(call), t);
			return;
		}
		if (x->ops - from > progress_limit) {
			die("progress: %s of thread %d takes more than %u steps alone",
			    name(call), t, progress_limit);
			return;
		}
		search_step(t, oldest ? alts - 1 : 0);
		if (failed || relearn)
			return;
	}
	if (!alone_ended)
		return;		/* in what may wait */
	took = alone_ended - from;
	progress_runs++;
	if (took > progress_most[call])
		progress_most[call] = took;
	if (took > progress_limit)
		die("progress: %s of thread %d takes %u steps alone, more than %u",
		    name(call), t, took, progress_limit);
}

/* And, for a failure that is printed, once more with what it does. */
static void both(int t, bool oldest, size_t mark)
{
	bool printed = tracing;
	uint64_t key = K;

	tracing = false;
	alone(t, oldest);
	alone_thread = 0;
	if (failed && printed) {
		jundo(mark);
		K = key;
		failed = false;
		tracing = true;
		alone(t, oldest);
	}
	tracing = printed;
	if (failed || relearn)
		return;
	jundo(mark);
	K = key;
}

void progress_check(void)
{
	size_t mark = jmark();
	int t;

	for (t = 1; t <= nthr && progress_limit; t++) {
		if (!T[t].inside || T[t].waiting || T[t].done)
			continue;
		both(t, false, mark);
		if (!failed && !relearn)
			both(t, true, mark);
		if (failed || relearn)
			return;
	}
}
