/* SPDX-License-Identifier: MIT */
/*
 * torture_calls.c - the ledger: each callback ran exactly once, or was stopped
 *
 * Whoever armed one puts it on a shelf that all threads share; whoever takes it from
 * there stops it, then knows which of the two it was, and frees it.
 */
#include "torture.h"

#define SHELF	1024

enum state { ARMED, RAN, STOPPED, GONE };

/* What a callback does beside running. */
enum does { NOTHING, ENDS, DROPS, CANCELS, AGAIN };

struct entry {				/* a callback and its page of the ledger */
	struct urctx_callback cb;	/* first */
	int state;
	enum does does;
	struct urctx *also;		/* what it ends, or drops, or is armed on again */
	struct urctx_callback again;
	int second;			/* of again: likewise */
};

static struct entry *shelf[SHELF];
static uint64_t ran, armed;

static void settle(int *state, enum state as)
{
	int was = __atomic_exchange_n(state, as, __ATOMIC_ACQ_REL);

	if (was != ARMED)
		fprintf(stderr, "torture: a callback that %s\n",
			was == RAN ? "ran before" : was == STOPPED ? "was stopped" :
			"is gone");
	must(was == ARMED);
	if (as == RAN)
		__atomic_fetch_add(&ran, 1, __ATOMIC_RELAXED);
}

static void second_call(struct urctx_callback *cb)
{
	struct entry *e = (struct entry *)((char *)cb - offsetof(struct entry, again));

	settle(&e->second, RAN);
}

static void do_also(struct entry *e)
{
	if (e->does == DROPS) {
		t_put(e->also);
	} else if (e->does == ENDS) {
		did(CANCEL);
		did(PUT);
		urctx_end(e->also);
	} else if (e->does == CANCELS) {
		t_cancel(e->also, some_cause());
		must(t_done(e->also));
		t_put(e->also);
	}
}

static void called_back(struct urctx_callback *cb)
{
	struct entry *e = (struct entry *)cb;

	/* a second one, on another context, before the first is known to have run */
	if (e->does == AGAIN) {
		did(AFTER);
		__atomic_fetch_add(&armed, 1, __ATOMIC_RELAXED);
		__atomic_store_n(&e->second, ARMED, __ATOMIC_RELAXED);
		must(urctx_after(e->also, &e->again, second_call) == 0);
	}
	do_also(e);
	settle(&e->state, RAN);
}

static bool stop(struct urctx_callback *cb, int *state)
{
	bool stopped;

	did(STOP);
	stopped = one_of(2) ? urctx_try_stop(cb) : urctx_stop(cb);
	if (!stopped) {
		did(STOP);
		must(!urctx_stop(cb));		/* it is over when that is back */
		must(__atomic_load_n(state, __ATOMIC_ACQUIRE) == RAN);
		more(&me()->ran, 1);
		return false;
	}
	settle(state, STOPPED);
	more(&me()->stopped, 1);
	return true;
}

/* It has run, or is stopped; its memory is ours in either case. */
static void finish(struct entry *e)
{
	if (stop(&e->cb, &e->state)) {
		if (e->does == AGAIN)
			t_put(e->also);
		else
			do_also(e);
	} else if (e->does == AGAIN) {
		stop(&e->again, &e->second);
		t_put(e->also);
	}
	e->state = e->second = GONE;
	free(e);
}

static struct entry *from_shelf(struct entry *in_its_place)
{
	return __atomic_exchange_n(&shelf[one_of(SHELF)], in_its_place, __ATOMIC_ACQ_REL);
}

static struct entry *entry_make(struct urctx *ctx)
{
	struct entry *e = calloc(1, sizeof(*e));
	struct urctx *parent;

	must(e);
	e->second = GONE;
	e->does = one_of(5);
	switch (e->does) {
	case ENDS:			/* a chain: this end ends another */
		parent = look(somewhere());
		e->also = t_derive(parent);
		t_put(parent);
		break;
	case DROPS:			/* it drops its own context */
		e->also = t_get(ctx);
		break;
	case CANCELS:			/* rarely: the tree would be over soon */
		e->also = one_of(16) ? t_derive(ctx) : look(somewhere());
		if (!e->also)
			e->does = NOTHING;
		break;
	case AGAIN:
		e->also = look(somewhere());
		break;
	default:
		break;
	}
	return e;
}

void op_after(void)
{
	struct urctx *ctx = look(somewhere());
	struct entry *e, *old;

	if (!ctx)
		return;
	e = entry_make(ctx);
	did(AFTER);
	more(&me()->armed, 1);
	__atomic_fetch_add(&armed, 1, __ATOMIC_RELAXED);
	must(urctx_after(ctx, &e->cb, called_back) == 0);
	t_put(ctx);
	old = from_shelf(e);
	if (old)
		finish(old);
}

void op_stop(void)
{
	struct entry *e = from_shelf(NULL);

	if (e)
		finish(e);
}

void calls_end(void)
{
	for (int i = 0; i < SHELF; i++)
		if (shelf[i])
			finish(shelf[i]);
}

void calls_over(const struct thread *sum)
{
	must(armed == ran + sum->stopped && ran == sum->ran);
	printf("callbacks: %lu armed, %lu ran once, %lu stopped, none both or neither\n",
	       (unsigned long)armed, (unsigned long)ran, (unsigned long)sum->stopped);
}
