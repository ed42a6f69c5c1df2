/* SPDX-License-Identifier: MIT */
/*
 * s_ring_time.c - deadlines of ops and of their contexts, against everything else
 *
 * Time passes where the owner sleeps, by as much as he wanted to, and where another
 * thread says so.  Nobody but the ring watches these contexts (G4, G5, G11).
 *
 * MC: -DRETIRE_BATCH=9 -DOPS_LEAST=2U
 */
#include "s_ring.h"

static struct urctx *p, *q;

static void begin(int nr)
{
	threads(nr);
	housekeeper();
	ring_here(4);
}

/* Its chunk is there before the threads begin. */
static struct urctx *ends(const char *name)
{
	struct urctx *n = until(NULL, name);

	urctx_put(node(n, "left"));
	return n;
}

static void init_ends(int fd)
{
	begin(3);
	p = ends("P");
	bind_op(p, 0, fd);
	under_way();
}

static void init_ends_never(void)
{
	init_ends(FD_NEVER);
}

static void init_ends_maybe(void)
{
	init_ends(FD_MAYBE);
}

/* P ends at WHEN, Q by a cancel only. */
static void init_ends_two(void)
{
	begin(3);
	p = ends("P");
	q = childless(NULL, "Q");
	bind_op(p, 0, FD_NEVER);
	bind_op(q, 1, FD_NEVER);
	under_way();
}

static void init_op(int fd, int64_t deadline, unsigned flags)
{
	begin(3);
	p = childless(NULL, "P");
	mc_assert(!bind_op_at(p, 0, fd, deadline, flags));
	under_way();
}

static void init_op_never(void)
{
	init_op(FD_NEVER, WHEN, 0);
}

static void init_op_maybe(void)
{
	init_op(FD_MAYBE, WHEN, 0);
}

/* The kernel's timer as well. */
static void init_op_timer(void)
{
	init_op(FD_MAYBE, WHEN, URCTX_OP_LINK_TIMEOUT);
}

static void init_op_answers(void)
{
	mc_rules = (struct mc_rules){ .answers = A_ALL, .whims = 2, .lazy = 1 };
	init_op(FD_MAYBE, WHEN, 0);
}

/* It is told by its context, and its deadline comes while it is asked for. */
static void init_op_retry(void)
{
	mc_rules = (struct mc_rules){ .answers = A_AGAIN | A_SILENT, .whims = 2 };
	init_op(FD_NEVER, WHEN, 0);
}

/* A deadline that is far, to be moved. */
static void init_op_far(void)
{
	init_op(FD_NEVER, 9 * WHEN, 0);
}

/* The same deadline twice, the op's and its context's. */
static void init_both(void)
{
	begin(3);
	p = ends("P");
	mc_assert(!bind_op_at(p, 0, FD_NEVER, WHEN, 0));
	under_way();
}

static void t_cancel(void)
{
	(void)cancel_one(p);
}

static void t_cancel_two(void)
{
	(void)cancel_one(p);
	(void)cancel_two(q);
}

/* An idle timeout: it has begun anew. */
static void t_move(void)
{
	urctx_op_deadline(&did[0].op->op, WHEN);
	t_owner();
}

static void t_never(void)
{
	urctx_op_deadline(&did[0].op->op, URCTX_NEVER);
	t_owner();
	mc_assert(did[0].cause == ONE);
}

/* Bound to what is about to end. */
static void t_bind(void)
{
	bind_op(p, 0, FD_NEVER);
	t_owner();
}

static void t_bind_deadline(void)
{
	mc_assert(!bind_op_at(p, 0, FD_NEVER, WHEN, 0));
	t_owner();
}

static void init_bind(void)
{
	begin(3);
	p = ends("P");
}

static void init_bind_op(void)
{
	begin(3);
	p = childless(NULL, "P");
}

