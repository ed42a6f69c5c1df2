/* SPDX-License-Identifier: MIT */
/*
 * s_any.c - a context with two parents (I20): it ends with the first, it leaves both
 *
 *	p --- n --- y
 *	q ---'
 *
 * MC: -DRETIRE_BATCH=9
 */
#include "s_call.h"

static struct urctx *p, *q, *n, *n2, *y, *y2, *z;
static struct job *j;

/* In init(): all that a join takes is remembered. */
static struct urctx *join_of(struct urctx *a, struct urctx *b, const char *name)
{
	struct urctx *both[] = { a, b }, *k = NULL;
	struct chunk *c;

	mc_assert(!urctx_with_any(both, 2, &k));
	mc_name(k, sizeof(*k), name);
	remember(contexts_, k);
	with_extra(k);
	for (c = chunk_first(a); c; c = chunk_next(c))
		remember(chunks_, c);
	for (c = chunk_first(b); c; c = chunk_next(c))
		remember(chunks_, c);
	return k;
}

static void init(void)
{
	threads(3);
	housekeeper();
	p = node(NULL, "P");
	q = node(NULL, "Q");
	n = join_of(p, q, "N");
}

static void init_child(void)
{
	init();
	y = node(n, "Y");
}

static void init_paid(void)
{
	init_child();
	one_.payload = 1;
}

static void init_call(void)
{
	init();
	j = armed(n, fn_run);
}

/* r -- m -- n: two links below each other, one more than a walk remembers here. */
static void init_deep(void)
{
	struct urctx *r;

	threads(2);
	housekeeper();
	p = node(NULL, "P");
	r = node(NULL, "R");
	z = join_of(r, p, "M");
	q = node(NULL, "Q");
	n = join_of(q, z, "N");
	y = node(n, "Y");
	urctx_put(r);
}

/* The same with two below M: a walk remembers the first that is too deep for it. */
static void init_deep_two(void)
{
	init_deep();
	n2 = join_of(q, z, "N2");
	y2 = node(n2, "Y2");
}

/* N, too deep for the walk, has had a child; M above it has something to be called. */
static void init_deep_gone(void)
{
	init_deep();
	urctx_put(y);
	y = NULL;
	j = armed(z, fn_run);
}

/* N is put, and lives on as the link of Y. */
static void init_zombie(void)
{
	init_child();
	urctx_put(n);
}

/* Who puts N frees it at once, unless somebody is in a section: what he derives is N again. */
static void init_move(void)
{
	init();
	z = childless(NULL, "Z");
	give(1, 1, 0);
	batch_full(1);
}

static void t_one_p(void)
{
	cancel_one(p);
	mc_assert(urctx_err(n));
	if (y)
		mc_assert(urctx_err(y));
}

static void t_two_q(void)
{
	cancel_two(q);
	mc_assert(urctx_err(n));
	if (y)
		mc_assert(urctx_err(y));
}

/* Both with the same cause: neither gives it a payload. */
static void t_again_q(void)
{
	urctx_cancel_cause(q, ONE);
	mc_assert(urctx_err(y));
}

static void t_cancel_n(void)
{
	cancel_one(n);
	if (y)
		mc_assert(urctx_err(y));
}

static void t_only_p(void)
{
	cancel_one(p);
}

static void t_only_q(void)
{
	cancel_two(q);
}

static void t_put_n(void)
{
	urctx_put(n);
}

static void t_put_y(void)
{
	urctx_put(y);
}

static void t_put_q(void)
{
	urctx_put(q);
}

static void t_house(void)
{
	house_turn();
}

static void t_derive_y(void)
{
	y = derive(n);
	cause_of(y);
}

/* G12: who sees it ended by a parent sees the parent ended. */
static void t_observe(void)
{
	const struct urctx_cause *c = cause_of(n);

	if (c)
		mc_assert(urctx_err(c == ONE ? p : q));
}

static void ended_by_one(struct urctx *k)
{
	const struct urctx_cause *c = cause_of(k);

	mc_assert(c == ONE || c == TWO);
}

static void put_parents(void)
{
	urctx_put(p);
	urctx_put(q);
	home();
}

static void both_ended(void)
{
	ended_by_one(n);
	urctx_put(n);
	put_parents();
}

static void all_ended(void)
{
	ended_by_one(n);
	ended_by_one(y);
	urctx_put(y);
	urctx_put(n);
	put_parents();
}

