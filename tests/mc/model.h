/* SPDX-License-Identifier: MIT */
/*
 * model.h - the checker's own state
 *
 * Everything that changes while threads run is saved in the journal before it
 * is changed (jlog), and restored from there when the search turns back.  What
 * is said to be learned stays: it is true of the whole scenario.
 */
#ifndef MC_MODEL_H
#define MC_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "mc.h"

/* Rules that the checker's own mutants leave out, one at a time: selftest/rules. */
#ifdef MC_BREAKABLE
extern int mc_broken;
extern bool mc_full;		/* no reduction */
void check_key(void);
void check_outcome(void);
void check_begin(void);
uint64_t check_outcomes(unsigned *n);
uint64_t plain_sum(void), plain_contents(void);
#define BROKEN(n)	(mc_broken == (n))
#else
#define BROKEN(n)	0
#endif

#define NT		8	/* threads; 0 runs init and fini */
#define NV		120	/* locations that threads compete for */
#define NM		96	/* messages of one of them */
#define NL		2048	/* atomic locations */
#define CLOCK_MAX	250
#define LATE		2	/* naps of a thread that others stand still for */
#define OPS_MAX		6000	/* of a thread in one execution */
#define STACK		(64u << 10)
#define ARENA		(1u << 20)	/* of a thread */
#define ARENA_BASE	0x100000000000ul	/* far from the heap */

/* What a thread knows: clocks of plain accesses, positions in the orders. */
struct view {
	uint64_t c;		/* a byte for each thread */
	uint8_t l[NV];
} __attribute__((aligned(16)));

struct msg {
	uint64_t val, hash;
	struct view rel;	/* what is known by who acquires it */
	uint8_t glued;		/* a read-modify-write: nothing comes between */
};

struct order {			/* modification order of one location */
	int n;
	bool stale;		/* the last one is a plain write: ask the memory */
	struct msg m[NM];
};

struct loc {			/* learned */
	uintptr_t addr;
	uint8_t size, readers, writers;
	bool racy;		/* has an order */
	uint8_t v;		/* its index there and in views */
	/* the last operation of each thread on it, and what was relied on */
	uint16_t any[NT], wr[NT], rely_any[NT], rely_wr[NT];
};

enum op_kind {
	OP_LOAD, OP_STORE, OP_XCHG, OP_ADD, OP_SUB, OP_AND, OP_OR, OP_XOR, OP_NAND,
	OP_CAS, OP_FENCE, OP_MEMBARRIER, OP_BARRIER_IN, OP_LOCK, OP_UNLOCK, OP_SYNC, OP_SYNC_WAIT,
	OP_FUTEX_QUEUE, OP_FUTEX_WAIT, OP_FUTEX_SLEEP, OP_FUTEX_WAKE, OP_CHOOSE, OP_PAUSE,
};

struct op {
	uint8_t kind, mo, fail_mo, size, weak;
	uint16_t loc;
	uint64_t arg, expect;
	uintptr_t addr, pc;
};

struct thread {
	void *sp;
	struct op op;			/* what it is about to do */
	uint64_t ret, ok;		/* what that gave */
	uint64_t hist, hash;		/* all that it has read; all of this */
	struct view cur, acq, rel;
	uint8_t done, nest, wait[NT], gen;
	uint8_t dirty;			/* plain accesses since the last tick */
	uint8_t published;		/* others may know of this tick */
	uint16_t ops;
	uint16_t asleep[2];		/* places in the futex queue, from 1; 0: in none */
	uint8_t woken;			/* bits: on the first, the second word */
	uint8_t late;			/* deadlines that passed while others could go on */
	uintptr_t futex[2];
	int64_t deadline;
	char *brk;
	void *tls;
	uint8_t inside, waiting, call;	/* progress.c */
	uint16_t serial, begun, stops;
};

struct global {
	struct view sc, gp, rd;		/* fences; grace periods; ended sections */
	int64_t now;
	unsigned faults, sleepers;
	unsigned nblocks;
	uint64_t blocks_hash;
	void (*started)(void);
	int last, preempted;		/* for the bounded search */
};

struct cell {			/* four bytes of memory, or one where they are split */
	uint64_t rc, ar, aw;	/* clocks of plain reads, atomic reads and writes */
	uint8_t wt, wc;		/* last plain write */
	uint8_t freed, poison;
	uint32_t pad;
};

struct block {
	char *p;
	size_t size;
	uint8_t user, freed;
	uintptr_t pc;
	struct view view;	/* of who freed it */
};

extern struct thread T[NT];
extern struct global G;
extern struct order M[NV];
extern struct loc L[NL];
extern struct block B[256];
extern int me, nthr, nl, nracy;
extern uint64_t K;			/* sum of the hashes of all that changes */
extern const struct mc_scenario *S;
extern bool failed, relearn, tracing, learned_coarse;
extern size_t vbytes;			/* of a view in use */
extern char *arena, *stacks;

