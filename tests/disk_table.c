/* SPDX-License-Identifier: MIT */
/*
 * disk_table.c - what can be aborted when: one op of each class, and one cancel
 *
 * Prints what the cancel was answered, what a second one 50 ms later was, what came
 * of the op, and how long after the first cancel: the table of the manual, measured
 * on the kernel that this runs on.  By liburing alone.  A measurement, no test.
 */
#include "fuse_slow.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OP_WAITID	50	/* liburing 2.3 does not know them */
#define OP_FUTEX_WAIT	51
#define FUTEX_PRIVATE	(2 | 128)	/* 32 bits */
#define MSEC		1000000L
#define SECTOR		512

enum ud { UD_OP = 1, UD_AHEAD, UD_FIRST, UD_SECOND };

struct row {
	const char *class, *what;
	void (*prepare)(struct io_uring *u);
	void (*let_go)(struct io_uring *u);	/* NULL: it ends by itself */
	bool at_once;		/* cancelled in the same submission */
};

struct seen {
	bool there;
	int res;
	int64_t at;
};

static struct fuse_slow disk;
static int pipe_fd[2], socket_fd[2], listener, slow_fd = -1, file_fd = -1, block_fd = -1;
static char fifo[] = "/tmp/urctx-fifo-XXXXXX", file[] = "./urctx-table-XXXXXX";
static char *data;
static uint32_t word;
static siginfo_t info;
static pid_t child;

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 * MSEC + ts.tv_nsec;
}

static struct io_uring_sqe *sqe(struct io_uring *u, enum ud ud)
{
	struct io_uring_sqe *s = io_uring_get_sqe(u);

	memset(s, 0, sizeof(*s));
	s->user_data = ud;
	return s;
}

/* ---------------------------------------------------------------- the classes */

#define PREPARE(name, ud, prep)                                                \
	static void name(struct io_uring *u)                                   \
	{                                                                      \
		struct io_uring_sqe *s = sqe(u, ud);                           \
									       \
		prep;                                                          \
		s->user_data = ud;                                             \
	}

static struct __kernel_timespec far = { .tv_sec = 1000 };

PREPARE(read_pipe, UD_OP, io_uring_prep_read(s, pipe_fd[0], data, SECTOR, 0))
PREPARE(recv_socket, UD_OP, io_uring_prep_recv(s, socket_fd[0], data, SECTOR, 0))
PREPARE(accept_one, UD_OP, io_uring_prep_accept(s, listener, NULL, NULL, 0))
PREPARE(poll_pipe, UD_OP, io_uring_prep_poll_add(s, pipe_fd[0], POLLIN))
PREPARE(timeout, UD_OP, io_uring_prep_timeout(s, &far, 0, 0))
PREPARE(read_async, UD_OP, io_uring_prep_read(s, pipe_fd[0], data, SECTOR, 0);
	s->flags = IOSQE_ASYNC)
PREPARE(splice_pipe, UD_OP,
	io_uring_prep_splice(s, pipe_fd[0], -1, socket_fd[0], -1, SECTOR, 0))
PREPARE(open_fifo, UD_OP, io_uring_prep_openat(s, AT_FDCWD, fifo, O_RDONLY, 0);
	s->flags = IOSQE_ASYNC)
PREPARE(read_slow, UD_OP, io_uring_prep_read(s, slow_fd, data, SECTOR, 0);
	s->flags = IOSQE_ASYNC)
PREPARE(read_slow_ahead, UD_AHEAD,
	io_uring_prep_read(s, slow_fd, data + SECTOR, SECTOR, 0);
	s->flags = IOSQE_ASYNC)
PREPARE(read_block, UD_OP, io_uring_prep_read(s, block_fd, data, SECTOR, 0))
PREPARE(read_file, UD_OP, io_uring_prep_read(s, file_fd, data, SECTOR, 0))
PREPARE(chain_head, UD_AHEAD, io_uring_prep_timeout(s, &far, 0, 0);
	s->flags = IOSQE_IO_LINK)
