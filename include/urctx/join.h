/* SPDX-License-Identifier: MIT */
/*
 * urctx/join.h - contexts that end with the first of several things; part of
 * <urctx.h>
 */
#ifndef URCTX_JOIN_H
#define URCTX_JOIN_H

#include <sys/select.h>		/* sigset_t, in strict C11 too */
#include <urctx.h>

#ifdef __cplusplus
extern "C" {
#endif

URCTX_MUST_CHECK_ int urctx_with_any(struct urctx *const *parents, size_t nr,
				     struct urctx **child);
URCTX_MUST_CHECK_ int urctx_with_signals(struct urctx *parent,
					 const sigset_t *set,
					 struct urctx **child);

#ifdef __cplusplus
}
#endif
#endif
