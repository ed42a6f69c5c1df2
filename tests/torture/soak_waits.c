/* SPDX-License-Identifier: MIT */
/* soak_waits.c - ops on connections, and on what is neither file nor socket */
#include <linux/futex.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "soak.h"

static void unix_listen(struct place *p)
{
	listen_here(p, AF_UNIX);
}

static void tcp_listen(struct place *p)
{
	listen_here(p, AF_INET);
}

static void accept_prep(struct place *p, struct io_uring_sqe *sqe)
{
	io_uring_prep_accept(sqe, p->in, NULL, NULL, SOCK_CLOEXEC);
}

static void accepts_prep(struct place *p, struct io_uring_sqe *sqe)
{
	io_uring_prep_multishot_accept(sqe, p->in, NULL, NULL, SOCK_CLOEXEC);
}

static void accepted(struct place *p, int res, unsigned cqe_flags)
{
	(void)cqe_flags;
	if (res < 0)
		return;
	must(close(res) == 0);
	__atomic_store_n(&p->got, p->got + 1, __ATOMIC_RELAXED);
}

static void call(struct place *p)
{
	/* what waits behind the listener is less than it has room for */
	if (p->sent - __atomic_load_n(&p->got, __ATOMIC_RELAXED) < 32 && call_here(p))
		p->sent++;
}

static void hang_up(struct place *p)
{
	if (p->more[0] >= 0)
		close(p->more[0]);
}

/* Nobody accepts there: the queue is full, and stays so. */
static void full_open(struct place *p)
{
	listen_here(p, AF_UNIX);
	must(listen(p->in, 0) == 0);
	must(call_here(p));
	p->sent++;
}

