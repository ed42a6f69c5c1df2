/* SPDX-License-Identifier: MIT */
#ifndef URCTX_FORK_H
#define URCTX_FORK_H

#include <stdint.h>

#ifdef URCTX_MC

#define fork_hold()		((void)0)
#define fork_release()		((void)0)
#define fork_hold_join()	((void)0)
#define fork_release_join()	((void)0)
#define fork_count()		1U

#else

/* Around a grace period: fork() waits for it, though not for ever. */
void fork_hold(void);
void fork_release(void);

/* Around a thread's first section.  No signal may come. */
void fork_hold_join(void);
void fork_release_join(void);

/* How many forks lie between this process and the first. */
uint32_t fork_count(void);

#endif

#endif