PREPARE(drain_head, UD_AHEAD, io_uring_prep_poll_add(s, pipe_fd[0], POLLIN))
PREPARE(nop, UD_OP, io_uring_prep_nop(s))
PREPARE(drain_nop, UD_OP, io_uring_prep_nop(s); s->flags = IOSQE_IO_DRAIN)
PREPARE(waitid_child, UD_OP, s->opcode = OP_WAITID; s->fd = child; s->len = P_PID;
	s->file_index = WEXITED; s->addr2 = (uintptr_t)&info)
PREPARE(futex_wait, UD_OP, s->opcode = OP_FUTEX_WAIT; s->fd = FUTEX_PRIVATE;
	s->addr = (uintptr_t)&word; s->addr3 = ~0U)

static void queued_slow(struct io_uring *u)
{
	unsigned workers[2] = { 1, 1 };

	io_uring_register_iowq_max_workers(u, workers);
	read_slow_ahead(u);
	read_slow(u);
}

static void in_chain(struct io_uring *u)
{
	chain_head(u);
	nop(u);
}

static void behind_drain(struct io_uring *u)
{
	drain_head(u);
	drain_nop(u);
}

static void disk_answers(struct io_uring *u)
{
	(void)u;
	fuse_slow_let_go(&disk, 'd');
}

static void cancel_head(struct io_uring *u)
{
	io_uring_prep_timeout_remove(sqe(u, UD_SECOND), UD_AHEAD, 0);
	io_uring_submit(u);
}

/* By another way than the ring's: what is submitted now waits as well. */
static void poll_ends(struct io_uring *u)
{
	char byte = 0;

	(void)u;
	(void)!write(pipe_fd[1], &byte, 1);
	(void)!read(pipe_fd[0], &byte, 1);
}

static const struct row rows[] = {
	{ "armed", "read, an empty pipe", read_pipe, NULL, false },
	{ "armed", "recv, a Unix socket", recv_socket, NULL, false },
	{ "armed", "accept", accept_one, NULL, false },
	{ "armed", "poll", poll_pipe, NULL, false },
	{ "armed", "read, IOSQE_ASYNC, a pipe", read_async, NULL, false },
	{ "waits", "timeout", timeout, NULL, false },
	{ "waits", "waitid", waitid_child, NULL, false },
	{ "waits", "futex", futex_wait, NULL, false },
	{ "not begun", "in a chain", in_chain, cancel_head, false },
	{ "not begun", "IOSQE_IO_DRAIN", behind_drain, poll_ends, false },
	{ "io-wq, queued", "read, FUSE", queued_slow, disk_answers, false },
	{ "io-wq, running", "splice, an empty pipe", splice_pipe, NULL, false },
	{ "io-wq, running", "open, a FIFO", open_fifo, NULL, false },
	{ "io-wq, in a disk", "read, FUSE", read_slow, disk_answers, false },
	{ "block layer", "read, O_DIRECT, null_blk", read_block, NULL, false },
	{ "block layer", "read, O_DIRECT, a file", read_file, NULL, true },
};

/* --------------------------------------------------------------- the measuring */

static void reap(struct io_uring *u, struct seen *seen, int64_t ns)
{
	int64_t end = now() + ns, left;
	struct io_uring_cqe *cqe;

	while (!seen[UD_OP].there && (left = end - now()) > 0) {
		struct __kernel_timespec ts = { left / (1000 * MSEC), left % (1000 * MSEC) };

		io_uring_submit_and_wait_timeout(u, &cqe, 1, &ts, NULL);
		while (!io_uring_peek_cqe(u, &cqe)) {
			seen[cqe->user_data] = (struct seen){ true, cqe->res, now() };
			io_uring_cqe_seen(u, cqe);
		}
	}
}

static const char *name_of(const struct seen *s)
{
	static char number[16];

	if (!s->there)
		return "none";
	if (s->res == -512)
		return "-ERESTARTSYS";
	if (s->res < 0)
		return strerrorname_np(-s->res);
	snprintf(number, sizeof(number), "%d", s->res);
	return number;
}

