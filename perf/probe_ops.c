/* SPDX-License-Identifier: MIT */
/* What a ring's kernel can be asked for, found out by asking for it. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <urctx/ring.h>
#include "bench.h"
#include "probe.h"
#include "target.h"

static int uring_register(int fd, unsigned op, void *arg, unsigned nr)
{
	long ret = syscall(SYS_io_uring_register, fd, op, arg, nr);

	return ret < 0 ? -errno : (int)ret;
}

/* --------------------------------------------------------------------- opcodes */

enum { REGISTER_PROBE = 8, REGISTER_SYNC_CANCEL = 24, REGISTER_SEND_MSG_RING = 31,
       REGISTER_QUERY = 35, OPS_MAX = 256 };

static const struct {
	const char *name;
	unsigned op;
	const char *use, *without;
} opcodes[] = {
	{ "POLL_ADD", 6, "used: the poll that wakes a ring's owner", NULL },
	{ "TIMEOUT", 11, "used: with URCTX_RING_TIMER", NULL },
	{ "LINK_TIMEOUT", 15, "used: with URCTX_OP_LINK_TIMEOUT", NULL },
	{ "ASYNC_CANCEL", 14, "used: every abort, by user_data",
	  "worked round: nothing is aborted" },
	{ "MSG_RING", 40, "not needed: an eventfd wakes as fast", NULL },
	{ "ACCEPT", 13, "bindable; io.h", NULL },
	{ "CONNECT", 16, "bindable; io.h", NULL },
	{ "RECV", 27, "bindable; io.h", NULL },
	{ "OPENAT", 18, "bindable; io.h", NULL },
	{ "SPLICE", 30, "bindable; io.h", NULL },
	{ "URING_CMD", 46, "bindable, the kernel aborts none of it", NULL },
	{ "SEND_ZC", 47, "bindable, to its second CQE", NULL },
	{ "SENDMSG_ZC", 48, "bindable, to its second CQE", NULL },
	{ "READ_MULTISHOT", 49, "bindable", NULL },
	{ "WAITID", 50, "bindable; io.h",
	  "worked round: io.h asks again after 0.1 .. 12.8 ms" },
	{ "FUTEX_WAIT", 51, "bindable", NULL },
	{ "FUTEX_WAITV", 53, "bindable", NULL },
};

static void opcode_line(const struct io_uring_probe *p, unsigned i)
{
	bool has = opcodes[i].op <= p->last_op &&
		   p->ops[opcodes[i].op].flags & IO_URING_OP_SUPPORTED;
	char what[48];

	snprintf(what, sizeof(what), "OP_%s (%u)", opcodes[i].name, opcodes[i].op);
	probe_line(what, has ? "yes" : "no",
		   has ? opcodes[i].use :
		   opcodes[i].without ? opcodes[i].without : "not needed");
}

void probe_opcodes(struct io_uring *ring)
{
	struct io_uring_probe *p =
		calloc(1, sizeof(*p) + OPS_MAX * sizeof(struct io_uring_probe_op));
	char text[32];
	int e;

	if (!p)
		return;
	e = uring_register(ring->ring_fd, REGISTER_PROBE, p, OPS_MAX);
	if (e < 0) {
		probe_line("REGISTER_PROBE", strerror(-e), "not needed");
	} else {
		snprintf(text, sizeof(text), "%u", p->last_op);
		probe_line("the last", text, "not needed");
		for (unsigned i = 0; i < ARRAY_SIZE(opcodes); i++)
			opcode_line(p, i);
	}
	free(p);
}

/* --------------------------------------------------------------- calls and flags */

/* 0 or the result of what has an answer at once; on a ring of its own. */
static int try(void (*prep)(struct io_uring_sqe *sqe, int fd), int fd)
{
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	int e = io_uring_queue_init(4, &ring, 0);

	if (e < 0)
		return e;
	prep(io_uring_get_sqe(&ring), fd);
	if (io_uring_submit(&ring) == 1 && !io_uring_peek_cqe(&ring, &cqe))
		e = cqe->res;
	io_uring_queue_exit(&ring);
	return e;
}

static void poll_multishot(struct io_uring_sqe *sqe, int fd)
{
	io_uring_prep_poll_multishot(sqe, fd, POLLIN);
}

