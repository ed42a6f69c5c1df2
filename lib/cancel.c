/* SPDX-License-Identifier: MIT */
/*
 * cancel.c - end a context and everything below it, then run the callbacks
 *
 * Flags first, callbacks after (I14): the first walk marks the subtree done, the
 * second one runs what was armed there, and is left out if the first saw nothing.
 * Whoever finds the context done already helps: when a cancel returns, whoever
 * won, all below is done, and every callback has run or is running (G2).
 *
 * A callback may cancel.  That marks at once; callbacks of that subtree are left
 * to the outermost cancel of the thread, so that a chain of contexts whose
 * callbacks cancel the next one needs no stack (I22).
 */
#include "callback.h"
#include "cancel.h"
#include "deadline.h"
#include "put.h"

/*
 * The child @k in @s is done with all below it, and may have armed callbacks there.
 * If not all is done, this is a shield that has ended since the first walk, and its
 * canceller's; or what was derived since, of something done, and has none.
 */
static bool has_calls(const struct urctx *k, const struct slot *s)
{
	uintptr_t e = load(&k->state, MARK_READ);

	return (e & DONE) && (e & HASCH) &&	/* seldom: or another by now */
	       k->slot == s && clean(k, false) && !clean(k, true);
}

/* Runs callbacks up to a child that is to be entered; NULL: there are no more. */
static struct urctx *call_slots(struct walk *w)
{
	do {
		while (w->s != w->end) {
			struct slot *s = w->s++;
			uintptr_t v = walk_read(s), tag = v & TAG_BITS;
			struct urctx *k = (struct urctx *)(v & ~TAG_BITS);

			if (!v)
				continue;
			if (tag == TAG_ARMED)
				run_callback(w->root, w->at, s, v);
			else if (tag == TAG_CHILD && has_calls(k, s))
				return k;
			else if (tag == TAG_ANY && has_calls(k, k->slot) &&
				 walk_via(w, k, s))
				return k;
		}
	} while (walk_next_chunk(w));
	return NULL;
}

static void walk_calls_once(struct walk *w, struct urctx *root)
{
	struct urctx *k;

	walk_start(w, root, true);
	walk_lock(w);
	do {
		while ((k = call_slots(w)))
			walk_enter(w, k);
	} while (walk_leave(w));
	walk_finish(w);
}

/* The second walk.  A callback may drop the last reference to @root. */
static void walk_calls(struct urctx *root)
{
	struct walk w;

	w.saw = false;
	walk_all(&w, root, walk_calls_once);
}

/* Also by a signal handler, in the middle of this. */
static void queue_push(struct thread *t, struct urctx *c)
{
	struct chunk *first = chunk_first(c);
	struct urctx *next = load_relaxed(&t->queue);

	do
		first->queue = next;
	while (!cas_relaxed(&t->queue, &next, c));	/* uncovered: a signal in between */
}

static struct urctx *queue_pop(struct thread *t)
{
	struct urctx *c;

	section_enter();	/* a signal handler may run and unpin it meanwhile */
	c = load_relaxed(&t->queue);
	while (c &&		/* uncovered: a signal in between */
	       !cas_relaxed(&t->queue, &c, chunk_first(c)->queue))
		;
	section_exit();
	return c;
}

void run_queue(struct thread *t)
{
	struct urctx *c;

	while ((c = queue_pop(t))) {
		store(&chunk_first(c)->queuer, 0, QUEUE_LEFT);
		walk_calls(c);
		section_enter();
		unpin(c);
		section_exit();
	}
}

/* Leave @c's callbacks to our outermost cancel; false: they are another thread's. */
static bool leave_for_later(struct thread *t, struct urctx *c)
{
	uint32_t queuer = 0;
	struct frame *f;

	for (f = t->frame; f; f = f->outer)
		if (f->root == c)
			return true;	/* that walk gets there */
	if (!cas(&chunk_first(c)->queuer, &queuer, t->id, QUEUE_TAKEN))
		return queuer == t->id;
	pin(c);		/* the caller's reference may go before its turn comes */
	queue_push(t, c);
	return true;
}

void run_callbacks(struct urctx *c)
{
	struct thread *t = this_thread();

	if (t->frame && leave_for_later(t, c))
		return;
	walk_calls(c);
	if (!t->frame)
		run_queue(t);
}

bool tree_end(struct urctx *ctx, uintptr_t word)
{
	uintptr_t w = word_end(ctx, word);
	bool calls;

	if (!(w & HASCH))
		return !(w & DONE);
	if ((w & DONE) && clean(ctx, false))
		calls = !clean(ctx, true);
	else
		calls = walk_marks(ctx);
	if (calls)
		run_callbacks(ctx);
	return !(w & DONE);
}

/* What a deadline has ended already is not ended by a cancel (G4). */
bool(urctx_cancel_cause)(struct urctx *ctx, const struct urctx_cause *cause)
{
	touch(ctx);
	if (!ctx)
		return false;
	if (!cause)
		cause = &urctx_canceled;
	urctx_assert(!((uintptr_t)cause & STATE_BITS),
		     "the cause is not aligned to 8 bytes: do not pack it");
	if (__builtin_expect(passed(load_relaxed(&ctx->deadline)), 0)) {
		tree_end(ctx, expiry_word(ctx));
		return false;
	}
	return tree_end(ctx, (uintptr_t)cause | DONE);
}
