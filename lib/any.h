/* SPDX-License-Identifier: MIT */
#ifndef URCTX_ANY_H
#define URCTX_ANY_H

#include <urctx.h>

#define ANY_MOST	(1U << 20)

/* One of @parents at least is not NULL.  @ended is called when the context is gone. */
int any_derive(struct urctx *const *parents, size_t nr, void (*ended)(void *arg),
	       void *arg, struct urctx **child);

#endif
