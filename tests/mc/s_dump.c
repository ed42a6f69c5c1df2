/* SPDX-License-Identifier: MIT */
/*
 * s_dump.c - a dump's walk, without its printing, while others change the tree
 *
 *	P -> X -> Y	Q
 *
 * It copies one slot a section, and rests after each.
 *
 * MC: -DRETIRE_BATCH=9 -DWALK_BREATH=1 -DDUMP_ROWS=1
 */
#include "dump.h"
#include "s_life.h"

static struct urctx *p, *x, *y, *q, *n;
static unsigned rows;

/* What a row says of a context was once true of one that was there. */
static void plausible(const struct dump_row *r)
{
	uintptr_t cause = r->word & ~STATE_BITS;

	mc_assert(r->what);
	mc_assert(r->what != p || r->level == 0);
	mc_assert(r->what == p || r->level > 0);
	if (r->word & DONE)
		mc_assert(cause == (uintptr_t)ONE && one_.payload);
	else if (r->slot)
		mc_assert(cause == (uintptr_t)r->slot || cause == (uintptr_t)&no_slot);
	mc_assert(r->ref <= 1);
}

static void t_dump(void)
{
	struct dump d;
	bool more;
	unsigned i;

	dump_start(&d, p);
	do {
		more = dump_more(&d);
		for (i = 0; i < d.nr; i++, rows++)
			plausible(&d.row[i]);
	} while (more);
	dump_stop(&d);
}

/* Not to the end: what was pinned is let go. */
static void t_dump_one(void)
{
	struct dump d;

	dump_start(&d, p);
	if (dump_more(&d) && dump_more(&d))
		(void)dump_more(&d);
	dump_stop(&d);
}

static void tree(int nr)
{
	threads(nr);
	housekeeper();
	p = node(NULL, "P");
	x = node(p, "X");
}

/* X, a leaf, and its memory under Q. */
static void init_leaf(void)
{
	tree(2);
	q = childless(NULL, "Q");
}

static void t_move_leaf(void)
{
	urctx_put(x);
	n = derive(q);
}

/* It was found under P, or not: nothing of Q's is below P. */
static void leaf_moved(void)
{
	mc_assert(rows == 1 || rows == 2);
	mc_assert(n->slot->v == (uintptr_t)n && !urctx_done(n));
	urctx_put(n);
	urctx_put(q);
	childless_now(p);
	urctx_put(p);
	home();
}

/* Now a shield under Q, whose word does not say where it is, and which has a child. */
static void init_shield(void)
{
	init_leaf();
	give(2, 0, 1);
}

static void t_move_shield(void)
{
	urctx_put(x);
	mc_assert(!urctx_without_cancel(q, &n));
	y = derive(n);
}

static void shield_moved(void)
{
	mc_assert(rows == 1 || rows == 2);
	urctx_put(y);
	leaf_moved();
}

/* The same slot again. */
static void init_again(void)
{
	tree(2);
}

static void t_again(void)
{
	urctx_put(x);
	n = derive(p);
}

static void again(void)
{
	mc_assert(rows == 1 || rows == 2);
	urctx_put(n);
	childless_now(p);
	urctx_put(p);
	home();
}

/* X has Y, and becomes a zombie that goes with it. */
static void init_zombie(void)
{
	tree(2);
	y = node(x, "Y");
}

static void t_put_both(void)
{
	urctx_put(x);
	urctx_put(y);
	house_turn();
}

static void both_put(void)
{
	while (house_turn())
		;
	mc_assert(!rows || rows <= 3);
	childless_now(p);
	urctx_put(p);
	home();
}

/* It ends below the dump. */
static void t_end(void)
{
	cancel_one(p);
}

static void ended_all(void)
{
	mc_assert(rows == 3);
	ended_by(p, ONE);
	ended_by(x, ONE);
	ended_by(y, ONE);
	urctx_put(y);
	urctx_put(x);
	childless_now(p);
	urctx_put(p);
	home();
}

/* A leaf that has its first child while it is looked at. */
static void init_grows(void)
{
	tree(2);
	give(2, 1, 1);
}

static void t_grow(void)
{
	n = derive(x);
}

static void grown(void)
{
	mc_assert(rows == 2 || rows == 3);
	urctx_put(n);
	urctx_put(x);
	childless_now(p);
	urctx_put(p);
	home();
}

static const struct mc_scenario leaf = {
	"dump_leaf_moves", "G9", init_leaf, { t_dump, t_move_leaf }, leaf_moved, LIFE,
};
static const struct mc_scenario shield = {
	"dump_shield_moves", "G9", init_shield, { t_dump, t_move_shield }, shield_moved, LIFE,
};
static const struct mc_scenario same = {
	"dump_leaf_again", "G9", init_again, { t_dump, t_again }, again, LIFE,
};
static const struct mc_scenario zombie = {
	"dump_zombie", "G9", init_zombie, { t_dump, t_put_both }, both_put, LIFE,
};
static const struct mc_scenario part = {
	"dump_stopped", "G9", init_zombie, { t_dump_one, t_put_both }, both_put, LIFE,
};
static const struct mc_scenario end = {
	"dump_cancel", "G1 G9", init_zombie, { t_dump, t_end }, ended_all, LIFE,
};
static const struct mc_scenario grow = {
	"dump_grows", "G9", init_grows, { t_dump, t_grow }, grown, LIFE,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &leaf, &shield, &same, &zombie, &part, &end, &grow, NULL);
}
