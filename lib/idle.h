/* SPDX-License-Identifier: MIT */
#ifndef URCTX_IDLE_H
#define URCTX_IDLE_H

#include "context.h"

/* In a section: @s, a slot of @p, was given up, and somebody waits for one. */
void idle_left(struct urctx *p, struct slot *s);

#endif
