/* SPDX-License-Identifier: MIT */
/*
 * ring.h - an io_uring and the contexts of its ops, as its owner keeps them
 *
 * All of it belongs to one thread, the owner, but for `wake` and the statistics.
 *
 *   urctx_ring -- slot[] -> op   by the user_data of a CQE
 *       |
 *       +-- link[] -> link       by context: one for each that has ops here
 *                      |  `-- callback of the context: pushes the link on `wake`
 *                      +-- ops -> op <-> op, newest first
 *
 *   an op is		on the list		in `times`
 *   OP_LIVE		its link's, or none	with its deadline, if it has one
 *   OP_TOLD		ring.abort		maybe: not looked at
 *   OP_ASKED		ring.asked		no; `when` to ask again
 *   OP_RETRY		none			when to ask again
 *   OP_PARKED		none			no; told, and the kernel is not asked
 *
 * R1 end.	An op leaves by its own last CQE only (G10); then its slot gets another
 *		generation, and the op is not touched any more.
 * R2 level.	A told op is on abort, asked or in `times` until it leaves (G11); or parked,
 *		which is to say that it ends by itself.
 * R3 link.	A link is in the table until its last op or callback leaves, which an op
 *		does when complete() is back.  It holds a reference to its context.  It is
 *		freed when both it has none of them and its callback can not run any more:
 *		stopped, or taken from the wake list.  So its fn may push it whenever it
 *		likes.
 * R4 told.	The ops of a link that was taken are told without being touched: their
 *		state says OP_LIVE, their link says told.
 * R5 room.	Tables are grown in bind, and where a callback is armed, for the worst case:
 *		nothing later allocates.
 * R6 calls.	When foreign code is called (complete, foreign, the last put of a
 *		context) everything is as a new call from outside may find it.
 * R7 awake.	A push that wakes nobody leaves those behind it silent as well.  So the
 *		owner's own wake him, too, but between a wait, a dispatch or a
 *		bind and the turn that follows: a signal handler pushes at any time.
 */
#ifndef URCTX_RING_PRIVATE_H
#define URCTX_RING_PRIVATE_H

#include <urctx/ring.h>

#include <errno.h>
#include <poll.h>

#include "call.h"
#include "context.h"
#include "ring_list.h"
#include "ring_rules.h"
#include "ring_wake.h"
#include "times.h"

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)

#define MSEC		INT64_C(1000000)
#define ASK_AGAIN	(50 * MSEC)	/* at the latest */
#define ASK_DRAINED	(2 * MSEC)
#define ASK_SILENT	(25 * MSEC)	/* no answer and no CQE, since the clock was read */
#define ASKED_NOW	INT64_MIN	/* `when`: the next look at the clock says */
#define ASK_FIRST	(1 * MSEC)	/* refused twice; doubles up to ASK_AGAIN */
#define ASK_AHEAD	128U		/* cancels on their way */
#define ASK_LEAST	16U		/* a turn, whatever is on its way */
#define STUCK_TRIES	8U

#define LATE_STEPS	(sizeof(((struct urctx_ring_stats *)0)->late) / sizeof(uint64_t))

enum op_state { OP_FREE, OP_LIVE, OP_TOLD, OP_ASKED, OP_RETRY, OP_PARKED };

#define OP_UNISSUED	(1U << 8)	/* beside URCTX_OP_*: it ends as -ECANCELED */
#define OP_TIMED	(1U << 9)	/* the kernel has its deadline, too */

struct ring_op {			/* the library's view of struct urctx_op */
	void (*complete)(struct urctx_op *op);
	const struct urctx_cause *cause;
	int res;
	unsigned cqe_flags;

	struct urctx_ring *ring;	/* NULL: not in flight */
	struct ring_link *link;		/* NULL: no context */
	struct ring_node node;
	int64_t when;			/* deadline; once told, when to ask again */
	uint32_t slot;
	uint32_t place;			/* in ring.times */
	uint32_t seq;			/* of binding */
	uint16_t flags;
	uint8_t state;
	uint8_t tries;
	struct __kernel_timespec ts;	/* OP_TIMED; with SQPOLL read at any time */
} __attribute__((may_alias));

/* 32 bits: 88 bytes, of which we need less. */
_Static_assert(sizeof(struct ring_op) <= sizeof(struct urctx_op), "");
_Static_assert(sizeof(uintptr_t) < 8 || sizeof(struct ring_op) == 96, "");

