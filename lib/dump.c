/* SPDX-License-Identifier: MIT */
/*
 * dump.c - walk a tree without changing it
 *
 * Depth first, as walk.c does, in sections that end after a few slots: stdio is
 * slow, may block and may be the user's.  Between two sections the context whose
 * slots are being read is pinned, which keeps the way up from it (I11, I3).
 *
 * Nobody waits for a dump.  So a leaf may leave, and its memory be another
 * context, while it is looked at: its slot is read again behind the look, and what
 * it pointed to is copied by the kernel, which does not mind if it is gone
 * (sys_peek.h).  An interior context is frozen in the section in which it was
 * found in its slot (I6).
 */
#include <errno.h>

#include "dump.h"
#include "extra.h"
#include "sys_peek.h"
#include "walk.h"

static void enter(struct dump *d, struct urctx *x, struct chunk *c)
{
	d->at = x;
	d->chunk = c;
	d->s = c ? &c->slot[0] : NULL;
	d->end = c ? chunk_end(c) : NULL;
	d->level++;
}

/* Back to the slot behind the one that holds `at`; false: that is the root. */
static bool climb(struct dump *d)
{
	struct slot *s = d->at->slot;

	if (d->at == d->root)
		return false;
	d->at = d->at->parent;
	d->chunk = chunk_of(s);
	d->s = s + 1;
	d->end = chunk_end(d->chunk);
	d->level--;
	return true;
}

/* A late look: @k may be free, or another. */
static SYS_LATE void look(struct dump_row *r, const struct urctx *k)
{
	sys_late_begin();
	r->deadline = load_relaxed(&k->deadline);
	r->value = load_relaxed(&k->value);
	r->watch = load_relaxed(&k->watch);
	r->ref = load_relaxed(&k->ref);
	sys_late_end();
}

/* In a section, or by a holder: @k is what it was found to be. */
static void look_extra(struct dump_row *r, const struct urctx *k)
{
	const struct extra *e = extra_if_any(k);

	if (!e)
		return;
	r->links = load_relaxed(&e->nr_links);
	r->fd = load_relaxed(&e->fd);
	if ((r->v & TAG_BITS) != TAG_GRACE)
		return;
	r->grace = e->grace;
	if (load_relaxed(&e->timer) == TIMER_ARMED)
		r->when = load_relaxed(&e->when);
}

static struct dump_row *row(struct dump *d, const void *what, const struct slot *s,
			    uintptr_t v)
{
	struct dump_row *r = &d->row[d->nr];

	*r = (struct dump_row){
		.what = what,
		.slot = s,
		.v = v,
		.parent = d->at,
		.level = d->level,
	};
	return r;
}

/*
 * The child @k was found in @s.  True: it is to be entered, which is safe if it is
 * there with HASCH (I7, but nobody relies on having been everywhere).
 */
static bool row_child(struct dump *d, struct urctx *k, const struct slot *s,
		      uintptr_t v)
{
	struct dump_row *r = row(d, k, s, v);
	uintptr_t w = load(&k->state, MARK_READ), at = w & ~STATE_BITS;
	bool inner = (w & HASCH) && k->slot == s;

	if (!(w & DONE) && at != (uintptr_t)s && at != (uintptr_t)&no_slot)
		return false;
	if ((w & HASCH) && !inner)
		return false;
	r->word = w;
	look(r, k);
	if (inner)
		look_extra(r, k);
	else if (walk_read(s) != v)
		return false;
	d->nr++;
	return inner;
}

/* What is in @s.  A child that is to be entered, or NULL. */
static struct urctx *row_of_slot(struct dump *d, const struct slot *s)
{
	uintptr_t v = walk_read(s);
	struct urctx *k = (struct urctx *)(v & ~TAG_BITS);
	struct dump_row *r;

	if (!v)
		return NULL;
	switch (v & TAG_BITS) {
	case TAG_CHILD:
	case TAG_GRACE:
		return row_child(d, k, s, v) ? k : NULL;
	case TAG_ANY:
		r = row(d, k, s, v);
		r->parent = k->parent;	/* I20: with a chunk from its birth */
		d->nr++;
		return NULL;
	default:
		row(d, k, s, v);
		d->nr++;
		return NULL;
	}
}

/* Further on in `at`, or up: false: that was all. */
static bool next_chunk(struct dump *d)
{
	struct chunk *c = d->chunk ? chunk_next(d->chunk) : NULL;

	if (!c)
		return climb(d);
	d->chunk = c;
	d->s = &c->slot[0];
	d->end = chunk_end(c);
	return true;
}

/* As many rows as there is room for; false: there are no more. */
static bool fill(struct dump *d)
{
	unsigned breath = WALK_BREATH;

	while (d->nr < DUMP_ROWS && breath) {
		struct urctx *k;

		if (d->s == d->end) {
			if (!next_chunk(d))
				return false;
			breath--;
			continue;
		}
		k = row_of_slot(d, d->s++);
		if (k)
			enter(d, k, chunk_first(k));
	}
	return true;
}

static void row_root(struct dump *d)
{
	struct urctx *n = d->root;
	struct dump_row *r = row(d, n, NULL, n->slot ? walk_read(n->slot) : 0);

	r->word = load(&n->state, MARK_READ);
	r->parent = n->parent;
	look(r, n);
	look_extra(r, n);
	d->nr++;
}

void dump_start(struct dump *d, struct urctx *root)
{
	d->root = root;
	d->at = NULL;
	d->level = 0;
	d->pinned = false;
}

/* DEAD: it is empty, and its parent may be another's tomorrow, but is not yet. */
static void rest(struct dump *d)
{
	while (!pin(d->at))
		climb(d);
	d->pinned = true;
}

static void go_on(struct dump *d)
{
	if (d->pinned)
		unpin(d->at);
	d->pinned = false;
}

bool dump_more(struct dump *d)
{
	bool more;

	d->nr = 0;
	section_enter();
	if (!d->at) {
		row_root(d);
		enter(d, d->root, chunk_first(d->root));
	}
	go_on(d);
	more = fill(d);
	if (more)
		rest(d);
	section_exit();
	return more;
}

void dump_stop(struct dump *d)
{
	section_enter();
	go_on(d);
	section_exit();
}

int urctx_dump(struct urctx *root, FILE *out)
{
	int saved = errno, ret = 0, nr = 0;
	struct dump d;
	bool more;

	touch(root);
	if (!root || !out)
		return -EINVAL;
	dump_start(&d, root);
	do {
		unsigned i;

		more = dump_more(&d);
		for (i = 0; i < d.nr && ret >= 0; i++) {
			ret = dump_print(&d.row[i], out);
			if (ret > 0 && nr < INT32_MAX)	/* uncovered: 2^31 lines */
				nr++;
		}
	} while (more && ret >= 0);
	dump_stop(&d);
	errno = saved;
	return ret < 0 ? ret : nr;
}
