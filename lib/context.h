/* SPDX-License-Identifier: MIT */
/*
 * context.h - a context, its chunks of slots, and what is always true of them
 *
 * The state word
 *	0			free, or being built
 *	slot | flags		live: the address of the slot that holds it
 *	cause | DONE | ...	over, for good
 *
 * A canceller changes a child from *the address of the slot in which it found the
 * child* to done.  If the child has left and its memory is another context by now,
 * that compare-and-swap fails by itself: no reference, no hazard pointer, no
 * generation.
 *
 * Invariants
 *
 * I1 word.	state goes from live to done once, by one cas; then only HASCH may be
 *		added; a done word is not overwritten before the context is reused.
 * I2 address.	The address is that of slot s iff whoever cancels the owner of s shall
 *		cancel this context; then the context is published in s, and the word
 *		was stored before.  Roots and shields: the address of no_slot.
 * I3 slot.	0 -> x by cas only, by a holder of a reference to the slot's owner.
 *		x -> 0 only by the party that x belongs to: the last put of a context,
 *		the stopper or the runner of a callback.  An occupied slot keeps its
 *		context, and all its ancestors, linked and unreclaimed.
 * I4 identity.	Done is put into a context found in slot s of X only by cas from
 *		&s | flags, by one who knows X done, in the section in which it read s
 *		or under a reference to X.  Nobody else may rely on the address.
 * I5 memory.	Contexts and chunks stay what they are for ever.  A context without
 *		HASCH is reused as soon as its slot is empty; one with HASCH, and its
 *		chunks, when every section that began before its unlinking has ended.
 * I6 interior.	HASCH is set after the first chunk is linked and before a slot of it is
 *		filled.  Of a context found in a slot a walker touches only state, and
 *		watch after winning, until it has seen HASCH; then parent, slot and
 *		chunks are frozen for the rest of the section.
 *		chunk.used is raised before a slot behind it is filled: who misses the one
 *		misses the other, and the child sees its parent done (I8).
 * I7 descent.	A walker enters k found in s iff its own cas replaced a word with HASCH,
 *		or k is done with HASCH, k->slot == s, and k is not clean.  Never skip a
 *		child merely because it is done.
 * I8 fences.	Attach: slot cas, fence, parent's state.  Walk: parent known done,
 *		fence, first slot: at every interior context, winners and helpers.
 * I9 inherit.	A child's done word is its parent's without HASCH, read at every entry
 *		and every climb, never the root's.
 * I10 climb.	Within a section the path root..x consists of contexts that were linked
 *		when it was walked down: climb by x->parent and x->slot.
 * I11 pin.	A walker leaves its section only while it holds a RUNNING slot or a PIN
 *		in x, and gives it up inside the next one.  Reclaiming is a cas of watch
 *		to DEAD, which a PIN makes impossible.
 * I12 clean.	chunk.flags_clean: every child whose derivation has returned is done,
 *		recursively.  chunk.calls_clean: and no callback is armed.  Set on the way
 *		out of a context, never cleared in that life.
 * I13 calls.	The slot is the only truth of a callback: ARMED -> RUNNING by cas before
 *		the caller's memory is read; at most one claim ahead of its call; RUNNING
 *		until fn has returned; nothing of the caller's memory is touched after
 *		the call begins, nor by urctx_after() once published.
 * I14 order.	No callback runs before the walker's whole subtree is done; no section
 *		is held over a callback.
 * I15 zombie.	After the last put nothing is attached: the set of occupied slots only
 *		shrinks.  ARMED is set, then everybody passes a barrier, then the scan
 *		that may leave the context to its children.  A child empties its slot
 *		before it looks at watch.  One cas to DEAD succeeds; its winner unlinks,
 *		then sets GONE.  Of him and whoever takes it off the list (ONLIST) the
 *		second retires it: it is unlinked before its grace period begins.
 * I16 late.	A child may look at watch of a parent that is reclaimed or reused by now;
 *		what it does about it, it does in a section after reading watch again, and
 *		it is right for whichever context that is then.
 * I17 refs.	Only a holder of a reference makes another: there is no try_get.
 * I18 owner.	owner == p implies that the chunk is linked to p and p has HASCH.  Set
 *		after linking, cleared after the grace period, before p can be reused.
 *		A hint is a slot, used iff its chunk's owner is the parent at hand.
 * I19 growth.	Chunks of a parent <= peak of live children / 17 + threads + 17.
 * I20 links.	A context with several parents has a chunk from its birth, a slot of its
 *		first parent, and a link (TAG_ANY) in a slot of each other.  A walker that
 *		comes by the link remembers where it came from and goes back there; it
 *		never climbs by parent then.  Links are cleared where the slot is.
 * I21 expiry.	Who notices that a deadline has passed ends the context that he looks at,
 *		by cas, with the cause in it; never answers from the clock alone.  Its
 *		ancestors up to the one that set the deadline hold the same one, so
 *		urctx_err() of them is not 0 from then on (G12).
 * I22 nesting.	A thread's stack is bounded by the number of distinct roots that it
 *		cancels, not by contexts or callbacks.
 * I23 bits.	Slots, causes and callbacks are 8-aligned everywhere.  Of the live flags
 *		HASCH only goes up and LAZY only down, by cas; identity is compared
 *		under their mask.
 * I24 extra.	chunk.extra of the first chunk is set once, before any bit of watch that
 *		speaks of it; what it refers to leaves when the context is made DEAD, and
 *		it goes with the chunks, after the grace period, unless the timekeeper
 *		still has it.
 */
