/* SPDX-License-Identifier: MIT */
/* kinds_sockets.cpp - ops on sockets */
#include "kinds.hpp"

static void recv_some(stage &s)
{
	int fd[2];

	s.sockets(fd);
	struct io_uring_sqe *sqe = s.sqe();
	io_uring_prep_recv(sqe, fd[0], s.buf, 10, 0);
	s.bind(sqe);
}

/* A part of what it wants is there: that is what it gets. */
static void recv_all(stage &s)
{
	int fd[2];

	s.sockets(fd);
	s.put(fd[1], 4);
	struct io_uring_sqe *sqe = s.sqe();
	io_uring_prep_recv(sqe, fd[0], s.buf, 10, MSG_WAITALL);
	s.bind(sqe);
}

static void recv_message(stage &s)
{
	int fd[2];

	s.sockets(fd);
	s.iov[0] = { s.buf, 4 };
	s.iov[1] = { s.buf + 4, 6 };
	s.msg.msg_iov = s.iov;
	s.msg.msg_iovlen = 2;
	struct io_uring_sqe *sqe = s.sqe();
	io_uring_prep_recvmsg(sqe, fd[0], &s.msg, 0);
	s.bind(sqe);
}

static void feed(stage &s)
{
	char saved[10];

	s.next(sizeof(saved));
	memcpy(saved, s.buf, sizeof(saved));
	REQUIRE(send(s.out, saved, sizeof(saved), 0) == sizeof(saved));
	s.sent += sizeof(saved);
}

static void got_bytes(stage &s, const struct urctx_op &op)
{
	s.take(s.buf, (size_t)op.res);
}

static void recv_multishot(stage &s)
{
	int fd[2];

	s.sockets(fd);
	s.buffers();
	struct io_uring_sqe *sqe = s.sqe();
	io_uring_prep_recv(sqe, fd[0], nullptr, 0, 0);
	sqe->ioprio |= IORING_RECV_MULTISHOT;
	sqe->buf_group = GROUP;
	s.bind(sqe, IOSQE_BUFFER_SELECT);
}

static void twice(stage &s)
{
	s.put(s.out, 10);
	s.until([&] { return s.op[0].cqes.size() >= 1; });
	s.put(s.out, 7);
	s.until([&] { return s.op[0].cqes.size() >= 2; });
	s.expect(s.op[0].cqes.size() == 2 && !s.op[0].ended, "two shots");
}

static void hang_up(stage &s)
{
	twice(s);
	shutdown(s.out, SHUT_WR);
}

static void got_provided(stage &s, const struct urctx_op &op)
{
	unsigned id = op.cqe_flags >> IORING_CQE_BUFFER_SHIFT;

	if (op.cqe_flags & IORING_CQE_F_BUFFER)
		s.take(s.pool + id * 64, (size_t)op.res);
	else
		s.expect(op.res == 0, "bytes, and no buffer");
}

