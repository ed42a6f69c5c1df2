/* SPDX-License-Identifier: MIT */
/*
 * plain.c - accesses that are not atomic: races, use after free, poison
 *
 * A cell for four bytes of memory (for one, where something smaller is used)
 * holds the clock of the last plain write and of each thread's reads and atomic
 * accesses.  An access that is not ordered behind what it conflicts with by the
 * clocks in the views is a race, in whatever order this execution runs them.
 *
 * What lies between two operations of a thread happens, for others, at any
 * moment between them: it carries the clock that the next operation makes known.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "model.h"

extern char __data_start[], _end[];

struct shadow {
	struct cell c;
	uint16_t loc[4];	/* learned: atomic locations, by byte */
	uint16_t lane;		/* learned: cells of single bytes, from 1 */
};

#define LANES	4096

static struct shadow *heap, *globals;
static struct cell lanes[LANES][4];
static unsigned nlanes;

void plain_init(void)
{
	size_t h = NT * (ARENA + STACK) / 4, g = (size_t)(_end - __data_start) / 4 + 2;
	char *p = mmap(NULL, (h + g) * sizeof(struct shadow), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED) {
		perror("mc: shadow memory");
		exit(2);
	}
	heap = (struct shadow *)p;
	globals = heap + h;
}

static struct shadow *shadow_of(uintptr_t a)
{
	uintptr_t first = (uintptr_t)__data_start & ~(uintptr_t)3;

	if (a - (uintptr_t)arena < NT * (ARENA + STACK))
		return &heap[(a - (uintptr_t)arena) / 4];
	if (a >= first && a < (uintptr_t)_end)
		return &globals[(a - first) / 4];
	return NULL;
}

uint16_t *plain_loc(uintptr_t a)
{
	struct shadow *s = shadow_of(a);

	return s ? &s->loc[a & 3] : NULL;
}

/* Single bytes of these four, at @a, are used by themselves. */
void plain_split(uintptr_t a)
{
	struct shadow *s = shadow_of(a);

	if (!s || s->lane)
		return;
	if (nlanes == LANES) {
		fprintf(stderr, "mc: too many small fields\n");
		exit(2);
	}
	s->lane = (uint16_t)++nlanes;
	relearn = true;
}

static uint64_t cell_hash(const struct cell *c, uintptr_t a)
{
	uint64_t f = c->wt | (uint64_t)c->wc << 8 | (uint64_t)c->freed << 16 |
		     (uint64_t)c->poison << 24;

	if (!(c->rc | c->ar | c->aw | f))
		return 0;
	return mix(mix(c->rc + a * 0x9e3779b97f4a7c15u, c->ar), mix(c->aw, f + a));
}

#ifdef MC_BREAKABLE
static struct {
	struct cell *c;
	uintptr_t a;
} touched[1 << 14];
static unsigned ntouched;

static void touch_cell(struct cell *c, uintptr_t a)
{
	unsigned i;

	for (i = 0; i < ntouched && touched[i].c != c; i++)
		;
	if (i == ntouched && i < sizeof(touched) / sizeof(touched[0])) {
		touched[i].c = c;
		touched[i].a = a;
		ntouched++;
	}
}
#endif

static void cell_set(struct cell *c, uintptr_t a, const struct cell *new)
{
	if (!memcmp(c, new, sizeof(*c)))
		return;
#ifdef MC_BREAKABLE
	touch_cell(c, a);
#endif
	jlog(c, sizeof(*c));
	K += cell_hash(new, a) - cell_hash(c, a);
	*c = *new;
}

static bool unordered_write(const struct cell *c)
{
	return c->wc && c->wt != me && c->wc > clock_of(&T[me].cur, c->wt);
}

static void race(const char *what, uintptr_t a, int other, int kind)
{
	uintptr_t pc = trace_site_of(a, other, kind);

	trace_race(pc);
	die("data race on %s: %s thread %d", addr_name(a), what, other);
}

