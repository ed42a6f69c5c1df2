/* SPDX-License-Identifier: MIT */
/* soak_streams.c - ops that read and write */
#include <sys/mman.h>

#include "soak.h"

static void pipe_open(struct place *p)
{
	int fd[2];

	must(pipe2(fd, O_CLOEXEC) == 0);
	p->in = fd[0];
	p->out = fd[1];
	fcntl(p->out, F_SETPIPE_SZ, 4096);
}

/* Who writes to it must not wait. */
static void source_open(struct place *p)
{
	pipe_open(p);
	fcntl(p->out, F_SETFL, O_NONBLOCK);
}

/* And who reads from this one. */
static void sink_open(struct place *p)
{
	pipe_open(p);
	fcntl(p->in, F_SETFL, O_NONBLOCK);
	stream_fill(p);
}

static void socket_open(struct place *p)
{
	int fd[2], size = 4096;

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == 0);
	p->in = fd[0];
	p->out = fd[1];
	setsockopt(p->out, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static void full_open(struct place *p)
{
	socket_open(p);
	stream_fill(p);
}

static void socket_feed(struct place *p)
{
	char some[16];
	size_t n = 1 + p->sent % sizeof(some);
	ssize_t ret;

	stream_next(p, some, n);
	ret = send(p->out, some, n, MSG_DONTWAIT);
	if (ret > 0)
		p->sent += (size_t)ret;
}

/* A part of it: there is no room for long. */
static void take_some(struct place *p)
{
	char some[256];
	ssize_t n = recv(p->in, some, sizeof(some), MSG_DONTWAIT);

	if (n < 0 && errno == ENOTSOCK)
		n = read(p->in, some, sizeof(some));
	if (n > 0)
		stream_take(p, some, (size_t)n);
}

static void got_bytes(struct place *p, int res, unsigned cqe_flags)
{
	(void)cqe_flags;
	if (res > 0)
		stream_take(p, p->buf, (size_t)res);
}

static void read_prep(struct place *p, struct io_uring_sqe *sqe)
{
	io_uring_prep_read(sqe, p->in, p->buf, 24, 0);
}

static void async_prep(struct place *p, struct io_uring_sqe *sqe)
{
	read_prep(p, sqe);
	sqe->flags |= IOSQE_ASYNC;
}

static void readv_prep(struct place *p, struct io_uring_sqe *sqe)
{
	p->iov = (struct iovec){ p->buf, 24 };
	io_uring_prep_readv(sqe, p->in, &p->iov, 1, 0);
}

static void link_prep(struct place *p, struct io_uring_sqe *sqe)
{
	read_prep(p, sqe);
	sqe->flags |= IOSQE_IO_LINK;
}

static void hardlink_prep(struct place *p, struct io_uring_sqe *sqe)
{
	read_prep(p, sqe);
	sqe->flags |= IOSQE_IO_HARDLINK;
}

static void provided_prep(struct place *p, struct io_uring_sqe *sqe)
{
	io_uring_prep_read(sqe, p->in, NULL, 24, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = 1;
}

static void read_shots_prep(struct place *p, struct io_uring_sqe *sqe)
{
	io_uring_prep_rw(OP_READ_MULTISHOT, sqe, p->in, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = 1;
}

static void recv_prep(struct place *p, struct io_uring_sqe *sqe)
{
	io_uring_prep_recv(sqe, p->in, p->buf, 24, 0);
}

static void recv_all_prep(struct place *p, struct io_uring_sqe *sqe)
{
	io_uring_prep_recv(sqe, p->in, p->buf, 24, MSG_WAITALL);
}

static void recvmsg_prep(struct place *p, struct io_uring_sqe *sqe)
{
	p->iov = (struct iovec){ p->buf, 24 };
	p->msg = (struct msghdr){ .msg_iov = &p->iov, .msg_iovlen = 1 };
	io_uring_prep_recvmsg(sqe, p->in, &p->msg, 0);
}

static void recv_shots_prep(struct place *p, struct io_uring_sqe *sqe)
{
	io_uring_prep_recv(sqe, p->in, NULL, 0, 0);
	sqe->ioprio |= IORING_RECV_MULTISHOT;
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = 1;
}

static void write_prep(struct place *p, struct io_uring_sqe *sqe)
{
	stream_next(p, p->buf, 100);
	io_uring_prep_write(sqe, p->out, p->buf, 100, 0);
}

static void send_prep(struct place *p, struct io_uring_sqe *sqe)
{
	stream_next(p, p->buf, 100);
	io_uring_prep_send(sqe, p->out, p->buf, 100, 0);
}

static void wrote(struct place *p, int res, unsigned cqe_flags)
{
	(void)cqe_flags;
	if (res > 0)
		p->sent += (unsigned)res;
}

static void splice_open(struct place *p)
{
	source_open(p);
	must(pipe2(p->more, O_CLOEXEC | O_NONBLOCK) == 0);
}

static void splice_prep(struct place *p, struct io_uring_sqe *sqe)
{
	io_uring_prep_splice(sqe, p->in, -1, p->more[1], -1, 24, 0);
}

static void spliced(struct place *p, int res, unsigned cqe_flags)
{
	(void)cqe_flags;
	if (res <= 0)
		return;
	must(read(p->more[0], p->buf, sizeof(p->buf)) == res);
	stream_take(p, p->buf, (size_t)res);
}

static void splice_close(struct place *p)
{
	close(p->more[0]);
	close(p->more[1]);
}

static void file_open(struct place *p)
{
	p->in = memfd_create("soak", MFD_CLOEXEC);
	must(p->in >= 0);
	stream_next(p, p->buf, 100);
	must(write(p->in, p->buf, 100) == 100);
}

static void file_prep(struct place *p, struct io_uring_sqe *sqe)
{
	io_uring_prep_read(sqe, p->in, p->buf, 100, 0);
}

static void file_got(struct place *p, int res, unsigned cqe_flags)
{
	(void)cqe_flags;
	if (res < 0)
		return;
	must(res == 100);
	stream_take(p, p->buf, 100);
	p->got = 0;
}

static void fsync_prep(struct place *p, struct io_uring_sqe *sqe)
{
	io_uring_prep_fsync(sqe, p->in, 0);
}

const struct soak_kind soak_streams[] = {
	{ "recv", IORING_OP_RECV, BYTES, socket_open, recv_prep, got_bytes, socket_feed,
	  NULL },
	{ "read-pipe", IORING_OP_READ, BYTES, source_open, read_prep, got_bytes,
	  stream_feed, NULL },
	{ "read-file", IORING_OP_READ, 0, file_open, file_prep, file_got, NULL, NULL },
	{ "read-async", IORING_OP_READ, BYTES, source_open, async_prep, got_bytes,
	  stream_feed, NULL },
	{ "readv", IORING_OP_READV, BYTES, source_open, readv_prep, got_bytes,
	  stream_feed, NULL },
	{ "read-provided", IORING_OP_READ, BYTES | BUFFERS, source_open, provided_prep,
	  buffer_take, stream_feed, NULL },
	{ "read-multishot", OP_READ_MULTISHOT, BYTES | BUFFERS, source_open,
	  read_shots_prep, buffer_take, stream_feed, NULL },
	{ "linked", IORING_OP_READ, BYTES | CHAIN, source_open, link_prep, got_bytes,
	  stream_feed, NULL },
	{ "hardlinked", IORING_OP_READ, BYTES | CHAIN, source_open, hardlink_prep,
	  got_bytes, stream_feed, NULL },
	{ "drain", IORING_OP_READ, BYTES | CHAIN | DRAINS, source_open, read_prep,
	  got_bytes, stream_feed, NULL },
	{ "recv-all", IORING_OP_RECV, BYTES, socket_open, recv_all_prep, got_bytes,
	  socket_feed, NULL },
	{ "recvmsg", IORING_OP_RECVMSG, BYTES, socket_open, recvmsg_prep, got_bytes,
	  socket_feed, NULL },
	{ "recv-multishot", IORING_OP_SEND_ZC, BYTES | BUFFERS, socket_open,
	  recv_shots_prep, buffer_take, socket_feed, NULL },
	{ "write", IORING_OP_WRITE, BYTES, sink_open, write_prep, wrote, take_some, NULL
	  },
	{ "send", IORING_OP_SEND, BYTES, full_open, send_prep, wrote, take_some, NULL },
	{ "splice", IORING_OP_SPLICE, BYTES, splice_open, splice_prep, spliced,
	  stream_feed, splice_close },
	{ "fsync", IORING_OP_FSYNC, 0, file_open, fsync_prep, NULL, NULL, NULL },
	{ 0 }
};
