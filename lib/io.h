/* SPDX-License-Identifier: MIT */
/*
 * io.h - what the files of <urctx/io.h> share
 *
 * Each call asks its context and tries without waiting (io.c).  Only when it would
 * have to wait does it, by poll(2) and another try (io_poll.c), or where that does
 * not do, over a ring of the thread's own (io_run.c, io_thread.c).
 */
#ifndef URCTX_IO_PRIVATE_H
#define URCTX_IO_PRIVATE_H

#include <errno.h>
#include <liburing.h>

#include <urctx/io.h>
#include <urctx/ring.h>

#include "io_sys.h"

#ifndef likely
#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#endif

/* What a thread waits with; made when it first has to, gone with it. */
struct io_thread {
	struct io_uring ring;
	struct urctx_ring *r;		/* NULL: no ring */
	unsigned process;
	int wake;			/* eventfd for poll(2), or -1 */
	bool busy;			/* it waits: not to be used again meanwhile */
	bool lost;			/* somebody closed the ring: never again */
	bool probed, has_waitid;
};

/* io_thread.c */
struct io_thread *io_self(void);		/* NULL: no memory, no key */
struct io_thread *io_self_ring(void);		/* with a ring; NULL: use poll(2) */
bool io_ring_can_waitid(struct io_thread *t);
int io_self_wake(struct io_thread *t);		/* or -1 */

/*
 * io_run.c: have @image done by the thread's ring, until it ends or is ended.
 * False: there is no ring, or no memory, and nothing was started; or the kernel has
 * given it up, for want of a worker: -ECANCELED, and the context has not ended.
 */
bool io_run(struct urctx *ctx, const struct io_uring_sqe *image, int *res);

/* The same, of what may say -ECANCELED by itself: a timerfd when the clock was set. */
bool io_run_raw(struct urctx *ctx, const struct io_uring_sqe *image, int *res);

/*
 * io_poll.c: wait until @fd is ready for @events.  0: it is, or poll(2) says that it
 * is in error; else urctx_err(), -EINTR.
 */
#define IO_NAP_FIRST	100000L			/* 0.1 ms */
#define IO_NAP_LAST	12800000L
int io_await(struct urctx *ctx, int fd, short events);
int io_nap(struct urctx *ctx, int64_t *nap);	/* twice as long each time */

/* Around whatever waits: no thread is unwound with an op in flight. */
struct io_calm {
	int saved, state;
};
struct io_calm io_calm(void);
void io_calm_end(const struct io_calm *calm);

/* io_move.c: reads and writes of all kinds, as far as they do not wait */
enum io_kind { IO_READ, IO_WRITE, IO_RECV, IO_SEND };
#define IO_CURRENT	((off_t)-1)
struct io_move {
	enum io_kind kind;
	int fd;
	int flags;			/* MSG_* */
	enum io_file file;
	off_t off;			/* IO_CURRENT: the file's own */
	struct iovec part;		/* next, if there is something in it */
	const struct iovec *iov;	/* then these, in one go; NULL: no vector */
	size_t nr;
	struct msghdr *msg;		/* with name and control: the first go's */
	struct msghdr *later;		/* hears of control data that come later */
	size_t room;			/* for these */
	struct msghdr rest;
};

/* In one system call what there is without waiting, or, unless @now, with it. */
long io_move_try(struct io_move *m, bool now);
void io_move_prep(struct io_move *m, struct io_uring_sqe *sqe);
void io_move_on(struct io_move *m, size_t n);		/* @n bytes further */
bool io_move_goes_on(struct io_move *m);		/* as a call that blocks would */

/* A try has said @ret: that is the answer.  Else it would wait, or cannot tell. */
static inline bool io_move_now(const struct io_move *m, long ret)
{
	if (ret == -EAGAIN)
		return false;
	return m->kind > IO_WRITE || (ret != -EOPNOTSUPP && ret != -ENOSYS);
}

/* io_wait.c: the rest of it, when a try has said @ret */
ssize_t io_move_slow(struct urctx *ctx, struct io_move *m, long ret);

#endif
