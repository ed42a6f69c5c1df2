/* SPDX-License-Identifier: MIT */
/*
 * aged.h - how old is what a walker sees: put in front of each file of the library
 *
 * The library's own files are compiled once more, unchanged, with the accesses that
 * tell of a context's life reported to aged.c: what a walker enters and reads, what
 * is retired, what is reused after its grace period, and where sections begin and end.
 * The names are rows of order.h; a row that is renamed is an error here.
 */
#ifndef URCTX_TORTURE_AGED_H
#define URCTX_TORTURE_AGED_H

#include "../../lib/context.h"
#include "../../lib/rcu.h"

void aged_linked(const volatile void *what);
void aged_retired(const volatile void *n);
void aged_freed(struct chunk *first);
void aged_seen(const volatile void *what);
void aged_section(int more);

static inline bool aged_in(const char *func, const char *name)
{
	return !__builtin_strcmp(func, name);
}

/* The chunk of a slot, or the context of its state word: both stand at their start. */
static inline __attribute__((always_inline)) void
aged_load(int row, const char *func, const volatile void *p)
{
	if (row == URCTX_ROW_SLOT_READ)
		aged_seen(chunk_of((const struct slot *)p));
	else if (row == URCTX_ROW_STATE_READ &&
		 (aged_in(func, "walk_enter") || aged_in(func, "walk_leave")))
		aged_seen(p);
	else if (row == URCTX_ROW_EXTRA_READ && aged_in(func, "retired_free"))
		aged_freed(chunk_of((const struct slot *)p));
}

/* A chunk that nobody has found yet, and its context, which somebody holds. */
static inline __attribute__((always_inline)) void
aged_cas(int row, const volatile void *p, const volatile void *v, bool first)
{
	if (row == URCTX_ROW_RETIRE_PUSH) {
		aged_retired(v);
	} else if (row == URCTX_ROW_CHUNK_LINK) {
		aged_linked(v);
		if (first)
			aged_linked((const char *)p - offsetof(struct urctx, chunks));
	}
}

static inline __attribute__((always_inline)) void
aged_store(int row, const volatile void *p, const volatile void *v)
{
	if (row == URCTX_ROW_OWNER_SET) {
		aged_linked(p);
		aged_linked(v);
	}
}

#undef load
#define load(p, row)                                                           \
	(aged_load(URCTX_ROW_##row, __func__, p), __atomic_load_n(p, ORDER_##row))
#undef store
#define store(p, v, row)                                                       \
	(aged_store(URCTX_ROW_##row, p, (const void *)(uintptr_t)(v)),         \
	 __atomic_store_n(p, v, ORDER_##row))
#undef cas
#define cas(p, old, v, row)                                                    \
	(aged_cas(URCTX_ROW_##row, p, (const void *)(uintptr_t)(v), false),    \
	 __atomic_compare_exchange_n(p, old, v, 0, ORDER_##row, __ATOMIC_RELAXED))

static inline bool aged_or_read(int row, const volatile void *p, const volatile void *v)
{
	aged_cas(row, p, v, true);
	return true;
}

/* As atomic.h has it, behind the report. */
#undef cas_or_read
#define cas_or_read(p, old, v, won, lost)                                      \
	(aged_or_read(URCTX_ROW_##won, p, (const void *)(uintptr_t)(v)) &&     \
	 __atomic_compare_exchange_n(p, old, v, 0,                             \
				     (int)ORDER_##won == __ATOMIC_RELEASE &&   \
				     (int)ORDER_##lost == __ATOMIC_ACQUIRE ?   \
					     __ATOMIC_ACQ_REL :                \
				     (int)ORDER_##won == __ATOMIC_RELAXED ?    \
					     (int)ORDER_##lost :               \
					     (int)ORDER_##won,                 \
				     ORDER_##lost))

/* Noted inside of the section: who sees it noted knows it open. */
#undef rcu_enter
#define rcu_enter() (urcu_bp_read_lock(), aged_section(1))
#undef rcu_exit
#define rcu_exit() (aged_section(-1), urcu_bp_read_unlock())

#endif
