/* SPDX-License-Identifier: MIT */
/*
 * sem.c - tokens, and a queue of those who wait for some
 *
 * All that threads compete for is one word:
 *
 *	free tokens | CONTENDED | LOCKED | QUEUED
 *
 * While no flag is set a compare-and-swap takes or gives tokens.  QUEUED says that
 * somebody waits: then tokens move only under the lock, in order of arrival, and
 * LOCKED is never without it.  CONTENDED: somebody sleeps until it is unlocked.
 *
 * Whoever unlocks does not touch the semaphore after that: its xchg() gives the
 * tokens, the flags and the lock back in one step.  Whoever then holds all the
 * tokens may free it.  Those who were served are out of the queue by then, and
 * are told afterwards; until then they stay, whatever their contexts say, because
 * the list goes through their frames.
 */
#include <errno.h>

#include "context.h"
#include "sys_futex.h"

#include <urctx/sync.h>

#define QUEUED		1UL
#define LOCKED		2UL
#define CONTENDED	4UL
#define FLAGS		7UL
#define TOKEN		8UL			/* one of them, in the word */
#define SIZE_MAX_	(1LL << 60)

#ifdef URCTX_MC
#define SPINS		0
#else
#define SPINS		100	/* the lock is held for fewer instructions than that */
#endif

/* In the frame of who waits. */
struct waiter {
	struct waiter *next, *prev;
	int64_t nr;
	bool queued;			/* under the lock */
	uint32_t served;		/* futex: 1, and the frame may go */
};

struct sem {
	uint64_t word;
	int64_t size;
	struct waiter *head, *tail;	/* under the lock */
};

_Static_assert(sizeof(struct sem) <= sizeof(struct urctx_sem), "it fits");

static inline uint64_t tokens(int64_t nr)
{
	return (uint64_t)nr * TOKEN;
}

static inline int64_t free_in(uint64_t word)
{
	return (int64_t)(word / TOKEN);
}

