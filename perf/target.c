/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <urctx/ring.h>
#include "target.h"

enum { FILE_BLOCK = 1 << 20, SMALL = 64, SQPOLL_MS = 1 };

static bool open_pair(struct target *t)
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd))
		return false;
	t->fd = fd[0];
	t->other = fd[1];
	return true;
}

static bool open_pipe(struct target *t)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC))
		return false;
	t->fd = fd[0];
	t->other = fd[1];
	return true;
}

/* Autobind: an abstract name that is nobody else's. */
static bool open_listener(struct target *t)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	t->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return t->fd >= 0 &&
	       !bind(t->fd, (void *)&addr, sizeof(addr.sun_family)) &&
	       !listen(t->fd, 1);
}

static bool open_own_file(struct target *t)
{
	const char *dir = getenv("TMPDIR");
	char path[4096];

	snprintf(path, sizeof(path), "%.4000s/urctx-bench.XXXXXX",
		 dir && *dir ? dir : "/tmp");
	t->fd = mkostemp(path, O_CLOEXEC);
	if (t->fd < 0)
		return false;
	unlink(path);
	for (int i = 0; i < TARGET_BATCH; i++)
		if (pwrite(t->fd, t->buf, FILE_BLOCK, (off_t)i * FILE_BLOCK) !=
		    FILE_BLOCK)
			return false;
	return true;
}

static bool open_file(struct target *t, const char *file)
{
	struct stat st;

	t->buf = realloc(t->buf, (size_t)TARGET_BATCH * FILE_BLOCK);
	if (!t->buf)
		return false;
	memset(t->buf, 'u', (size_t)TARGET_BATCH * FILE_BLOCK);
	if (!file) {
		if (!open_own_file(t))
			return false;
	} else {
		/* O_NONBLOCK: a FIFO opens without its writer ... */
		t->fd = open(file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (t->fd < 0)
			return false;
	}
	if (fstat(t->fd, &st))
		return false;
	if (S_ISREG(st.st_mode)) {
		t->queued = true;
		t->batch = TARGET_BATCH;
		t->len = FILE_BLOCK;
	} else if (S_ISFIFO(st.st_mode)) {
		/* ... and needs one, or its read is at the end at once. */
		t->other = open(file, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
		fcntl(t->fd, F_SETFL, 0);
	} else {
		errno = EINVAL;
		return false;
	}
	return true;
}

bool target_open(struct target *t, const char *op, const char *file,
		 char *why, size_t size)
{
	bool ok = false;

	*t = (struct target){ .op = op, .fd = -1, .other = -1, .batch = 1,
			      .len = SMALL, .buf = malloc(SMALL) };
	if (!t->buf)
		errno = ENOMEM;
	else if (!strcmp(op, "recv") || !strcmp(op, "poll"))
		ok = open_pair(t);
	else if (!strcmp(op, "pipe"))
		ok = open_pipe(t);
	else if (!strcmp(op, "accept"))
		ok = open_listener(t);
	else
		ok = open_file(t, file);
	if (ok)
		return true;
	if (errno == EINVAL && file)
		snprintf(why, size, "%.100s: neither a regular file nor a FIFO",
			 file);
	else
		snprintf(why, size, "%.100s: %s", file ? file : op,
			 strerror(errno));
	target_close(t);
	return false;
}

void target_prep(const struct target *t, struct io_uring_sqe *sqe, unsigned i)
{
	if (!strcmp(t->op, "recv")) {
		io_uring_prep_recv(sqe, t->fd, t->buf, t->len, 0);
	} else if (!strcmp(t->op, "poll")) {
		io_uring_prep_poll_add(sqe, t->fd, POLLIN);
	} else if (!strcmp(t->op, "accept")) {
		io_uring_prep_accept(sqe, t->fd, NULL, NULL, SOCK_CLOEXEC);
	} else {
		io_uring_prep_read(sqe, t->fd, t->buf + i * t->len,
				   (unsigned)t->len,
				   t->queued ? (uint64_t)i * t->len : 0);
		if (t->queued)
			sqe->flags |= IOSQE_ASYNC;
	}
}

void target_close(struct target *t)
{
	if (t->fd >= 0)
		close(t->fd);
	if (t->other >= 0)
		close(t->other);
	free(t->buf);
	t->fd = t->other = -1;
	t->buf = NULL;
}

int ring_open(const struct bench *b, struct io_uring *ring, unsigned sq,
	      unsigned cq)
{
	struct io_uring_params p = { .flags = b->ring_flags };

	/* Its thread sleeps when the loops that use the ring are over. */
	if (p.flags & IORING_SETUP_SQPOLL)
		p.sq_thread_idle = SQPOLL_MS;
	if (cq) {
		p.flags |= IORING_SETUP_CQSIZE;
		p.cq_entries = cq;
	}
	return io_uring_queue_init_params(sq, ring, &p);
}

const char *ring_why(int error)
{
	switch (-error) {
	case EPERM:
	case EACCES:
		return "io_uring is forbidden here (seccomp or "
		       "kernel.io_uring_disabled)";
	case ENOSYS:
		return "this kernel has no io_uring";
	case EINVAL:
		return "this kernel has no such ring (defer: 6.1, coop: 5.19)";
	case EOPNOTSUPP:
		return "the library cannot drive such a ring here";
	default:
		return strerror(-error);
	}
}

bool ring_usable(const struct bench *b, struct result *r)
{
	struct io_uring ring;
	struct urctx_ring *ur;
	int e = ring_open(b, &ring, 8, 0);

	if (e < 0) {
		result_skip(r, "%s", ring_why(e));
		return false;
	}
	e = urctx_ring_attach(&ring, NULL, &ur);
	if (e < 0)
		result_skip(r, "attach: %s", ring_why(e));
	else
		e = urctx_ring_detach(ur, URCTX_NEVER);
	io_uring_queue_exit(&ring);
	return e >= 0;
}
