/* SPDX-License-Identifier: MIT */
/*
 * fuse_slow.c - the daemon of such a file, and what a test says to it
 *
 * It speaks /dev/fuse as it is: one file in a root that has nothing else.  The
 * mount has no place in the tree of files: it is gone with its descriptor.
 */
#include "fuse_slow.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAME		"slow"
#define FILE_NODE	2
#define FILE_SIZE	(1 << 20)
#define BUFFER		(1 << 17)	/* for the longest request, and the longest read */
#define HELD		64

/* ------------------------------------------------------------------- daemon */

enum ask { ASK_READS, ASK_INTERRUPTS, LET_GO };

struct question {
	enum ask ask;
	char byte;
};

struct held {
	uint64_t unique;
	uint32_t size;
};

struct disk {
	int fuse, test;
	struct held held[HELD];
	unsigned nr;
	int interrupts;
	char buffer[BUFFER];
};

static void answer(const struct disk *d, uint64_t unique, int error, const void *data,
		   size_t size)
{
	struct fuse_out_header out = { (uint32_t)(sizeof(out) + size), error, unique };
	struct iovec iov[] = { { &out, sizeof(out) }, { (void *)data, size } };

	/* -ENOENT: who asked is not there any more */
	(void)!writev(d->fuse, iov, 2);
}

static struct fuse_attr attr_of(uint64_t node)
{
	struct fuse_attr attr = {
		.ino = node,
		.size = node == FILE_NODE ? FILE_SIZE : 0,
		.mode = node == FILE_NODE ? S_IFREG | 0400 : S_IFDIR | 0500,
		.nlink = 1,
		.blksize = 4096,
	};

	return attr;
}

static void on_init(const struct disk *d, const struct fuse_in_header *in)
{
	const struct fuse_init_in *arg = (const void *)(in + 1);
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = arg->max_readahead,
		.max_background = HELD,
		.congestion_threshold = HELD,
		.max_write = 4096,
		.flags = FUSE_ASYNC_READ,
	};

	answer(d, in->unique, 0, &out, sizeof(out));
}

static void on_lookup(const struct disk *d, const struct fuse_in_header *in)
{
	struct fuse_entry_out out = {
		.nodeid = FILE_NODE,
		.entry_valid = FUSE_SLOW_LIFE,
		.attr_valid = FUSE_SLOW_LIFE,
		.attr = attr_of(FILE_NODE),
	};

	if (strcmp((const char *)(in + 1), NAME))
		answer(d, in->unique, -ENOENT, NULL, 0);
	else
		answer(d, in->unique, 0, &out, sizeof(out));
}

static void on_getattr(const struct disk *d, const struct fuse_in_header *in)
{
	struct fuse_attr_out out = {
		.attr_valid = FUSE_SLOW_LIFE,
		.attr = attr_of(in->nodeid),
	};

	answer(d, in->unique, 0, &out, sizeof(out));
}

static void on_read(struct disk *d, const struct fuse_in_header *in)
{
	const struct fuse_read_in *arg = (const void *)(in + 1);

	if (d->nr == HELD || arg->size > BUFFER)
		answer(d, in->unique, -EIO, NULL, 0);
	else
		d->held[d->nr++] = (struct held){ in->unique, arg->size };
}

static void on_request(struct disk *d, const struct fuse_in_header *in)
{
	/* no page cache: each read is one of ours */
	static const struct fuse_open_out open = { .open_flags = FOPEN_DIRECT_IO };

	switch (in->opcode) {
	case FUSE_INIT:
		on_init(d, in);
		break;
	case FUSE_LOOKUP:
		on_lookup(d, in);
		break;
	case FUSE_GETATTR:
		on_getattr(d, in);
		break;
	case FUSE_OPEN:
		answer(d, in->unique, 0, &open, sizeof(open));
		break;
	case FUSE_READ:
		on_read(d, in);
		break;
	case FUSE_INTERRUPT:
		d->interrupts++;
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
		break;
	case FUSE_RELEASE:
		answer(d, in->unique, 0, NULL, 0);
		break;
	default:	/* POLL among them: the file is always ready */
		answer(d, in->unique, -ENOSYS, NULL, 0);
	}
}

static void let_go(struct disk *d, char byte)
{
	memset(d->buffer, byte, sizeof(d->buffer));
	for (unsigned i = 0; i < d->nr; i++)
		answer(d, d->held[i].unique, byte ? 0 : -EIO, d->buffer,
		       byte ? d->held[i].size : 0);
	d->nr = 0;
}

