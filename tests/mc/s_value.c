/* SPDX-License-Identifier: MIT */
/*
 * s_value.c - a value is released once, when nobody can look it up any more (G9)
 *
 *	G -> V (a value) -> Y0, Y1
 *
 * A value is memory that its release frees: who looks it up later is found out.
 *
 * MC: -DRETIRE_BATCH=9
 */
#include "s_call.h"

struct thing {
	int body;			/* plain */
	struct urctx *holds;		/* or NULL: put by the release */
};

static struct urctx *g, *v, *w, *y[2], *other;
static struct job *j, *k;
static int released, order[2];

static void release(void *value)
{
	struct thing *t = (struct thing *)value;
	int nr = __atomic_fetch_add(&released, 1, __ATOMIC_RELAXED);

	mc_assert(nr < 2);
	__atomic_store_n(&order[nr], t->body, __ATOMIC_RELAXED);
	t->body = -1;
	urctx_put(t->holds);
	mc_free(t);
}

static const struct urctx_key key = { .name = "key", .release = release };
static const struct urctx_key deeper = { .name = "deeper", .release = release };

static struct thing *thing(int body)
{
	struct thing *t = (struct thing *)mc_malloc(sizeof(*t));

	t->body = body;
	t->holds = NULL;
	return t;
}

static struct urctx *valued(struct urctx *parent, const struct urctx_key *k,
			    struct thing *t, const char *name)
{
	struct urctx *n = NULL;
	struct chunk *c;

	mc_assert(!urctx_with_value(parent, k, t, &n));
	mc_name(n, sizeof(*n), name);
	remember(contexts_, n);
	for (c = parent ? chunk_first(parent) : NULL; c; c = chunk_next(c))
		remember(chunks_, c);
	return n;
}

static void tree(int nr, int children)
{
	threads(nr);
	housekeeper();
	g = node(NULL, "G");
	v = valued(g, &key, thing(1), "V");
	y[0] = node(v, "Y0");
	y[1] = children > 1 ? node(v, "Y1") : NULL;
}

/* V is all that hangs on G: two hold it. */
static void init_leaf(void)
{
	threads(2);
	housekeeper();
	g = node(NULL, "G");
	v = valued(g, &key, thing(1), "V");
	y[0] = v;
	y[1] = urctx_get(v);
}

static void init_one(void)
{
	tree(2, 1);
}

static void init_two(void)
{
	tree(3, 2);
}

/* V was put, and taken off the list: its children are all that keeps it. */
static void init_zombie(void)
{
	tree(3, 2);
	urctx_put(v);
	house_turn();
}

/* The same with one child. */
static void init_zombie_one(void)
{
	tree(2, 1);
	urctx_put(v);
	house_turn();
}

/* G -> V -> W, a value too, -> Y0 */
static void init_nested(void)
{
	threads(2);
	housekeeper();
	g = node(NULL, "G");
	v = valued(g, &key, thing(1), "V");
	w = valued(v, &deeper, thing(2), "W");
	y[0] = node(w, "Y0");
	urctx_put(v);
	urctx_put(w);
	while (house_turn())
		;
	y[1] = urctx_get(y[0]);
}

/* What V's release puts is the last of another that owns a value. */
static void init_holds(void)
{
	struct thing *t = thing(1);

	threads(2);
	housekeeper();
	g = node(NULL, "G");
	t->holds = valued(g, &deeper, thing(2), "W");
	v = valued(g, &key, t, "V");
	y[0] = v;
	y[1] = urctx_get(v);
}

/* V was put, and its callback is all that keeps it: who runs that unlinks it. */
static void init_later(void)
{
	threads(2);
	housekeeper();
	g = node(NULL, "G");
	v = valued(g, &key, thing(1), "V");
	j = armed(v, fn_run);
	urctx_put(v);
	while (house_turn())
		;
	other = node(NULL, "O");
}

/* And so is one of another tree: both are left to the housekeeper at once. */
static void init_later_two(void)
{
	struct urctx *h;

	init_later();
	h = valued(other, &key, thing(1), "H");
	k = armed(h, fn_run);
	urctx_put(h);
	while (house_turn())
		;
}

/* Who holds a descendant finds it whole. */
static void look(struct urctx *n)
{
	struct thing *t = (struct thing *)urctx_value(n, &key);

	mc_assert(t && t->body == 1);
	urctx_put(n);
}

static void t_look0(void)
{
	look(y[0]);
}

static void t_look1(void)
{
	look(y[1]);
}

static void t_put_v(void)
{
	urctx_put(v);
}

static void t_cancel(void)
{
	cancel_one(g);
}

static void t_cancel_other(void)
{
	cancel_two(other);
}

static void t_put_other(void)
{
	urctx_put(other);
	other = NULL;
}

static void t_house(void)
{
	house_turn();
}

/* Its child looks it up while others come and go. */
static void t_derive(void)
{
	y[1] = derive(y[0]);
	look(y[0]);
	look(y[1]);
}

static void gone(int nr)
{
	while (house_turn())
		;
	mc_assert(__atomic_load_n(&released, __ATOMIC_RELAXED) == nr);
	childless_now(g);
	urctx_put(g);
	if (other)
		urctx_put(other);
	home();
}

static void gone_one(void)
{
	gone(1);
}

/* From the deepest up. */
static void gone_two(void)
{
	gone(2);
	mc_assert(order[0] == (w ? 2 : 1));
}

static void gone_called(void)
{
	mc_assert(j->runs == 1);
	mc_free(j);
	gone(1);
}

static void gone_called_two(void)
{
	mc_assert(j->runs == 1 && k->runs == 1);
	mc_free(j);
	mc_free(k);
	childless_now(other);
	gone(2);
}

static const struct mc_scenario leaf = {
	"value_leaf", "G9", init_leaf, { t_look0, t_look1 }, gone_one, LIFE | MC_QUICK,
};
static const struct mc_scenario put_put = {
	"value_zombie", "G9", init_zombie, { t_look0, t_look1 }, gone_one,
	LIFE | MC_QUICK,
};
static const struct mc_scenario put_child = {
	"value_put_child", "G9", init_one, { t_put_v, t_look0 }, gone_one, LIFE,
};
static const struct mc_scenario cancelled = {
	"value_cancel", "G2 G9", init_zombie_one, { t_look0, t_cancel }, gone_one, LIFE,
};
static const struct mc_scenario three = {
	"value_three", "G9", init_two, { t_put_v, t_look0, t_look1 }, gone_one, LIFE,
};
static const struct mc_scenario nested = {
	"value_nested", "G9", init_nested, { t_look0, t_look1 }, gone_two, LIFE,
};
static const struct mc_scenario holds = {
	"value_holds", "G9", init_holds, { t_look0, t_look1 }, gone_two, LIFE,
};
static const struct mc_scenario later = {
	"value_later", "G9", init_later, { t_cancel, t_put_other }, gone_called,
	LIFE | MC_QUICK,
};
static const struct mc_scenario later_house = {
	"value_later_house", "G9", init_later, { t_cancel, t_house }, gone_called, LIFE,
};
static const struct mc_scenario later_two = {
	"value_later_two", "G9", init_later_two, { t_cancel, t_cancel_other }, gone_called_two,
	LIFE,
};
static const struct mc_scenario derives = {
	"value_derive", "G9", init_one, { t_put_v, t_derive }, gone_one, LIFE,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &leaf, &put_put, &put_child, &cancelled, &three,
		       &nested, &holds, &later, &later_house, &later_two, &derives,
		       NULL);
}
