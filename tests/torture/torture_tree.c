/* SPDX-License-Identifier: MIT */
/*
 * torture_tree.c - a tree of as many contexts as there are places
 *
 * The first place has the root; any other has a context that was derived from one
 * of another place, at some time.  A place is locked while its pointer is read or
 * replaced, never while the library is called: references are taken as a program
 * would take them.
 */
#include "torture.h"

struct place {
	pthread_mutex_t lock;
	struct urctx *ctx;
	struct payload *brings;
} __attribute__((aligned(64)));

static struct place *places;

#define CAUSE(n) { "torture", __FILE__, "cause " #n, n, n }
static const struct urctx_cause causes[] = {
	CAUSE(1), CAUSE(2), CAUSE(3), CAUSE(4), CAUSE(5), CAUSE(6), CAUSE(7), CAUSE(8),
};

const struct urctx_cause *some_cause(void)
{
	return &causes[one_of(8)];
}

bool known_cause(const struct urctx_cause *cause)
{
	return (cause >= causes && cause < causes + 8) || cause == &urctx_canceled ||
	       cause == &urctx_deadline_exceeded;
}

/* A deadline that they share may have come to @child just before. */
bool same_end(struct urctx *child, struct urctx *parent)
{
	const struct urctx_cause *cause = t_cause(child);

	return cause == t_cause(parent) ||
	       (cause == &urctx_deadline_exceeded && urctx_deadline(child, NULL));
}

/* A reference of its own to what is in place @i now; NULL if nothing is. */
struct urctx *look(unsigned long i)
{
	struct urctx *ctx;

	pthread_mutex_lock(&places[i].lock);
	ctx = t_get(places[i].ctx);
	pthread_mutex_unlock(&places[i].lock);
	return ctx;
}

static void replace(unsigned long i, struct urctx *with, struct payload *brings)
{
	struct payload *gone;
	struct urctx *old;

	pthread_mutex_lock(&places[i].lock);
	old = places[i].ctx;
	gone = places[i].brings;
	places[i].ctx = with;
	places[i].brings = brings;
	pthread_mutex_unlock(&places[i].lock);
	if (gone)
		payload_left(gone);
	t_put(old);
}

unsigned long somewhere(void)
{
	return 1 + one_of((uint32_t)torture.places - 1);
}

/* One in eight below the root, so that it does not grow deeper for ever. */
static struct urctx *some_parent(void)
{
	struct urctx *ctx = one_of(8) ? look(somewhere()) : look(0);

	/* and mostly below what lives, or all would be over soon */
	if ((!ctx || urctx_done(ctx)) && one_of(8)) {
		t_put(ctx);
		ctx = look(0);
	}
	return ctx;
}

static struct urctx *derive_any(struct urctx *parent)
{
	struct urctx *parents[3] = { parent, look(somewhere()), look(somewhere()) };
	size_t nr = 2 + one_of(2), i;
	struct urctx *child = NULL;
	bool done = false;

	for (i = 0; i < nr; i++)
		done |= t_done(parents[i]);
	did(ANY);
	must(urctx_with_any(parents, nr, &child) == 0);
	must(!done || t_done(child));
	t_put(parents[1]);
	t_put(parents[2]);
	return child;
}

static struct urctx *derive_timeout(struct urctx *parent, int64_t ns)
{
	struct urctx *child = NULL;

	did(DEADLINE);
	must(urctx_with_timeout(parent, ns, &child) == 0);
	return child;
}

static struct urctx *derive_shield(struct urctx *parent, bool *leaf)
{
	struct urctx *child = NULL;

	*leaf = urctx_deadline(parent, NULL);
	if (one_of(2)) {
		did(SHIELD);
		must(urctx_without_cancel(parent, &child) == 0);
	} else {
		did(GRACE);
		must(urctx_with_grace(parent, one_of(1000000), &child) == 0);
	}
	return child;
}

/*
 * @plain: it ends with its parent, and by nothing else.  What is derived from a grace
 * would end by -ETIME before its own deadline, if the parent of that has one.
 */
static struct urctx *derive_some(struct urctx *parent, struct payload **brings,
				 bool *plain, bool *leaf)
{
	uint32_t how = one_of(64);

	*plain = *leaf = false;
	if (how < 2)
		return derive_any(parent);
	if (how < 4)
		return derive_shield(parent, leaf);
	if (how < 8)
		return derive_timeout(parent, one_of(3000000));
	if (how < 10)
		return derive_timeout(parent, 3600 * SECOND);
	*plain = true;
	if (how < 22)
		return derive_value(parent, brings);
	return t_derive(parent);
}

void op_derive(void)
{
	struct urctx *parent = some_parent(), *child;
	struct payload *brings = NULL;
	bool done = t_done(parent), plain, leaf;

	child = derive_some(parent, &brings, &plain, &leaf);
	must(!done || !plain ||
	     (t_done(child) && t_cause(child) == t_cause(parent)));	/* G3 */
	if (!leaf && one_of(4)) {
		replace(somewhere(), child, brings);
	} else {
		if (brings)
			payload_left(brings);
		t_put(child);
	}
	t_put(parent);
}

/* A tree of its own in place of one that is over. */
static void plant(void)
{
	replace(0, t_derive(NULL), NULL);
}

void op_cancel(void)
{
	unsigned long at = one_of(256) ? somewhere() : 0;
	struct urctx *ctx = look(at), *child, *grandchild;

	if (!ctx)
		return;
	child = t_derive(ctx);
	grandchild = t_derive(child);
	t_cancel(ctx, some_cause());
	/* whoever won: all that was derived from it is over (G2), for one cause (G4) */
	must(t_err(ctx) && known_cause(t_cause(ctx)));
	must(t_done(child) && same_end(child, ctx));
	must(t_done(grandchild) && same_end(grandchild, ctx));
	t_put(child);
	t_put(grandchild);
	t_put(ctx);
	if (!at)
		plant();
}

void op_clear(void)
{
	replace(somewhere(), NULL, NULL);
}

double live_part(void)
{
	unsigned long i, live = 0;

	for (i = 0; i < torture.places; i++) {
		struct urctx *ctx = look(i);

		live += ctx && !urctx_done(ctx);
		urctx_put(ctx);
	}
	return (double)live / (double)torture.places;
}

void places_make(void)
{
	unsigned long i;

	must(!posix_memalign((void **)&places, 64, torture.places * sizeof(*places)));
	for (i = 0; i < torture.places; i++) {
		pthread_mutex_init(&places[i].lock, NULL);
		places[i].brings = NULL;
		places[i].ctx = t_derive(i ? places[one_of((uint32_t)i)].ctx : NULL);
	}
}

void places_clear(void)
{
	unsigned long i;

	for (i = torture.places; i--;) {
		if (i % 2)
			t_cancel(places[i].ctx, some_cause());
		replace(i, NULL, NULL);
	}
	free(places);
}