static void send_full(stage &s)
{
	int fd[2], size = 4096;

	s.sockets(fd);
	setsockopt(fd[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	s.fill(fd[1]);
	s.next(1);
	struct io_uring_sqe *sqe = s.sqe();
	io_uring_prep_send(sqe, fd[1], s.buf, 1, 0);
	s.bind(sqe);
}

static void make_room(stage &s)
{
	char some[256];
	ssize_t n;

	while ((n = recv(s.in, some, sizeof(some), MSG_DONTWAIT)) > 0)
		s.take(some, (size_t)n);
}

static void sent(stage &s, const struct urctx_op &op)
{
	s.sent += (size_t)op.res;
}

static void send_zc(stage &s)
{
	int fd[2];

	s.tcp(fd);
	s.next(200);
	struct io_uring_sqe *sqe = s.sqe();
	io_uring_prep_rw(IORING_OP_SEND_ZC, sqe, fd[1], s.buf, 200, 0);
	s.bind(sqe);
}

static void sendmsg_zc(stage &s)
{
	int fd[2];

	s.tcp(fd);
	s.next(200);
	s.iov[0] = { s.buf, 200 };
	s.msg.msg_iov = s.iov;
	s.msg.msg_iovlen = 1;
	struct io_uring_sqe *sqe = s.sqe();
	io_uring_prep_sendmsg(sqe, fd[1], &s.msg, 0);
	sqe->opcode = IORING_OP_SENDMSG_ZC;
	s.bind(sqe);
}

static void accept_one(stage &s)
{
	int fd = s.listener(AF_UNIX);
	struct io_uring_sqe *sqe = s.sqe();

	io_uring_prep_accept(sqe, fd, nullptr, nullptr, SOCK_CLOEXEC);
	s.bind(sqe);
}

static void call(stage &s)
{
	s.caller();
	if (!s.until([&] { return s.op[0].ended; }))
		return;
	s.expect(s.op[0].cqes[0].first >= 0, "accepted");
	s.op[0].cqes[0].first = 0;
}

static void got_fd(stage &s, const struct urctx_op &op)
{
	s.expect(fcntl(op.res, F_GETFD) == FD_CLOEXEC, "an fd");
	close(op.res);
	s.received++;
}

static void accept_multishot(stage &s)
{
	int fd = s.listener(AF_UNIX);
	struct io_uring_sqe *sqe = s.sqe();

	io_uring_prep_multishot_accept(sqe, fd, nullptr, nullptr, SOCK_CLOEXEC);
	s.bind(sqe);
}

static void call_twice(stage &s)
{
	s.caller();
	s.until([&] { return s.op[0].cqes.size() >= 1; });
	s.caller();
	s.until([&] { return s.op[0].cqes.size() >= 2; });
	s.expect(s.op[0].cqes.size() == 2 && !s.op[0].ended, "two shots");
}

static void connect_to(stage &s)
{
	int fd = s.keep(socket(s.addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
	struct io_uring_sqe *sqe = s.sqe();

	io_uring_prep_connect(sqe, fd, (struct sockaddr *)&s.addr, s.addr_len);
	s.bind(sqe);
}

/* The queue of the listener has no room for it. */
static void connect_tcp(stage &s)
{
	s.listener(AF_INET);
	s.caller();
	connect_to(s);
}

static void connect_unix(stage &s)
{
	s.listener(AF_UNIX);
	s.caller();
	connect_to(s);
}

static void let_in(stage &s)
{
	int fd = accept4(s.in, nullptr, nullptr, SOCK_CLOEXEC);

	s.expect(fd >= 0, "accept");
	close(fd);
	s.received++;
}

static void connected(stage &s, const struct urctx_op &)
{
	s.sent++;
}

static void connect_nowhere(stage &s)
{
	s.listener(AF_INET);
	close(s.in);
	s.fds.clear();
	s.in = -1;
	connect_to(s);
}

std::vector<kind> kinds_of_sockets()
{
	return {
		{ "recv", IORING_OP_RECV, BYTES, 10, recv_some, feed, nullptr,
		  got_bytes },
		{ "recv, a part of it", IORING_OP_RECV, BYTES | PARTLY, 4, recv_all,
		  nullptr, nullptr, got_bytes },
		{ "recvmsg", IORING_OP_RECVMSG, BYTES, 10, recv_message, feed, nullptr,
		  got_bytes },
		/* the kernel has it since it has zero-copy sends, from 6.0 on */
		{ "recv multishot", IORING_OP_SEND_ZC, BYTES, 0, recv_multishot, hang_up,
		  twice, got_provided },
		{ "send to a full socket", IORING_OP_SEND, BYTES, 1, send_full,
		  make_room, nullptr, sent },
		{ "send, zero-copy", IORING_OP_SEND_ZC, BYTES | READY | ZEROCOPY, 200,
		  send_zc, nullptr, nullptr, sent },
		{ "sendmsg, zero-copy", IORING_OP_SENDMSG_ZC, BYTES | READY | ZEROCOPY,
		  200, sendmsg_zc, nullptr, nullptr, sent },
		{ "accept", IORING_OP_ACCEPT, CALLERS, 0, accept_one, call, nullptr,
		  got_fd },
		/* 5.19, as IORING_OP_SOCKET */
		{ "accept multishot", IORING_OP_SOCKET, CALLERS, 0, accept_multishot,
		  nullptr, call_twice, got_fd },
		{ "connect, TCP, no room", IORING_OP_CONNECT, CALLERS, 0, connect_tcp,
		  nullptr, nullptr, connected },
		{ "connect, Unix, no room", IORING_OP_CONNECT, CALLERS, 0, connect_unix,
		  let_in, nullptr, connected },
		{ "connect, refused", IORING_OP_CONNECT, READY, -ECONNREFUSED,
		  connect_nowhere, nullptr, nullptr, nullptr },
	};
}
