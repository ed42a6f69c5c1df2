/* SPDX-License-Identifier: MIT */
#ifndef URCTX_RING_H
#define URCTX_RING_H

#include <liburing.h>	/* first: it wants to define _XOPEN_SOURCE itself */
#include <urctx.h>

#ifdef __cplusplus
extern "C" {
#endif

struct urctx_ring;

struct urctx_ring_params {
	unsigned ops;
	unsigned flags;
	void (*foreign)(void *arg, const struct io_uring_cqe *cqe);
	void *arg;
	uint64_t reserved[4];
};

#define URCTX_RING_DRAIN	(1U << 0)

struct urctx_op {
	void (*complete)(struct urctx_op *op);
	const struct urctx_cause *cause;
	int res;
	unsigned cqe_flags;
	uint64_t private_[9];
};

#define URCTX_OP_LINK_TIMEOUT	(1U << 0)
#define URCTX_OP_NO_ABORT	(1U << 1)

#define URCTX_UDATA_MASK	0xffff000000000000ULL
#define URCTX_UDATA_TAG		0x7572000000000000ULL

struct urctx_ring_stats {
	uint64_t in_flight, stuck, told, cancels, retries, stale;
	uint64_t late_max, late_sum, turn_gap_max;
};

URCTX_MUST_CHECK_ int urctx_ring_attach(struct io_uring *ring,
					const struct urctx_ring_params *params,
					struct urctx_ring **out);
URCTX_MUST_CHECK_ struct io_uring_sqe *urctx_ring_sqe(struct urctx_ring *r);
URCTX_MUST_CHECK_ int urctx_ring_bind(struct urctx_ring *r,
				      struct io_uring_sqe *sqe,
				      struct urctx *ctx, struct urctx_op *op);
URCTX_MUST_CHECK_ int urctx_ring_bind_flags(struct urctx_ring *r,
					    struct io_uring_sqe *sqe,
					    struct urctx *ctx,
					    struct urctx_op *op,
					    int64_t deadline, unsigned flags);
void urctx_op_deadline(struct urctx_op *op, int64_t deadline);
void urctx_op_cancel(struct urctx_op *op, const struct urctx_cause *cause);
URCTX_MUST_CHECK_ int urctx_ring_after(struct urctx_ring *r, struct urctx *ctx,
				       struct urctx_callback *cb,
				       void (*fn)(struct urctx_callback *cb));
URCTX_MUST_CHECK_ bool urctx_ring_dispatch(struct urctx_ring *r,
					   const struct io_uring_cqe *cqe);
URCTX_MUST_CHECK_ int64_t urctx_ring_turn(struct urctx_ring *r);
URCTX_MUST_CHECK_ int urctx_ring_wait(struct urctx_ring *r, int64_t deadline);
URCTX_MUST_CHECK_ int urctx_ring_drain(struct urctx_ring *r, struct urctx *ctx,
				       int64_t deadline);
URCTX_MUST_CHECK_ int urctx_ring_detach(struct urctx_ring *r, int64_t deadline);
void urctx_ring_stats(const struct urctx_ring *r,
		      struct urctx_ring_stats *stats, size_t size);

#ifdef __cplusplus
}
#endif
#endif
