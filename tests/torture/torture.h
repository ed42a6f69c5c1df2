/* SPDX-License-Identifier: MIT */
/*
 * torture.h - what the parts of urctx-torture share
 *
 * Each call of the library goes through a function of here that counts it; a thread
 * counts for itself.  Callbacks of deadlines run on the library's thread, which has a
 * page of its own.
 */
#ifndef URCTX_TORTURE_H
#define URCTX_TORTURE_H

#include <errno.h>

#include "ages.h"
#include "common.h"

#define SECOND	INT64_C(1000000000)

enum what {
	DERIVE, DEADLINE, VALUE, SHIELD, GRACE, ANY, GET, PUT, CANCEL, AFTER, STOP, LOOK,
	LOOKUP, WAIT, IDLE, FD, DUMP, BIND, TURN, WHATS
};

struct payload;

struct thread {
	pthread_t id;
	uint64_t seed;
	uint64_t did[WHATS];
	uint64_t steps;			/* for the watchdog */
	uint64_t won, lost;		/* cancels */
	uint64_t armed, ran, stopped;	/* callbacks */
	uint64_t bound, ended, told;	/* operations of a ring */
	uint64_t duels, families;
	uint64_t ages[AGES];		/* of values that this thread looked up */
	struct ring *ring;		/* torture_ring.c's */
} __attribute__((aligned(64)));

/* What may be asked for. */
struct torture {
	unsigned long places;
	long threads, duellists;
	uint64_t seed;
	int64_t ns, stall;
	const char *duel;		/* only this one; NULL: all */
	bool rings;
};

extern struct torture torture;
extern __thread struct thread *this_one;
extern struct thread keeper;		/* the library's thread */
extern bool over;

static inline struct thread *me(void)
{
	return this_one ? this_one : &keeper;
}

static inline void more(uint64_t *count, uint64_t by)
{
	__atomic_store_n(count, *count + by, __ATOMIC_RELAXED);
}

static inline void did(enum what what)
{
	more(&me()->did[what], 1);
}

static inline bool is_over(void)
{
	return __atomic_load_n(&over, __ATOMIC_RELAXED);
}

static inline uint32_t one_of(uint32_t n)
{
	return chance(&me()->seed) % n;
}

/* As the library has them, and counted. */
#define t_get(ctx)	(did(GET), urctx_get(ctx))
#define t_put(ctx)	(did(PUT), urctx_put(ctx))
#define t_done(ctx)	(did(LOOK), urctx_done(ctx))
#define t_err(ctx)	(did(LOOK), urctx_err(ctx))
#define t_cause(ctx)	(did(LOOK), urctx_cause(ctx))

static inline struct urctx *t_derive(struct urctx *parent)
{
	did(DERIVE);
	return derive(parent);
}

static inline bool t_cancel(struct urctx *ctx, const struct urctx_cause *cause)
{
	bool won = urctx_cancel_cause(ctx, cause);

	did(CANCEL);
	more(won ? &me()->won : &me()->lost, 1);
	return won;
}

/* torture_tree.c: places with contexts in them */
void places_make(void);
void places_clear(void);
struct urctx *look(unsigned long i);
unsigned long somewhere(void);
const struct urctx_cause *some_cause(void);
bool same_end(struct urctx *child, struct urctx *parent);
bool known_cause(const struct urctx_cause *cause);
void op_derive(void);
void op_cancel(void);
void op_clear(void);
double live_part(void);

/* torture_values.c: values, and how old what a reader finds is */
struct urctx *derive_value(struct urctx *parent, struct payload **brings);
void payload_left(struct payload *p);
void op_lookup(void);
void values_over(void);

/* torture_calls.c: the ledger of callbacks */
void op_after(void);
void op_stop(void);
void calls_end(void);
void calls_over(const struct thread *sum);

/* torture_looks.c: what is asked of a context, and families that end at once */
void op_look(void);
void op_wait(void);
void op_dump(void);
void op_family(void);

/* torture_ring.c, where there is liburing */
#ifdef TORTURE_URING
bool rings_there(void);
void op_ring(void);
void ring_over(void);
#else
static inline bool rings_there(void)
{
	return false;
}
#define op_ring()	((void)0)
#define ring_over()	((void)0)
#endif

/* torture_duels.c: two threads at one spot, again and again */
void duels_make(void);
void *duel(void *arg);
void duels_over(void);

#endif