static void connect_prep(struct place *p, struct io_uring_sqe *sqe)
{
	p->out = socket(p->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(p->out >= 0);
	io_uring_prep_connect(sqe, p->out, (struct sockaddr *)&p->addr, p->addr_len);
}

static void connected(struct place *p, int res, unsigned cqe_flags)
{
	(void)cqe_flags;
	if (!res)
		p->sent++;
	close(p->out);
	p->out = -1;
}

static void let_in(struct place *p)
{
	struct pollfd pfd = { p->in, POLLIN, 0 };
	int fd;

	if (poll(&pfd, 1, 0) != 1)
		return;
	fd = accept4(p->in, NULL, NULL, SOCK_CLOEXEC);
	must(fd >= 0);
	close(fd);
	p->got++;
}

static void refused_open(struct place *p)
{
	listen_here(p, AF_INET);
	close(p->in);
	p->in = -1;
}

static void refused(struct place *p, int res, unsigned cqe_flags)
{
	(void)cqe_flags;
	must(res == -ECONNREFUSED || res == -ECANCELED || res == -EINTR);
	close(p->out);
	p->out = -1;
}

static void zc_open(struct place *p)
{
	int fd, on = 1;

	listen_here(p, AF_INET);
	p->out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(connect(p->out, (struct sockaddr *)&p->addr, p->addr_len) == 0);
	fd = accept4(p->in, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	must(fd >= 0);
	setsockopt(p->out, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	close(p->in);
	p->in = fd;
}

static void zc_prep(struct place *p, struct io_uring_sqe *sqe)
{
	stream_next(p, p->buf, 100);
	io_uring_prep_rw(IORING_OP_SEND_ZC, sqe, p->out, p->buf, 100, 0);
}

static void zcmsg_prep(struct place *p, struct io_uring_sqe *sqe)
{
	stream_next(p, p->buf, 100);
	p->iov = (struct iovec){ p->buf, 100 };
	p->msg = (struct msghdr){ .msg_iov = &p->iov, .msg_iovlen = 1 };
	io_uring_prep_sendmsg(sqe, p->out, &p->msg, 0);
	sqe->opcode = IORING_OP_SENDMSG_ZC;
}

static void wrote(struct place *p, int res, unsigned cqe_flags)
{
	(void)cqe_flags;
	if (res > 0)
		p->sent += (unsigned)res;
}

static void pipe_open(struct place *p)
{
	int fd[2];

	must(pipe2(fd, O_CLOEXEC | O_NONBLOCK) == 0);
	p->in = fd[0];
	p->out = fd[1];
}

static void poll_prep(struct place *p, struct io_uring_sqe *sqe)
{
	io_uring_prep_poll_add(sqe, p->in, POLLIN);
}

static void polls_prep(struct place *p, struct io_uring_sqe *sqe)
{
	io_uring_prep_poll_multishot(sqe, p->in, POLLIN);
}

static void readable(struct place *p, int res, unsigned cqe_flags)
{
	(void)cqe_flags;
	if (res > 0)
		stream_drain(p);
}

static void nop_prep(struct place *p, struct io_uring_sqe *sqe)
{
	(void)p;
	io_uring_prep_nop(sqe);
}

static void timeout_prep(struct place *p, struct io_uring_sqe *sqe)
{
	p->ts.tv_sec = 0;
	p->ts.tv_nsec = chance(&p->run->seed) % 50000;
	io_uring_prep_timeout(sqe, &p->ts, 0, 0);
}

/* One child for all of them, which waits until it is killed. */
static void child_open(struct place *p)
{
	if (p != p->run->place) {
		p->child = p->run->place->child;
		return;
	}
	p->child = fork();
	must(p->child >= 0);
	if (p->child)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
}

static void child_prep(struct place *p, struct io_uring_sqe *sqe)
{
	io_uring_prep_rw(OP_WAITID, sqe, p->child, NULL, P_PID, (uintptr_t)p->buf);
	sqe->file_index = WEXITED | WNOWAIT;
}

static void child_close(struct place *p)
{
	if (p != p->run->place)
		return;
	must(kill(p->child, SIGKILL) == 0);
	must(waitpid(p->child, NULL, 0) == p->child);
}

static void futex_prep(struct place *p, struct io_uring_sqe *sqe)
{
	/* an int of this process: FUTEX2_SIZE_U32 | FUTEX2_PRIVATE */
	io_uring_prep_rw(OP_FUTEX_WAIT, sqe, 2 | 128, &p->word, 0, 0);
	sqe->addr3 = UINT32_MAX;
}

static void futex_feed(struct place *p)
{
	syscall(SYS_futex, &p->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void fifo_open(struct place *p)
{
	snprintf(p->path, sizeof(p->path), "/tmp/urctx-soak-%d-%d", getpid(),
		 (int)(p - p->run->place));
	must(mkfifo(p->path, 0600) == 0);
}

/* O_CREAT: a worker does it, and waits for a peer. */
static void fifo_prep(struct place *p, struct io_uring_sqe *sqe)
{
	io_uring_prep_openat(sqe, AT_FDCWD, p->path, O_RDONLY | O_CREAT | O_CLOEXEC,
			     0600);
}

static void opened(struct place *p, int res, unsigned cqe_flags)
{
	(void)p;
	(void)cqe_flags;
	if (res >= 0)
		must(close(res) == 0);
}

static void fifo_feed(struct place *p)
{
	int fd = open(p->path, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	must(fd >= 0);
	close(fd);
}

static void fifo_close(struct place *p)
{
	must(unlink(p->path) == 0);
}

const struct soak_kind soak_waits[] = {
	{ "accept", IORING_OP_ACCEPT, CALLERS, unix_listen, accept_prep, accepted, call,
	  NULL },
	{ "accept-tcp", IORING_OP_ACCEPT, CALLERS, tcp_listen, accept_prep, accepted,
	  call, hang_up },
	{ "accept-multishot", IORING_OP_SOCKET, CALLERS, unix_listen, accepts_prep,
	  accepted, call, NULL },
	{ "connect", IORING_OP_CONNECT, CALLERS, full_open, connect_prep, connected,
	  let_in, NULL },
	{ "connect-refused", IORING_OP_CONNECT, 0, refused_open, connect_prep, refused,
	  NULL, NULL },
	{ "send-zc", IORING_OP_SEND_ZC, BYTES | ZEROCOPY, zc_open, zc_prep, wrote,
	  stream_drain, NULL },
	{ "sendmsg-zc", IORING_OP_SENDMSG_ZC, BYTES | ZEROCOPY, zc_open, zcmsg_prep,
	  wrote, stream_drain, NULL },
	{ "poll", IORING_OP_POLL_ADD, BYTES, pipe_open, poll_prep, readable,
	  stream_feed, NULL },
	{ "poll-multishot", IORING_OP_POLL_ADD, BYTES, pipe_open, polls_prep, readable,
	  stream_feed, NULL },
	{ "nop", IORING_OP_NOP, 0, NULL, nop_prep, NULL, NULL, NULL },
	{ "timeout", IORING_OP_TIMEOUT, 0, NULL, timeout_prep, NULL, NULL, NULL },
	{ "waitid", OP_WAITID, 0, child_open, child_prep, NULL, NULL, child_close },
	{ "futex", OP_FUTEX_WAIT, 0, NULL, futex_prep, NULL, futex_feed, NULL },
	{ "open-fifo", IORING_OP_OPENAT, 0, fifo_open, fifo_prep, opened, fifo_feed,
	  fifo_close },
	{ 0 }
};
