/* SPDX-License-Identifier: MIT */
/*
 * urctx/deadline.h - contexts that end by themselves; part of <urctx.h>
 */
#ifndef URCTX_DEADLINE_H
#define URCTX_DEADLINE_H

#include <urctx.h>

#ifdef __cplusplus
extern "C" {
#endif

URCTX_MUST_CHECK_ int urctx_with_deadline(struct urctx *parent,
					  int64_t deadline,
					  struct urctx **child);
URCTX_MUST_CHECK_ int urctx_with_timeout(struct urctx *parent, int64_t timeout,
					 struct urctx **child);
URCTX_MUST_CHECK_ int
urctx_with_deadline_cause(struct urctx *parent, int64_t deadline,
			  const struct urctx_cause *cause,
			  struct urctx **child);
URCTX_MUST_CHECK_ int
urctx_with_timeout_cause(struct urctx *parent, int64_t timeout,
			 const struct urctx_cause *cause, struct urctx **child);
URCTX_MUST_CHECK_ int urctx_without_cancel(struct urctx *parent,
					   struct urctx **child);
URCTX_MUST_CHECK_ int urctx_with_grace(struct urctx *parent, int64_t grace,
				       struct urctx **child);
bool urctx_deadline(const struct urctx *ctx, int64_t *deadline);
int64_t urctx_remaining(const struct urctx *ctx);

#ifdef __cplusplus
}
#endif
#endif
