/* SPDX-License-Identifier: MIT */
/*
 * s_ring_cancel.c - ops whose contexts other threads end (G3, G4, G9, G10, G11)
 *
 * MC: -DRETIRE_BATCH=9 -DOPS_LEAST=2U
 */
#include "s_ring.h"
#include "stock.h"

static struct urctx *p, *q;

/* P has had children and callbacks: its chunk is there. */
static void root(int nr)
{
	threads(nr);
	housekeeper();
	p = childless(NULL, "P");
	ring_here(4);
}

static void init_free(void)
{
	root(2);
}

static void init_one(void)
{
	root(2);
	bind_op(p, 0, FD_NEVER);
	under_way();
}

static void init_maybe(void)
{
	root(2);
	bind_op(p, 0, FD_MAYBE);
	under_way();
}

static void init_both_here(void)
{
	root(2);
	bind_op(p, 0, FD_NEVER);
	bind_op(p, 1, FD_MAYBE);
	under_way();
}

static void init_two(void)
{
	root(3);
	q = childless(NULL, "Q");
	bind_op(p, 0, FD_NEVER);
	bind_op(q, 1, FD_NEVER);
	under_way();
}

static void init_two_known(void)
{
	root(2);
	q = childless(NULL, "Q");
	bind_op(q, 1, FD_NEVER);
	under_way();
}

/* P -> Q: the walk comes to it. */
static void init_below(void)
{
	root(2);
	q = childless(p, "Q");
	bind_op(q, 0, FD_NEVER);
	under_way();
}

static void init_more(void)
{
	mc_rules.more = 1;
	root(2);
	many = true;
	bind_op(p, 0, FD_MAYBE);
	under_way();
}

static void init_deaf(void)
{
	mc_rules.deaf = 2;
	init_two();
}

static void t_cancel(void)
{
	mc_assert(cancel_one(p));
}

static void t_cancel_q(void)
{
	mc_assert(cancel_two(q));
}

static void t_cancel_both(void)
{
	mc_assert(cancel_one(p));
	mc_assert(cancel_two(q));
}

static void t_bind(void)
{
	bind_op(p, 0, FD_NEVER);
	t_owner();
}

/* A second op of a context that may have ended, told or not. */
static void t_bind_again(void)
{
	bind_op(p, 1, FD_NEVER);
	t_owner();
}

/* The first cause stays (G4). */
static void t_op_cancel(void)
{
	urctx_op_cancel(&did[0].op->op, TWO);
	two_.payload = 1;
	t_owner();
	mc_assert(did[0].cause == TWO);
}

static void t_op_cancel_late(void)
{
	(void)urctx_ring_turn(r);
	if (did[0].op)
		urctx_op_cancel(&did[0].op->op, TWO);
	two_.payload = 1;
	t_owner();
	mc_assert(did[0].cause == ONE || did[0].cause == TWO);
}

static void aborted(int nr, const struct urctx_cause *cause)
{
	mc_assert(did[nr].ended);
	mc_assert(!did[nr].cause || did[nr].cause == cause);
	if (did[nr].res == -ECANCELED)
		mc_assert(did[nr].cause == cause);
	else
		mc_assert(did[nr].res == 1);
}

static void told(unsigned nr)
{
	struct urctx_ring_stats now;

	urctx_ring_stats(r, &now, sizeof(now));
	mc_assert(now.told == nr && !now.in_flight && !now.stuck);
	mc_assert(now.cancels <= nr && !now.retries && !now.stale);
}

static void gone(void)
{
	detach();
	urctx_put(p);
	home();
}

static void over(void)
{
	aborted(0, ONE);
	ended_by(p, ONE);
	told(did[0].cause ? 1 : 0);
	gone();
}

static void over_op(void)
{
	told(1);
	ended_by(p, ONE);
	gone();
}

static void over_here(void)
{
	aborted(0, ONE);
	aborted(1, ONE);
	told((did[0].cause ? 1 : 0) + (did[1].cause ? 1 : 0));
	gone();
}

static void over_two(void)
{
	aborted(0, ONE);
	aborted(1, TWO);
	told(2);
	urctx_put(q);
	gone();
}

static void over_below(void)
{
	aborted(0, ONE);
	told(1);
	urctx_put(q);
	gone();
}

/* ---- who drops the last reference ---- */

static void init_dropped(void)
{
	root(2);
	q = urctx_get(p);
	bind_op(p, 0, FD_MAYBE);
	under_way();
}

/* The link still has its own. */
static void t_drop(void)
{
	urctx_put(p);
	t_owner();
}

static void t_cancel_drop(void)
{
	mc_assert(cancel_one(q));
	urctx_put(q);
}

/* Were it the last, its memory would be another's soon. */
static void t_cancel_drop_derive(void)
{
	t_cancel_drop();
	(void)house_turn();
	q = derive(NULL);
}

static void over_dropped(void)
{
	aborted(0, ONE);
	detach();
	home();
}

static void over_reused(void)
{
	live(q);
	remember(contexts_, q);
	urctx_put(q);
	over_dropped();
}

