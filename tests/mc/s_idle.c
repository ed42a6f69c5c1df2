/* SPDX-License-Identifier: MIT */
/*
 * s_idle.c - whoever waits until nothing is left sleeps no longer than that, and
 * wakes no earlier (G9)
 *
 *	P -> K0, K1		Q -> N <- P
 *
 * What is done before a put is plain memory to who returns from the wait.
 *
 * MC: -DRETIRE_BATCH=9
 */
#include "s_call.h"

static struct urctx *p, *q, *k[2], *y;
static struct job *j;
static int *before;		/* plain: written before the put */
static int started;

/* A load through a pointer stays behind the branch that it stands behind. */
static void written(void)
{
	before = (int *)mc_malloc(2 * sizeof(*before));
	before[0] = before[1] = 0;
}

static void tree(int nr, int children)
{
	threads(nr);
	housekeeper();
	written();
	p = with_extra(node(NULL, "P"));
	k[0] = node(p, "K0");
	k[1] = children > 1 ? node(p, "K1") : NULL;
}

static void init_one(void)
{
	tree(3, 1);
}

static void init_two(void)
{
	tree(3, 2);
}

/* Nobody has waited for P before: who does makes its extra. */
static void init_bare(void)
{
	threads(3);
	housekeeper();
	written();
	p = node(NULL, "P");
	k[0] = node(p, "K0");
}

/* K1 is in the last slot, and the first is where thread 2 derives next. */
static void init_handover(void)
{
	struct slot *first;

	tree(2, 2);
	first = k[0]->slot;
	urctx_put(k[0]);
	used_before(2, p, first);
}

/* P -> Z -> Y: put, and off the list. */
static void init_zombie(void)
{
	tree(3, 1);
	y = node(k[0], "Y");
	urctx_put(k[0]);
	house_turn();
}

static void init_zombie_listed(void)
{
	tree(3, 1);
	y = node(k[0], "Y");
	urctx_put(k[0]);
}

static void fn_slow(struct urctx_callback *cb)
{
	__atomic_store_n(&started, 1, __ATOMIC_RELAXED);
	run_once((struct job *)cb);
}

static void init_call(void)
{
	threads(2);
	housekeeper();
	written();
	p = with_extra(node(NULL, "P"));
	j = armed(p, fn_slow);
}

/* Who leaves P leaves it by a link. */
static void init_any(void)
{
	struct urctx *both[2];

	threads(2);
	housekeeper();
	written();
	q = node(NULL, "Q");
	p = with_extra(node(NULL, "P"));
	both[0] = q;
	both[1] = p;
	mc_assert(!urctx_with_any(both, 2, &k[0]));
	mc_name(k[0], sizeof(*k[0]), "N");
	remember(contexts_, k[0]);
	with_extra(k[0]);
	remember(chunks_, chunk_first(q));
	remember(chunks_, chunk_first(p));
}

static void t_wait(void)
{
	mc_assert(!urctx_wait_idle(p, URCTX_NEVER));
	mc_assert(before[0]);
	if (k[1])
		mc_assert(before[1]);
}

static void t_wait_until(void)
{
	int ret = urctx_wait_idle(p, 1000);

	mc_assert(!ret || ret == -ETIME);
	if (!ret)
		mc_assert(before[0]);
}

static void t_wait_eintr(void)
{
	int ret = urctx_wait_idle(p, URCTX_NEVER);

	mc_assert(!ret || ret == -EINTR);
	if (!ret)
		mc_assert(before[0]);
}

/* A callback that runs is waited for, one that is armed is not. */
static void t_wait_call(void)
{
	int runs = __atomic_load_n(&started, __ATOMIC_RELAXED);

	mc_assert(!urctx_wait_idle(p, URCTX_NEVER));
	if (runs)
		mc_assert(j->body == 1);
}

static void t_put0(void)
{
	before[0] = 1;
	urctx_put(k[0]);
}

static void t_put1(void)
{
	before[1] = 1;
	urctx_put(k[1]);
}

static void t_put_y(void)
{
	before[0] = 1;
	urctx_put(y);
}

static void t_cancel(void)
{
	cancel_one(p);
}

/* One follows the other: there is always somebody. */
static void t_handover(void)
{
	y = derive(p);
	before[1] = 1;
	urctx_put(k[1]);
	before[0] = 1;
	urctx_put(y);
}

static void left(void)
{
	while (house_turn())
		;
	childless_now(p);
	mc_free(before);
	if (q)
		urctx_put(q);
	urctx_put(p);
	home();
}

/* What was made for the wait goes with P. */
static void left_bare(void)
{
	remember(extras_, extra_get(this_thread(), p));
	left();
}

static void left_call(void)
{
	mc_assert(j->runs == 1);
	mc_free(j);
	left();
}

static const struct mc_scenario one = {
	"idle_one", "G9", init_one, { t_wait, t_put0 }, left, LIFE | MC_QUICK,
};
static const struct mc_scenario two = {
	"idle_two", "G9", init_two, { t_wait, t_put0, t_put1 }, left, LIFE,
};
static const struct mc_scenario two_wait = {
	"idle_two_wait", "G9", init_one, { t_wait, t_wait, t_put0 }, left, LIFE,
};
static const struct mc_scenario made = {
	"idle_made", "G9", init_bare, { t_wait, t_put0 }, left_bare, LIFE | MC_QUICK,
};
static const struct mc_scenario handover = {
	"idle_handover", "G9", init_handover, { t_wait, t_handover }, left, LIFE,
};
static const struct mc_scenario zombie = {
	"idle_zombie", "G9", init_zombie, { t_wait, t_put_y }, left, LIFE | MC_QUICK,
};
static const struct mc_scenario listed = {
	"idle_zombie_listed", "G9", init_zombie_listed, { t_wait, t_put_y }, left, LIFE,
};
static const struct mc_scenario call = {
	"idle_call", "G6 G9", init_call, { t_wait_call, t_cancel }, left_call, LIFE,
};
static const struct mc_scenario any = {
	"idle_any", "G9", init_any, { t_wait, t_put0 }, left, LIFE | MC_QUICK,
};
static const struct mc_scenario until = {
	"idle_until", "G9", init_one, { t_wait_until, t_put0 }, left, LIFE,
};
static const struct mc_scenario eintr = {
	"idle_eintr", "G9", init_one, { t_wait_eintr, t_put0 }, left,
	LIFE | MC_FAIL_EINTR, 1,
};
static const struct mc_scenario memory = {
	"idle_cancel", "G2 G9", init_one, { t_wait, t_put0, t_cancel }, left, LIFE,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &one, &two, &two_wait, &made, &handover,
		       &zombie, &listed, &call, &any, &until, &eintr, &memory, NULL);
}
