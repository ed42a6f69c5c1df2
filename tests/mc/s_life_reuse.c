/* SPDX-License-Identifier: MIT */
/*
 * s_life_reuse.c - late looks, and walks, at what is reused meanwhile (I16, I5, I10)
 *
 * MC: -DRETIRE_BATCH=9
 */
#include "s_life.h"

static struct urctx *g, *z, *y, *w, *z2, *v;

/* G -> Z -> Y, W; Z was put before. */
static void init_late(void)
{
	threads(2);
	housekeeper();
	g = node(NULL, "G");
	z = node(g, "Z");
	y = node(z, "Y");
	w = node(z, "W");
	urctx_put(z);
	house_turn();
	give(1, 2, 1);
	batch_full(1);
}

/* Z goes with W, and its memory is another zombie, which has a child. */
static void t_two_lives(void)
{
	urctx_put(w);
	retire_settle();
	z2 = derive(g);
	v = derive(z2);
	urctx_put(z2);
}

static void t_y(void)
{
	urctx_put(y);
}

static void second_life(void)
{
	while (house_turn())
		;
	mc_assert(!(z2->watch & DEAD));
	mc_assert(z2->slot->v == (uintptr_t)z2);
	urctx_put(v);
	while (house_turn())
		;
	childless_now(g);
	urctx_put(g);
	home();
}

/*
 * G -> Z -> Y.  Z was put, and is on the list.  Y leaves while one takes the list and
 * another walks in: Z's grace period begins after it is out of G's slot.
 */
static void init_enter(void)
{
	threads(3);
	housekeeper();
	g = node(NULL, "G");
	z = node(g, "Z");
	y = node(z, "Y");
	urctx_put(z);
	ended(g);
}

static void t_cancel(void)
{
	cancel_one(g);
}

static void t_house(void)
{
	house_turn();
}

static void entered(void)
{
	ended_by(g, ONE);
	while (house_turn())
		;
	childless_now(g);
	urctx_put(g);
	home();
}

static const struct mc_scenario late = {
	"reuse_late_look", "G9", init_late, { t_two_lives, t_y }, second_life, LIFE,
};
static const struct mc_scenario enter = {
	"reuse_entered", "G9", init_enter, { t_y, t_house, t_cancel }, entered, LIFE,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &late, &enter, NULL);
}
