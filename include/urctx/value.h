/* SPDX-License-Identifier: MIT */
/*
 * urctx/value.h - what a request carries with it; part of <urctx.h>
 */
#ifndef URCTX_VALUE_H
#define URCTX_VALUE_H

#include <urctx.h>

#ifdef __cplusplus
extern "C" {
#endif

struct urctx_key {
	const char *name;
	void (*release)(void *value);
};

URCTX_MUST_CHECK_ int urctx_with_value(struct urctx *parent,
				       const struct urctx_key *key, void *value,
				       struct urctx **child);
void *urctx_value(const struct urctx *ctx, const struct urctx_key *key);

#ifdef __cplusplus
}
#endif
#endif
