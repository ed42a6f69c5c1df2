/* SPDX-License-Identifier: MIT */
/*
 * faults.h - what the machine may refuse, refused on purpose
 *
 * lib/ is built a second time, with each function that it takes from libc and
 * liburing renamed to fault_*() in the object file (build, names).  So nothing of the
 * library's sources is changed, and what has no stand-in here does not link.  A site
 * is one place of a call, and which call it is.
 *
 *   inject.c	the stand-ins: count, fail as told, else do it
 *   sites.c	which calls there are, and the errnos that their man pages list
 *   run.c	a process for each fault; the table
 *   leak.c	is everything back where it was?
 *   seq_*.c	the sequences: all of the public interface
 */
#ifndef URCTX_FAULTS_H
#define URCTX_FAULTS_H

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SITES_MAX	512
#define NAMES_MAX	96

/* Who sees the error of a call that fails. */
enum kind {
	QUIET,		/* nobody: the library does without, or says something of its own */
	CALLER,		/* the caller, as it is: the call was done for him */
	RING,		/* the caller of urctx_ring_wait(), as it is */
};

struct call {
	const char *name;
	enum kind kind;
	bool alloc;	/* memory: counted as an allocation */
	int errnos[12];	/* ends with 0 */
	const char *never;	/* errnos of the man page that cannot be, and why */
};

extern const struct call calls[];
extern int without;	/* the number of a call that is not there; 0: none */
int call_number(const char *name);

struct plan {
	uint64_t site;		/* 0: any allocation, or nothing */
	int err;
	unsigned n;		/* the n-th call of it; 0: nothing */
	bool from;		/* and all that follow, until over */
};

/* How much of the library's there is now. */
struct balance {
	long blocks, pages;
};

/* What all processes of a run see. */
struct shared {
	struct plan plan;
	uint32_t over;		/* it has been seen by a caller: no more of it */
	uint32_t hits;		/* calls that were failed */
	uint32_t allocations;
	struct site {
		uint64_t key;	/* address | number of the call << 48 */
		uint32_t count;
	} site[SITES_MAX];
	uint32_t forked;	/* a child of the sequence found nothing wrong */
	struct balance left;	/* in the run without a fault: keeps what it keeps */
	char said[1024];
};

extern struct shared *shared;
extern int assumed;		/* errno that somebody else injects, as strace does */
extern bool is_seen;		/* and that is the caller's to see */

struct balance allocated(void);
struct balance left_over(void);		/* but for the slabs, which stay */
size_t descriptors(void);

/* What may be there at the end; NULL: there is no more.  Else what is. */
struct ends {
	size_t fds;
	struct balance left;
};
const char *leaks(const struct ends *allowed, bool caches);

/* ------------------------------------------------------------- the sequences */
struct sequence {
	const char *name;
	void (*fn)(void);
	const char *env;	/* NAME for NAME=1, or NULL */
	const char *without;	/* a call that says ENOSYS all the time, or NULL */
};
extern const struct sequence sequences[];

void seq_tree(void);
void seq_kinds(void);
void seq_many(void);
void seq_burst(void);
void seq_time(void);
void seq_clock(void);
void seq_sync(void);
void seq_group(void);
void seq_signals(void);
void seq_fork(void);
void seq_ring(void);
void seq_ring_own(void);
void seq_ring_drain(void);
void seq_ring_timer(void);
void seq_ring_defer(void);
void seq_ring_sqpoll(void);
void seq_io(void);
void seq_io_sockets(void);
void seq_io_others(void);
void seq_io_nothing(void);
void seq_io_null(void);

/* The end of this process: it was wrong. */
void wrong(const char *file, int line, const char *what, long ret)
	__attribute__((noreturn));

#define CHECK(cond)                                                            \
	do {                                                                   \
		if (!(cond))                                                   \
			wrong(__FILE__, __LINE__, #cond, 0);                   \
	} while (0)

/*
 * Calls @expr until it is @want.  What it may be before that comes behind: what its
 * description lists.  The errno of the machine itself: MACHINE.
 */
#define MACHINE		INT_MAX
#define ENOUGH		INT_MIN
#define ERRNO_KEPT	4711

bool try_again(const char *file, int line, const char *what, long ret, bool right,
	       unsigned tries, const int *allowed);

#define TRY(right, expr, ...)                                                  \
	({                                                                     \
		const int allowed_[] = { __VA_ARGS__, ENOUGH };                \
		unsigned tries_ = 0;                                           \
		long ret_;                                                     \
		do {                                                           \
			errno = ERRNO_KEPT;                                    \
			ret_ = (long)(expr);                                   \
		} while (try_again(__FILE__, __LINE__, #expr, ret_, (right),   \
				   tries_++, allowed_));                       \
		ret_;                                                          \
	})

#define EXPECT(want, expr, ...)	TRY(ret_ == (want), expr, __VA_ARGS__)
#define RESULT(expr, ...)	TRY(ret_ >= 0, expr, __VA_ARGS__)

/* ------------------------------------------------------------- their helpers */
struct helper;
struct urctx;

/* @fn on a thread, when the caller sleeps, or does not come to that. */
struct helper *later(void (*fn)(void *arg), void *arg);
void helper_join(struct helper *h);
void end_it(void *ctx);		/* for later(): urctx_cancel() */

#endif
