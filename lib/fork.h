/* SPDX-License-Identifier: MIT */
#ifndef URCTX_FORK_H
#define URCTX_FORK_H

#include <signal.h>
#include <stdint.h>

/* What fork_release_join() gives back. */
struct fork_joins {
	sigset_t signals;
	int err;
};

#ifdef URCTX_MC

#define fork_hold()		((void)0)
#define fork_release()		((void)0)
#define fork_hold_join(j)	((void)(j))
#define fork_release_join(j)	((void)(j))
#define fork_count()		1U

#else

/* Around a grace period: fork() waits for it, though not for ever. */
void fork_hold(void);
void fork_release(void);

/* Around a thread's first section: no signal comes, and errno is as before. */
void fork_hold_join(struct fork_joins *j);
void fork_release_join(const struct fork_joins *j);

/* How many forks lie between this process and the first. */
uint32_t fork_count(void);

#endif

#endif
