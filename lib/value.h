/* SPDX-License-Identifier: MIT */
#ifndef URCTX_VALUE_PRIVATE_H
#define URCTX_VALUE_PRIVATE_H

#include "extra.h"

/* @n OWNS a value and is DEAD: what is to be released.  No look-up comes by it. */
struct leftover *value_leave(struct urctx *n);

/* Where @value, which may be gone, has its key: an address, nothing is read. */
const struct urctx_key *const *value_key_place(const void *value);

#endif