struct ring_link {
	struct wake_node wake;
	union {
		struct urctx_callback cb;
		struct call call;	/* .ops: those that have not left */
	};
	struct urctx_ring *ring;
	struct urctx *ctx;
	const struct urctx_cause *cause;	/* set when it is told */
	struct ring_node ops;		/* once told, and they are elsewhere: on ring.vacant */
	struct ring_node calls;		/* urctx_ring_after() */
	struct ring_node idles;		/* urctx_ring_idle() */
	uint32_t place;			/* in ring.ends, by the context's deadline */
	bool told;
	struct ring_link *free;
};

struct ring_slot {
	struct ring_op *op;		/* NULL: free */
	uint32_t gen;
	uint32_t free;			/* index + 1 of the next free one */
};

/* Grown together (R5): what each slot needs elsewhere, and links with their ends. */
struct ring_room {
	size_t bytes;
	struct ring_slot *slot;
	struct heap_entry *heap;	/* of ops: a place for each slot */
	struct heap_entry *ends;	/* of contexts: one for each link, older rooms' too */
	struct heap_entry *queue, *queue_ends;	/* 2 * slots */
	struct ring_link *link;		/* those that older rooms have not, and some */
	struct ring_link **table;	/* 2 * slots */
	struct ring_room *older;
};

struct urctx_ring {
	struct io_uring *ring;
	uintptr_t owner;
	struct ring_slot *slot;
	unsigned process;		/* that has attached, not a child of it */
	uint32_t slot_free;		/* index + 1 */
	uint32_t slots;			/* a power of two, or 0 */
	uint32_t seq;
	uint32_t calls;			/* foreign code under way: complete(), callbacks ... */
	uint32_t owed;			/* CQEs that will come, of no op: detach waits */

	struct ring_link **table;	/* open addressing, by context */
	uint32_t table_mask;
	uint32_t links;			/* in the table */
	uint32_t links_room;		/* so many there are, used or not */
	uint32_t told;			/* of these */
	struct ring_link *link_free;
	uint32_t leaving;		/* without ops, and fn is about to push them */
	uint32_t asked_nr;

	uint32_t wake_gen;		/* of the poll that wakes us */
	uint32_t alarm_gen;
	uint8_t armed;			/* enum arm */
	bool closing;
	bool awake;			/* a turn comes before the next sleep (R7) */
	bool drain;			/* URCTX_RING_DRAIN: no CQE_SKIP */
	bool sync;			/* and cancels by system call, not queued */
	bool timers;			/* URCTX_RING_LINK_TIMEOUT */
	bool alarm;			/* URCTX_RING_TIMER */
	bool mute;			/* the kernel lets nobody cancel */
	bool settling;			/* a nop says when: */
	bool settled;			/* nothing of ours is in the SQ or the CQ */
	bool deaf;			/* the kernel lets nobody wake us */
	bool looked;			/* the last turn did, and there was a deadline */

	struct times times;
	struct times ends;		/* of links whose contexts have a deadline */
	struct ring_node due;		/* callbacks for this turn */
	struct ring_node vacant;	/* told links without ops, with urctx_ring_idle()s */
	struct ring_node never;		/* callbacks of the background */
	struct ring_node abort;		/* to be cancelled, newest first */
	struct ring_node asked;		/* by `when` */
	struct wake_node *heard;	/* taken from the wake list, for this turn or the next */
	int64_t now;			/* of the last turn that looked */
	int64_t coarse;			/* since the last turn; 0: nobody has asked */

	int64_t alarm_at;		/* URCTX_NEVER: none in flight */
	struct __kernel_timespec alarm_ts;	/* with SQPOLL read at any time */

	void (*foreign)(void *arg, const struct io_uring_cqe *cqe);
	void *arg;
	uint64_t completed;		/* calls of complete() */
	const struct urctx *draining;
	int64_t owed_until;		/* ring_now_coarse(); 0: detach does not wait yet */
	struct ring_room *room;
	struct urctx_ring_stats stats;	/* written by the owner, read by anybody */

	struct wake wake __attribute__((aligned(64)));
};

enum arm { ARM_NO, ARM_WANTED, ARM_DONE };