/* journal.c */
void jinit(void);
size_t jmark(void);
void jundo(size_t mark);
void jlog(void *p, size_t n);
#define SAVE(x) jlog(&(x), sizeof(x))

/* coroutine.c */
void co_init(void);
void co_start(int t, void (*fn)(void));
bool co_run(int t);			/* until its next operation; false: it crashed */
void co_yield(void);
void co_save(int t);
bool co_inside(void);
bool on_own_stack(uintptr_t a);
bool tracked(uintptr_t a);

/* memory.c */
void memory_reset(void);
void view_join(struct view *a, const struct view *b);
uint64_t view_hash(const struct view *v);
int op_alternatives(int t, const struct op *o);
uint64_t op_memory(int t, const struct op *o, int alt);
bool op_direct(const struct op *o);
void memory_plain_write(uintptr_t a, size_t n);
void fence(int t, int mo);
void fence_sc(int t);
uint64_t mem_read(uintptr_t a, size_t n);
void mem_write(uintptr_t a, size_t n, uint64_t v);
void order_sync(struct loc *l);

/* learn.c */
int loc_find(uintptr_t a, size_t size);
int loc_covering(uintptr_t a);
void learn(const struct op *o);
bool op_local(int t, const struct op *o);
void learn_restart(void);
void learn_reset(void);

/* plain.c */
void plain_init(void);
void plain_access(uintptr_t a, size_t n, bool write, uintptr_t pc);
void plain_atomic(int t, const struct op *o, bool local);
void plain_flag(uintptr_t a, size_t n, int freed, int poison);
void plain_fresh(uintptr_t a, size_t n);
void plain_conflicts(uintptr_t a, size_t n, bool atomics, const char *what);
void plain_split(uintptr_t a);
uint16_t *plain_loc(uintptr_t a);

/* rcu.c, futex.c, alloc.c */
void rcu_op(int t, const struct op *o);
bool rcu_blocked(int t);
uint64_t rcu_hash(int t);
int futex_alternatives(int t);
uint64_t futex_op(int t, const struct op *o, int alt);
void alloc_check_leaks(void);
bool fault(unsigned flag);
void alloc_reset(void);

/* states.c */
extern unsigned long states;
bool seen(uint64_t key);		/* and adds it */
void states_reset(void);

/* calls.c */
extern unsigned long histories;
void history_begin(void);
void history_end(void);

/* progress.c: a limit of 0: not looked at */
extern unsigned progress_limit, progress_most[];
extern unsigned long progress_runs;
void progress_check(void);

/* step.c */
uint64_t do_op(struct op *o);		/* called by the code under test */
int alternatives(int t);		/* 0: it is done, or blocked */
uint64_t perform(int t, const struct op *o, int alt, bool local);
void touch_thread(int t);		/* before it is changed */
void rehash_thread(int t);		/* after */

/* search.c */
void search_step(int t, int alt);
void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
struct result {
	const char *verdict;		/* "ok", "FAIL", "incomplete" */
	char why[256];
	unsigned long executions, states, steps, restarts, histories;
	unsigned long progress_runs;
	unsigned progress[9];		/* the most steps, a kind of call each */
	double seconds;
	int bound;			/* of preemptions, -1: none */
	unsigned locations;
	uint64_t outcomes;		/* self-checks only */
	unsigned noutcomes;
};
void search_scenario(const struct mc_scenario *s, int bound, double seconds,
		     unsigned probes, const char *replay, struct result *r);

/* trace.c */
void trace_op(int t, const struct op *o, uint64_t ret, int alt, int nalt);
void trace_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void trace_site(uintptr_t cell, int t, int kind, uintptr_t pc);
uintptr_t trace_site_of(uintptr_t cell, int t, int kind);
void trace_race(uintptr_t pc);
void trace_print(const char *why);
void trace_step(int t, int alt, int ops);
const char *trace_replay(void);
const char *addr_name(uintptr_t a);

static inline uint64_t mix(uint64_t a, uint64_t b)
{
	__uint128_t m = (__uint128_t)(a ^ 0x9e3779b97f4a7c15u) *
			(b ^ 0xd6e8feb86659fd93u);

	return (uint64_t)m ^ (uint64_t)(m >> 64) ^ (a + b * 0x2545f4914f6cdd1du);
}

static inline void note(int t, uint64_t x)
{
	T[t].hist = mix(T[t].hist, x + 0x51ed27);
}

static inline uint8_t clock_of(const struct view *v, int t)
{
	return (uint8_t)(v->c >> (8 * t));
}

static inline void clock_set(uint64_t *c, int t, unsigned k)
{
	*c = (*c & ~(0xffull << (8 * t))) | (uint64_t)k << (8 * t);
}

/* Is there a thread but t whose clock in a is beyond what v knows? */
static inline int clock_beyond(uint64_t a, const struct view *v, int t)
{
	int u;

	if (!(a & ~(0xffull << (8 * t))))
		return 0;
	for (u = 1; u < NT; u++)
		if (u != t && (uint8_t)(a >> (8 * u)) > clock_of(v, u))
			return u;
	return 0;
}

#endif
