/* SPDX-License-Identifier: MIT */
/*
 * uring.h - what a scenario says to the model of io_uring (uring.c)
 *
 * Ops are reads; their file says when they end.  CQEs come while the owner is in
 * the kernel: nobody looks at the CQ in between, so that is any moment.
 */
#ifndef URING_H
#define URING_H

#include <liburing.h>

#include "mc.h"

enum {
	FD_EVENT = 7,
	FD_NEVER = 100,			/* it ends when it is cancelled */
	FD_MAYBE,			/* and by itself, at any moment or never */
	FD_READY,			/* at once */
};

/* What becomes of a cancel whose op is there: 0, and its op ends, or */
enum {
	A_LATER		= 1 << 0,	/* 0, and its op ends later */
	A_AGAIN		= 1 << 1,	/* -EALREADY, and nothing happens */
	A_MISSED	= 1 << 2,	/* -ENOENT, and nothing happens */
	A_INTR		= 1 << 3,	/* -EALREADY, and the op ends later, -EINTR */
	A_SILENT	= 1 << 4,	/* 0, and nothing happens */
	A_WON		= 1 << 5,	/* the op has succeeded, -ENOENT comes later */
	A_BEHIND	= 1 << 6,	/* -EALREADY, and the op has succeeded behind it */
	A_ALL		= (1 << 7) - 1,
};

struct mc_rules {
	unsigned answers;		/* A_*: those that may be */
	unsigned whims;			/* so many of them, at most */
	unsigned lazy;			/* so often what comes later does not come yet */
	unsigned more;			/* CQEs of a multishot op before its last */
	unsigned deaf;			/* so often the poll of the eventfd ends */
	void (*signal)(void);		/* a handler that the owner may run once */
	bool must;			/* he does, before he sleeps without a time */
};
extern struct mc_rules mc_rules;

/* In init(): the calling scenario's first thread is its owner's. */
void mc_uring(struct io_uring *u, unsigned entries);
unsigned mc_asked(uint64_t ud);		/* how often the kernel was asked for it */
bool mc_eventfd_open(void);
uint32_t mc_eventfd_seen(void);		/* as it is now; and its word, to sleep on */
extern uint32_t mc_eventfd_counter;
/* Here a signal may come, or does.  Did it? */
bool mc_signal_point(bool must);
/* Of IORING_OP_TIMEOUT: its user_data if it fires now; INT64_MAX: none is there. */
void mc_alarm_begin(const struct io_uring_sqe *sqe);
int mc_alarm_move(const struct io_uring_sqe *sqe);
bool mc_alarm_cancel(uint64_t ud);
uint64_t mc_alarm_fires(void);
int64_t mc_alarm_at(void);
/* In the first thread: the kernel has nothing and knows nobody. */
bool mc_uring_idle(void);

#endif