/*
 * user_data: tag 16, generation 23, slot 22, kind 3.  Cancels and timers bear
 * the slot and generation of their op.  KIND_OWED: it means nothing, but comes.
 */
enum kind {
	KIND_OP, KIND_CANCEL, KIND_TIMER, KIND_WAKE, KIND_NOP, KIND_UNWAKE, KIND_ALARM,
	KIND_OWED
};

#define SETTLED_UD	ud_make(0, 1, KIND_UNWAKE)	/* the nop of detach */

#define UD_SLOT_BITS	22
#define UD_GEN_BITS	23
#define UD_SLOT_MASK	((1U << UD_SLOT_BITS) - 1)
#define UD_GEN_MASK	((1U << UD_GEN_BITS) - 1)
#define SLOTS_MAX	(1U << UD_SLOT_BITS)

static inline uint64_t ud_make(uint32_t slot, uint32_t gen, enum kind kind)
{
	return URCTX_UDATA_TAG | (uint64_t)gen << (UD_SLOT_BITS + 3) |
	       (uint64_t)slot << 3 | kind;
}

static inline uint64_t op_ud(const struct urctx_ring *r, const struct ring_op *op,
			     enum kind kind)
{
	if (!URCTX_RULE_11)
		return ud_make(0, 0, kind);
	return ud_make(op->slot, r->slot[op->slot].gen, kind);
}

/* The op in flight that @ud speaks of, or NULL. */
static inline struct ring_op *op_by_ud(const struct urctx_ring *r, uint64_t ud)
{
	uint32_t slot = (uint32_t)(ud >> 3) & UD_SLOT_MASK;
	uint32_t gen = (uint32_t)(ud >> (UD_SLOT_BITS + 3)) & UD_GEN_MASK;

	if (slot >= r->slots || (URCTX_RULE_11 && r->slot[slot].gen != gen))
		return NULL;
	return r->slot[slot].op;
}

static inline uint64_t wake_ud(const struct urctx_ring *r)
{
	return ud_make(0, r->wake_gen & UD_GEN_MASK, KIND_WAKE);
}

static inline struct ring_op *op_of(struct ring_node *n)
{
	return container_of(n, struct ring_op, node);
}

/* Has @ctx ended?  Of a deadline the clock is asked, and not the timekeeper. */
static inline bool ring_over(const struct urctx *ctx)
{
	if (unlikely(ctx && load_relaxed(&ctx->state) & LAZY))
		return urctx_err(ctx);
	return urctx_done(ctx);
}

static inline bool ring_mine(const struct urctx_ring *r)
{
	return likely((!URCTX_RULE_42 || r->owner == ring_thread()) &&
		      (!URCTX_RULE_43 || r->process == ring_process()));
}

/* A call on another thread than the owner's: nothing of @r may be touched. */
int ring_not_mine(const char *func) __attribute__((cold));

#define stat_add(r, name, v)                                                   \
	store_relaxed(&(r)->stats.name, load_relaxed(&(r)->stats.name) + (v))
#define stat_sub(r, name, v)                                                   \
	store_relaxed(&(r)->stats.name, load_relaxed(&(r)->stats.name) - (v))
#define stat_max(r, name, v)                                                   \
	do {                                                                   \
		if ((uint64_t)(v) > load_relaxed(&(r)->stats.name))            \
			store_relaxed(&(r)->stats.name, (uint64_t)(v));        \
	} while (0)

/* What the kernel refuses on this ring, for who looks at the statistics. */
static inline void ring_limit(struct urctx_ring *r, unsigned limit)
{
	store_relaxed(&r->stats.limits, load_relaxed(&r->stats.limits) | limit);
}

/* urctx_dump() reads it, on any thread. */
static inline void link_ops_add(struct ring_link *link, unsigned long more)
{
	store_relaxed(&link->call.ops, link->call.ops + more);
}

/* ring_room.c */
int ring_grow(struct urctx_ring *r, uint32_t slots);
void ring_room_free(struct urctx_ring *r);

/* ring_link.c */
struct ring_link *link_find(const struct urctx_ring *r, const struct urctx *ctx);
int link_make(struct urctx_ring *r, struct urctx *ctx, struct ring_link **out);
void link_insert(struct urctx_ring *r, struct ring_link *link);
void link_remove(struct urctx_ring *r, const struct ring_link *link);
struct urctx *link_drop(struct urctx_ring *r, struct ring_link *link);
struct urctx *link_unused(struct urctx_ring *r, struct ring_link *link);
struct urctx *link_free(struct urctx_ring *r, struct ring_link *link);

