/* SPDX-License-Identifier: MIT */
#ifndef URCTX_CANCEL_H
#define URCTX_CANCEL_H

#include "context.h"

/*
 * End @ctx, which is held, as @word says, and everything below it, and run the
 * callbacks; if it was over already, help with that.  True: this call ended it.
 */
bool tree_end(struct urctx *ctx, uintptr_t word);

#endif
