/* SPDX-License-Identifier: MIT */
#ifndef URCTX_CALLBACK_H
#define URCTX_CALLBACK_H

#include "walk.h"

/*
 * In a section: claim the callback @v in slot @s of @x and run it, outside of the
 * section, if nobody else has.  @root is whose cancel finds it, NULL: urctx_after().
 */
void run_callback(const struct urctx *root, struct urctx *x, struct slot *s,
		  uintptr_t v);

/* All below @c is done; see that its callbacks run, now or by our outermost cancel. */
void run_callbacks(struct urctx *c);

/* No callback of this thread is running: work off what they left for later. */
void run_queue(struct thread *t);

#endif
