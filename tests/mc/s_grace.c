/* SPDX-License-Identifier: MIT */
/*
 * s_grace.c - shields, with a grace and without (I2)
 *
 * MC: -DRETIRE_BATCH=9
 */
#include "s_time.h"

#define GRACE	100

static struct urctx *p, *g, *y;

static struct urctx *graced(struct urctx *parent, const char *name)
{
	struct urctx *n = NULL;
	struct chunk *c;

	mc_assert(!urctx_with_grace(parent, GRACE, &n));
	mc_name(n, sizeof(*n), name);
	remember(contexts_, n);
	with_extra(n);
	for (c = chunk_first(parent); c; c = chunk_next(c))
		remember(chunks_, c);
	return n;
}

static struct urctx *shielded(struct urctx *parent, const char *name)
{
	struct urctx *n = NULL;

	mc_assert(!urctx_without_cancel(parent, &n));
	mc_name(n, sizeof(*n), name);
	remember(contexts_, n);
	return n;
}

static void init(void)
{
	threads(3);
	housekeeper();
	p = node(NULL, "P");
	g = graced(p, "G");
}

static void init_child(void)
{
	init();
	y = node(g, "Y");
}

/* Who puts G frees it at once, unless somebody is in a section. */
static void init_move(void)
{
	init();
	batch_full(1);
}

/* A thread will make the shield in the slot, and of the memory, of a child. */
static void init_again(void)
{
	threads(2);
	p = childless(NULL, "P");
	y = node(p, "K");
	used_before(1, p, y->slot);
}

static void t_cancel(void)
{
	cancel_one(p);
}

static void t_cancel_more(void)
{
	cancel_two(p);
}

static void t_keeper(void)
{
	mc_time_is(WHEN);
	timers_turn();
}

static void t_put(void)
{
	urctx_put(g);
}

static void t_put_child(void)
{
	urctx_put(y);
}

static void t_put_shield(void)
{
	urctx_put(y);
	g = shielded(p, "G");
	live(g);
}

/* Not before the grace is over, and with the parent's cause. */
static void t_observe(void)
{
	const struct urctx_cause *c = cause_of(g);

	if (c) {
		mc_assert(c == ONE);
		mc_assert(urctx_cause(p) == ONE);
		mc_assert(mc_time() >= GRACE);
	}
}

static void out(void)
{
	mc_time_is(2 * WHEN);
	timers_turn();
	ended_by(g, cause_of(p));
	if (y) {
		ended_by(y, cause_of(p));
		urctx_put(y);
	}
	urctx_put(g);
	urctx_put(p);
	home();
}

static void gone(void)
{
	mc_time_is(2 * WHEN);
	timers_turn();
	urctx_put(p);
	home();
}

static void outlives(void)
{
	mc_assert(urctx_done(p));
	live(g);
	urctx_put(g);
	urctx_put(p);
	home();
}

static const struct mc_scenario begins = {
	"grace_begin", "G5", init, { t_cancel, t_keeper, t_observe }, out, LIFE | MC_QUICK,
};
static const struct mc_scenario begins_two = {
	"grace_two", "G4", init_child, { t_cancel, t_cancel_more }, out, LIFE,
};
static const struct mc_scenario put_begun = {
	"grace_put", "G9", init, { t_cancel, t_put, t_keeper }, gone, LIFE,
};
static const struct mc_scenario shield = {
	"shield_slot", "G3", init_again, { t_put_shield, t_cancel }, outlives,
	LIFE | MC_QUICK,
};
static void put_both(void)
{
	urctx_put(p);
	home();
}

static void init_zombie(void)
{
	init_child();
	urctx_put(g);
}

static const struct mc_scenario zombie = {
	"grace_zombie", "G9", init_zombie, { t_put_child, t_cancel }, gone, LIFE,
};
static const struct mc_scenario never = {
	"grace_never", "G9", init, { t_put }, put_both, LIFE,
};
static const struct mc_scenario moves = {
	"grace_move", "G9", init_move, { t_put, t_cancel }, gone, LIFE | MC_QUICK,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &begins, &begins_two, &put_begun, &shield, &zombie,
		       &never, &moves, NULL);
}
