/* SPDX-License-Identifier: MIT */
/*
 * order.h - the ledger of every ordered access
 *
 * A row: its name, its order, the rows it pairs with, the functions that use it,
 * and what the pair is for ("such that").  The code says load(&p, ROW), so that
 * this table is the code: -DURCTX_WEAKEN=<row number> makes one row relaxed (a
 * fence: absent), -DURCTX_WEAKEN_SC=<row number> makes a seq_cst fence acq_rel.
 * Each of them must be caught by a scenario of tests/mc, else the row goes.
 *
 *   derive (attach)                     cancel (walk)
 *     slot = child    SLOT_PUBLISH        state = done     STATE_DONE
 *     fence           ATTACH_SB           fence            WALK_SB
 *     read state      STATE_READ          read slot        SLOT_READ
 *   at least one sees the other's write: no child is lost (G3).
 *
 *   child leaves                        sibling leaves
 *     slot = NULL     SLOT_CLEAR          slot = NULL      SLOT_CLEAR
 *     fence           ZOMBIE_SB           fence            ZOMBIE_SB
 *     read slots                          read slots
 *   at least one sees them all empty: no zombie is lost (G9).
 *
 *   wait                                cancel (mark)
 *     watch |= WAIT                       state = done     STATE_DONE
 *     fence           WAIT_SB             fence            WAKE_SB
 *     read state (futex)                  read watch
 *   either the waiter sees done or the canceller sees a waiter.
 *
 * Failed compare-and-swaps and everything named *_relaxed() order nothing.
 */
#ifndef URCTX_ORDER_H
#define URCTX_ORDER_H

/* clang-format off */
#define URCTX_ORDERS(X)								\
/*	name		order	pairs with	used in		such that */	\
X(SLOT_PUBLISH,	release, "SLOT_READ",		"slot_try",			\
	"who finds a child or a callback in a slot finds it whole")		\
X(SLOT_READ,	acquire, "SLOT_PUBLISH",	"walk_read run_callback",			\
	"who finds a child or a callback in a slot finds it whole")		\
X(ATTACH_SB,	seq_cst, "WALK_SB",		"slot_published",		\
	"the walk sees the child, or the child sees its parent done")		\
X(WALK_SB,	seq_cst, "ATTACH_SB",		"walk_enter",			\
	"the walk sees the child, or the child sees its parent done")		\
X(STATE_DONE,	release, "STATE_READ MARK_READ", "word_end mark",			\
	"who sees a context done sees its ancestor done, and the cause")	\
X(STATE_READ,	acquire, "STATE_DONE",		"done_word err_of exported_done slot_published walk_enter walk_leave urctx_wait woke_late urctx_done_slow_ urctx_remaining urctx_fd join", \
	"who sees a context done sees its ancestor done, and the cause")	\
X(HASCH_SET,	release, "MARK_READ",		"chunk_announce",		\
	"who sees that there are children finds the chunk that holds them")	\
X(MARK_READ,	acquire, "HASCH_SET STATE_DONE", "mark has_calls word_end row_child row_root",		\
	"who sees that there are children finds the chunk that holds them")	\
X(CHUNK_LINK,	release, "CHUNK_READ",		"chunk_link interior_make",			\
	"a chunk is reset before it is found")					\
X(CHUNK_READ,	acquire, "CHUNK_LINK",		"chunk_first chunk_next chunk_link interior_make",	\
	"a chunk is reset before it is found")					\
X(OWNER_SET,	release, "OWNER_READ",		"chunk_announce",			\
	"whoever uses a hint knows that its owner says it has children")	\
X(OWNER_READ,	acquire, "OWNER_SET",		"slot_hinted",			\
	"whoever uses a hint knows that its owner says it has children")	\
X(CLEAN_SET,	release, "CLEAN_READ",		"walk_leave",			\
	"a subtree that is said to be done is done")				\
X(CLEAN_READ,	acquire, "CLEAN_SET",		"clean",			\
	"a subtree that is said to be done is done")				\
X(SLOT_CLEAR,	release, "RUN_SEEN IDLE_READ",		"slot_clear stop_once",		\
	"who finds the slot left knows what its callback did before that")	\
