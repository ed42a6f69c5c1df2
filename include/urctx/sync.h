/* SPDX-License-Identifier: MIT */
/*
 * urctx/sync.h - waits that a context ends: futex, semaphore, group of threads
 */
#ifndef URCTX_SYNC_H
#define URCTX_SYNC_H

#include <urctx.h>

#ifdef __cplusplus
extern "C" {
#endif

int urctx_futex_wait(struct urctx *ctx, uint32_t *addr, uint32_t val);

struct urctx_sem {
	uint64_t private_[8];
};

void urctx_sem_init(struct urctx_sem *sem, int64_t size);
URCTX_MUST_CHECK_ int urctx_sem_acquire(struct urctx_sem *sem,
					struct urctx *ctx, int64_t nr);
bool urctx_sem_try_acquire(struct urctx_sem *sem, int64_t nr);
void urctx_sem_release(struct urctx_sem *sem, int64_t nr);

struct urctx_group {
	uint64_t private_[16];
};

URCTX_MUST_CHECK_ int urctx_group_init(struct urctx_group *g,
				       struct urctx *parent, unsigned limit,
				       struct urctx **ctx);
URCTX_MUST_CHECK_ int urctx_group_go(struct urctx_group *g,
				     int (*fn)(struct urctx *ctx, void *arg),
				     void *arg);
bool urctx_group_try_go(struct urctx_group *g,
			int (*fn)(struct urctx *ctx, void *arg), void *arg);
int urctx_group_wait(struct urctx_group *g);

#ifdef __cplusplus
}
#endif
#endif