#ifndef URCTX_CONTEXT_H
#define URCTX_CONTEXT_H

#include <urctx.h>

#include "atomic.h"
#include "config.h"
#include "sys.h"

/* state, low bits */
#define DONE		1UL
#define LAZY		2UL	/* live: a deadline that nobody watches yet */
#define ETIME_KIND	2UL	/* done: by a deadline */
#define HASCH		4UL	/* has, or had, a chunk */
#define STATE_BITS	7UL

/* watch */
#define ARMED		1U	/* put while it had children: the last one unlinks it */
#define DEAD		2U	/* unlinked, or about to be; by one party */
#define ONLIST		4U	/* on a list of retired ones, while a zombie */
#define GONE		8U	/* DEAD, and out of its slot */
#define WAIT		16U	/* somebody sleeps on the state word */
#define OWNS		32U	/* value is its own, not its parent's */
#define HASFD		64U	/* urctx_fd() was asked for */
#define IDLE		128U	/* somebody sleeps until a slot is empty */
#define PIN		256U	/* times the number of walkers that rest here */

/* a slot's low bits say what its address is */
#define TAG_CHILD	0UL
#define TAG_ARMED	1UL	/* a callback that waits */
#define TAG_RUNNING	2UL	/* one that runs */
#define TAG_AWAITED	3UL	/* one that runs, and somebody sleeps until it is over */
#define TAG_ANY		4UL	/* a child whose first parent is another */
#define TAG_GRACE	5UL	/* a shield that is to be told when the parent ends */
#define TAG_BITS	7UL

/*
 * For sparse: what a grace period protects is __rcu, and is not to be read plainly;
 * who load()s it casts it by __force.  liburcu has the first word, too.
 */
#ifndef __rcu
#define __rcu
#endif
#ifndef __force
#define __force
#endif

struct slot {
	uintptr_t v;
} __attribute__((aligned(8)));

struct urctx {				/* a cache line */
	uintptr_t state;		/* first: urctx_done() reads it */
	uint32_t ref;
	uint32_t watch;
	struct urctx *parent;
	struct slot *slot;		/* of the parent; NULL: a root */
	struct chunk __rcu *chunks;
	union {
		int64_t deadline;
		struct urctx *link;	/* after the last put: on the housekeeper's list */
	};
	union {
		const struct urctx_cause *deadline_cause;
		struct urctx *todo;	/* DEAD: next on a list of those to unlink */
	};
	void *value;			/* the nearest value; free: the next free one */
} __attribute__((aligned(64)));

/* What a free context keeps readable: the words of late looks, and its link. */
#define POISON_FROM	offsetof(struct urctx, parent)
#define POISON_BYTES	(offsetof(struct urctx, value) - POISON_FROM)

struct chunk {
	struct urctx *owner;
	struct chunk __rcu *next;	/* free: the next free one */
	uint32_t used;			/* slots from here on were never filled */
	uint32_t user;			/* id of the thread whose hint points here */

	/* the rest is used in the first chunk of a context only */
	struct urctx *queue;		/* next root whose callbacks `queuer` has to run */
	uintptr_t scan;			/* chunk to sweep next; zombie: first slot to look at */
	uint32_t queuer;		/* id of a thread, or 0 */
	uint32_t count;			/* chunks */
	int32_t credit;			/* chunks that may be made before the next sweep */
	uint16_t flags_clean, calls_clean;	/* I12 */
	struct extra __rcu *extra;	/* what few contexts have (I24) */

	struct slot slot[CHUNK_SLOTS] __attribute__((aligned(64)));
} __attribute__((aligned(CHUNK_BYTES)));

_Static_assert(sizeof(struct urctx) == 64, "a context is a cache line");
_Static_assert(sizeof(struct chunk) == CHUNK_BYTES, "a chunk is its alignment");
_Static_assert(sizeof(uintptr_t) < 8 || offsetof(struct chunk, slot) == 64, "");

extern struct slot no_slot __attribute__((visibility("hidden")));

static inline struct chunk *chunk_of(const struct slot *s)
{
	return (struct chunk *)((uintptr_t)s & ~(uintptr_t)(CHUNK_BYTES - 1));
}

/* Behind the last slot of @c that was ever filled. */
static inline struct slot *chunk_end(struct chunk *c)
{
	return &c->slot[load_relaxed(&c->used)];
}

static inline struct chunk *chunk_first(const struct urctx *n)
{
	return (struct chunk __force *)load(&n->chunks, CHUNK_READ);
}

static inline struct chunk *chunk_next(const struct chunk *c)
{
	return (struct chunk __force *)load(&c->next, CHUNK_READ);
}

/* The done word that a child takes over from its parent's (I9). */
static inline uintptr_t inherit(uintptr_t word)
{
	return word & ~HASCH;
}

/* Misuse gets a sentence that says what to do. */
#define urctx_die(sentence) urctx_misuse(__func__, sentence)
void urctx_misuse(const char *func, const char *sentence)
	__attribute__((noreturn, cold));

#ifdef URCTX_DEBUG
#define urctx_assert(expr, sentence)                                           \
	((expr) ? (void)0 : urctx_die(sentence))
#else
#define urctx_assert(expr, sentence) ((void)0)
#endif

/* A use after the last put: what the tools have been told is not there. */
#if defined(URCTX_ASAN) || (defined(URCTX_DEBUG) && defined(HAVE_VALGRIND))
static inline void touch(const struct urctx *ctx)
{
	if (ctx)
		(void)*(struct urctx *const volatile *)&ctx->parent;
}
#else
#define touch(ctx) ((void)(ctx))
#endif

#endif
