/* SPDX-License-Identifier: MIT */
/*
 * tsan.c - what a compiler calls under -fsanitize=thread (gcc and clang)
 */
#include <errno.h>

#include "model.h"

#define PC ((uintptr_t)__builtin_return_address(0))

static uint64_t memory_op(int kind, const volatile void *p, size_t size, uint64_t arg,
			  uint64_t expect, int mo, int fail_mo, int weak, uintptr_t pc,
			  bool *ok)
{
	struct op o = { .kind = (uint8_t)kind, .mo = mo & 7, .fail_mo = fail_mo & 7,
			.size = (uint8_t)size, .weak = (uint8_t)weak, .arg = arg,
			.expect = expect, .addr = (uintptr_t)p, .pc = pc };
	uint64_t r = do_op(&o);

	if (ok)
		*ok = o.weak;	/* do_op() leaves there whether it was done */
	return r;
}

#define DO(k, p, n, arg, mo) memory_op(k, p, n, (uint64_t)(arg), 0, mo, 0, 0, PC, NULL)

#define OPS(b, t)                                                                  \
t __tsan_atomic##b##_load(const volatile t *p, int mo)                             \
{ return (t)DO(OP_LOAD, p, b / 8, 0, mo); }                                        \
void __tsan_atomic##b##_store(volatile t *p, t v, int mo)                          \
{ DO(OP_STORE, p, b / 8, v, mo); }                                                 \
t __tsan_atomic##b##_exchange(volatile t *p, t v, int mo)                          \
{ return (t)DO(OP_XCHG, p, b / 8, v, mo); }                                        \
t __tsan_atomic##b##_fetch_add(volatile t *p, t v, int mo)                         \
{ return (t)DO(OP_ADD, p, b / 8, v, mo); }                                         \
t __tsan_atomic##b##_fetch_sub(volatile t *p, t v, int mo)                         \
{ return (t)DO(OP_SUB, p, b / 8, v, mo); }                                         \
t __tsan_atomic##b##_fetch_and(volatile t *p, t v, int mo)                         \
{ return (t)DO(OP_AND, p, b / 8, v, mo); }                                         \
t __tsan_atomic##b##_fetch_or(volatile t *p, t v, int mo)                          \
{ return (t)DO(OP_OR, p, b / 8, v, mo); }                                          \
t __tsan_atomic##b##_fetch_xor(volatile t *p, t v, int mo)                         \
{ return (t)DO(OP_XOR, p, b / 8, v, mo); }                                         \
t __tsan_atomic##b##_fetch_nand(volatile t *p, t v, int mo)                        \
{ return (t)DO(OP_NAND, p, b / 8, v, mo); }                                        \
int __tsan_atomic##b##_compare_exchange_strong(volatile t *p, t *e, t v, int mo, int fmo) \
{                                                                                  \
	bool ok;                                                                   \
	t old = (t)memory_op(OP_CAS, p, b / 8, v, *e, mo, fmo, 0, PC, &ok);        \
	if (!ok)                                                                   \
		*e = old;                                                          \
	return ok;                                                                 \
}                                                                                  \
int __tsan_atomic##b##_compare_exchange_weak(volatile t *p, t *e, t v, int mo, int fmo) \
{                                                                                  \
	bool ok;                                                                   \
	t old = (t)memory_op(OP_CAS, p, b / 8, v, *e, mo, fmo, 1, PC, &ok);        \
	if (!ok)                                                                   \
		*e = old;                                                          \
	return ok;                                                                 \
}                                                                                  \
t __tsan_atomic##b##_compare_exchange_val(volatile t *p, t e, t v, int mo, int fmo) \
{ return (t)memory_op(OP_CAS, p, b / 8, v, e, mo, fmo, 0, PC, NULL); }
OPS(8, uint8_t)
OPS(16, uint16_t)
OPS(32, uint32_t)
OPS(64, uint64_t)

static uint64_t simple(int kind, int mo, uint64_t arg, uintptr_t pc)
{
	struct op o = { .kind = (uint8_t)kind, .mo = (uint8_t)mo, .arg = arg, .pc = pc };

	return do_op(&o);
}

void __tsan_atomic_thread_fence(int mo)
{
	simple(OP_FENCE, mo & 7, 0, PC);
}

void __tsan_atomic_signal_fence(int mo)
{
	(void)mo;
}

void __tsan_init(void)
{
}

void __tsan_func_entry(void *pc)
{
	(void)pc;
}

void __tsan_func_exit(void)
{
}

