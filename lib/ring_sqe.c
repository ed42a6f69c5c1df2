/* SPDX-License-Identifier: MIT */
/*
 * ring_sqe.c - SQEs: room for them, and those that must not run
 *
 * A chain (IOSQE_IO_LINK) lives within one submission: whoever needs room
 * submits what is in front of an open chain and never a part of it.
 */
#include "ring.h"

#include <sched.h>

#define CHAIN (IOSQE_IO_LINK | IOSQE_IO_HARDLINK)

static struct io_uring_sqe *sqe_at(const struct io_uring_sq *sq, unsigned flags,
				   unsigned at)
{
	return &sq->sqes[(at & sq->ring_mask) << !!(flags & IORING_SETUP_SQE128)];
}

static unsigned index_of(const struct io_uring *ring, const struct io_uring_sqe *sqe)
{
	return (unsigned)((sqe - ring->sq.sqes) >> !!(ring->flags & IORING_SETUP_SQE128));
}

/* How many of the SQEs at the end must stay together with what comes next. */
static unsigned chain_length(const struct io_uring *ring, unsigned open)
{
	unsigned ready = io_uring_sq_ready(ring), nr = open;

	while (nr < ready && sqe_at(&ring->sq, ring->flags,
				    ring->sq.sqe_tail - 1 - nr)->flags & CHAIN)
		nr++;
	return nr;
}

bool ring_chain_open(const struct urctx_ring *r)
{
	return chain_length(r->ring, 0) != 0;
}

/*
 * When one with IOSQE_CQE_SKIP_SUCCESS fails, or the chain in front of it, the
 * kernel drops the CQEs of all that is linked behind it.  What it has consumed
 * is in no chain with @sqe.
 */
bool ring_chain_silent(const struct urctx_ring *r, const struct io_uring_sqe *sqe)
{
	const struct io_uring_sq *sq = &r->ring->sq;
	unsigned at = index_of(r->ring, sqe);
	unsigned left = (at - io_uring_smp_load_acquire(sq->khead)) & sq->ring_mask;

	while (left--) {
		const struct io_uring_sqe *prev = sqe_at(sq, r->ring->flags, --at);

		if (!(prev->flags & CHAIN))
			return false;
		/* of a timer, too: it is the head where the kernel cuts off its own */
		if (prev->flags & IOSQE_CQE_SKIP_SUCCESS)
			return true;
	}
	return false;
}

int ring_submit(struct urctx_ring *r)
{
	int saved = errno, ret = io_uring_submit(r->ring);

	if (URCTX_RULE_44 && ret >= 0 && r->ring->flags & IORING_SETUP_SQPOLL)
		(void)io_uring_sqring_wait(r->ring);
	errno = saved;
	return ret;
}

/*
 * Until the thread of the kernel, which is awake, has taken one.  IORING_ENTER_SQ_WAIT
 * would not wait: with a part held back the SQ is not full.
 */
static void wait_taken(const struct io_uring *ring)
{
	unsigned ready = io_uring_sq_ready(ring);

	for (unsigned i = 0; i < 100000 && ready && io_uring_sq_ready(ring) == ready; i++)
		(void)sched_yield();
}

/*
 * Room for @nr more.  The last @open SQEs are not finished.  Behind an SQE that
 * is refused when it is looked at the kernel stops: so more than once.
 */
bool ring_sqe_room(struct urctx_ring *r, unsigned nr, unsigned open)
{
	struct io_uring *ring = r->ring;
	unsigned tail = ring->sq.sqe_tail, left, keep;

	while ((left = io_uring_sq_space_left(ring)) < nr) {
		keep = chain_length(ring, open);
		/* A thread of the kernel may be behind the tail that it was shown. */
		if (ring->flags & IORING_SETUP_SQPOLL && keep > tail - ring->sq.sqe_head)
			keep = tail - ring->sq.sqe_head;
		if (keep >= ring->sq.ring_entries - left)
			return false;
		ring->sq.sqe_tail = tail - keep;
		if (ring_submit(r) >= 0 && URCTX_RULE_44 &&
		    ring->flags & IORING_SETUP_SQPOLL)
			wait_taken(ring);
		ring->sq.sqe_tail = tail;
		/* or a handler forked in there, and it is the parent's */
		if (io_uring_sq_space_left(ring) == left || !ring_mine(r))
			return false;
	}
	return true;
}

/* get_sqe() leaves in it what was there before. */
struct io_uring_sqe *ring_sqe_take(struct urctx_ring *r)
{
	struct io_uring_sqe *sqe;

	if (unlikely(!io_uring_sq_space_left(r->ring)) && !ring_sqe_room(r, 1, 0))
		return NULL;
	sqe = io_uring_get_sqe(r->ring);
	io_uring_prep_nop(sqe);
	sqe->user_data = ud_make(0, 0, KIND_NOP);
	return sqe;
}

struct io_uring_sqe *urctx_ring_sqe(struct urctx_ring *r)
{
	if (!r)
		return NULL;
	if (!ring_mine(r)) {
		(void)ring_not_mine(__func__);
		return NULL;
	}
	r->seq++;	/* bound or not: detach waits for its CQE */
	return ring_sqe_take(r);
}

/*
 * Make @sqe one that does nothing and fails: a poll of no file, or, where only
 * I/O is carried out, a read.  It fails when it is issued; what fails when it is
 * looked at would hold up the SQEs behind.
 */
void sqe_fail(const struct urctx_ring *r, struct io_uring_sqe *sqe, uint64_t ud)
{
	unsigned keep = sqe->flags & (CHAIN | IOSQE_IO_DRAIN);

	/* Since 2.6 liburing's prep functions leave alone what get_sqe() has set to 0. */
	sqe->ioprio = 0;
	sqe->rw_flags = 0;
	sqe->buf_index = 0;
	sqe->personality = 0;
	sqe->file_index = 0;
	if (r->ring->flags & IORING_SETUP_IOPOLL)
		io_uring_prep_read(sqe, -1, NULL, 0, 0);
	else if (URCTX_RULE_58)
		io_uring_prep_poll_add(sqe, -1, 0);
	else
		io_uring_prep_nop(sqe);
	sqe->flags = (__u8)keep;
	sqe->user_data = ud;
}

/*
 * Of an SQE that was refused: where it was.  Who gets the same one again finds
 * what was in it, and is a turn of the SQ further on.
 */
uint64_t sqe_owed_ud(const struct urctx_ring *r, const struct io_uring_sqe *sqe)
{
	unsigned last = r->ring->sq.sqe_tail - 1;
	unsigned at = last - ((last - index_of(r->ring, sqe)) & r->ring->sq.ring_mask);

	/* no generation that an op of a timer's had */
	return ud_make(at & UD_SLOT_MASK, (at >> UD_SLOT_BITS) | (UD_GEN_MASK + 1) / 2,
		       KIND_OWED);
}
