/* SPDX-License-Identifier: MIT */
/*
 * memory.c - RC11 without load buffering, as views (after Kang et al., POPL '17)
 *
 *  - each location has its modification order, a list of messages; a message
 *    has a value and the view that it releases;
 *  - a thread has three views: cur, acq (with what relaxed loads have seen)
 *    and rel (cur at the last release fence);
 *  - a load reads any message not older than cur; a store goes anywhere behind
 *    cur, but never between a read-modify-write and what that read;
 *  - a seq_cst fence joins cur with one global view, both ways; a seq_cst access
 *    is an acquire or release and no more, which is weaker than C11's;
 *  - views carry the clocks of plain accesses too (plain.c).
 */
#include <emmintrin.h>

#include "model.h"

enum { RELAXED, CONSUME, ACQUIRE, RELEASE, ACQ_REL, SEQ_CST };

struct order M[NV];
size_t vbytes = 16;

static bool acquires(int mo)
{
	return mo == CONSUME || mo == ACQUIRE || mo >= ACQ_REL;
}

static bool releases(int mo)
{
	return mo >= RELEASE;
}

void view_join(struct view *a, const struct view *b)
{
	__m128i *x = (__m128i *)a;
	const __m128i *y = (const __m128i *)b;
	size_t i;

	for (i = 0; i < vbytes / 16; i++)
		x[i] = _mm_max_epu8(x[i], y[i]);
}

uint64_t view_hash(const struct view *v)
{
	const uint64_t *w = (const uint64_t *)v;
	uint64_t h = 0;
	size_t i;

	for (i = 0; i < vbytes / 8; i += 2)
		h += mix(w[i] + i * 0x632be59bd9b4e019u, w[i + 1]);
	return h;
}

static uint64_t msg_hash(int v, int p)
{
	const struct msg *m = &M[v].m[p];

	return mix(m->val + (uint64_t)v * 0x9e3779b1u + ((uint64_t)p << 40) +
			   ((uint64_t)m->glued << 60),
		   view_hash(&m->rel));
}

void memory_reset(void)
{
	int v;

	for (v = 0; v < NV; v++) {
		M[v].n = 0;
		M[v].stale = false;
	}
}

uint64_t mem_read(uintptr_t a, size_t n)
{
	uint64_t v = 0;

	memcpy(&v, (void *)a, n);
	return v;
}

void mem_write(uintptr_t a, size_t n, uint64_t v)
{
	jlog((void *)a, n);
	memcpy((void *)a, &v, n);
}

static void rehash_msg(int v, int p)
{
	K -= M[v].m[p].hash;
	M[v].m[p].hash = msg_hash(v, p);
	K += M[v].m[p].hash;
}

static void append(int v, uint64_t val)
{
	struct order *o = &M[v];

	if (o->n == NM) {
		die("more than %d stores to one location: make the scenario smaller", NM);
		return;
	}
	SAVE(o->n);
	memset(&o->m[o->n].rel, 0, sizeof(struct view));
	o->m[o->n].val = val;
	o->m[o->n].glued = 0;
	o->m[o->n].hash = 0;
	o->n++;
	rehash_msg(v, o->n - 1);
}

/* Make the order speak of what the memory holds. */
void order_sync(struct loc *l)
{
	struct order *o = &M[l->v];

	if (!o->n) {
		append(l->v, mem_read(l->addr, l->size));
	} else if (o->stale) {
		SAVE(o->stale);
		SAVE(o->m[o->n - 1].val);
		SAVE(o->m[o->n - 1].hash);
		o->stale = false;
		o->m[o->n - 1].val = mem_read(l->addr, l->size);
		rehash_msg(l->v, o->n - 1);
	}
}

/* A plain write is the last store: whoever is not behind it has a race. */
void memory_plain_write(uintptr_t a, size_t n)
{
	uintptr_t x;

	uint16_t before = 0;

	for (x = a; x < a + n; x++) {
		uint16_t *w = plain_loc(x);
		struct loc *l;

		if (!w || !*w || *w == before)
			continue;
		before = *w;
		l = &L[*w - 1];
		if (!l->racy || !M[l->v].n)
			continue;
		if (!M[l->v].stale) {
			append(l->v, 0);
			if (failed)
				return;
			SAVE(M[l->v].stale);
			M[l->v].stale = true;
		}
		T[me].cur.l[l->v] = T[me].acq.l[l->v] = (uint8_t)(M[l->v].n - 1);
	}
}