/* ---- no memory ---- */

/* The next chunk needs a slab. */
static void no_chunks(void)
{
	unsigned slabs = 0;

	while (stock_chunks.slab[slabs])
		slabs++;
	while (this_thread()->chunks.head ||
	       load_relaxed(&stock_chunks.carved) < SLAB_OBJECTS * ((1U << slabs) - 1)) {
		struct chunk *c = chunk_alloc(this_thread());

		if (known(chunks_, c))
			came_home(chunks_, c);
	}
}

/* Neither op nor link is left behind, and what is linked behind it fails. */
static void t_bind_refused(void)
{
	int ret = bind_op_at(p, 0, FD_NEVER, URCTX_NEVER, 0);

	mc_assert(!ret || ret == -ENOMEM);
	if (ret) {
		mc_free(spare);
		did[0].ended = true;
		did[0].res = 1;
	}
	t_owner();
}

static void init_empty(void)
{
	threads(2);
	housekeeper();
	p = node(NULL, "P");
	ring_here(4);
	spare = op_made();
	no_chunks();
}

/* The third op needs a bigger room, and the canceller knows a link in the old one. */
static void init_full(void)
{
	root(3);
	q = childless(NULL, "Q");
	bind_op(p, 0, FD_NEVER);
	bind_op(p, 1, FD_NEVER);
	under_way();
	spare = op_made();
}

static void t_bind_grows(void)
{
	int ret = bind_op_at(q, 2, FD_NEVER, URCTX_NEVER, 0);

	mc_assert(!ret || ret == -ENOMEM);
	mc_assert(ret || r->slots == 4);
	if (ret)
		mc_free(spare);
	t_owner();
}

static void over_grown(void)
{
	aborted(0, ONE);
	aborted(1, ONE);
	mc_assert(!did[2].ended || did[2].cause == TWO);
	urctx_put(q);
	gone();
}

/* Its chunk, if there is one, came from a slab. */
static void over_memory(void)
{
	aborted(0, ONE);
	remember_chunks(p);
	gone();
}

static const struct mc_scenario one = {
	"ring_cancel", "G10 G11", init_one, { t_owner, t_cancel }, over, RING | MC_QUICK,
};
static const struct mc_scenario binds = {
	"ring_bind", "G3 G11", init_free, { t_bind, t_cancel }, over, RING | MC_QUICK,
};
static const struct mc_scenario binds_again = {
	"ring_bind_again", "G3 G11", init_one, { t_bind_again, t_cancel }, over_here, RING,
};
static const struct mc_scenario binds_second = {
	"ring_bind_second", "G3 G11", init_two_known, { t_bind, t_cancel_both },
	over_two, RING,
};
static const struct mc_scenario maybe = {
	"ring_complete", "G10 G11", init_maybe, { t_owner, t_cancel }, over, RING | MC_QUICK,
};
static const struct mc_scenario here = {
	"ring_one_context", "G10 G11", init_both_here, { t_owner, t_cancel }, over_here,
	RING | MC_QUICK,
};
static const struct mc_scenario both = {
	"ring_two_contexts", "G10 G11", init_two, { t_owner, t_cancel, t_cancel_q }, over_two,
	RING | MC_QUICK,
};
static const struct mc_scenario deaf = {
	"ring_poll_ends", "G11", init_deaf, { t_owner, t_cancel, t_cancel_q }, over_two,
	RING,
};
static const struct mc_scenario below = {
	"ring_below", "G2 G11", init_below, { t_owner, t_cancel }, over_below,
	RING | MC_QUICK,
};
static const struct mc_scenario more = {
	"ring_multishot", "G10 G11", init_more, { t_owner, t_cancel }, over, RING | MC_QUICK,
};
static const struct mc_scenario op_first = {
	"ring_op_cancel", "G4 G11", init_one, { t_op_cancel, t_cancel }, over_op,
	RING | MC_QUICK,
};
static const struct mc_scenario op_late = {
	"ring_op_cancel_late", "G4 G11", init_one, { t_op_cancel_late, t_cancel }, over_op,
	RING | MC_QUICK,
};
static const struct mc_scenario drops = {
	"ring_last_put", "G9", init_dropped, { t_drop, t_cancel_drop }, over_dropped, RING,
};
static const struct mc_scenario reuse = {
	"ring_last_put_reuse", "G9", init_dropped, { t_drop, t_cancel_drop_derive },
	over_reused, RING,
};
static const struct mc_scenario grows = {
	"ring_grows", "G3 G11", init_full, { t_bind_grows, t_cancel_both }, over_grown,
	RING | MC_FAIL_MALLOC, 1,
};
static const struct mc_scenario memory = {
	"ring_memory", "G3 G11", init_empty, { t_bind_refused, t_cancel }, over_memory,
	RING | MC_FAIL_MALLOC, 1,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &one, &binds, &binds_again, &binds_second, &maybe, &here,
		       &both, &deaf, &below, &more, &op_first, &op_late, &drops, &reuse,
		       &grows, &memory, NULL);
}