/* Never early; the cause is that of whoever was first, or the op was faster. */
static void ended_right(int nr, const struct urctx *ctx)
{
	const struct urctx_cause *c = did[nr].cause;

	mc_assert(did[nr].ended);
	mc_assert(did[nr].res == 1 || (did[nr].res < 0 && c));
	if (c == TWO || c == &urctx_deadline_exceeded)
		mc_assert(mc_time() >= WHEN);
	if (c && c != &urctx_deadline_exceeded)
		mc_assert(urctx_cause(ctx) == c);
}

static void gone(void)
{
	struct urctx_ring_stats now;

	urctx_ring_stats(r, &now, sizeof(now));
	mc_assert(!now.in_flight && !now.stuck && !now.stale);
	mc_assert(timeless());
	detach();
	urctx_put(p);
	home();
}

static void over(void)
{
	ended_right(0, p);
	gone();
}

static void over_two(void)
{
	ended_right(0, p);
	mc_assert(did[1].cause == TWO);
	urctx_put(q);
	gone();
}

static const struct mc_scenario ctx_cancel = {
	"ring_ends", "G4 G5 G11", init_ends_never, { t_owner, t_cancel }, over,
	RING | MC_QUICK,
};
static const struct mc_scenario ctx_complete = {
	"ring_ends_complete", "G5 G10", init_ends_maybe, { t_owner, t_cancel }, over, RING,
};
static const struct mc_scenario ctx_time = {
	"ring_ends_time", "G5 G11", init_ends_maybe, { t_owner, t_time }, over,
	RING | MC_QUICK,
};
static const struct mc_scenario ctx_all = {
	"ring_ends_all", "G4 G5 G11", init_ends_never, { t_owner, t_cancel, t_time }, over,
	RING,
};
static const struct mc_scenario ctx_two = {
	"ring_ends_other", "G5 G11", init_ends_two, { t_owner, t_cancel_two }, over_two, RING,
};
static const struct mc_scenario ctx_bind = {
	"ring_ends_bind", "G3 G5", init_bind, { t_bind, t_time }, over, RING | MC_QUICK,
};
static const struct mc_scenario op_cancel = {
	"ring_deadline", "G4 G11", init_op_never, { t_owner, t_cancel }, over,
	RING | MC_QUICK,
};
static const struct mc_scenario op_complete = {
	"ring_deadline_complete", "G10 G11", init_op_maybe, { t_owner, t_cancel, t_time },
	over, RING | MC_QUICK,
};
static const struct mc_scenario op_timer = {
	"ring_deadline_timer", "G10 G11", init_op_timer, { t_owner, t_cancel }, over,
	RING | MC_QUICK,
};
static const struct mc_scenario op_answers = {
	"ring_deadline_answers", "G11", init_op_answers, { t_owner, t_time }, over, RING,
};
static const struct mc_scenario op_retry = {
	"ring_deadline_retry", "G4 G11", init_op_retry, { t_owner, t_cancel }, over, RING,
};
static const struct mc_scenario op_move = {
	"ring_deadline_moved", "G11", init_op_far, { t_move, t_time }, over, RING | MC_QUICK,
};
static const struct mc_scenario op_never = {
	"ring_deadline_never", "G11", init_op_never, { t_never, t_cancel, t_time }, over,
	RING | MC_QUICK,
};
static const struct mc_scenario op_bind = {
	"ring_deadline_bind", "G11", init_bind_op, { t_bind_deadline, t_time }, over,
	RING | MC_QUICK,
};
static const struct mc_scenario both = {
	"ring_deadline_both", "G4 G11", init_both, { t_owner, t_cancel }, over,
	RING | MC_QUICK,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &ctx_cancel, &ctx_complete, &ctx_time, &ctx_all, &ctx_two,
		       &ctx_bind, &op_cancel, &op_complete, &op_timer, &op_answers, &op_retry,
		       &op_move, &op_never, &op_bind, &both, NULL);
}
