/* SPDX-License-Identifier: MIT */
/*
 * s_life_memory.c - no memory, or no thread, for what few contexts have: nothing is
 * half made, nothing is lost, and asked again it works (G3, G5, G9)
 *
 * All that the slabs gave is counted: what is in use before a tree is made and after
 * it went must be the same.
 *
 * MC: -DRETIRE_BATCH=9
 */
#include "s_time.h"
#include "stock.h"

static struct urctx *p, *q, *n;
static struct urctx *const untouched = (struct urctx *)&p;
static struct job *j;
static bool failed_once;
static int fd, *thing;

static unsigned length(struct stock *st, const struct cache *c)
{
	unsigned nr = 0;
	void *obj;

	for (obj = c->head; obj; obj = link_get(st, obj))
		nr++;
	return nr;
}

static struct kind {
	struct stock *st;
	size_t cache;			/* in struct thread */
	unsigned before, leaked;
} kinds[] = {
	{ &stock_contexts, offsetof(struct thread, contexts), 0, 0 },
	{ &stock_chunks, offsetof(struct thread, chunks), 0, 0 },
	{ &stock_extras, offsetof(struct thread, extras), 0, 0 },
};

static struct cache *cache_of(const struct kind *k)
{
	return (struct cache *)(void *)((char *)this_thread() + k->cache);
}

static unsigned in_use(const struct kind *k)
{
	unsigned nr = load_relaxed(&k->st->carved);
	int i;

	for (i = 0; i <= threads_; i++) {
		mc_become(i);
		nr -= length(k->st, cache_of(k));
		mc_become(0);
	}
	return nr;
}

/* No slab has room: the next object takes one more. */
static void dry(struct kind *k)
{
	unsigned slabs = 0, all;

	while (k->st->slab[slabs])
		slabs++;
	all = SLAB_OBJECTS * ((1U << slabs) - 1);
	k->leaked = length(k->st, cache_of(k));
	cache_of(k)->head = NULL;
	while (load_relaxed(&k->st->carved) < all) {
		cache_refill(this_thread(), cache_of(k));
		cache_of(k)->head = NULL;
		k->leaked++;
	}
}

static void begin(bool house)
{
	unsigned i;

	threads(2);
	if (house)
		housekeeper();
	for (i = 0; i < 3; i++)
		kinds[i].before = in_use(&kinds[i]);
}

static void all_dry(void)
{
	unsigned i;

	for (i = 0; i < 3; i++)
		dry(&kinds[i]);
}

static void init_two(void)
{
	begin(true);
	p = make(NULL, "P");
	q = make(NULL, "Q");
	all_dry();
}

/* One chunk is there, for what is made: where it hangs there is none. */
static void init_one_chunk(void)
{
	begin(true);
	give(1, 0, 1);
	p = make(NULL, "P");
	q = make(NULL, "Q");
	all_dry();
}

static void init_child(void)
{
	begin(true);
	p = make(NULL, "P");
	q = make(p, "K");
	all_dry();
}

static void init_value(void)
{
	init_two();
	thing = (int *)mc_malloc(sizeof(*thing));
	*thing = 1;
}

static void init_deadline(void)
{
	begin(true);
	mc_assert(!urctx_with_deadline_cause(NULL, WHEN, TWO, &p));
	two_.payload = 1;
	j = job();
	all_dry();
}

static void init_no_house(void)
{
	begin(false);
	mc_assert(!urctx_with_deadline_cause(NULL, WHEN, TWO, &p));
	two_.payload = 1;
	j = job();
}

static bool got(int ret)
{
	mc_assert(!ret || ret == -ENOMEM);
	mc_assert(!ret == (n != untouched));
	failed_once |= ret;
	return !ret;
}

static void any_of(void)
{
	struct urctx *both[] = { p, q };

	n = untouched;
	got(urctx_with_any(both, 2, &n));
}

static void grace(void)
{
	n = untouched;
	got(urctx_with_grace(p, WHEN, &n));
}

static void release(void *value)
{
	mc_assert(value == thing && *thing == 1);
	mc_free(thing);
	thing = NULL;
}

static void value(void)
{
	static const struct urctx_key key = { .name = "key", .release = release };

	n = untouched;
	if (!got(urctx_with_value(p, &key, thing, &n)))
		mc_assert(*thing == 1);
}