static void accept_multishot(struct io_uring_sqe *sqe, int fd)
{
	io_uring_prep_multishot_accept(sqe, fd, NULL, NULL, 0);
}

/* With no buffers at all: -ENOBUFS, or it waits. */
static void recv_multishot(struct io_uring_sqe *sqe, int fd)
{
	io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
}

static void cancel_all(struct io_uring_sqe *sqe, int fd)
{
	(void)fd;
	io_uring_prep_cancel64(sqe, 1, IORING_ASYNC_CANCEL_ALL);
}

static void try_target(const char *what, const char *op, const char *use,
		       const char *without,
		       void (*prep)(struct io_uring_sqe *sqe, int fd))
{
	struct target target;
	char why[160];
	int e;

	if (!target_open(&target, op, NULL, why, sizeof(why))) {
		probe_line(what, "cannot be tried", why);
		return;
	}
	e = try(prep, target.fd);
	probe_line(what, e == -EINVAL ? "no" : "yes", e == -EINVAL ? without : use);
	target_close(&target);
}

/* Asked for something that is not there: the error says whether it is known. */
static void sync_cancel(struct io_uring *ring)
{
	struct {
		uint64_t addr;
		int32_t fd;
		uint32_t flags;
		int64_t sec, nsec;
		uint64_t pad[4];
	} reg = { .addr = 1, .fd = -1, .sec = -1, .nsec = -1 };
	int e = uring_register(ring->ring_fd, REGISTER_SYNC_CANCEL, &reg, 1);

	probe_line("REGISTER_SYNC_CANCEL (24)", e == -ENOENT ? "yes" : "no",
		   "used: on rings with URCTX_RING_DRAIN");
}

static void send_msg_ring(void)
{
	struct io_uring_sqe sqe = { .fd = -1 };
	int e;

	sqe.opcode = 40;
	e = uring_register(-1, REGISTER_SEND_MSG_RING, &sqe, 1);
	probe_line("REGISTER_SEND_MSG_RING (31)", e == -EBADF ? "yes" : "no",
		   "not needed: an eventfd wakes as fast");
}

static void query(void)
{
	int e = uring_register(-1, REGISTER_QUERY, NULL, 0);

	probe_line("REGISTER_QUERY (35)", e == -EINVAL || e == -EBADF ? "no" : "yes",
		   "not needed");
}

void probe_calls(struct io_uring *ring)
{
	try_target("poll, multishot", "poll", "used: the poll that wakes a ring's owner",
		   "worked round: the owner naps 50 ms at most", poll_multishot);
	try_target("accept, multishot", "accept", "bindable", "not needed",
		   accept_multishot);
	try_target("recv, multishot", "recv", "bindable", "not needed",
		   recv_multishot);
	try_target("ASYNC_CANCEL_ALL, _FD, _ANY", "recv",
		   "never used: they hit others and take seconds",
		   "not needed", cancel_all);
	sync_cancel(ring);
	send_msg_ring();
	query();
}

/* -------------------------------------------------- reads that must not wait */

/* Nothing is there: -EAGAIN says that it is known. */
static void nowait_line(const char *what, int fd)
{
	uint64_t word;		/* an eventfd's has this size */
	struct iovec iov = { &word, sizeof(word) };
	ssize_t n = preadv2(fd, &iov, 1, -1, RWF_NOWAIT);
	int e = n < 0 ? errno : 0;

	probe_line(what, !e || e == EAGAIN ? "yes" : strerror(e),
		   !e || e == EAGAIN ? "used by io.h: tried before it waits" :
		   "worked round: io.h asks poll(2), or the ring at once");
}

void probe_nowait(void)
{
	static const char *const op[] = { "pipe", "recv", "read" };
	static const char *const what[] = { "RWF_NOWAIT on a pipe", "on a socket",
					    "on a file" };
	struct target target;
	char why[160];
	int fd;

	for (unsigned i = 0; i < ARRAY_SIZE(op); i++) {
		if (!target_open(&target, op[i], NULL, why, sizeof(why))) {
			probe_line(what[i], "cannot be tried", why);
			continue;
		}
		nowait_line(what[i], target.fd);
		target_close(&target);
	}
	fd = eventfd(0, EFD_CLOEXEC);
	if (fd >= 0) {
		nowait_line("on an eventfd", fd);
		close(fd);
	}
}