enum { SITE_WRITE, SITE_READ, SITE_ATOMIC_READ, SITE_ATOMIC_WRITE };

static void cell_plain(struct cell *c, uintptr_t a, bool write, uintptr_t pc)
{
	struct cell n = *c;
	unsigned now = clock_of(&T[me].cur, me) + 1u;
	int u;

	if (c->freed && !BROKEN(23)) {
		die("use after free of %s", addr_name(a));
		return;
	}
	if (c->poison && !BROKEN(24)) {
		die("plain access to poisoned memory, %s", addr_name(a));
		return;
	}
	if (me == 0)
		return;
	if (unordered_write(c) && !BROKEN(write ? 19 : 20)) {
		race(write ? "write after a write by" : "read after a write by", a, c->wt,
		     SITE_WRITE);
		return;
	}
	if ((u = clock_beyond(c->aw, &T[me].cur, me)) && !BROKEN(22)) {
		race(write ? "write after an atomic write by" :
			     "read after an atomic write by", a, u, SITE_ATOMIC_WRITE);
		return;
	}
	if (write && (u = clock_beyond(c->rc, &T[me].cur, me)) && !BROKEN(21)) {
		race("write after a read by", a, u, SITE_READ);
		return;
	}
	if (write && (u = clock_beyond(c->ar, &T[me].cur, me)) && !BROKEN(22)) {
		race("write after an atomic read by", a, u, SITE_ATOMIC_READ);
		return;
	}
	if (write) {
		n.wt = (uint8_t)me;
		n.wc = (uint8_t)now;
	} else {
		clock_set(&n.rc, me, now);
	}
	if (tracing)
		trace_site(a, me, write ? SITE_WRITE : SITE_READ, pc);
	cell_set(c, a, &n);
}

static void cell_atomic(struct cell *c, uintptr_t a, bool write, unsigned now, uintptr_t pc)
{
	struct cell n = *c;
	int u;

	if (c->freed && !BROKEN(23)) {
		die("use after free of %s", addr_name(a));
		return;
	}
	if (me <= 0)
		return;
	if (unordered_write(c) && !BROKEN(22)) {
		race("atomic access after a write by", a, c->wt, SITE_WRITE);
		return;
	}
	if (write && (u = clock_beyond(c->rc, &T[me].cur, me)) && !BROKEN(22)) {
		race("atomic write after a read by", a, u, SITE_READ);
		return;
	}
	clock_set(write ? &n.aw : &n.ar, me, now);
	if (tracing)
		trace_site(a, me, write ? SITE_ATOMIC_WRITE : SITE_ATOMIC_READ, pc);
	cell_set(c, a, &n);
}

/* Each cell of [a, a + n): the word's, or those of its bytes if it is split. */
#define for_each_cell(s, c, x, a, n)                                              \
	for ((x) = (a) & ~(uintptr_t)3; (x) < (a) + (n) && !failed; (x) += 4)     \
		if (((s) = shadow_of(x)))                                         \
			for (struct cell *c = first_cell(s), *end_ = c + cells_of(s); \
			     c < end_ && !failed; c++)                            \
				if (!(s)->lane || cell_addr(s, c, x) - (a) < (n))

static struct cell *first_cell(struct shadow *s)
{
	return s->lane ? lanes[s->lane - 1] : &s->c;
}

static int cells_of(const struct shadow *s)
{
	return s->lane ? 4 : 1;
}

static uintptr_t cell_addr(const struct shadow *s, const struct cell *c, uintptr_t x)
{
	return s->lane ? x + (uintptr_t)(c - lanes[s->lane - 1]) : x;
}

