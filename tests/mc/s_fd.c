/* SPDX-License-Identifier: MIT */
/*
 * s_fd.c - a descriptor that says done: with err in both directions, closed once
 *
 * MC: -DRETIRE_BATCH=9
 */
#include "fd.h"
#include "s_time.h"

static struct urctx *p, *q, *k;
static int fd;

static void init_none(void)
{
	threads(3);
	housekeeper();
	p = node(NULL, "P");
	k = with_extra(node(p, "K"));
}

static void init(void)
{
	init_none();
	fd = urctx_fd(k);
	mc_assert(fd > 0 && !mc_readable(fd));
}

/* Made before a fork(), and what was made of it there: this is the child. */
static void inherited(uint32_t uses)
{
	init();
	store_relaxed(&extra_of(k)->fd_uses, uses);
}

static void init_inherited(void)
{
	inherited(0);
}

/* Somebody was about to set it when that process forked, and never comes to it here. */
static void init_inherited_used(void)
{
	inherited(4);
}

static void init_deadline(void)
{
	threads(3);
	housekeeper();
	p = k = with_extra(until(NULL, "K"));
	fd = urctx_fd(k);
}

/* P -> K, a leaf; its memory will be a child of Q, who has a descriptor. */
static void init_reuse(void)
{
	threads(2);
	housekeeper();
	p = node(NULL, "P");
	k = node(p, "K");
	q = childless(NULL, "Q");
	used_before(2, q, &chunk_first(q)->slot[0]);
	give(2, 0, 1);
}

static void t_cancel(void)
{
	cancel_one(p);
}

static void t_reuse(void)
{
	urctx_put(k);
	k = derive(q);
	fd = urctx_fd(k);
	mc_assert(fd > 0);
}

static void t_fd(void)
{
	fd = urctx_fd(k);
	if (mc_readable(fd))
		mc_assert(urctx_err(k));
	if (urctx_err(k))
		mc_assert(mc_readable(fd));
}

static void t_fd_too(void)
{
	int mine = urctx_fd(k);

	mc_assert(mine > 0);
	if (urctx_err(k))
		mc_assert(mc_readable(mine));
}

static void t_err(void)
{
	if (urctx_err(k))
		mc_assert(mc_readable(fd));
}

/* It does not renew what somebody else may be renewing, and does not hang. */
static void t_err_renewed(void)
{
	(void)urctx_err(k);
}

static void t_read(void)
{
	if (mc_readable(fd))
		mc_assert(urctx_err(k));
}

static void t_put(void)
{
	urctx_put(k);
}

static void over(void)
{
	ended_in_time(k);
	mc_assert(!urctx_err(k) || mc_readable(urctx_fd(k)));
	urctx_put(k);
	if (p != k)
		urctx_put(p);
	home();
}

/* Nobody has asked but by the descriptor: it is all that a loop sees. */
static void told(void)
{
	mc_assert(mc_readable(fd));
	over();
}

static void t_fd_alone(void)
{
	fd = urctx_fd(k);
	mc_assert(fd > 0);
}

/* Q's child has nothing to do with P's end. */
static void untold(void)
{
	mc_assert(!mc_readable(fd));
	live(k);
	remember(extras_, extra_get(this_thread(), k));
	urctx_put(k);
	urctx_put(q);
	urctx_put(p);
	home();
}

static void put_p(void)
{
	urctx_put(p);
	home();
}

/* Nobody has ended it. */
static void put_both(void)
{
	mc_assert(!mc_readable(fd));
	urctx_put(k);
	put_p();
}

static const struct mc_scenario asks = {
	"fd_ask", "G5", init_none, { t_fd, t_cancel }, over, LIFE | MC_QUICK,
};
static const struct mc_scenario asks_two = {
	"fd_ask_two", "G5", init_none, { t_fd, t_fd_too, t_cancel }, over, LIFE,
};
static const struct mc_scenario alone = {
	"fd_alone", "G2", init_none, { t_fd_alone, t_cancel }, told, LIFE | MC_QUICK,
};
static const struct mc_scenario reuse = {
	"fd_reuse", "G2 G9", init_reuse, { t_cancel, t_reuse }, untold, LIFE,
};
static const struct mc_scenario both = {
	"fd_err", "G5", init, { t_err, t_read, t_cancel }, over, LIFE | MC_QUICK,
};
static const struct mc_scenario closes = {
	"fd_close", "G9", init, { t_put, t_cancel }, put_p, LIFE,
};
static const struct mc_scenario expires = {
	"fd_expiry", "G5", init_deadline, { t_err, t_time, t_cancel }, over, LIFE,
};
static const struct mc_scenario at_once = {
	"fd_cancel", "G2", init, { t_err, t_cancel }, over, LIFE,
};

static const struct mc_scenario renewed = {
	"fd_renew", "G5", init_inherited, { t_fd, t_cancel }, over, LIFE | MC_QUICK,
};
static const struct mc_scenario renewed_two = {
	"fd_renew_two", "G5", init_inherited, { t_fd_alone, t_fd_too }, put_both,
	LIFE | MC_QUICK,
};
static const struct mc_scenario renewed_used = {
	"fd_renew_used", "G2", init_inherited_used, { t_fd_alone, t_cancel }, told,
	LIFE | MC_QUICK,
};
static const struct mc_scenario renewed_err = {
	"fd_renew_err", "G5", init_inherited, { t_fd, t_err_renewed, t_cancel }, over, LIFE,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &asks, &asks_two, &alone, &both, &closes, &expires,
		       &at_once, &reuse, &renewed, &renewed_two, &renewed_used,
		       &renewed_err, NULL);
}
