/* SPDX-License-Identifier: MIT */
/*
 * soak.h - ops of every kind that are ended at random moments
 *
 * An owner keeps a few places busy with one op each.  A feeder gives them what
 * they wait for, now and then, and others end their contexts: most ops end in a
 * race.  Each place keeps a ledger of its own stream of bytes or callers.
 */
#ifndef URCTX_TORTURE_SOAK_H
#define URCTX_TORTURE_SOAK_H

#include <urctx/ring.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"

#define PLACES	16
#define BOXES	64

/* What the headers of liburing 2.3 lack. */
enum { OP_READ_MULTISHOT = 49, OP_WAITID = 50, OP_FUTEX_WAIT = 51 };

enum who { OWNER, ELSEWHERE, CTX_DEADLINE, OP_DEADLINE, MOVED, OP_CANCEL, DETACH, WHO };

enum {
	BYTES = 1,		/* a stream comes out of .in */
	CALLERS = 2,		/* connections come out of .in */
	BUFFERS = 4,		/* needs the ring of provided buffers */
	CHAIN = 8,		/* a nop is linked behind it */
	ZEROCOPY = 16,		/* the last CQE is a note, and no result */
	DRAINS = 32,		/* and that nop is a drain */
};

struct run;

struct place {
	struct urctx_op op, tail;	/* op first */
	struct run *run;
	struct urctx *ctx;
	bool busy, tail_busy;
	unsigned cqes, delay;		/* turns until the owner acts */
	int in, out;
	uint64_t sent, got;		/* bytes or callers */
	struct iovec iov;
	struct msghdr msg;
	struct sockaddr_storage addr;
	socklen_t addr_len;
	struct __kernel_timespec ts;
	uint32_t word;
	int child, more[2];
	char path[64];
	char buf[128];
};

struct soak_kind {
	const char *name;
	int opcode;			/* that the kernel must have */
	unsigned traits;
	void (*open)(struct place *p);
	void (*prep)(struct place *p, struct io_uring_sqe *sqe);
	void (*got)(struct place *p, int res, unsigned cqe_flags);
	void (*feed)(struct place *p);	/* on another thread */
	void (*close)(struct place *p);
};

struct ring_kind {
	const char *name;
	unsigned flags, entries, attach;
};

struct run {
	const struct soak_kind *kind;
	const struct ring_kind *ring;
	enum who who;
	unsigned threads;
	bool fed;			/* else only those who end an op end it */
	bool by_hand;			/* turn, submit, wait, dispatch */
	bool signals;			/* come all the time, to the owner */
	pthread_t owner;
	uint64_t seed, ops;		/* seed: the owner's */
	uint64_t salt;			/* of the others' */

	struct io_uring u;
	struct urctx_ring *r;
	struct urctx *root;
	struct place place[PLACES];
	struct urctx *box[BOXES];	/* for those who end them elsewhere */
	int over;

	uint64_t bound, ended, tails, told, late;	/* late: told, and it did it */
	uint64_t retries, stuck;
	struct io_uring_buf_ring *provided;
	char pool[BOXES][64];
};

extern const struct soak_kind soak_streams[], soak_waits[];

void run_one(struct run *run);
const char *who_name(enum who who);

/* soak_ledger.c */
void stream_next(struct place *p, char *buf, size_t n);
void stream_take(struct place *p, const char *buf, size_t n);
void stream_feed(struct place *p);	/* a few bytes into .out */
void stream_drain(struct place *p);	/* what is in .in */
void stream_fill(struct place *p);	/* until there is no room */
void ledger_close(struct place *p);	/* what no op took, and is it all? */
void listen_here(struct place *p, int family);
bool call_here(struct place *p);
void buffers_open(struct run *run);
void buffers_close(struct run *run);
void buffer_take(struct place *p, int res, unsigned cqe_flags);
size_t open_fds(void);

#endif
