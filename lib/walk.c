/* SPDX-License-Identifier: MIT */
/*
 * walk.c - mark a subtree done
 *
 * Claim: when walk_marks() returns, every context whose derivation from the
 * root or from one of its descendants has returned is done, though others
 * derive, put and cancel meanwhile.
 *
 * Each context is entered after it is known done and a fence has been passed, so
 * that a child which is not seen sees it (I8).  A child is changed by a cas on
 * the address of the slot in which it was found (I4); the same step tells
 * whether there is anything below it.  A child that somebody else has ended is
 * entered all the same: he may not be through (I7).  What is finished is said so
 * on the way out, so that k cancellers of one tree walk it at most k times.
 *
 * There is no recursion and no memory: a context knows its parent and its slot,
 * and both are frozen while the section lasts (I6, I10).
 */
#include "grace.h"
#include "put.h"
#include "walk.h"
#include "word.h"

#define AHEAD	16		/* slots: children are prefetched that early */

void walk_lock(struct walk *w)
{
	if (!w->locked)
		section_enter();
	w->locked = true;
}

void walk_finish(struct walk *w)
{
	if (w->too_deep && !w->kept)
		w->kept = pin(w->root);
	if (w->locked)
		section_exit();
	w->locked = false;	/* as the next begins */
}

bool pin(struct urctx *x)
{
	uint32_t w = load_relaxed(&x->watch);

	while (!(w & DEAD))
		if (cas_relaxed(&x->watch, &w, w + PIN))
			return true;
	return false;
}

/* In a section: a zombie that lost its last child meanwhile is ours to unlink. */
void unpin(struct urctx *x)
{
	uint32_t w = fetch_sub_relaxed(&x->watch, PIN) - PIN;

	if (w < PIN && (w & ARMED))
		child_left(x, NULL, true);
}

void walk_enter(struct walk *w, struct urctx *x)
{
	if (w->won)
		fence_after_rmw(WALK_SB);
	else
		fence(WALK_SB);
	w->at = x;
	w->depth++;
	w->word = inherit(load(&x->state, STATE_READ));
	walk_chunk(w, chunk_first(x));
	walk_tick(w);
}

void walk_start(struct walk *w, struct urctx *root, bool calls)
{
	w->root = root;
	w->breath = WALK_BREATH;
	w->locked = false;
	w->calls = calls;
	w->won = false;
	w->depth = -1;
	w->unclean = -1;
	w->nr_via = 0;
	w->too_deep = NULL;
	walk_enter(w, root);
}

/* Out of a context, up to its parent; false: that was the root. */
bool walk_leave(struct walk *w)
{
	struct chunk *first = chunk_first(w->at);
	struct urctx *up = w->at->parent;
	struct slot *s = w->at->slot;

	if (w->depth <= w->unclean) {
		w->unclean = w->depth - 1;	/* nor is the one above */
	} else {
		/* the second walk comes to some first: born done, with a chunk */
		store(&first->flags_clean, 1, CLEAN_SET);
		if (w->calls || !w->saw)
			store(&first->calls_clean, 1, CLEAN_SET);
	}
	if (w->at == w->root)
		return false;
	w->depth--;
	if (w->nr_via && w->via[w->nr_via - 1].to == w->at) {
		up = w->via[--w->nr_via].at;
		s = w->via[w->nr_via].s;
	}
	w->at = up;
	w->word = inherit(load(&up->state, STATE_READ));
	w->chunk = chunk_of(s);
	w->s = s + 1;
	w->end = chunk_end(w->chunk);
	return true;
}

bool walk_via(struct walk *w, struct urctx *k, struct slot *s)
{
	struct via *via = &w->via[w->nr_via];

	/* one at a time: paths through many joins are more than there are joins */
	if (w->nr_via == VIA || w->too_deep) {
		if (!w->too_deep) {
			if (!pin(k))	/* seldom: it has gone, and nothing is below */
				return false;
			w->too_deep = k;
		}
		w->unclean = w->depth;
		return false;
	}
	*via = (struct via){ .to = k, .at = w->at, .s = s };
	w->nr_via++;
	return true;
}

static void unpin_outside(struct urctx *x)
{
	section_enter();
	unpin(x);
	section_exit();
}

