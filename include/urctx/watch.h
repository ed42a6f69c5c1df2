/* SPDX-License-Identifier: MIT */
/*
 * urctx/watch.h - a file descriptor that says done, the end of all that was
 * derived, and a look at the live tree; part of <urctx.h>
 */
#ifndef URCTX_WATCH_H
#define URCTX_WATCH_H

#include <stdio.h>
#include <urctx.h>

#ifdef __cplusplus
extern "C" {
#endif

URCTX_MUST_CHECK_ int urctx_fd(struct urctx *ctx);
URCTX_MUST_CHECK_ int urctx_wait_idle(struct urctx *ctx, int64_t deadline);
URCTX_MUST_CHECK_ int urctx_dump(struct urctx *root, FILE *out);

#ifdef __cplusplus
}
#endif
#endif
