/* SPDX-License-Identifier: MIT */
/*
 * s_call_outside.c - nothing is held while calling out (G8)
 *
 * A callback waits for a grace period, and until another thread has used the same tree
 * in every way: a section that is open there, or a lock that is held, is a deadlock.
 *
 * MC: -DRETIRE_BATCH=9
 */
#include "s_call.h"

static struct urctx *p, *k;
static struct job *on_p, *on_k;
static int used;

static void wait_for_others(struct urctx_callback *cb)
{
	mc_synchronize_rcu();
	while (mc_self() == 1 && !__atomic_load_n(&used, __ATOMIC_ACQUIRE))
		mc_pause();
	run_once((struct job *)cb);
}

static void init(void)
{
	threads(2);
	give(2, 1, 1);
	p = node(NULL, "P");
	k = node(p, "K");
	on_k = armed(k, wait_for_others);
}

static void init_two(void)
{
	init();
	on_p = armed(p, wait_for_others);
}

static void init_done(void)
{
	init();
	on_p = job();
	mc_assert(urctx_try_stop(&on_k->cb));
	cancel_one(p);
}

static void t_cancel(void)
{
	cancel_one(p);
}

static void t_after_done(void)
{
	mc_assert(!urctx_after(k, &on_k->cb, wait_for_others));
}

static void use(void)
{
	__atomic_store_n(&used, 1, __ATOMIC_RELEASE);
}

static void t_derive_put(void)
{
	struct urctx *n = derive(k);

	urctx_err(n);
	urctx_put(n);
	use();
}

static void t_cancel_too(void)
{
	cancel_two(k);
	use();
}

static void t_stop(void)
{
	urctx_try_stop(&on_k->cb);
	use();
}

static void fini(void)
{
	mc_assert(urctx_err(k));
	mc_free(on_k);
	if (on_p)
		mc_free(on_p);
}

/* A value's release is called out to, too. */
static struct urctx *with_value;

static void release(void *value)
{
	(void)value;
	mc_synchronize_rcu();
	while (mc_self() == 1 && !__atomic_load_n(&used, __ATOMIC_ACQUIRE))
		mc_pause();
}

static const struct urctx_key key = { .name = "key", .release = release };

static void init_value(void)
{
	threads(2);
	give(2, 1, 1);
	p = node(NULL, "P");
	k = node(p, "K");
	mc_assert(!urctx_with_value(p, &key, &used, &with_value));
}

static void t_put_value(void)
{
	urctx_put(with_value);
}

static const struct mc_scenario cancels = {
	"outside_cancel", "G8", init, { t_cancel, t_derive_put }, fini, TREE | MC_QUICK,
};
static const struct mc_scenario helped = {
	"outside_helped", "G2 G8", init, { t_cancel, t_cancel_too }, fini, TREE,
};
static const struct mc_scenario two = {
	"outside_two", "G2 G8", init_two, { t_cancel, t_cancel_too }, fini, TREE,
};
static const struct mc_scenario stopped = {
	"outside_stopped", "G6 G8", init, { t_cancel, t_stop }, fini, TREE | MC_QUICK,
};
static const struct mc_scenario after_done = {
	"outside_after", "G8", init_done, { t_after_done, t_derive_put }, fini,
	TREE | MC_QUICK,
};
static const struct mc_scenario value = {
	"outside_release", "G8", init_value, { t_put_value, t_derive_put }, NULL,
	TREE | MC_QUICK,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &cancels, &helped, &two, &stopped, &after_done,
		       &value, NULL);
}