/* Each walk that was too deep leaves at least one link clean: this ends. */
void walk_all(struct walk *w, struct urctx *root,
	      void (*once)(struct walk *w, struct urctx *root))
{
	struct urctx *at = root, *next;

	w->kept = false;
	for (;;) {
		once(w, at);
		next = w->too_deep;
		if (at != root)
			unpin_outside(at);
		else if (!next)
			break;
		else if (!w->kept) {	/* seldom: empty meanwhile */
			unpin_outside(next);	/* a callback put the root */
			break;
		}
		at = next ? next : root;
	}
	if (w->kept)
		unpin_outside(root);
}

/* A grace period need not wait for all of a long walk. */
void walk_breathe(struct walk *w)
{
	if (!pin(w->at))
		return;
	section_exit();
	section_enter();
	unpin(w->at);
	w->breath = WALK_BREATH;
}

/*
 * Change the child @k, found in @s, to w->word.  True: it is to be entered.
 * Outside of a section nothing but a leaf is touched, which is safe under the
 * reference to the root.
 */
static inline bool mark(struct walk *w, struct urctx *k, struct slot *s)
{
	uintptr_t e = load(&k->state, MARK_READ);

	for (;;) {
		if ((e & HASCH) && !w->locked) {
			walk_lock(w);
			if (walk_read(s) != (uintptr_t)k)
				return false;
			e = load(&k->state, MARK_READ);
			continue;
		}
		if (e & DONE)
			break;
		if ((e & ~STATE_BITS) != (uintptr_t)s)
			return false;
		if (cas_or_read(&k->state, &e, w->word | (e & HASCH), STATE_DONE,
				MARK_READ)) {
			word_ended(k, e);
			w->won = true;
			return e & HASCH;
		}
	}
	w->won = false;
	if (!(e & HASCH) || k->slot != s)	/* seldom: or another by now */
		return false;
	if (!clean(k, false))
		return true;
	if (!clean(k, true))
		w->saw = true;
	return false;
}

/*
 * @s of a context that is done holds the link to @k, whose slot is another's: it
 * had a chunk before it was published, and so stays what it is in a section.
 */
static bool mark_any(struct walk *w, struct urctx *k, struct slot *s)
{
	if (!w->locked) {
		walk_lock(w);
		if (walk_read(s) != ((uintptr_t)k | TAG_ANY))
			return false;
	}
	word_end(k, w->word);
	w->won = false;
	if (!clean(k, false))
		return walk_via(w, k, s);
	if (!clean(k, true))
		w->saw = true;
	return false;
}

static void mark_grace(struct walk *w, struct urctx *k, struct slot *s)
{
	if (!w->locked) {
		walk_lock(w);
		if (walk_read(s) != ((uintptr_t)k | TAG_GRACE))
			return;
	}
	grace_begin(k, w->word);
}

/* What is not a plain child. */
static bool mark_other(struct walk *w, uintptr_t v, struct slot *s)
{
	struct urctx *k = (struct urctx *)(v & ~TAG_BITS);

	switch (v & TAG_BITS) {
	case TAG_ANY:
		return mark_any(w, k, s);
	case TAG_GRACE:
		mark_grace(w, k, s);
		return false;
	default:
		w->saw = true;
		return false;
	}
}

static inline void prefetch_child(const struct walk *w, const struct slot *s)
{
	if (s + AHEAD < w->end)
		__builtin_prefetch((void *)load_relaxed(&s[AHEAD].v), 1);
}

/* Marks children up to one that is to be entered; NULL: there are no more. */
static struct urctx *mark_slots(struct walk *w)
{
	do {
		for (; w->s != w->end; w->s++) {
			uintptr_t v = walk_read(w->s);

			prefetch_child(w, w->s);
			if (!v)
				continue;
			if (v & TAG_BITS ? mark_other(w, v, w->s) :
					   mark(w, (struct urctx *)v, w->s))
				return (struct urctx *)(v & ~TAG_BITS);
		}
	} while (walk_next_chunk(w));
	return NULL;
}

static void walk_marks_once(struct walk *w, struct urctx *root)
{
	walk_start(w, root, false);
	do {
		struct urctx *k;

		while ((k = mark_slots(w)))
			walk_enter(w, k);
	} while (walk_leave(w));
	walk_finish(w);
}

bool walk_marks(struct urctx *root)
{
	struct walk w;

	w.saw = false;
	walk_all(&w, root, walk_marks_once);
	return w.saw;
}
