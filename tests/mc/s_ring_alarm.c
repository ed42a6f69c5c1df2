/* SPDX-License-Identifier: MIT */
/*
 * s_ring_alarm.c - owners with a loop of their own, and other kinds of rings (G11)
 *
 * The loop waits for a CQE and for nothing else: what is due is the timeout's to say
 * that the ring keeps in the kernel (URCTX_RING_TIMER).  A ring with drains is asked
 * by system call, and one with timers in pairs.
 *
 * MC: -DRETIRE_BATCH=9 -DOPS_LEAST=2U
 */
#include "s_ring.h"

static struct urctx *p;

static void begin(unsigned flags)
{
	threads(3);
	housekeeper();
	p = childless(NULL, "P");
	ring_with(4, flags);
}

static void init_alarm(int fd)
{
	begin(URCTX_RING_TIMER);
	mc_assert(!bind_op_at(p, 0, fd, WHEN, 0));
	under_way();
}

static void init_never(void)
{
	init_alarm(FD_NEVER);
}

static void init_maybe(void)
{
	init_alarm(FD_MAYBE);
}

/* The alarm is far, and fires while it is moved. */
static void init_far(void)
{
	begin(URCTX_RING_TIMER);
	mc_assert(!bind_op_at(p, 0, FD_NEVER, 9 * WHEN, 0));
	under_way();
}

static void init_ends(void)
{
	threads(3);
	housekeeper();
	p = until(NULL, "P");
	urctx_put(node(p, "left"));
	ring_with(4, URCTX_RING_TIMER);
	bind_op(p, 0, FD_NEVER);
	under_way();
}

static void init_answers(void)
{
	mc_rules = (struct mc_rules){ .answers = A_AGAIN | A_SILENT | A_WON, .whims = 3 };
	init_maybe();
}

static void init_timers(void)
{
	begin(URCTX_RING_LINK_TIMEOUT);
	mc_assert(!bind_op_at(p, 0, FD_MAYBE, WHEN, 0));
	under_way();
}

static void init_drain(void)
{
	mc_rules = (struct mc_rules){ .answers = A_AGAIN | A_MISSED, .whims = 3 };
	begin(URCTX_RING_DRAIN);
	bind_op(p, 0, FD_NEVER);
	bind_op(p, 1, FD_MAYBE);
	under_way();
}

static void loop_once(void)
{
	int64_t ns = urctx_ring_turn(r);
	struct io_uring_cqe *cqe;
	unsigned nr;

	if (ns)
		(void)io_uring_submit_and_wait_timeout(&uring_, &cqe, 1, NULL, NULL);
	else
		(void)io_uring_submit_and_get_events(&uring_);
	for (nr = io_uring_cq_ready(&uring_); nr; nr--) {
		unsigned at = *uring_.cq.khead & uring_.cq.ring_mask;
		struct io_uring_cqe copy = uring_.cq.cqes[at];

		io_uring_cq_advance(&uring_, 1);
		mc_assert(urctx_ring_dispatch(r, &copy));
	}
}

static void t_loop(void)
{
	while (left)
		loop_once();
}

static void t_bind_loop(void)
{
	mc_assert(!bind_op_at(p, 1, FD_NEVER, WHEN, 0));
	t_loop();
}

static void t_loop_detach(void)
{
	loop_once();
	detach();
}

static void t_cancel(void)
{
	(void)cancel_one(p);
}

static void t_cancel_owner(void)
{
	(void)cancel_one(p);
	t_owner();
}

static void t_far(void)
{
	mc_time_is(9 * WHEN);
}

static void ended_right(int nr)
{
	const struct urctx_cause *c = did[nr].cause;

	mc_assert(did[nr].ended && (did[nr].res == 1 || (did[nr].res < 0 && c)));
	if (c == TWO || c == &urctx_deadline_exceeded)
		mc_assert(mc_time() >= WHEN);
}

static void gone(void)
{
	urctx_put(p);
	home();
}

static void over(void)
{
	ended_right(0);
	detach();
	gone();
}

static void over_two(void)
{
	ended_right(1);
	over();
}

/* Nobody but the owner lets time pass: he was woken when it was due. */
static void over_in_time(void)
{
	mc_assert(did[1].at == WHEN && did[0].at == 9 * WHEN);
	over_two();
}

static void over_detached(void)
{
	ended_right(0);
	gone();
}

static const struct mc_scenario cancel = {
	"ring_alarm", "G11", init_never, { t_loop, t_cancel }, over, RING | MC_QUICK,
};
static const struct mc_scenario complete_ = {
	"ring_alarm_complete", "G10 G11", init_maybe, { t_loop, t_cancel, t_time }, over,
	RING,
};
static const struct mc_scenario moves = {
	"ring_alarm_moved", "G11", init_far, { t_bind_loop, t_far }, over_two,
	RING | MC_QUICK,
};
static const struct mc_scenario earlier = {
	"ring_alarm_earlier", "G11", init_far, { t_bind_loop }, over_in_time, RING | MC_QUICK,
};
static const struct mc_scenario ends = {
	"ring_alarm_ends", "G5 G11", init_ends, { t_loop, t_cancel }, over, RING | MC_QUICK,
};
static const struct mc_scenario answers = {
	"ring_alarm_answers", "G11", init_answers, { t_loop, t_time }, over, RING,
};
static const struct mc_scenario leaves = {
	"ring_alarm_detach", "G9 G11", init_far, { t_loop_detach, t_cancel, t_far },
	over_detached, RING,
};
static const struct mc_scenario timers = {
	"ring_timers", "G10 G11", init_timers, { t_owner, t_cancel, t_time }, over,
	RING | MC_QUICK,
};
static const struct mc_scenario drain = {
	"ring_drains", "G11", init_drain, { t_cancel_owner }, over_two, RING | MC_QUICK,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &cancel, &complete_, &moves, &earlier, &ends, &answers, &leaves,
		       &timers, &drain, NULL);
}
