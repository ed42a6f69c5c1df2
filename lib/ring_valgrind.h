/* SPDX-License-Identifier: MIT */
/*
 * ring_valgrind.h - what valgrind cannot see of a ring, debug builds tell it
 *
 * The kernel writes to buffers behind valgrind's back: they are defined as far as the
 * CQE says.  Not told: buffers that the kernel has chosen, whose addresses only their
 * owner knows.  And while a thread is in io_uring_enter(2), valgrind 3.19 runs no
 * other; while it is in poll(2), it does.
 */
#ifndef URCTX_RING_VALGRIND_H
#define URCTX_RING_VALGRIND_H

#include "ring.h"

#if defined(URCTX_DEBUG) && defined(HAVE_VALGRIND) && !defined(URCTX_MC)

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <valgrind/memcheck.h>

static inline void ring_written(uint64_t at, int64_t size)
{
	if (at && size > 0)
		(void)VALGRIND_MAKE_MEM_DEFINED(at, size);
}

/* The kernel may have read these before the CQE comes: all that it might fill. */
static inline void ring_may_write_vector(const struct iovec *iov, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		ring_written((uintptr_t)iov[i].iov_base, (int64_t)iov[i].iov_len);
}

static inline void ring_may_write_message(struct msghdr *msg)
{
	ring_may_write_vector(msg->msg_iov, msg->msg_iovlen);
	ring_written((uintptr_t)msg->msg_name, msg->msg_namelen);
	ring_written((uintptr_t)msg->msg_control, (int64_t)msg->msg_controllen);
}

/* Bound: an op without a timer of the kernel's keeps in @ts where it will write to. */
static inline void ring_will_write(struct ring_op *op, const struct io_uring_sqe *sqe)
{
	bool known = false;

	if (!RUNNING_ON_VALGRIND)
		return;
	switch (sqe->opcode) {
	case IORING_OP_READ:
	case IORING_OP_READ_FIXED:
	case IORING_OP_RECV:
		known = !(sqe->flags & IOSQE_BUFFER_SELECT);
		break;
	case IORING_OP_READV:
		ring_may_write_vector((const struct iovec *)(uintptr_t)sqe->addr, sqe->len);
		break;
	case IORING_OP_RECVMSG:
		ring_may_write_message((struct msghdr *)(uintptr_t)sqe->addr);
		break;
	case IORING_OP_ACCEPT:
		ring_written(sqe->addr, sqe->addr2 ? *(socklen_t *)(uintptr_t)sqe->addr2 : 0);
		break;
	case IORING_OP_STATX:
		ring_written(sqe->off, 256);
		break;
	}
	if (known && op->flags & OP_TIMED)
		ring_written(sqe->addr, sqe->len);
	else if (!(op->flags & OP_TIMED))
		op->ts.tv_sec = known ? (int64_t)sqe->addr : 0;
}

static inline void ring_wrote(const struct ring_op *op, int32_t res)
{
	if (RUNNING_ON_VALGRIND && !(op->flags & OP_TIMED))
		ring_written((uint64_t)op->ts.tv_sec, res);
}

/*
 * Submitted and looked by now: sleep where the other threads are not held up.
 *
 * What completes on a deferred ring is put off until its owner looks, and of that the
 * kernel wakes him in io_uring_enter(2), and tells an eventfd, but wakes no one in
 * poll(2), which only sees it when it is called: so it is called again and again.
 * Other rings wake both.  Who is not watched waits in io_uring_enter(2), and is woken.
 */
#define APART_NAP	(5 * MSEC)

static inline int ring_sleep_apart(const struct io_uring *ring, int64_t ns)
{
	struct pollfd pfd = { .fd = ring->ring_fd, .events = POLLIN };
	int64_t end = ns == URCTX_NEVER ? URCTX_NEVER : urctx_now() + ns;
	int64_t most = ring->flags & IORING_SETUP_DEFER_TASKRUN ? APART_NAP : ns;
	int saved = errno, ret;

	do {
		int64_t nap = ns < most ? ns : most;
		struct timespec ts = { nap / 1000000000, nap % 1000000000 };

		ret = ppoll(&pfd, 1, nap == URCTX_NEVER ? NULL : &ts, NULL);
		if (end != URCTX_NEVER) {	/* it ends though the clock stands */
			int64_t left = end - urctx_now();

			ns = left < ns - nap ? left : ns - nap;
		}
	} while (!ret && ns > 0);
	ret = ret < 0 ? -errno : 0;
	errno = saved;
	return ret;
}

#define ring_is_watched()	(RUNNING_ON_VALGRIND != 0)

#else

#define ring_will_write(op, sqe)	((void)0)
#define ring_wrote(op, res)		((void)0)
#define ring_sleep_apart(ring, ns)	((void)(ns), 0)	/* uncovered: it is not watched */
#define ring_is_watched()		false

#endif

#endif