X(ZOMBIE_SB,	seq_cst, "ZOMBIE_SB WATCH_ARM",		"look",			\
	"of two children that leave together one sees both gone")		\
X(LEAVE_SB,	seq_cst, "HOUSE_PUSH_SB",		"slot_cleared",			\
	"no membarrier: a child that leaves sees ARMED, or is seen gone")	\
X(WATCH_ARM,	release, "ZOMBIE_SB",		"put_interior",			\
	"who helps a zombie knows all its chunks")				\
X(WATCH_GONE,	acq_rel, "WATCH_OFF",		"unlink_zombie",		\
	"a zombie is unlinked before its grace period, and on one list")	\
X(WATCH_OFF,	acq_rel, "WATCH_GONE",		"retired_dead",			\
	"a zombie is unlinked before its grace period, and on one list")	\
X(SCAN_SET,	release, "SCAN_READ",		"sweep put_interior zombie_empty", \
	"the chunk that a search begins at was reset and linked")		\
X(SCAN_READ,	acquire, "SCAN_SET",		"sweep zombie_empty",		\
	"the chunk that a search begins at was reset and linked")		\
X(QUEUE_LEFT,	release, "QUEUE_TAKEN",		"run_queue",			\
	"one thread at a time uses the link of a queue of roots")		\
X(QUEUE_TAKEN,	acquire, "QUEUE_LEFT",		"leave_for_later",		\
	"one thread at a time uses the link of a queue of roots")		\
X(REF_DROP,	acq_rel, "REF_DROP REF_LAST",	"ref_drop",			\
	"what others did with a context is over before it goes")		\
X(REF_LAST,	acquire, "REF_DROP",		"ref_drop",			\
	"what others did with a context is over before it goes")		\
X(RETIRE_PUSH,	release, "RETIRE_TAKE",		"retire",			\
	"a retired context is whole when it is taken")				\
X(RETIRE_TAKE,	acquire, "RETIRE_PUSH",		"take",			\
	"a retired context is whole when it is taken")				\
X(HOUSE_PUSH_SB, seq_cst, "HOUSE_REST_SB LEAVE_SB",	"house_pushed house_until house_rely",	\
	"the housekeeper sees the context, or is seen to sleep")		\
X(HOUSE_REST_SB, seq_cst, "HOUSE_PUSH_SB",	"house_rest stay house_ensure",			\
	"the housekeeper sees the context, or is seen to sleep")		\
X(STOCK_PUSH,	release, "STOCK_POP",		"stock_push",			\
	"a magazine is whole when it is taken")					\
X(STOCK_POP,	acquire, "STOCK_PUSH",		"stock_pop",			\
	"a magazine is whole when it is taken")					\
X(SLAB_PUBLISH,	release, "SLAB_READ",		"slab_make",			\
	"a slab is there before it is carved")					\
X(SLAB_READ,	acquire, "SLAB_PUBLISH",	"slab_at",			\
	"a slab is there before it is carved")					\
X(WAIT_SB,	seq_cst, "WAKE_SB",		"urctx_wait urctx_futex_wait",	\
	"the waiter sees done, or the canceller sees a waiter")			\
X(WAKE_SB,	seq_cst, "WAIT_SB FD_SB",		"word_ended",			\
	"the waiter sees done, or the canceller sees a waiter")			\
X(RUN_END,	release, "RUN_SEEN IDLE_READ",		"run_callback",			\
	"what a callback did is over when stop says so")			\
X(RUN_SEEN,	acquire, "RUN_END SLOT_CLEAR",		"stop_once",			\
	"what a callback did is over when stop says so")			\
X(READERS_LINK,	release, "READERS_READ",	"block_after",			\
	"a block of the readers' table is zeroed before it is found")		\
X(READERS_READ,	acquire, "READERS_LINK",	"block_after leave_table readers_quiet", \
	"a block of the readers' table is zeroed before it is found")		\
X(EXTRA_SET,	release, "EXTRA_READ",		"extra_get",			\
	"an extra is reset before it is found")					\
X(EXTRA_READ,	acquire, "EXTRA_SET",		"extra_get extra_of extra_if_any retired_free",	\
	"an extra is reset before it is found")					\
X(LEFT_PUSH,	release, "LEFT_TAKE",		"leftovers_later",		\
	"what is left to be released is whole when it is taken")		\
