/* SPDX-License-Identifier: MIT */
/* urctx-timers: a deadline, and who keeps many of them. */
#ifndef URCTX_TIMERS_H
#define URCTX_TIMERS_H

#include <stdbool.h>
#include <stdint.h>

struct timer {
	int64_t key;
	union {
		uint32_t place;			/* heap, queue; 0: not in */
		struct {
			struct timer *next, **at;	/* at NULL: not in */
			uint8_t level, slot;
		};
		struct {
			struct timer *child, *sibling, *prev;
			bool in;
		};
	};
	char op[96 - 40];
};

_Static_assert(sizeof(struct timer) == 96, "");

struct engine {
	const char *name;
	void (*init)(uint32_t n);
	void (*add)(struct timer *t);
	void (*del)(struct timer *t);
	void (*move)(struct timer *t, int64_t key);
	struct timer *(*pop)(int64_t now);	/* taken out, or NULL: none is due */
	int64_t (*next)(void);			/* when to be back at the latest */
};

enum { ENGINES = 5, REAL_ENGINES = 4 };	/* the last keeps nothing */
extern const struct engine engines[ENGINES];

#endif