static void measure(const struct row *row, struct io_uring *u)
{
	struct seen seen[8] = { { false, 0, 0 } };
	int64_t begin;

	row->prepare(u);
	if (!row->at_once) {
		io_uring_submit(u);
		reap(u, seen, 50 * MSEC);	/* it is where it shall be */
	}
	if (seen[UD_OP].there) {
		printf("%-17s %-25s skipped: this kernel lacks it (%s)\n", row->class,
		       row->what, name_of(&seen[UD_OP]));
		return;
	}
	io_uring_prep_cancel64(sqe(u, UD_FIRST), UD_OP, 0);
	u->sq.sqes[(u->sq.sqe_tail - 1) & *u->sq.kring_mask].user_data = UD_FIRST;
	begin = now();
	reap(u, seen, 50 * MSEC);
	if (!seen[UD_OP].there) {
		io_uring_prep_cancel64(sqe(u, UD_SECOND), UD_OP, 0);
		u->sq.sqes[(u->sq.sqe_tail - 1) & *u->sq.kring_mask].user_data =
			UD_SECOND;
		reap(u, seen, 50 * MSEC);
	}
	printf("%-17s %-25s %-9s", row->class, row->what, name_of(&seen[UD_FIRST]));
	printf(" %-9s", name_of(&seen[UD_SECOND]));
	if (!seen[UD_OP].there && row->let_go) {
		row->let_go(u);
		reap(u, seen, 5000 * MSEC);
		printf(" %-13s when it was let go\n", name_of(&seen[UD_OP]));
		return;
	}
	reap(u, seen, 5000 * MSEC);
	printf(" %-13s %8.0f us\n", name_of(&seen[UD_OP]),
	       (double)(seen[UD_OP].at - begin) / 1000);
	if (row->let_go)
		row->let_go(u);
}

static const char *cannot(const struct row *row)
{
	if ((row->prepare == read_slow || row->prepare == queued_slow) && slow_fd < 0)
		return "FUSE is forbidden";
	if (row->prepare == read_block && block_fd < 0)
		return "URCTX_TEST_BLOCK names none";
	/* a guest's files are in its memory */
	if (row->prepare == read_file && (file_fd < 0 || block_fd >= 0))
		return "there is no disk";
	return NULL;
}

static int open_all(void)
{
	const char *what, *name = getenv("URCTX_TEST_BLOCK");
	struct sockaddr nowhere = { .sa_family = AF_UNIX };

	if (!fuse_slow_open(&disk, &what))
		slow_fd = fuse_slow_file(&disk);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	if (posix_memalign((void **)&data, 4096, 4096) || pipe(pipe_fd) || listener < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, socket_fd) ||
	    bind(listener, &nowhere, sizeof(nowhere.sa_family)) || listen(listener, 1))
		return -1;
	close(mkstemp(fifo));
	unlink(fifo);
	if (mkfifo(fifo, 0600))
		return -1;
	file_fd = mkostemp(file, O_DIRECT);
	if (file_fd >= 0 && write(file_fd, data, 4096) != 4096)
		return -1;
	unlink(file);
	if (name)
		block_fd = open(name, O_RDONLY | O_DIRECT);
	child = fork();
	if (!child)
		for (;;)
			pause();
	return 0;
}

int main(void)
{
	struct io_uring u;
	int ret;

	if (open_all()) {
		perror("disk-table");
		return 1;
	}
	printf("%-17s %-25s %-9s %-9s %-13s %s\n", "class", "op", "cancel", "again",
	       "the op", "its CQE after the first cancel");
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *missing = cannot(&rows[i]);

		if (missing) {
			printf("%-17s %-25s skipped: %s\n", rows[i].class, rows[i].what,
			       missing);
			continue;
		}
		ret = io_uring_queue_init(8, &u, 0);
		if (ret) {
			printf("skipped: io_uring_setup: %s\n", strerror(-ret));
			break;
		}
		measure(&rows[i], &u);
		io_uring_queue_exit(&u);
	}
	kill(child, SIGKILL);
	unlink(fifo);
	if (slow_fd >= 0) {
		close(slow_fd);
		fuse_slow_close(&disk);
	}
	return 0;
}
