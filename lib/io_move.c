/* SPDX-License-Identifier: MIT */
/*
 * io_move.c - the one shape of all reads and writes: pieces, and where they go
 *
 * What is moved is a buffer, or a vector, or, once a vector has stopped in the middle
 * of one of its buffers, what is left of that and the rest of the vector behind it.
 * So nothing is copied, and the caller's vector not touched.
 */
#include "io.h"

#include <string.h>

static inline bool single(const struct io_move *m)
{
	return m->part.iov_len || !m->nr;
}

static long try_file(struct io_move *m, bool now)
{
	const struct iovec *iov = single(m) ? &m->part : m->iov;
	size_t nr = single(m) ? 1 : m->nr;

	if (m->kind == IO_READ)
		return now ? io_sys_read_now(m->fd, iov, nr, m->off) :
			     io_sys_read(m->fd, iov, nr, m->off);
	return now ? io_sys_write_now(m->fd, iov, nr, m->off) :
		     io_sys_write(m->fd, iov, nr, m->off);
}

/* A piece with name and control data, or a vector without, or who waits for these. */
static struct msghdr *message(struct io_move *m)
{
	bool one = single(m);

	if (m->msg)
		return m->msg;
	if (one && !m->later)
		return NULL;
	memset(&m->rest, 0, sizeof(m->rest));
	m->rest.msg_iov = one ? &m->part : (struct iovec *)m->iov;
	m->rest.msg_iovlen = one ? 1 : m->nr;
	if (m->later) {
		m->rest.msg_control = m->later->msg_control;
		m->rest.msg_controllen = m->room;
	}
	return &m->rest;
}

/* The first go has the caller's message; what comes further is told there, too. */
static void message_on(struct io_move *m)
{
	if (m->later) {
		m->later->msg_flags |= m->rest.msg_flags;
		m->later->msg_controllen = m->rest.msg_controllen;
	} else if (m->kind == IO_RECV && m->room) {
		m->later = m->msg;
	}
	m->msg = NULL;
}

long io_move_try(struct io_move *m, bool now)
{
	int flags = m->flags | (now ? MSG_DONTWAIT : 0);
	struct msghdr *msg;

	if (m->kind == IO_READ || m->kind == IO_WRITE)
		return try_file(m, now);
	msg = message(m);
	if (msg)
		return io_sys(m->kind == IO_RECV ? SYS_recvmsg : SYS_sendmsg, m->fd,
			      (long)msg, flags, 0, 0, 0);
	if (m->kind == IO_RECV)
		return io_sys_recv(m->fd, m->part.iov_base, m->part.iov_len, flags);
	return io_sys_send(m->fd, m->part.iov_base, m->part.iov_len, flags);
}

static unsigned len32(size_t len)
{
	return (unsigned)(len < IO_MAX ? len : IO_MAX);
}

static void prep_file(struct io_move *m, struct io_uring_sqe *sqe)
{
	unsigned len = len32(m->part.iov_len);
	__u64 off = (__u64)m->off;

	if (m->kind == IO_READ && single(m))
		io_uring_prep_read(sqe, m->fd, m->part.iov_base, len, off);
	else if (m->kind == IO_READ)
		io_uring_prep_readv(sqe, m->fd, m->iov, (unsigned)m->nr, off);
	else if (single(m))
		io_uring_prep_write(sqe, m->fd, m->part.iov_base, len, off);
	else
		io_uring_prep_writev(sqe, m->fd, m->iov, (unsigned)m->nr, off);
}

/* What is sent is sent to its end by the kernel, which knows that from 6.0 on. */
void io_move_prep(struct io_move *m, struct io_uring_sqe *sqe)
{
	int all = m->flags | MSG_WAITALL;
	struct msghdr *msg;

	if (m->kind == IO_READ || m->kind == IO_WRITE) {
		prep_file(m, sqe);
		return;
	}
	msg = message(m);
	/* in one go: of control data the kernel tells the last go's alone */
	if (msg && m->kind == IO_RECV)
		io_uring_prep_recvmsg(sqe, m->fd, msg,
				      (unsigned)(m->flags & ~MSG_WAITALL));
	else if (msg)
		io_uring_prep_sendmsg(sqe, m->fd, msg, (unsigned)all);
	else if (m->kind == IO_RECV)
		io_uring_prep_recv(sqe, m->fd, m->part.iov_base,
				   len32(m->part.iov_len), m->flags);
	else
		io_uring_prep_send(sqe, m->fd, m->part.iov_base,
				   len32(m->part.iov_len), all);
}

void io_move_on(struct io_move *m, size_t n)
{
	if (m->off != IO_CURRENT)
		m->off += (off_t)n;
	message_on(m);
	if (!single(m)) {
		while (m->nr && n >= m->iov->iov_len) {
			n -= m->iov->iov_len;
			m->iov++;
			m->nr--;
		}
		if (!m->nr)
			return;
		m->part = *m->iov++;
		m->nr--;
	}
	m->part.iov_base = (char *)m->part.iov_base + n;
	m->part.iov_len -= n;
}

/*
 * What is written to a socket further is sent: who has closed it meanwhile gives an
 * error to the next call, and no signal to this one.
 */
static void send_on(struct io_move *m)
{
	m->kind = IO_SEND;
	m->flags |= MSG_NOSIGNAL;
}

bool io_move_goes_on(struct io_move *m)
{
	off_t size = -1;

	if (!m->part.iov_len && !m->nr)
		return false;
	if (m->kind == IO_RECV && ((m->flags & (MSG_WAITALL | MSG_PEEK)) != MSG_WAITALL))
		return false;
	if (m->file == IO_UNKNOWN || m->file == IO_FILE)
		m->file = io_sys_file(m->fd, &size);
	switch (m->kind) {
	case IO_READ:
		/* what has no size (/proc) is not asked twice */
		return m->file == IO_FILE && size && (m->off == IO_CURRENT ||
		       size < 0 || m->off < size);
	case IO_RECV:
		/* what has come belongs to these bytes: recvmsg(2) stops there */
		return m->file == IO_STREAM && !(m->later && m->later->msg_controllen);
	default:
		if (m->file == IO_STREAM)
			send_on(m);
		return m->file != IO_OTHER;
	}
}
