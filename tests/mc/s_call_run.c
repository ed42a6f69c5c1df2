/* SPDX-License-Identifier: MIT */
/*
 * s_call_run.c - a callback runs once, and stop knows (G6, I13)
 *
 * MC: -DRETIRE_BATCH=9
 */
#include "s_call.h"

static struct urctx *p, *k, *n, *handed;
static struct job *j, *j2;
static int ran;

/* What fn did, for those that may not look into memory that it frees. */
static void fn_count_free(struct urctx_callback *cb)
{
	mc_assert(!__atomic_fetch_add(&ran, 1, __ATOMIC_RELAXED));
	fn_free(cb);
}

static void fn_stop_self(struct urctx_callback *cb)
{
	run_once((struct job *)cb);
	mc_assert(!urctx_try_stop(cb));
	mc_assert(!urctx_stop(cb));
}

static void root(int nr)
{
	threads(nr);
	housekeeper();
	p = childless(NULL, "P");
}

static void init_armed(void)
{
	root(3);
	j = armed(p, fn_run);
}

static void init_self(void)
{
	root(3);
	j = armed(p, fn_count_free);
}

static void init_own_stop(void)
{
	root(3);
	j = armed(p, fn_stop_self);
}

static void init_after(void)
{
	root(3);
	j = job();
	used_before(2, p, &chunk_first(p)->slot[0]);
}

/* The other slot is taken: who wants one takes the callback's when it has run. */
static void init_taken(void)
{
	root(3);
	j = armed(p, fn_run);
	k = node(p, "K");
	used_before(2, p, &chunk_first(p)->slot[0]);
	give(2, 1, 1);
	mc_assert(((struct call *)j)->slot == &chunk_first(p)->slot[0]);
}

static void init_handed(void)
{
	root(3);
	j = armed(p, fn_run);
	k = node(p, "K");
	used_before(1, p, &chunk_first(p)->slot[0]);
	give(1, 1, 1);
}

static void init_two(void)
{
	root(2);
	j = armed(p, fn_run);
	j2 = armed(p, fn_run);
}

static void t_cancel(void)
{
	cancel_one(p);
}

static void t_help(void)
{
	urctx_cancel_cause(p, ONE);
}

static void t_stop(void)
{
	stop_and_free(j);
}

static void t_try_stop(void)
{
	if (urctx_try_stop(&j->cb)) {
		mc_assert(!j->body);
		j->body = 2;
	}
}

static void t_stop_two(void)
{
	stop_and_free(j);
	stop_and_free(j2);
}

static void t_after(void)
{
	mc_assert(!urctx_after(p, &j->cb, fn_run));
}

static void t_after_free(void)
{
	mc_assert(!urctx_after(p, &j->cb, fn_count_free));
}

static void t_derive_put(void)
{
	n = derive(p);
	urctx_put(n);
	n = NULL;
}

/* Behind the callback, in the slot it left; another thread puts it. */
static void t_cancel_derive(void)
{
	cancel_one(p);
	__atomic_store_n(&handed, derive(p), __ATOMIC_RELEASE);
}

static void t_put_handed(void)
{
	struct urctx *it = __atomic_load_n(&handed, __ATOMIC_ACQUIRE);

	if (!it)
		return;
	__atomic_store_n(&handed, NULL, __ATOMIC_RELAXED);
	urctx_put(it);
}

static void over(void);

static void over_handed(void)
{
	if (handed)
		urctx_put(handed);
	handed = NULL;
	over();
}

static void over(void)
{
	ended_by(p, ONE);
	if (k)
		urctx_put(k);
	childless_now(p);
	urctx_put(p);
	home();
}

static void ran_once(void)
{
	mc_assert(j->runs == 1 && j->body == 1);
	mc_free(j);
	over();
}

static void ran_gone(void)
{
	mc_assert(ran == 1);
	over();
}

static void either(void)
{
	mc_assert(j->runs ? j->body == 1 : j->body == 2);
	mc_free(j);
	over();
}

static const struct mc_scenario helped = {
	"call_helped", "G2 G6", init_armed, { t_cancel, t_help }, ran_once, LIFE | MC_QUICK,
};
static const struct mc_scenario self = {
	"call_frees_itself", "G6", init_self, { t_cancel, t_help }, ran_gone, LIFE | MC_QUICK,
};
static const struct mc_scenario stop = {
	"call_stop", "G6", init_armed, { t_cancel, t_stop }, over, LIFE | MC_QUICK,
};
static const struct mc_scenario stop_help = {
	"call_stop_helped", "G6", init_armed, { t_cancel, t_stop, t_help }, over, LIFE,
};
static const struct mc_scenario try_stop = {
	"call_two_stop", "G6", init_armed, { t_cancel, t_try_stop, t_try_stop }, either, LIFE,
};
static const struct mc_scenario own = {
	"call_stops_itself", "G6", init_own_stop, { t_cancel, t_help }, ran_once,
	LIFE | MC_QUICK,
};
static const struct mc_scenario two = {
	"call_stop_both", "G6", init_two, { t_cancel, t_stop_two }, over, LIFE | MC_QUICK,
};
static const struct mc_scenario after = {
	"call_after", "G6", init_after, { t_cancel, t_after }, ran_once, LIFE | MC_QUICK,
};
static const struct mc_scenario after_free = {
	"call_after_free", "G6", init_after, { t_cancel, t_after_free }, ran_gone,
	LIFE | MC_QUICK,
};
static const struct mc_scenario after_help = {
	"call_after_helped", "G2 G6", init_after, { t_cancel, t_after_free, t_help }, ran_gone,
	LIFE,
};
static const struct mc_scenario taken = {
	"call_slot_taken", "G6", init_taken, { t_cancel, t_derive_put, t_stop }, over, LIFE,
};

static const struct mc_scenario handed_on = {
	"call_slot_handed", "G6", init_handed, { t_cancel_derive, t_put_handed, t_stop },
	over_handed, LIFE,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &helped, &self, &stop, &own, &two, &after, &after_free,
		       &stop_help, &try_stop, &after_help, &taken, &handed_on, NULL);
}
