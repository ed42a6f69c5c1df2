/* SPDX-License-Identifier: MIT */
/*
 * fuse_slow.h - a file whose reads take as long as a test likes
 *
 * A disk in a state that no signal ends, made to measure: a read of the file has
 * left for the disk when fuse_slow_arrived() says so, and comes back when
 * fuse_slow_let_go() sends it.  In between a worker of the kernel is in it, and
 * nothing aborts it: FUSE tells its daemon of the interrupt, and waits on.
 *
 * The daemon is a process, and one that does not live for ever: when a process that
 * is its own disk dies in a read, it waits for itself.  Make it before rings,
 * pipes and threads of the test, whose descriptors it would keep.
 */
#ifndef URCTX_TESTS_FUSE_SLOW_H
#define URCTX_TESTS_FUSE_SLOW_H

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FUSE_SLOW_LIFE	60	/* seconds; then all reads fail */

struct fuse_slow {
	int mount, daemon;
	pid_t pid;
};

/* 0, or the errno, negative, with which it is forbidden here; @what: by what. */
int fuse_slow_open(struct fuse_slow *disk, const char **what);
/* A descriptor of the file, O_RDONLY, or -errno. */
int fuse_slow_file(const struct fuse_slow *disk);
/* Waits until @nr reads are in the disk, all together; false: they do not come. */
int fuse_slow_arrived(const struct fuse_slow *disk, unsigned nr);
/* How many times it was told that a reader was interrupted. */
int fuse_slow_interrupted(const struct fuse_slow *disk);
/* All that are in it come back, each byte of them being @byte; 0: as -EIO. */
void fuse_slow_let_go(const struct fuse_slow *disk, char byte);
void fuse_slow_close(struct fuse_slow *disk);

#ifdef __cplusplus
}
#endif

#endif