/* The half of the word that holds the flags. */
static uint32_t *word_futex(struct sem *s)
{
	return (uint32_t *)&s->word + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

/* Spin a little, sleep, look again. */
static uint64_t await_unlock(struct sem *s, uint64_t w)
{
	int i;

	for (i = 0; i < SPINS; i++) {
		sys_relax();
		w = load_relaxed(&s->word);
		if (!(w & LOCKED))	/* seldom: held for an instant */
			return w;
	}
	/* while it is locked nothing but this flag changes */
	if ((w & CONTENDED) || cas_relaxed(&s->word, &w, w | CONTENDED))
		sys_futex_wait_real(word_futex(s), (uint32_t)(w | CONTENDED),
				    URCTX_NEVER);
	return load_relaxed(&s->word);
}

/* Lock the word @w as seen, and set @flags.  False: @w is what it is now. */
static bool lock_seen(struct sem *s, uint64_t *w, uint64_t flags)
{
	if (*w & LOCKED) {
		*w = await_unlock(s, *w);
		return false;
	}
	return cas(&s->word, w, *w | LOCKED | flags, SEM_TAKE);
}

/*
 * The last that this thread does with @s, which may be gone when it wakes: that
 * needs the address only, and may wake somebody who sleeps elsewhere by then.
 */
static void unlock(struct sem *s, int64_t free)
{
	uint32_t *futex = word_futex(s);
	uint64_t w = tokens(free) | (s->head ? QUEUED : 0);

	if (xchg(&s->word, w, SEM_GIVE) & CONTENDED)
		sys_futex_wake(futex);
}

/* Locked: out of the queue with those whose turn it is; they are a list then. */
static struct waiter *serve(struct sem *s, int64_t *free)
{
	struct waiter *first = s->head, *last = NULL, *n;

	for (n = first; n && n->nr <= *free; n = n->next) {
		*free -= n->nr;
		n->queued = false;
		last = n;
	}
	if (!last)
		return NULL;
	last->next = NULL;
	s->head = n;
	if (n)
		n->prev = NULL;
	else
		s->tail = NULL;
	return first;
}

/* Unlocked.  Each of them may return as soon as it is told; see unlock(). */
static void tell(struct waiter *n)
{
	while (n) {
		struct waiter *next = n->next;
		uint32_t *futex = &n->served;

		store(futex, 1U, SEM_SERVE);
		sys_futex_wake(futex);
		n = next;
	}
}

/* urctx_err(), without the call for most. */
static inline int err_of(const struct urctx *ctx)
{
	touch(ctx);
	if (!ctx || (!(load(&ctx->state, STATE_READ) & DONE) &&
		     load_relaxed(&ctx->deadline) == URCTX_NEVER))
		return 0;
	return urctx_err(ctx);
}

static inline bool takes(uint64_t w, int64_t nr)
{
	return !(w & FLAGS) && free_in(w) >= nr;
}

static inline bool take(struct sem *s, int64_t nr, uint64_t *w)
{
	while (takes(*w, nr))
		if (cas(&s->word, w, *w - tokens(nr), SEM_TAKE))
			return true;
	return false;
}

/* Into the queue; false: the tokens came meanwhile, and are the caller's. */
static bool enqueue(struct sem *s, struct waiter *me)
{
	uint64_t w = load_relaxed(&s->word);

	do {
		if (take(s, me->nr, &w))
			return false;
	} while (!lock_seen(s, &w, QUEUED));
	me->queued = true;
	me->next = NULL;
	me->prev = s->tail;
	if (me->prev)
		me->prev->next = me;
	else
		s->head = me;
	s->tail = me;
	unlock(s, free_in(w));
	return true;
}

/* Out of the queue, and let those behind through; false: it has been served. */
static bool leave(struct sem *s, struct waiter *me)
{
	/* no older than our own unlock(): without QUEUED we are not in there */
	uint64_t w = load_relaxed(&s->word);
	bool queued;
	int64_t free;

	do {
		if (!(w & QUEUED))
			return false;
	} while (!lock_seen(s, &w, 0));
	queued = me->queued;
	if (queued) {
		*(me->prev ? &me->prev->next : &s->head) = me->next;
		*(me->next ? &me->next->prev : &s->tail) = me->prev;
	}
	free = free_in(w);
	me = serve(s, &free);
	unlock(s, free);
	tell(me);
	return queued;
}

/* There will never be so many: only the context can end this. */
static int await_end(struct urctx *ctx)
{
	int ret;

	do {
		ret = urctx_wait(ctx, URCTX_NEVER);
		if (ret == -EINTR)
			return ret;
		ret = urctx_err(ctx);
	} while (!ret);		/* uncovered: urctx_wait() is right */
	return ret;
}

/* The tokens are there, and the context may be done: then they are for the next. */
static int unless_done(struct sem *s, struct urctx *ctx, int64_t nr)
{
	int ret = urctx_err(ctx);

	if (ret)
		urctx_sem_release((struct urctx_sem *)s, nr);
	return ret;
}

static int acquire_slow(struct sem *s, struct urctx *ctx, int64_t nr)
{
	struct waiter me = { .nr = nr };
	int ret;

	if (nr > s->size)
		return await_end(ctx);
	if (!enqueue(s, &me))
		return unless_done(s, ctx, nr);
	do
		ret = urctx_futex_wait(ctx, &me.served, 0);
	while ((!ret || ret == -EAGAIN) && !load(&me.served, SEM_SERVED));
	if (ret && ret != -EAGAIN && leave(s, &me))
		return ret;
	/* out of the queue, but still on the list of who is about to tell us */
	while (!load(&me.served, SEM_SERVED))
		sys_futex_wait_real(&me.served, 0, URCTX_NEVER);
	return unless_done(s, ctx, nr);
}

void urctx_sem_init(struct urctx_sem *sem, int64_t size)
{
	struct sem *s = (struct sem *)sem;

	urctx_assert(size >= 0, "a semaphore of a negative size: it counts as 0");
	*sem = (struct urctx_sem){ 0 };
	s->size = size < 0 ? 0 : size > SIZE_MAX_ ? SIZE_MAX_ : size;
	store_relaxed(&s->word, tokens(s->size));
}

int urctx_sem_acquire(struct urctx_sem *sem, struct urctx *ctx, int64_t nr)
{
	struct sem *s = (struct sem *)sem;
	uint64_t w;
	int ret;

	if (nr < 0)
		return -EINVAL;
	do {
		/* tokens that somebody gave back behind the end of @ctx are not taken */
		w = load(&s->word, SEM_TAKE);
		ret = err_of(ctx);
		if (ret || !nr)
			return ret;
		if (!takes(w, nr))
			return acquire_slow(s, ctx, nr);
	} while (!cas(&s->word, &w, w - tokens(nr), SEM_TAKE));
	return 0;
}

bool urctx_sem_try_acquire(struct urctx_sem *sem, int64_t nr)
{
	struct sem *s = (struct sem *)sem;
	uint64_t w = load_relaxed(&s->word);

	return !nr || (nr > 0 && take(s, nr, &w));
}

/* Never more than there are. */
static int64_t free_and(const struct sem *s, uint64_t w, int64_t nr)
{
	int64_t out = s->size - free_in(w);

	return free_in(w) + (nr < out ? nr : out);
}

void urctx_sem_release(struct urctx_sem *sem, int64_t nr)
{
	struct sem *s = (struct sem *)sem;
	uint64_t w = load_relaxed(&s->word);
	struct waiter *served;
	int64_t free;

	urctx_assert(nr >= 0, "a negative number of tokens is released");
	if (nr <= 0)
		return;
	for (;;) {
		urctx_assert(nr <= s->size - free_in(w),
			     "more is released than was acquired: an acquire that "
			     "failed took nothing");
		if (w & QUEUED) {
			if (lock_seen(s, &w, 0))
				break;
		} else if (cas(&s->word, &w, tokens(free_and(s, w, nr)), SEM_GIVE)) {
			return;
		}
	}
	free = free_and(s, w, nr);
	served = serve(s, &free);
	unlock(s, free);
	tell(served);
}
