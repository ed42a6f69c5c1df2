/* SPDX-License-Identifier: MIT */
/*
 * retire.h - contexts that had children, between their last put and their reuse
 */
#ifndef URCTX_RETIRE_H
#define URCTX_RETIRE_H

#include "context.h"

/*
 * @n is DEAD and unlinked, or a zombie (ARMED, ONLIST): ours from here.
 * Lock-free, safe in a signal handler.
 */
void retire(struct urctx *n);

/*
 * Behind a put or a stop that may have retired: look after a full batch, without
 * waiting, and see that there is a housekeeper for the rest.  Not in a signal
 * handler: it frees into this thread's caches.
 */
void retire_settle(void);

/* For the housekeeper: what there is, linked by `link`. */
bool retired_any(void);
struct urctx *retired_take(void);
/*
 * A barrier has passed through all threads: those of @list that are DEAD and
 * unlinked.  Zombies with children left are left to them.
 */
struct urctx *retired_sort(struct urctx *list);
/* Not now: on the list again. */
void retired_back(struct urctx *list);
/* Every section that began before they were unlinked has ended. */
void retired_free(struct urctx *list);

#endif
