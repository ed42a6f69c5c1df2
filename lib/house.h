/* SPDX-License-Identifier: MIT */
/*
 * house.h - the housekeeper: a thread that waits for readers where nobody else may
 */
#ifndef URCTX_HOUSE_H
#define URCTX_HOUSE_H

#include <stdbool.h>
#include <stdint.h>

/* Something was retired; lock-free, safe in a signal handler. */
void house_pushed(void);
/* What was retired waits for a reader: do not let it nap. */
void house_needed(void);
/* There is a housekeeper, or nothing to do; may start a thread.  False: refused. */
bool house_ensure(bool batch);
bool house_there(void);
/* The same for who depends on him: waits while he is being started. */
bool house_rely(void);
/* Behind a push for it: it is to be awake at @when. */
void house_until(int64_t when);

/* One turn: barrier, grace period, free.  False: there was nothing. */
bool house_turn(void);
/* Sleep a little, @worked, or longer.  False: idle long enough, go. */
bool house_rest(bool worked);

/* In a child of fork() there is none. */
void house_forked(void);

#endif
