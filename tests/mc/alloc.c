/* SPDX-License-Identifier: MIT */
/*
 * alloc.c - memory, storage of a thread, and what may fail
 *
 * Addresses are those of the thread that allocates, in order: they are the same
 * in every execution in which that thread does the same.  Freed blocks come
 * back only to mc_malloc(), and only if the scenario wants that.
 */
#include <errno.h>
#include <stdio.h>

#include "model.h"

#define PC ((uintptr_t)__builtin_return_address(0))

struct block B[256];

void alloc_reset(void)
{
	int t;

	for (t = 0; t < NT; t++)
		T[t].brk = arena + (size_t)t * ARENA;
}

/* One of the few things that fail in this execution? */
bool fault(unsigned flag)
{
	struct op o = { .kind = OP_CHOOSE, .arg = 2 };

	if (me <= 0 || !(S->flags & flag) || G.faults >= S->faults)
		return false;
	if (!do_op(&o))
		return false;
	SAVE(G.faults);
	G.faults++;
	return true;
}

static char *bump(size_t size, size_t align)
{
	struct thread *t = &T[me];
	char *p = (char *)(((uintptr_t)t->brk + align - 1) & ~(uintptr_t)(align - 1));

	if (p + size > arena + (size_t)(me + 1) * ARENA) {
		die("a thread allocates more than %u bytes", ARENA);
		return NULL;
	}
	if (!me)
		SAVE(t->brk);
	/* never side by side: four bytes between two blocks belong to nobody */
	t->brk = p + size + 4;
	return p;
}

static void blocks_changed(const struct block *b)
{
	SAVE(G.blocks_hash);
	G.blocks_hash += mix((uintptr_t)b->p + b->freed, b->size);
}

static void *reuse(size_t size)
{
	unsigned i;

	for (i = G.nblocks; i-- > 0;) {
		struct block *b = &B[i];

		if (!b->freed || !b->user || b->size != size)
			continue;
		SAVE(*b);
		b->freed = 0;
		blocks_changed(b);
		view_join(&T[me].cur, &b->view);
		view_join(&T[me].acq, &b->view);
		plain_flag((uintptr_t)b->p, size, 0, 0);
		plain_access((uintptr_t)b->p, size, true, PC);
		return b->p;
	}
	return NULL;
}

static void *block(size_t size, size_t align, bool user, uintptr_t pc)
{
	struct block *b = &B[G.nblocks];
	char *p;

	if (fault(MC_FAIL_MALLOC))
		return NULL;
	if (user && (S->flags & MC_REUSE)) {
		p = reuse(size);
		if (p)
			return p;
	}
	p = bump(size, align);
	if (!p)
		return NULL;
	if (G.nblocks == sizeof(B) / sizeof(B[0])) {
		die("too many blocks of memory");
		return NULL;
	}
	SAVE(*b);
	SAVE(G.nblocks);
	G.nblocks++;
	*b = (struct block){ .p = p, .size = size, .user = user, .pc = pc };
	blocks_changed(b);
	plain_fresh((uintptr_t)p, size);
	return p;
}

/* Slabs are aligned to more and may stay; a block of 16 has one owner, and is freed. */
void *mc_alloc(size_t size, size_t align)
{
	return block(size, align < 16 ? 16 : align, align == 16, PC);
}

void *mc_malloc(size_t size)
{
	return block(size, 16, true, PC);
}

void mc_free(void *p)
{
	unsigned i;

	if (!p)
		return;
	for (i = 0; i < G.nblocks && B[i].p != p; i++)
		;
	if (i == G.nblocks || B[i].freed) {
		die(i == G.nblocks ? "free of what was not allocated: %s" :
				     "freed twice: %s", addr_name((uintptr_t)p));
		return;
	}
	plain_conflicts((uintptr_t)p, B[i].size, true, "freed while in use by");
	if (failed)
		return;
	plain_flag((uintptr_t)p, B[i].size, 1, -1);
	SAVE(B[i]);
	B[i].freed = 1;
	B[i].view = T[me].cur;
	if (me > 0) {
		clock_set(&B[i].view.c, me, clock_of(&T[me].cur, me) + 1u);
		T[me].dirty = 1;
	}
	blocks_changed(&B[i]);
	if (tracing)
		trace_note("free %s", addr_name((uintptr_t)p));
}

void mc_poison(const void *p, size_t size)
{
	plain_conflicts((uintptr_t)p, size, false, "given back while in use by");
	if (!failed)
		plain_flag((uintptr_t)p, size, -1, 1);
	if (me > 0)
		T[me].dirty = 1;
}

void mc_unpoison(const void *p, size_t size)
{
	plain_flag((uintptr_t)p, size, -1, 0);
}

void alloc_check_leaks(void)
{
	unsigned i;

	for (i = 0; i < G.nblocks && !BROKEN(25); i++)
		if (!B[i].freed && (B[i].user || !(S->flags & MC_TYPE_STABLE))) {
			die("memory lost: %zu bytes, %s", B[i].size,
			    addr_name((uintptr_t)B[i].p));
			return;
		}
}

/* Of this thread, made when it first asks.  It is no block: it goes with it. */
void *mc_tls(size_t size, const void *init)
{
	struct thread *t;

	if (me < 0)
		return NULL;
	t = &T[me];
	if (!t->tls) {
		char *p = bump(size, 64);

		if (!p)
			return NULL;
		if (!me)
			SAVE(t->tls);
		t->tls = p;
		if (init) {
			jlog(p, size);
			memcpy(p, init, size);
		}
	}
	return t->tls;
}

int mc_thread_start(void (*fn)(void))
{
	if ((S->flags & MC_NO_THREADS) || fault(MC_FAIL_THREAD))
		return -EAGAIN;
	SAVE(G.started);
	G.started = fn;
	return 0;
}

void (*mc_started(void))(void)
{
	return G.started;
}

int64_t mc_start(void)
{
	return S->now;
}

int64_t mc_now(void)
{
	return G.now;
}

int mc_self(void)
{
	return me;
}