static void all_ended_grown(void)
{
	struct chunk *c;

	for (c = chunk_first(n); c; c = chunk_next(c))
		remember(chunks_, c);
	remember(contexts_, y);
	all_ended();
}

static void n_left(void)
{
	while (house_turn())
		;
	childless_now(p);
	childless_now(q);
	put_parents();
}

static void called(void)
{
	mc_assert(j->runs == 1);
	mc_free(j);
	both_ended();
}

static void p_is_left(void)
{
	urctx_put(p);
	home();
}

static void deep_ended(void)
{
	mc_assert(urctx_err(z) && urctx_err(n) && urctx_err(y));
	urctx_put(y);
	urctx_put(n);
	urctx_put(z);
	put_parents();
}

static void t_p_deep(void)
{
	cancel_one(p);
	mc_assert(urctx_err(y) && urctx_err(z));
}

static void t_p_deep_two(void)
{
	cancel_one(p);
	mc_assert(urctx_err(y) && urctx_err(y2));
}

static void t_look_deep(void)
{
	if (urctx_err(y) || urctx_err(y2))
		mc_assert(urctx_err(z));
}

static void deep_two_ended(void)
{
	mc_assert(urctx_err(n2));
	urctx_put(y2);
	urctx_put(n2);
	deep_ended();
}

static void t_move(void)
{
	urctx_put(n);
	y = derive(z);
}

static void moved_live(void)
{
	live(z);
	live(y);
	urctx_put(y);
	urctx_put(z);
	put_parents();
}

static void deep_called(void)
{
	mc_assert(j->runs == 1);
	mc_free(j);
	mc_assert(urctx_err(z));
	urctx_put(z);
	put_parents();
}

static void t_n_deep(void)
{
	cancel_two(n);
	mc_assert(urctx_err(y));
}

static const struct mc_scenario two_end = {
	"any_two_end", "G1 G4", init, { t_one_p, t_two_q, t_observe }, both_ended,
	LIFE | MC_QUICK,
};
static const struct mc_scenario below = {
	"any_below", "G2", init_child, { t_one_p, t_two_q }, all_ended, LIFE,
};
static const struct mc_scenario helped = {
	"any_helped", "G2", init_paid, { t_again_q, t_again_q }, all_ended, LIFE,
};
static const struct mc_scenario own_cancel = {
	"any_own_cancel", "G2", init_child, { t_cancel_n, t_two_q }, all_ended, LIFE,
};
static const struct mc_scenario derives = {
	"any_derive", "G3", init, { t_derive_y, t_only_q }, all_ended_grown, LIFE,
};
static const struct mc_scenario leaves = {
	"any_leave", "G9", init, { t_put_n, t_only_p, t_only_q }, n_left, LIFE,
};
static const struct mc_scenario leaves_zombie = {
	"any_zombie", "G9", init_zombie, { t_put_y, t_only_q }, n_left, LIFE,
};
static const struct mc_scenario zombie_house = {
	"any_zombie_house", "G9", init_child, { t_put_n, t_put_y, t_house }, n_left, LIFE,
};
static const struct mc_scenario parent_goes = {
	"any_parent_goes", "G9", init, { t_put_n, t_put_q }, p_is_left, LIFE,
};
static const struct mc_scenario calls = {
	"any_call", "G6", init_call, { t_one_p, t_two_q }, called, LIFE,
};
static const struct mc_scenario deep = {
	"any_deep", "G2", init_deep, { t_p_deep, t_n_deep }, deep_ended, LIFE,
};

static const struct mc_scenario deep_two = {
	"any_deep_two", "G2 G12", init_deep_two, { t_p_deep_two, t_look_deep },
	deep_two_ended, LIFE,
};
static const struct mc_scenario deep_gone = {
	"any_deep_gone", "G2 G6", init_deep_gone, { t_only_p, t_put_n }, deep_called,
	LIFE,
};
static const struct mc_scenario moves = {
	"any_move", "G2 G9", init_move, { t_move, t_only_q }, moved_live,
	LIFE | MC_QUICK,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &two_end, &below, &helped, &own_cancel, &derives,
		       &leaves, &leaves_zombie, &zombie_house, &parent_goes, &calls,
		       &deep, &deep_two, &deep_gone, &moves, NULL);
}
