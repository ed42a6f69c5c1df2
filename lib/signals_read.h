/* SPDX-License-Identifier: MIT */
/*
 * signals_read.h - what signals.c and signals_read.c share, all of it under a lock
 */
#ifndef URCTX_SIGNALS_READ_H
#define URCTX_SIGNALS_READ_H

#include "signals.h"

#include "lock.h"

extern uint32_t signals_lock __attribute__((visibility("hidden")));
/* What some context names. */
extern sigset_t signals_wanted __attribute__((visibility("hidden")));

/* The same is read from now on. */
void signals_want(void);
/* One that has arrived, or 0. */
int signals_next(void);
/* Contexts that name any. */
uint32_t signals_contexts(void);

/* The housekeeper's: open what contexts want, close what they do not. */
void signals_follow(void);

#endif