void plain_access(uintptr_t a, size_t n, bool write, uintptr_t pc)
{
	struct shadow *s;
	uintptr_t x;
	bool foreign = false;

	if (me < 0 || failed || on_own_stack(a) || !tracked(a) || !n)
		return;
	if ((a & 3) || (n & 3))
		for (x = a & ~(uintptr_t)3; x < a + n; x += 4)
			if (x < a || x + 4 > a + n)
				plain_split(x);
	for_each_cell(s, c, x, a, n) {
		foreign |= c->wt != me || s->loc[0] || s->loc[1] || s->loc[2] || s->loc[3];
		cell_plain(c, cell_addr(s, c, x), write, pc);
	}
	if (failed)
		return;
	if (write) {
		jlog((void *)a, n);
		if (me)
			memory_plain_write(a, n);
	}
	if (!me)
		return;
	if (!write && foreign)
		for (x = a; x < a + n; x += 8)
			note(me, mem_read(x, a + n - x < 8 ? a + n - x : 8));
	T[me].dirty = 1;
}

void plain_atomic(int t, const struct op *o, bool local)
{
	bool write = o->kind != OP_LOAD;
	unsigned now = clock_of(&T[t].cur, t) + (local ? 1u : 0u);
	struct shadow *s;
	uintptr_t x;
	int was = me;

	me = t;
	if (o->size < 4)
		plain_split(o->addr & ~(uintptr_t)3);
	for_each_cell(s, c, x, o->addr, o->size)
		cell_atomic(c, cell_addr(s, c, x), write, now, o->pc);
	if (local)
		T[t].dirty = 1;
	me = was;
}

/* 0 clears, 1 sets, -1 leaves as it is. */
void plain_flag(uintptr_t a, size_t n, int freed, int poison)
{
	struct shadow *s;
	uintptr_t x;

	for_each_cell(s, c, x, a, n) {
		struct cell new = *c;

		if (freed >= 0)
			new.freed = (uint8_t)freed;
		if (poison >= 0)
			new.poison = (uint8_t)poison;
		cell_set(c, cell_addr(s, c, x), &new);
	}
}

/* Nobody has anything to do with this memory before. */
void plain_fresh(uintptr_t a, size_t n)
{
	struct shadow *s;
	uintptr_t x;

	for_each_cell(s, c, x, a, n) {
		struct cell new = { .rc = 0 };

		if (me > 0) {
			new.wt = (uint8_t)me;
			new.wc = (uint8_t)(clock_of(&T[me].cur, me) + 1);
			T[me].dirty = 1;
		}
		cell_set(c, cell_addr(s, c, x), &new);
	}
}

/* Must be behind all others' plain accesses, and atomic ones if @atomics. */
void plain_conflicts(uintptr_t a, size_t n, bool atomics, const char *what)
{
	struct shadow *s;
	uintptr_t x;
	int u;

	if (me <= 0)
		return;
	for_each_cell(s, c, x, a, n) {
		uintptr_t at = cell_addr(s, c, x);

		if (unordered_write(c) && !BROKEN(34))
			race(what, at, c->wt, SITE_WRITE);
		else if ((u = clock_beyond(c->rc, &T[me].cur, me)) && !BROKEN(34))
			race(what, at, u, SITE_READ);
		else if (atomics && (u = clock_beyond(c->ar, &T[me].cur, me)) && !BROKEN(35))
			race(what, at, u, SITE_ATOMIC_READ);
		else if (atomics && (u = clock_beyond(c->aw, &T[me].cur, me)) && !BROKEN(35))
			race(what, at, u, SITE_ATOMIC_WRITE);
	}
}

#ifdef MC_BREAKABLE
static void each_cell(uint64_t (*fn)(const struct cell *, uintptr_t), uint64_t *sum)
{
	unsigned i;

	for (i = 0; i < ntouched; i++)
		*sum += fn(touched[i].c, touched[i].a);
}

static uint64_t contents(const struct cell *c, uintptr_t x)
{
	return c->rc | c->ar | c->aw | c->wc ? mix(mem_read(x & ~(uintptr_t)3, 4), x) : 0;
}

uint64_t plain_sum(void)
{
	uint64_t sum = 0;

	each_cell(cell_hash, &sum);
	return sum;
}

uint64_t plain_contents(void)
{
	uint64_t sum = 0;

	each_cell(contents, &sum);
	return sum;
}
#endif