static void shift(struct view *w, int v, int p)
{
	if (w->l[v] >= p) {
		SAVE(w->l[v]);
		w->l[v]++;
	}
}

/* A message comes to stand at p: every view of the location moves. */
static void renumber(int v, int p)
{
	int i, k;

	for (i = 0; i < nracy; i++)
		for (k = 0; k < M[i].n; k++)
			if (M[i].m[k].rel.l[v] >= p) {
				SAVE(M[i].m[k].rel.l[v]);
				SAVE(M[i].m[k].hash);
				M[i].m[k].rel.l[v]++;
				rehash_msg(i, k);
			}
	for (i = 1; i <= nthr; i++) {
		touch_thread(i);
		shift(&T[i].cur, v, p);
		shift(&T[i].acq, v, p);
		shift(&T[i].rel, v, p);
		rehash_thread(i);
	}
	shift(&G.sc, v, p);
	shift(&G.gp, v, p);
	shift(&G.rd, v, p);
	for (i = 0; i < (int)G.nblocks; i++)
		if (B[i].freed)
			shift(&B[i].view, v, p);
}

static void insert(int v, int p, uint64_t val, const struct view *rel, int glued)
{
	struct order *o = &M[v];
	int k;

	if (o->n == NM) {
		die("more than %d stores to one location: make the scenario smaller", NM);
		return;
	}
	SAVE(o->n);
	if (p < o->n) {
		for (k = p; k < o->n; k++) {
			jlog(&o->m[k], sizeof(o->m[k]));
			K -= o->m[k].hash;
		}
		jlog(&o->m[o->n], sizeof(o->m[0]));
		memmove(&o->m[p + 1], &o->m[p], sizeof(o->m[0]) * (size_t)(o->n - p));
		for (k = p + 1; k <= o->n; k++) {
			o->m[k].hash = 0;
			rehash_msg(v, k);
		}
		memset(&o->m[p].rel, 0, sizeof(struct view));
		o->m[p].hash = 0;
		o->n++;
		renumber(v, p);
	} else {
		o->n++;
	}
	o->m[p].val = val;
	o->m[p].rel = *rel;
	o->m[p].rel.l[v] = (uint8_t)p;
	o->m[p].glued = (uint8_t)glued;
	o->m[p].hash = 0;
	rehash_msg(v, p);
}

void fence_sc(int t)
{
	struct thread *x = &T[t];

	view_join(&x->cur, &x->acq);
	if (!BROKEN(6))
		view_join(&x->cur, &G.sc);
	if (!BROKEN(7)) {
		SAVE(G.sc);
		G.sc = x->cur;
	}
	view_join(&x->acq, &x->cur);
	x->rel = x->cur;
}

void fence(int t, int mo)
{
	struct thread *x = &T[t];

	if (mo == SEQ_CST) {
		fence_sc(t);
		return;
	}
	if (acquires(mo) && !BROKEN(5))
		view_join(&x->cur, &x->acq);
	if (releases(mo))
		x->rel = x->cur;
}

static uint64_t apply(int kind, uint64_t old, uint64_t arg)
{
	switch (kind) {
	case OP_ADD:
		return old + arg;
	case OP_SUB:
		return old - arg;
	case OP_AND:
		return old & arg;
	case OP_OR:
		return old | arg;
	case OP_XOR:
		return old ^ arg;
	case OP_NAND:
		return ~(old & arg);
	}
	return arg;
}

static uint64_t cut(uint64_t v, unsigned size)
{
	return size == 8 ? v : v & ((1ull << (8 * size)) - 1);
}

