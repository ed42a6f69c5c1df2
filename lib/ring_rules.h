/* SPDX-License-Identifier: MIT */
/*
 * ring_rules.h - what io_uring punishes, one name for each rule that avoids it
 *
 * Each rule is one place in the code.  -DURCTX_RULE_<n>=0 takes it out, which
 * is for tests/ring_controls.sh alone: it shows that a test fails without it.
 */
#ifndef URCTX_RING_RULES_H
#define URCTX_RING_RULES_H

/* An op ends with its own last CQE: what a cancel answers ends nothing. */
#ifndef URCTX_RULE_1
#define URCTX_RULE_1 1
#endif
/* What an op did although it was told to end (an accepted fd) is delivered. */
#ifndef URCTX_RULE_2
#define URCTX_RULE_2 1
#endif
/* So are the bytes it moved before it ended. */
#ifndef URCTX_RULE_3
#define URCTX_RULE_3 1
#endif
/* The kernel's own codes for a signal, which are no errnos, come as -EINTR. */
#ifndef URCTX_RULE_4
#define URCTX_RULE_4 1
#endif
/* -EALREADY may be a lost cancel: ask again. */
#ifndef URCTX_RULE_5
#define URCTX_RULE_5 1
#endif
/* -ENOENT does not mean finished: ask again. */
#ifndef URCTX_RULE_6
#define URCTX_RULE_6 1
#endif
/* Nor does a cancel that has worked: how many it hit says nothing of the op. */
#ifndef URCTX_RULE_7
#define URCTX_RULE_7 1
#endif
/* What can not be aborted (a disk's reads) is told to end, and not asked for. */
#ifndef URCTX_RULE_8
#define URCTX_RULE_8 1
#endif
/* The CQEs of a cancel and of its op come in any order, or one of them not. */
#ifndef URCTX_RULE_9
#define URCTX_RULE_9 1
#endif
/* Who reaps gives every CQE to its owner, whatever he himself waits for. */
#ifndef URCTX_RULE_10
#define URCTX_RULE_10 1
#endif
/* No two ops in flight share a user_data: the kernel cancels by it. */
#ifndef URCTX_RULE_11
#define URCTX_RULE_11 1
#endif
/* A user_data that comes back has another generation. */
#ifndef URCTX_RULE_12
#define URCTX_RULE_12 1
#endif
/* Never ANY or ALL: they hit others' ops, and start over for each hit. */
#ifndef URCTX_RULE_13
#define URCTX_RULE_13 1
#endif
/* Newest first: the kernel's hash chains are searched from that end. */
#ifndef URCTX_RULE_14
#define URCTX_RULE_14 1
#endif
/* Never by file descriptor: others use the same file, and it is slow. */
#ifndef URCTX_RULE_15
#define URCTX_RULE_15 1
#endif
/* One IORING_OP_TIMEOUT a ring: it is moved, and no second one is made. */
#ifndef URCTX_RULE_17
#define URCTX_RULE_17 1
#endif
/* The ring's own heap has the deadlines, unless the kernel's timer is asked for. */
#ifndef URCTX_RULE_18
#define URCTX_RULE_18 1
#endif
/* Cancels that succeed are silent, those that fail are heard. */
#ifndef URCTX_RULE_19
#define URCTX_RULE_19 1
#endif
/* No timer of the kernel for what a worker carries out: it would not fire. */
#ifndef URCTX_RULE_20
#define URCTX_RULE_20 1
#endif
/* What that timer reports ends nothing. */
#ifndef URCTX_RULE_21
#define URCTX_RULE_21 1
#endif
/* It fires once and may fail: its op is in the heap as well. */
#ifndef URCTX_RULE_22
#define URCTX_RULE_22 1
#endif
/* Who has ended an op is for the clock and the context to say, not for CQEs. */
#ifndef URCTX_RULE_23
#define URCTX_RULE_23 1
#endif
/* Where drains are used no CQE is skipped: the kernel would refuse the drains. */
#ifndef URCTX_RULE_24
#define URCTX_RULE_24 1
#endif
/* Deadlines are moments: a timer starts only when its op does. */
#ifndef URCTX_RULE_25
#define URCTX_RULE_25 1
#endif
/* A timer that is no time is refused, and its op goes with it. */
#ifndef URCTX_RULE_26
#define URCTX_RULE_26 1
#endif
/* The timer takes its op's place in the caller's chain. */
#ifndef URCTX_RULE_27
#define URCTX_RULE_27 1
#endif
/* An op and its timer go together, however full the SQ is. */
#ifndef URCTX_RULE_28
#define URCTX_RULE_28 1
#endif
/* The timer can not be moved: a deadline that is moved, is so in the heap. */
#ifndef URCTX_RULE_29
#define URCTX_RULE_29 1
#endif
/* The time is kept in the op: a thread of the kernel reads it when it likes. */
#ifndef URCTX_RULE_30
#define URCTX_RULE_30 1
#endif
/* An op with F_MORE goes on: many shots, or a buffer that is still being sent. */
#ifndef URCTX_RULE_32
#define URCTX_RULE_32 1
#endif
/* Nobody but the owner touches the ring. */
#ifndef URCTX_RULE_33
#define URCTX_RULE_33 1
#endif
/* A wait of no length at all still lets a deferred ring complete what is done. */
#ifndef URCTX_RULE_34
#define URCTX_RULE_34 1
#endif
/* Wait for one CQE: a wake does not end a wait for several. */
#ifndef URCTX_RULE_35
#define URCTX_RULE_35 1
#endif
/* Many cancels wake the owner once. */
#ifndef URCTX_RULE_36
#define URCTX_RULE_36 1
#endif
/* A wake may get lost: the poll that hears it is armed again when it ends. */
#ifndef URCTX_RULE_37
#define URCTX_RULE_37 1
#endif
/* Wakes have a kind of their own: an op that ends with -EINTR, just did. */
#ifndef URCTX_RULE_38
#define URCTX_RULE_38 1
#endif
/* A cancel by system call does not wait for what it cancels. */
#ifndef URCTX_RULE_39
#define URCTX_RULE_39 1
#endif
/* What is bound to a context that has ended is never issued. */
#ifndef URCTX_RULE_40
#define URCTX_RULE_40 1
#endif
/* Ops are submitted by the owner: the kernel ends them with their thread. */
#ifndef URCTX_RULE_42
#define URCTX_RULE_42 1
#endif
/* A forked child owns no ring, though it has its memory. */
#ifndef URCTX_RULE_43
#define URCTX_RULE_43 1
#endif
/* A thread of the kernel takes the SQEs when it likes: wait for room. */
#ifndef URCTX_RULE_44
#define URCTX_RULE_44 1
#endif
/* Detach lets no op go that the kernel has. */
#ifndef URCTX_RULE_45
#define URCTX_RULE_45 1
#endif
/* Who waits until a deadline is told how many are left. */
#ifndef URCTX_RULE_46
#define URCTX_RULE_46 1
#endif
/* A full SQ delays a cancel and never drops it. */
#ifndef URCTX_RULE_47
#define URCTX_RULE_47 1
#endif
/* What is in the CQ is reaped, whatever the wait has said. */
#ifndef URCTX_RULE_48
#define URCTX_RULE_48 1
#endif
/* On a polled ring nothing can be cancelled or waited for: it only keeps the books. */
#ifndef URCTX_RULE_49
#define URCTX_RULE_49 1
#endif
/* What can not be aborted is asked for in vain, and the statistics say so. */
#ifndef URCTX_RULE_50
#define URCTX_RULE_50 1
#endif
/* A ring whose SQEs or CQEs may look different is refused. */
#ifndef URCTX_RULE_55
#define URCTX_RULE_55 1
#endif
/* Ours is what has our tag; ~0 is liburing's. */
#ifndef URCTX_RULE_56
#define URCTX_RULE_56 1
#endif
/* Flags that the caller has set on his SQE stay. */
#ifndef URCTX_RULE_57
#define URCTX_RULE_57 1
#endif
/* An SQE that must not run fails, so that a chain behind it breaks. */
#ifndef URCTX_RULE_58
#define URCTX_RULE_58 1
#endif
/* Where drains are used cancels are not queued: they would wait for them. */
#ifndef URCTX_RULE_59
#define URCTX_RULE_59 1
#endif
/* Times are CLOCK_MONOTONIC's, ours and the kernel's. */
#ifndef URCTX_RULE_60
#define URCTX_RULE_60 1
#endif
/* What is late when it is bound is not issued. */
#ifndef URCTX_RULE_61
#define URCTX_RULE_61 1
#endif
/* A ring that may not cancel (restricted) is not asked again and again. */
#ifndef URCTX_RULE_62
#define URCTX_RULE_62 1
#endif
/* What a kernel has is looked up when a ring is attached, not when it is needed. */
#ifndef URCTX_RULE_63
#define URCTX_RULE_63 1
#endif
/* A wait that ended for its time has not failed. */
#ifndef URCTX_RULE_64
#define URCTX_RULE_64 1
#endif
/* No function that liburing 2.3 declares and does not export. */
#ifndef URCTX_RULE_65
#define URCTX_RULE_65 1
#endif
/* How late the owner was is told: no timer helps him who does not look. */
#ifndef URCTX_RULE_66
#define URCTX_RULE_66 1
#endif

#endif
