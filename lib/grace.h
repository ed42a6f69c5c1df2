/* SPDX-License-Identifier: MIT */
#ifndef URCTX_GRACE_H
#define URCTX_GRACE_H

#include "context.h"

/* In a section, or by a holder: @n's parent has ended, and @word is what for. */
void grace_begin(struct urctx *n, uintptr_t word);

#endif