static bool on_question(struct disk *d)
{
	struct question q;
	int said = 0;

	if (read(d->test, &q, sizeof(q)) != sizeof(q))
		return false;
	if (q.ask == ASK_READS)
		said = (int)d->nr;
	else if (q.ask == ASK_INTERRUPTS)
		said = d->interrupts;
	else
		let_go(d, q.byte);
	return write(d->test, &said, sizeof(said)) == sizeof(said);
}

/*
 * What the kernel has for us is taken first: what a test asks about is then
 * behind all that it has seen happen.  Ends when the test closes its end.
 */
static void serve(struct disk *d)
{
	struct pollfd fds[] = { { d->fuse, POLLIN, 0 }, { d->test, POLLIN, 0 } };

	while (poll(fds, 2, -1) > 0 || errno == EINTR) {
		if (fds[0].revents & POLLIN) {
			if (read(d->fuse, d->buffer, sizeof(d->buffer)) > 0)
				on_request(d, (const void *)d->buffer);
			else if (errno == ENODEV)
				return;
		} else if (fds[0].revents) {
			return;
		} else if (fds[1].revents && !on_question(d)) {
			return;
		}
	}
}

static void be_daemon(int fuse, int test)
{
	static struct disk d;

	/* what the test has open is the test's, the end of its pipes among it */
	dup2(fuse, 3);
	dup2(test, 4);
	close_range(5, ~0U, 0);
	d.fuse = 3;
	d.test = 4;
	serve(&d);
	_exit(0);
}

/* --------------------------------------------------------------------- test */

static int ask(const struct fuse_slow *disk, enum ask what, char byte)
{
	struct question q = { what, byte };
	int said = -1;

	if (write(disk->daemon, &q, sizeof(q)) != sizeof(q) ||
	    read(disk->daemon, &said, sizeof(said)) != sizeof(said))
		return -1;
	return said;
}

int fuse_slow_arrived(const struct fuse_slow *disk, unsigned nr)
{
	int said;

	do	/* as long as the daemon lives */
		said = ask(disk, ASK_READS, 0);
	while (said >= 0 && (unsigned)said < nr);
	return said >= 0;
}

int fuse_slow_interrupted(const struct fuse_slow *disk)
{
	return ask(disk, ASK_INTERRUPTS, 0);
}

void fuse_slow_let_go(const struct fuse_slow *disk, char byte)
{
	(void)ask(disk, LET_GO, byte);
}

int fuse_slow_file(const struct fuse_slow *disk)
{
	int fd = openat(disk->mount, NAME, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* A mount that is nowhere, of the file system behind @fuse; -1. */
static int mount_nowhere(int fuse)
{
	int mount = -1, fs = fsopen("fuse", FSOPEN_CLOEXEC);
	char number[16];

	if (fs < 0)
		return -1;
	snprintf(number, sizeof(number), "%d", fuse);
	if (!fsconfig(fs, FSCONFIG_SET_STRING, "fd", number, 0) &&
	    !fsconfig(fs, FSCONFIG_SET_STRING, "rootmode", "40000", 0) &&
	    !fsconfig(fs, FSCONFIG_SET_STRING, "user_id", "0", 0) &&
	    !fsconfig(fs, FSCONFIG_SET_STRING, "group_id", "0", 0) &&
	    !fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		mount = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID);
	close(fs);
	return mount;
}

static int start(struct fuse_slow *disk, int fuse)
{
	int ends[2], error;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	disk->daemon = ends[0];
	disk->pid = fork();
	if (!disk->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGALRM, SIG_DFL);
		alarm(FUSE_SLOW_LIFE);
		be_daemon(fuse, ends[1]);
	}
	error = disk->pid < 0 ? -errno : 0;
	close(ends[1]);
	if (error)
		close(ends[0]);
	return error;
}

int fuse_slow_open(struct fuse_slow *disk, const char **what)
{
	int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC), ret;

	*what = "/dev/fuse";
	if (fuse < 0)
		return -errno;
	*what = "mounting FUSE";
	disk->mount = mount_nowhere(fuse);
	ret = disk->mount < 0 ? -errno : start(disk, fuse);
	if (ret && disk->mount >= 0)
		close(disk->mount);
	/* the daemon's alone: the file system ends with it */
	close(fuse);
	return ret;
}

void fuse_slow_close(struct fuse_slow *disk)
{
	close(disk->mount);
	close(disk->daemon);
	waitpid(disk->pid, NULL, 0);
}
