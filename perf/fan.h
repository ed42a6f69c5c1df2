/* SPDX-License-Identifier: MIT */
/* One parent and n children, in the order in which they were derived. */
#ifndef URCTX_BENCH_FAN_H
#define URCTX_BENCH_FAN_H

#include <stdbool.h>

struct urctx;

struct fan {
	struct urctx *root;
	struct urctx **child;
	unsigned long n;
};

/* Root and children; false: out of memory, and the row ends. */
bool fan_new(struct fan *f, unsigned long n);
bool fan_derive(struct fan *f);		/* the children of f->root */
bool fan_all_done(const struct fan *f);
void fan_put_children(struct fan *f);
void fan_free(struct fan *f);

#endif
