/* SPDX-License-Identifier: MIT */
/*
 * walk.h - a place in a tree that is being walked, depth first, without memory
 */
#ifndef URCTX_WALK_H
#define URCTX_WALK_H

#include "readers.h"
#include "slot.h"

#define AHEAD_CHUNKS	8

/* A link that was followed: where to go on when the context behind it is through. */
struct via {
	struct urctx *to, *at;
	struct slot *s;
};

struct walk {
	struct urctx *root;
	struct urctx *at;	/* the context whose slots are read */
	struct chunk *chunk;
	struct slot *s, *end;	/* next slot to read, and the chunk's end */
	uintptr_t word;		/* what a child of `at` is to become (I9) */
	unsigned breath;	/* chunks left in this section */
	bool locked;		/* in a read-side section */
	bool won;		/* the child was ended by our own cas, a full fence on x86 */
	bool calls;		/* the second walk, for callbacks */
	bool saw;		/* a callback, or a subtree that may have some */
	long depth;		/* of `at` below the root */
	long unclean;		/* down to here the path leads to what was too deep */
	unsigned nr_via;
	struct urctx *too_deep;	/* pinned: a link that there was no room for */
	bool kept;		/* then the first root is pinned, too */
	struct via via[VIA];
};

void walk_start(struct walk *w, struct urctx *root, bool calls);
void walk_enter(struct walk *w, struct urctx *x);
bool walk_leave(struct walk *w);
void walk_lock(struct walk *w);

/*
 * In a section, going down by the link to @k in @s, which is done.  False: too
 * deep; it is walked as a root of its own, and then this root once more.
 */
bool walk_via(struct walk *w, struct urctx *k, struct slot *s);
/* @once walks all below a root; as often as it takes, if there are links too deep. */
void walk_all(struct walk *w, struct urctx *root,
	      void (*once)(struct walk *w, struct urctx *root));
void walk_finish(struct walk *w);

/* Rest here, without a section, and be sure to find @x as it was (I11). */
bool pin(struct urctx *x);
void unpin(struct urctx *x);

/*
 * First pass: @root is done; when it returns everything below is.  True: there may
 * be callbacks to call.
 */
bool walk_marks(struct urctx *root);

/* Is all below @x done (and, @calls, every callback called)?  (I12) */
static inline bool clean(const struct urctx *x, bool calls)
{
	const struct chunk *first = chunk_first(x);

	return load(&first->flags_clean, CLEAN_READ) &&
	       (!calls || load(&first->calls_clean, CLEAN_READ));
}

static inline uintptr_t walk_read(const struct slot *s)
{
	return load(&s->v, SLOT_READ);
}

static inline void walk_chunk(struct walk *w, struct chunk *c)
{
	w->chunk = c;
	w->s = &c->slot[0];
	w->end = chunk_end(c);
}

/* A grace period need not wait for all of a long walk. */
void walk_breathe(struct walk *w);

static inline void walk_tick(struct walk *w)
{
	if (w->breath)
		w->breath--;
	else if (w->locked)
		walk_breathe(w);
}

/*
 * A list is a chain of cache misses.  Chunks that were made in one burst lie side
 * by side: guess that the one AHEAD_CHUNKS on is as far again as this one.
 */
static inline void prefetch_chunk(const struct chunk *at, const struct chunk *next)
{
	uintptr_t step = (uintptr_t)next - (uintptr_t)at;
	const char *guess = (const char *)((uintptr_t)next + AHEAD_CHUNKS * step);
	unsigned i;

	for (i = 0; i < CHUNK_BYTES; i += 64)
		__builtin_prefetch(guess + i);
}

/* The next chunk of this context, or false. */
static inline bool walk_next_chunk(struct walk *w)
{
	struct chunk *c = chunk_next(w->chunk);

	walk_tick(w);
	if (!c)
		return false;
	prefetch_chunk(w->chunk, c);
	walk_chunk(w, c);
	return true;
}

#endif
