/* SPDX-License-Identifier: MIT */
/*
 * s_tree_observe.c - what is seen by who asks while others cancel (G1, G4, G7, G12)
 */
#include "s_tree.h"

static struct urctx *p, *k;
static bool won[MC_THREADS + 1];

static void init_leaf(void)
{
	users(3);
	p = make(NULL, "P");
	k = p;
}

static void init_child(void)
{
	users(3);
	p = make(NULL, "P");
	k = make(p, "K");
}

static void t_one(void)
{
	won[1] = cancel_one(p);
}

static void t_two(void)
{
	won[2] = cancel_two(k);
}

/* Never the one without the other, whichever is asked first; and for good. */
static void t_err_cause(void)
{
	int err = urctx_err(k);
	const struct urctx_cause *c = cause_of(k);

	mc_assert(!err || c);
	mc_assert(!err || err == -ECANCELED);
	mc_assert(!c || urctx_err(k) == -ECANCELED);
	mc_assert(!c || cause_of(k) == c);
}

static void t_done_cause(void)
{
	if (!urctx_done(k))
		return;
	mc_assert(cause_of(k));
	mc_assert(urctx_err(k));
	mc_assert(urctx_done(k));
}

/* By an ancestor: then that is done. */
static void t_ancestor(void)
{
	if (urctx_err(k) && urctx_cause(k) == ONE)
		mc_assert(urctx_done(p));
}

/* G4: the first wins, and one only. */
static void one_won(void)
{
	mc_assert(won[1] != won[2]);
	ended_by(k, won[1] ? ONE : TWO);
}

/* On a child: both win, its own end or its parent's stays. */
static void child_won(void)
{
	mc_assert(won[1]);
	ended_by(p, ONE);
	ended_by(k, won[2] ? TWO : ONE);
}

static void p_ended(void)
{
	ended_by(p, ONE);
	ended_by(k, ONE);
}

/* Born done: what the child says it says as its parent does. */
static struct urctx *born;

static void init_born(void)
{
	init_leaf();
	urctx_put(derive(p));
	stock_up(1, 1, 1);
	hint(1, p, &chunk_first(p)->slot[0]);
}

static void t_born(void)
{
	__atomic_store_n(&born, derive(p), __ATOMIC_RELAXED);
}

static void t_cancel_born(void)
{
	cancel_one(p);
}

static void t_ask_born(void)
{
	struct urctx *n = __atomic_load_n(&born, __ATOMIC_ACQUIRE);

	if (n && cause_of(n))
		mc_assert(urctx_done(p));
}

static void born_ended(void)
{
	ended_by(born, ONE);
}

static const struct mc_scenario first_wins = {
	"observe_first_wins", "G4", init_leaf, { t_one, t_two }, one_won, TREE | MC_QUICK,
};
static const struct mc_scenario both = {
	"observe_err_cause", "G1 G4", init_leaf, { t_one, t_two, t_err_cause }, one_won,
	TREE | MC_QUICK,
};
static const struct mc_scenario child = {
	"observe_child", "G1 G4", init_child, { t_one, t_two, t_err_cause }, child_won,
	TREE | MC_QUICK,
};
static const struct mc_scenario done = {
	"observe_done", "G1 G7", init_child, { t_one, t_done_cause, t_done_cause }, p_ended,
	TREE | MC_QUICK,
};
static const struct mc_scenario ancestor = {
	"observe_ancestor", "G12", init_child, { t_one, t_ancestor }, p_ended, TREE | MC_QUICK,
};
static const struct mc_scenario born_done = {
	"observe_born_done", "G1 G12", init_born, { t_born, t_cancel_born, t_ask_born },
	born_ended, TREE,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &first_wins, &both, &child, &done, &ancestor, &born_done,
		       NULL);
}