X(LEFT_TAKE,	acquire, "LEFT_PUSH",		"leftovers_take",		\
	"what is left to be released is whole when it is taken")		\
X(IDLE_SB,	seq_cst, "LEFT_SB",		"announce sleep_at",		\
	"the waiter sees the slot left, or the leaver sees it awaited")		\
X(LEFT_SB,	seq_cst, "IDLE_SB",		"idle_left",			\
	"the waiter sees the slot left, or the leaver sees it awaited")		\
X(IDLE_READ,	acquire, "SLOT_CLEAR RUN_END",	"taken zombie_empty put_empty",	\
	"who finds all gone knows what they did before they went")		\
X(FD_SET,	release, "FD_READ",		"fd_add urctx_fd",			\
	"who finds the fd knows which process made it")				\
X(FD_READ,	acquire, "FD_SET",		"fired fd_fire fd_see urctx_fd",		\
	"who finds the fd knows which process made it")				\
X(FD_USED,	acq_rel, "FD_USED",		"fired fd_leave fd_renew signals_follow signals_ring",	\
	"the fd is closed behind its last use")					\
X(FD_SB,	seq_cst, "WAKE_SB",		"urctx_fd",			\
	"who asks for the fd sees done, or the canceller sees that there is one")	\
X(TIMER_PUSH,	release, "TIMER_TAKE",		"push",				\
	"an armed timer is whole when the timekeeper takes it")			\
X(TIMER_TAKE,	acquire, "TIMER_PUSH",		"inbox_take",			\
	"an armed timer is whole when the timekeeper takes it")			\
X(TIMER_STATE,	acq_rel, "TIMER_STATE",		"timer_drop timer_leave throw_out fire",	\
	"of context and timekeeper the second frees it, behind the first")	\
X(RING_PUSH,	release, "RING_TAKE",		"wake_push",			\
	"a link that ended is whole when its ring's owner takes it")		\
X(RING_TAKE,	acquire, "RING_PUSH",		"wake_take",			\
	"a link that ended is whole when its ring's owner takes it")		\
X(LOCK_TAKE,	acquire, "LOCK_DROP",		"lock_take",			\
	"what was done under a lock is seen by who has it next")		\
X(LOCK_DROP,	release, "LOCK_TAKE",		"lock_drop",			\
	"what was done under a lock is seen by who has it next")		\
X(SEM_TAKE,	acquire, "SEM_GIVE",		"lock_seen take urctx_sem_acquire",	\
	"who has tokens, or the queue, sees what their last holders did")	\
X(SEM_GIVE,	release, "SEM_TAKE",		"unlock urctx_sem_release",	\
	"who has tokens, or the queue, sees what their last holders did")	\
X(SEM_SERVE,	release, "SEM_SERVED",		"tell",				\
	"who is told that it has tokens sees what their last holders did")	\
X(SEM_SERVED,	acquire, "SEM_SERVE",		"acquire_slow",			\
	"who is told that it has tokens sees what their last holders did")

enum {
#define X(name, order, partner, where, why) URCTX_ROW_##name,
	URCTX_ORDERS(X)
#undef X
	URCTX_ROWS
};

#ifndef URCTX_WEAKEN
#define URCTX_WEAKEN	(-1)
#endif
#ifndef URCTX_WEAKEN_SC
#define URCTX_WEAKEN_SC	(-1)
#endif

enum {
	URCTX_ORDER_relaxed = __ATOMIC_RELAXED,
	URCTX_ORDER_acquire = __ATOMIC_ACQUIRE,
	URCTX_ORDER_release = __ATOMIC_RELEASE,
	URCTX_ORDER_acq_rel = __ATOMIC_ACQ_REL,
	URCTX_ORDER_seq_cst = __ATOMIC_SEQ_CST,
#define X(name, order, partner, where, why)						\
	ORDER_##name = URCTX_ROW_##name == URCTX_WEAKEN ? __ATOMIC_RELAXED :		\
		       URCTX_ROW_##name == URCTX_WEAKEN_SC ? __ATOMIC_ACQ_REL :		\
		       URCTX_ORDER_##order,
	URCTX_ORDERS(X)
#undef X
};
/* clang-format on */

#endif