static void descriptor(void)
{
	fd = urctx_fd(p);
	mc_assert(fd > 0 || fd == -ENOMEM || fd == -EMFILE);
	failed_once |= fd < 0;
}

static void idle(void)
{
	int ret = urctx_wait_idle(p, URCTX_NEVER);

	mc_assert(!ret || ret == -ENOMEM);
	failed_once |= ret;
}

static void after(void)
{
	int ret = urctx_after(p, &j->cb, fn_run);

	mc_assert(!ret || ret == -ENOMEM || ret == -EAGAIN);
	failed_once |= ret;
}

static void t_poll(void)
{
	mc_time_is(WHEN);
	if (urctx_done(p))
		mc_assert(urctx_err(p) == -ETIME);
}

static void t_cancel(void)
{
	cancel_one(p);
	if (q && q->parent == p)
		mc_assert(urctx_err(q));
}

static void t_put(void)
{
	urctx_put(q);
	q = NULL;
}

/* All that was made has gone. */
static void counted(void)
{
	unsigned i;

	do
		timers_turn();
	while (house_turn());
	childless_now(p);
	if (q) {
		childless_now(q);
		urctx_put(q);
	}
	urctx_put(p);
	do
		timers_turn();
	while (house_turn());
	mc_assert(!retired_any() && !leftovers_any() && !timers_any());
	for (i = 0; i < 3; i++)
		mc_assert(in_use(&kinds[i]) == kinds[i].before + kinds[i].leaked);
}

/* One is there, at the second try if not at the first; it goes with P. */
static void made(void (*again)(void))
{
	if (failed_once)
		again();
	mc_assert(n != untouched);
	mc_time_is(2 * WHEN);
	timers_turn();
	ended_by(n, ONE);
	urctx_put(n);
	counted();
}

static void any_made(void)
{
	made(any_of);
}

static void grace_made(void)
{
	made(grace);
}

static void value_made(void)
{
	made(value);
	mc_assert(!thing);
}

static void fd_made(void)
{
	if (failed_once)
		descriptor();
	mc_assert(fd > 0 && mc_readable(fd));
	counted();
}

static void idle_made(void)
{
	mc_assert(!urctx_wait_idle(p, URCTX_NEVER));
	counted();
}

static void after_made(void)
{
	mc_assert(j->runs <= !failed_once);
	/* no timer could be armed, or kept: then polls find the deadline passed */
	if (failed_once) {
		mc_assert(urctx_done(p));
		after();
	}
	timers_turn();
	mc_assert(j->runs == 1);
	mc_free(j);
	counted();
}

static const struct mc_scenario any = {
	"memory_any", "G3 G9", init_two, { any_of, t_cancel }, any_made,
	LIFE | MC_FAIL_MALLOC, 1,
};
static const struct mc_scenario grace_ = {
	"memory_grace", "G5 G9", init_two, { grace, t_cancel }, grace_made,
	LIFE | MC_FAIL_MALLOC, 1,
};
static const struct mc_scenario any_chunk = {
	"memory_any_chunk", "G3 G9", init_one_chunk, { any_of, t_cancel }, any_made,
	LIFE | MC_FAIL_MALLOC, 1,
};
static const struct mc_scenario grace_chunk = {
	"memory_grace_chunk", "G5 G9", init_one_chunk, { grace, t_cancel }, grace_made,
	LIFE | MC_FAIL_MALLOC, 1,
};
static const struct mc_scenario value_ = {
	"memory_value", "G3 G9", init_value, { value, t_cancel }, value_made,
	LIFE | MC_FAIL_MALLOC, 1,
};
static const struct mc_scenario fd_ = {
	"memory_fd", "G2 G9", init_two, { descriptor, t_cancel }, fd_made,
	LIFE | MC_FAIL_MALLOC, 1,
};
static const struct mc_scenario idle_ = {
	"memory_idle", "G9", init_child, { idle, t_put }, idle_made,
	LIFE | MC_FAIL_MALLOC, 1,
};
static const struct mc_scenario after_ = {
	"memory_after", "G5 G6", init_deadline, { after, t_poll }, after_made,
	LIFE | MC_FAIL_MALLOC, 1,
};
static const struct mc_scenario refused = {
	"memory_refused", "G5 G6", init_no_house, { after, t_poll }, after_made,
	LIFE | MC_FAIL_THREAD, 1,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &any, &any_chunk, &grace_, &grace_chunk, &value_,
		       &fd_, &idle_, &after_, &refused, NULL);
}