/* The messages that the operation may read, or the places where it may store. */
static int candidates(int t, const struct op *o, uint8_t *out)
{
	struct loc *l = &L[o->loc];
	struct order *x;
	int i, lo, n = 0;

	order_sync(l);
	if (failed)
		return 0;
	x = &M[l->v];
	lo = BROKEN(1) ? 0 : T[t].cur.l[l->v];
	for (i = x->n - 1; i >= lo; i--) {
		bool last = i == x->n - 1, free_ = last || BROKEN(9) || !x->m[i + 1].glued;

		if (n && BROKEN(11))
			break;
		if (o->kind == OP_LOAD || (o->kind == OP_CAS && x->m[i].val != o->expect))
			out[n++] = (uint8_t)i;
		else if (free_ && !(o->kind == OP_STORE && BROKEN(8) && !last))
			out[n++] = (uint8_t)i;
	}
	return n;
}

/* No other thread competes for it: it is what the memory holds. */
bool op_direct(const struct op *o)
{
	return o->kind <= OP_CAS && !L[o->loc].racy;
}

int op_alternatives(int t, const struct op *o)
{
	uint8_t c[NM];
	int weak = o->kind == OP_CAS && o->weak && (S->flags & MC_FAIL_WEAK) &&
		   G.faults < S->faults;

	if (op_direct(o))
		return 1 + weak;
	return candidates(t, o, c) + weak;
}

static uint64_t direct(int t, const struct op *o, bool spurious)
{
	uint64_t old = mem_read(o->addr, o->size);

	T[t].ok = 1;
	if (o->kind == OP_CAS && (old != o->expect || spurious))
		T[t].ok = 0;
	else if (o->kind != OP_LOAD)
		mem_write(o->addr, o->size, apply(o->kind, old, o->arg));
	return old;
}

static void see(int t, int v, int p, int mo)
{
	struct thread *x = &T[t];
	const struct msg *m = &M[v].m[p];

	x->cur.l[v] = (uint8_t)p;
	if (x->acq.l[v] < p)
		x->acq.l[v] = (uint8_t)p;
	view_join(&x->acq, &m->rel);
	if ((acquires(mo) && !BROKEN(2)) || BROKEN(27))
		view_join(&x->cur, &m->rel);
}

static void put(int t, const struct op *o, int p, uint64_t val, const struct view *base,
		int mo)
{
	struct thread *x = &T[t];
	int v = L[o->loc].v;
	struct view r;

	insert(v, p, val, &x->cur, base && !BROKEN(9));
	if (failed)
		return;
	if (!BROKEN(28))
		x->cur.l[v] = x->acq.l[v] = (uint8_t)p;
	if (BROKEN(3) || (BROKEN(4) && !releases(mo)))
		memset(&r, 0, sizeof(r));
	else
		r = releases(mo) ? x->cur : x->rel;
	if (base && !BROKEN(10))
		view_join(&r, base);
	r.l[v] = (uint8_t)p;
	M[v].m[p].rel = r;
	rehash_msg(v, p);
	if (p == M[v].n - 1)
		mem_write(o->addr, o->size, val);
}

uint64_t op_memory(int t, const struct op *o, int alt)
{
	int v = L[o->loc].v, n, p;
	uint8_t c[NM];
	struct view base;
	uint64_t old;
	bool spurious = false;

	if (o->kind == OP_CAS && o->weak && alt == op_alternatives(t, o) - 1 &&
	    (S->flags & MC_FAIL_WEAK) && G.faults < S->faults) {
		spurious = true;
		SAVE(G.faults);
		G.faults++;
		alt = 0;
	}
	if (BROKEN(12) && o->mo == SEQ_CST)
		fence_sc(t);
	if (op_direct(o))
		return direct(t, o, spurious);
	n = candidates(t, o, c);
	if (failed)
		return 0;
	p = c[alt < n ? alt : 0];
	T[t].ok = 1;
	if (o->kind == OP_STORE) {
		put(t, o, p + 1, o->arg, NULL, o->mo);
		return 0;
	}
	old = M[v].m[p].val;
	base = M[v].m[p].rel;
	if (o->kind == OP_LOAD) {
		see(t, v, p, o->mo);
	} else if (o->kind == OP_CAS && (old != o->expect || spurious)) {
		T[t].ok = 0;
		see(t, v, p, BROKEN(29) ? o->mo : o->fail_mo);
	} else {
		see(t, v, p, o->mo);
		put(t, o, p + 1, cut(apply(o->kind, old, o->arg), o->size), &base, o->mo);
	}
	return old;
}