/* The last of a context: what is released then is foreign code (R6). */
static inline void ring_put(struct urctx_ring *r, struct urctx *ctx)
{
	if (!ctx)
		return;
	r->calls++;
	urctx_put(ctx);
	r->calls--;
}

static inline bool link_idle(const struct ring_link *link)
{
	return !link->call.ops && list_empty(&link->calls) &&
	       list_empty(&link->idles);
}

/* ring_calls.c */
void calls_due(struct urctx_ring *r, struct ring_link *link);
bool calls_run(struct urctx_ring *r);
bool idles_run(struct urctx_ring *r);
void calls_drop(struct urctx_ring *r);

/* ring_sqe.c */
struct io_uring_sqe *ring_sqe_take(struct urctx_ring *r);
bool ring_sqe_room(struct urctx_ring *r, unsigned nr, unsigned open);
bool ring_chain_open(const struct urctx_ring *r);

/* What was in front of @sqe, consumed or not, says whether its chain goes on. */
static inline bool ring_chained(const struct urctx_ring *r,
				const struct io_uring_sqe *sqe)
{
	const struct io_uring_sq *sq = &r->ring->sq;
	unsigned shift = !!(r->ring->flags & IORING_SETUP_SQE128);
	unsigned prev = (unsigned)((sqe - sq->sqes) >> shift) - 1;

	return sq->sqes[(prev & sq->ring_mask) << shift].flags &
	       (IOSQE_IO_LINK | IOSQE_IO_HARDLINK);
}

bool ring_chain_silent(const struct urctx_ring *r, const struct io_uring_sqe *sqe);
int ring_submit(struct urctx_ring *r);
uint64_t sqe_owed_ud(const struct urctx_ring *r, const struct io_uring_sqe *sqe);
void sqe_fail(const struct urctx_ring *r, struct io_uring_sqe *sqe, uint64_t ud);

/* ring_timer.c */
int ring_timer_room(struct urctx_ring *r, const struct io_uring_sqe *sqe,
		    const struct urctx *ctx, int64_t deadline, unsigned flags,
		    int64_t *when);
void ring_timer_add(struct urctx_ring *r, struct io_uring_sqe *op_sqe,
		    struct ring_op *op, int64_t when);
void ring_timer_check(struct urctx_ring *r, struct ring_op *op);

/* ring_alarm.c */
uint64_t alarm_ud(const struct urctx_ring *r);
bool ring_alarm_set(struct urctx_ring *r, int64_t when);
/* False: it answers to nothing. */
bool ring_alarm_answer(struct urctx_ring *r, const struct io_uring_cqe *cqe);

/* ring_dispatch.c */
bool ring_deliver(struct urctx_ring *r, const struct io_uring_cqe *cqe);

/* ring_abort.c */
void ring_tell(struct urctx_ring *r, struct ring_op *op,
	       const struct urctx_cause *cause);
bool op_told(const struct ring_op *op);
void op_told_by_link(struct urctx_ring *r, struct ring_op *op);
void ring_count_try(struct urctx_ring *r, struct ring_op *op);
void ring_answer(struct urctx_ring *r, struct ring_op *op, int res);
bool ring_ask(struct urctx_ring *r);

/* ring_runs.c */
#define RUNS (UD_SLOT_BITS + 1)		/* of one op each, at worst */
struct runs {
	struct ring_node last;		/* grows at either end while it can */
	struct ring_node one;		/* of runs_add_op(), for a compiler to see it live on */
	uint32_t used;			/* how many runs were put away */
	struct ring_node run[RUNS];
};

void runs_init(struct runs *runs);
void runs_add(struct runs *runs, struct ring_node *list);
void runs_add_op(struct runs *runs, struct ring_op *op);
void runs_end(struct runs *runs, struct ring_node *into);

/* ring_turn.c */
int64_t ring_turn(struct urctx_ring *r);

/* ring_wait.c */
int ring_wait(struct urctx_ring *r, int64_t deadline);
int ring_sleep(struct urctx_ring *r, int64_t ns, int64_t deadline);

#endif