#define PLAIN(name, n)                                                             \
void __tsan_read##name(void *p)                                                    \
{ plain_access((uintptr_t)p, n, false, PC); }                                      \
void __tsan_write##name(void *p)                                                   \
{ plain_access((uintptr_t)p, n, true, PC); }                                       \
void __tsan_volatile_read##name(void *p)                                           \
{ plain_access((uintptr_t)p, n, false, PC); }                                      \
void __tsan_volatile_write##name(void *p)                                          \
{ plain_access((uintptr_t)p, n, true, PC); }                                       \
void __tsan_read_write##name(void *p)                                              \
{ plain_access((uintptr_t)p, n, false, PC); plain_access((uintptr_t)p, n, true, PC); } \
void __tsan_unaligned_read##name(void *p)                                          \
{ plain_access((uintptr_t)p, n, false, PC); }                                      \
void __tsan_unaligned_write##name(void *p)                                         \
{ plain_access((uintptr_t)p, n, true, PC); }
PLAIN(1, 1)
PLAIN(2, 2)
PLAIN(4, 4)
PLAIN(8, 8)
PLAIN(16, 16)

void __tsan_read_range(void *p, size_t n)
{
	plain_access((uintptr_t)p, n, false, PC);
}

void __tsan_write_range(void *p, size_t n)
{
	plain_access((uintptr_t)p, n, true, PC);
}

/* gcc's objects are given these names instead of libc's by the driver. */
void *__tsan_memset(void *d, int c, size_t n)
{
	plain_access((uintptr_t)d, n, true, PC);
	return memset(d, c, n);
}

void *__tsan_memcpy(void *d, const void *s, size_t n)
{
	plain_access((uintptr_t)s, n, false, PC);
	plain_access((uintptr_t)d, n, true, PC);
	return memcpy(d, s, n);
}

void *__tsan_memmove(void *d, const void *s, size_t n)
{
	plain_access((uintptr_t)s, n, false, PC);
	plain_access((uintptr_t)d, n, true, PC);
	return memmove(d, s, n);
}

/* ---- mc_lib.h, mc.h: what has an effect on other threads ---- */

void mc_rcu_read_lock(void)
{
	simple(OP_LOCK, 0, 0, PC);
}

void mc_rcu_read_unlock(void)
{
	simple(OP_UNLOCK, 0, 0, PC);
}

void mc_synchronize_rcu(void)
{
	simple(OP_SYNC, 0, 0, PC);
	simple(OP_SYNC_WAIT, 0, 0, PC);
}

void mc_membarrier(void)
{
	int t;

	if (!(S->flags & MC_BARRIER_STEPS)) {
		simple(OP_MEMBARRIER, 0, 0, PC);
		return;
	}
	simple(OP_FENCE, 5, 0, PC);
	for (t = 1; t <= nthr; t++)
		if (t != me)
			simple(OP_BARRIER_IN, 0, (uint64_t)t, PC);
	simple(OP_FENCE, 5, 0, PC);
}

int mc_futex_wait(const uint32_t *addr, uint32_t val, int64_t deadline)
{
	struct op o = { .kind = OP_FUTEX_WAIT, .size = 4, .addr = (uintptr_t)addr,
			.expect = val, .arg = (uint64_t)deadline, .pc = PC };
	int r = (int)do_op(&o);

	if (r)
		return r;
	if (BROKEN(18)) {
		simple(OP_FUTEX_WAKE, 0, 0, PC);
		SAVE(G.sleepers);
		T[me].futex[0] = o.addr;
		T[me].asleep[0] = (uint16_t)++G.sleepers;
	}
	o.kind = OP_FUTEX_SLEEP;
	return (int)do_op(&o);
}

int mc_futex_wait2(const uint32_t *a, uint32_t val_a, const uint32_t *b,
		   uint32_t val_b, int64_t deadline)
{
	struct op o = { .kind = OP_FUTEX_QUEUE, .size = 4, .addr = (uintptr_t)a,
			.expect = val_a, .pc = PC };
	int r = (int)do_op(&o);

	if (r)
		return r;
	o = (struct op){ .kind = OP_FUTEX_WAIT, .mo = 1, .size = 4,
			 .addr = (uintptr_t)b, .expect = val_b,
			 .arg = (uint64_t)deadline, .pc = PC };
	r = (int)do_op(&o);
	if (r != 1)
		return r == 2 ? 0 : r;
	o.kind = OP_FUTEX_SLEEP;
	return (int)do_op(&o);
}

int mc_futex_wake(const uint32_t *addr, int nr)
{
	struct op o = { .kind = OP_FUTEX_WAKE, .addr = (uintptr_t)addr,
			.arg = (uint64_t)nr, .pc = PC };

	return (int)do_op(&o);
}

unsigned mc_choose(unsigned n)
{
	return (unsigned)simple(OP_CHOOSE, 0, n ? n : 1, PC);
}

void mc_pause(void)
{
	simple(OP_PAUSE, 0, 0, PC);
}
