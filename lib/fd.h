/* SPDX-License-Identifier: MIT */
#ifndef URCTX_FD_H
#define URCTX_FD_H

#include "extra.h"

/* @n is done and has an fd: it is readable when this returns.  In a section. */
void fd_fire(const struct urctx *n);

/* The same by who holds a reference: also if another is about to. */
void fd_see(const struct urctx *n);

/* Its context is DEAD: close it, or leave that to who is about to make it readable. */
void fd_leave(struct extra *e);

#endif
