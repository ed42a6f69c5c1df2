/* SPDX-License-Identifier: MIT */
/*
 * litmus.c - is the checker right?
 *
 * Small programs whose outcomes are known from C11 (RC11) and from what RCU,
 * membarrier and futexes promise.  A forbidden outcome is asserted never to
 * happen; an allowed one is too, in a scenario that must fail.
 */
#include "../mc.h"

#define R __ATOMIC_RELAXED
#define A __ATOMIC_ACQUIRE
#define L __ATOMIC_RELEASE
#define AL __ATOMIC_ACQ_REL
#define SC __ATOMIC_SEQ_CST
#define LD(v, o) __atomic_load_n(&(v), o)
#define ST(v, k, o) __atomic_store_n(&(v), k, o)
#define XCHG(v, k, o) __atomic_exchange_n(&(v), k, o)
#define ADD(v, k, o) __atomic_fetch_add(&(v), k, o)
#define CAS(v, e, k, o, f) __atomic_compare_exchange_n(&(v), e, k, 0, o, f)
#define FENCE(o) __atomic_thread_fence(o)

static int x, y, z, data, r[6];
static uint64_t word;
static int *ptr;

#define MAY	MC_QUICK | MC_MUST_FAIL
#define NOT	MC_QUICK

/* name, NOT or MAY, final condition, threads */
#define LITMUS2(id, title, flags_, cond, t1, t2)                                   \
	static void id##_1(void) { t1; }                                           \
	static void id##_2(void) { t2; }                                           \
	static void id##_end(void) { mc_assert(!(cond)); }                           \
	static const struct mc_scenario id = { .name = title, .threads = { id##_1, id##_2 }, \
					       .fini = id##_end, .flags = flags_ };
#define LITMUS3(id, title, flags_, cond, t1, t2, t3)                               \
	static void id##_1(void) { t1; }                                           \
	static void id##_2(void) { t2; }                                           \
	static void id##_3(void) { t3; }                                           \
	static void id##_end(void) { mc_assert(!(cond)); }                           \
	static const struct mc_scenario id = { .name = title, .threads = { id##_1, id##_2, id##_3 }, \
					       .fini = id##_end, .flags = flags_ };
#define LITMUS4(id, title, flags_, cond, t1, t2, t3, t4)                           \
	static void id##_1(void) { t1; }                                           \
	static void id##_2(void) { t2; }                                           \
	static void id##_3(void) { t3; }                                           \
	static void id##_4(void) { t4; }                                           \
	static void id##_end(void) { mc_assert(!(cond)); }                           \
	static const struct mc_scenario id = { .name = title,                      \
		.threads = { id##_1, id##_2, id##_3, id##_4 }, .fini = id##_end, .flags = flags_ };

/* ---- store buffering ---- */
LITMUS2(sb, "SB relaxed", MAY, !r[0] && !r[1],
	ST(x, 1, R); r[0] = LD(y, R), ST(y, 1, R); r[1] = LD(x, R))
LITMUS2(sb_ra, "SB release acquire", MAY, !r[0] && !r[1],
	ST(x, 1, L); r[0] = LD(y, A), ST(y, 1, L); r[1] = LD(x, A))
LITMUS2(sb_f, "SB sc fences", NOT, !r[0] && !r[1],
	ST(x, 1, R); FENCE(SC); r[0] = LD(y, R), ST(y, 1, R); FENCE(SC); r[1] = LD(x, R))
LITMUS2(sb_f1, "SB one sc fence", MAY, !r[0] && !r[1],
	ST(x, 1, R); FENCE(SC); r[0] = LD(y, R), ST(y, 1, R); r[1] = LD(x, R))
LITMUS2(sb_ar, "SB acq_rel fences", MAY, !r[0] && !r[1],
	ST(x, 1, R); FENCE(AL); r[0] = LD(y, R), ST(y, 1, R); FENCE(AL); r[1] = LD(x, R))
LITMUS2(sb_sc, "SB relaxed stores, sc loads", MAY, !r[0] && !r[1],
	ST(x, 1, R); r[0] = LD(y, SC), ST(y, 1, R); r[1] = LD(x, SC))
LITMUS2(sb_rmw, "SB relaxed rmw, sc fences", NOT, !r[0] && !r[1],
	ADD(x, 1, R); FENCE(SC); r[0] = LD(y, R), ADD(y, 1, R); FENCE(SC); r[1] = LD(x, R))
LITMUS2(sb_mb, "SB membarrier against nothing", NOT, !r[0] && !r[1],
	ST(x, 1, R); mc_membarrier(); r[0] = LD(y, R), ST(y, 1, R); r[1] = LD(x, R))
LITMUS2(sb_mbs, "SB membarrier in steps", NOT | MC_BARRIER_STEPS, !r[0] && !r[1],
	ST(x, 1, R); mc_membarrier(); r[0] = LD(y, R), ST(y, 1, R); r[1] = LD(x, R))
LITMUS2(sb_gp, "SB grace period against nothing", MAY, !r[0] && !r[1],
	ST(x, 1, R); mc_synchronize_rcu(); r[0] = LD(y, R), ST(y, 1, R); r[1] = LD(x, R))

/* ---- message passing ---- */
LITMUS2(mp, "MP relaxed", MAY, r[0] && !r[1],
	ST(x, 1, R); ST(y, 1, R), r[0] = LD(y, R); r[1] = LD(x, R))
LITMUS2(mp_ra, "MP release acquire", NOT, r[0] && !r[1],
	ST(x, 1, R); ST(y, 1, L), r[0] = LD(y, A); r[1] = LD(x, R))
LITMUS2(mp_rr, "MP release relaxed", MAY, r[0] && !r[1],
	ST(x, 1, R); ST(y, 1, L), r[0] = LD(y, R); r[1] = LD(x, R))
LITMUS2(mp_fr, "MP release fence, acquire", NOT, r[0] && !r[1],
	ST(x, 1, R); FENCE(L); ST(y, 1, R), r[0] = LD(y, A); r[1] = LD(x, R))
LITMUS2(mp_fa, "MP release, acquire fence", NOT, r[0] && !r[1],
	ST(x, 1, R); ST(y, 1, L), r[0] = LD(y, R); FENCE(A); r[1] = LD(x, R))
LITMUS2(mp_af, "MP release, relaxed, sc fence", NOT, r[0] && !r[1],
	ST(x, 1, R); FENCE(SC); ST(y, 1, R), r[0] = LD(y, R); FENCE(SC); r[1] = LD(x, R))
LITMUS3(mp_rs, "MP through another's rmw", NOT, r[0] == 2 && !r[1],
	ST(x, 1, R); ST(y, 1, L), ADD(y, 1, R), r[0] = LD(y, A); r[1] = LD(x, R))
LITMUS3(mp_rst, "MP through another's store", MAY, r[0] == 2 && !r[1],
	ST(x, 1, R); ST(y, 1, L), if (LD(y, R) == 1) ST(y, 2, R), r[0] = LD(y, A); r[1] = LD(x, R))
static int e1;
LITMUS2(mp_cas, "MP failed cas, relaxed", MAY, r[0] && !r[1],
	ST(x, 1, R); ST(y, 1, L), e1 = 7; CAS(y, &e1, 9, A, R); r[0] = e1; r[1] = LD(x, R))
LITMUS2(mp_casa, "MP failed cas, acquire", NOT, r[0] && !r[1],
	ST(x, 1, R); ST(y, 1, L), e1 = 7; CAS(y, &e1, 9, A, A); r[0] = e1; r[1] = LD(x, R))

LITMUS2(mp_twice, "MP two messages of one value", MAY, r[0] && r[1] && !r[2] && r[3],
	ST(y, 1, R); ST(x, 1, R); ST(y, 1, L); ST(e1, 1, R); ST(z, 1, R),
	r[0] = LD(z, R); r[1] = LD(y, A); r[3] = LD(e1, R); r[2] = LD(x, R))

/* ---- the rest of the alphabet ---- */
LITMUS2(lb, "LB relaxed", NOT, r[0] && r[1],
	r[0] = LD(x, R); ST(y, 1, R), r[1] = LD(y, R); ST(x, 1, R))
LITMUS2(ww, "2+2W relaxed", MAY, x == 1 && y == 1,
	ST(x, 1, R); ST(y, 2, R), ST(y, 1, R); ST(x, 2, R))
LITMUS2(ww_f, "2+2W sc fences", NOT, x == 1 && y == 1,
	ST(x, 1, R); FENCE(SC); ST(y, 2, R), ST(y, 1, R); FENCE(SC); ST(x, 2, R))
LITMUS4(iriw, "IRIW acquire", MAY, r[0] && !r[1] && r[2] && !r[3],
	ST(x, 1, R), ST(y, 1, R), r[0] = LD(x, A); r[1] = LD(y, A), r[2] = LD(y, A); r[3] = LD(x, A))
LITMUS4(iriw_f, "IRIW sc fences", NOT, r[0] && !r[1] && r[2] && !r[3],
	ST(x, 1, R), ST(y, 1, R), r[0] = LD(x, R); FENCE(SC); r[1] = LD(y, R),
	r[2] = LD(y, R); FENCE(SC); r[3] = LD(x, R))
LITMUS3(wrc, "WRC release acquire", NOT, r[1] && !r[2],
	ST(x, 1, R), if (LD(x, A)) ST(y, 1, L), r[1] = LD(y, A); r[2] = r[1] ? LD(x, R) : 1)
LITMUS2(corr, "CoRR", NOT, r[0] && !r[1],
	ST(x, 1, R), r[0] = LD(x, R); r[1] = LD(x, R))
LITMUS2(cowr, "CoWR", NOT, r[0] == 0,
	ST(x, 1, R); r[0] = LD(x, R), ST(x, 2, R))
LITMUS2(cowr2, "CoWR reads another's", MAY, r[0] == 2,
	ST(x, 1, R); r[0] = LD(x, R), ST(x, 2, R))
LITMUS2(atom, "RMW atomic", NOT, x != 2, ADD(x, 1, R), ADD(x, 1, R))
LITMUS2(atoms, "RMW, store between", NOT, r[0] == 0 && r[1] == 1 && x == 1,
	r[0] = ADD(x, 1, R), r[1] = 1; ST(x, 5, R); ST(x, 6, R))
LITMUS2(atomst, "RMW, store not between", NOT, r[0] == 0 && r[1] == 1 && x == 1,
	r[0] = ADD(x, 1, R), ST(x, 5, R); r[1] = LD(x, R))

/* ---- RCU ---- */
LITMUS2(gp, "RCU removal is seen late or waited for", NOT, r[0] && !r[1],
	mc_rcu_read_lock(); r[0] = LD(x, R); r[1] = LD(y, R); mc_rcu_read_unlock(),
	ST(y, 1, R); mc_synchronize_rcu(); ST(x, 1, R))
LITMUS2(gp_out, "RCU without a section", MAY, r[0] && !r[1],
	r[0] = LD(x, R); r[1] = LD(y, R), ST(y, 1, R); mc_synchronize_rcu(); ST(x, 1, R))
LITMUS2(gp_two, "RCU seen in a section, used behind it", NOT, r[0] && !r[1],
	mc_rcu_read_lock(); r[0] = LD(x, R); mc_rcu_read_unlock();
	mc_rcu_read_lock(); r[1] = LD(z, R); mc_rcu_read_unlock(); r[1] = LD(y, R),
	ST(y, 1, R); ST(z, 1, R); mc_synchronize_rcu(); ST(x, 1, R))
LITMUS2(gp_nest, "RCU nested sections", NOT, r[0] && !r[1],
	mc_rcu_read_lock(); mc_rcu_read_lock(); r[0] = LD(x, R); mc_rcu_read_unlock();
	r[1] = LD(y, R); mc_rcu_read_unlock(),
	ST(y, 1, R); mc_synchronize_rcu(); ST(x, 1, R))
LITMUS2(gp_store, "RCU section's store is over", NOT, r[0] == 0 && r[1] == 0,
	mc_rcu_read_lock(); ST(x, 1, R); r[0] = LD(y, R); mc_rcu_read_unlock(),
	ST(y, 1, R); mc_synchronize_rcu(); r[1] = LD(x, R))
LITMUS2(gp_after, "RCU a later section knows", NOT, r[0] == 1 && r[1] == 0,
	ST(x, 1, R); mc_synchronize_rcu(); ST(y, 1, R),
	mc_rcu_read_lock(); r[0] = LD(y, R); r[1] = LD(x, R); mc_rcu_read_unlock())
static int *node_of(int *p) { return p; }
static void gpf_init(void) { ptr = mc_malloc(8); *ptr = 1; }
static void gpf_reader(void)
{
	int *p;

	mc_rcu_read_lock();
	p = node_of(LD(ptr, A));
	if (p)
		r[mc_self()] = *p;
	mc_rcu_read_unlock();
}
static void gpf_writer(void) { int *p = XCHG(ptr, NULL, R); mc_synchronize_rcu(); mc_release(p); }
static void gpf_hasty(void) { mc_release(XCHG(ptr, NULL, R)); }
static const struct mc_scenario gpf = { .name = "RCU free after a grace period", .init = gpf_init,
	.threads = { gpf_reader, gpf_reader, gpf_writer }, .flags = NOT };
static const struct mc_scenario gpf_not = { .name = "RCU free without", .init = gpf_init,
	.threads = { gpf_reader, gpf_hasty }, .flags = MAY };
static void leaver(void) { int *p; mc_rcu_read_lock(); p = LD(ptr, A); mc_rcu_read_unlock(); if (p) r[0] = *p; }
static const struct mc_scenario gpf_late = { .name = "RCU used after its section", .init = gpf_init,
	.threads = { leaver, gpf_writer }, .flags = MAY };

/* ---- membarrier ---- */
static void mbd_1(void) { if (!LD(x, R)) data = 1; }
static void mbd_2(void) { ST(x, 1, R); mc_membarrier(); data = 2; }
static const struct mc_scenario mbd = { .name = "membarrier covers no later plain access",
	.threads = { mbd_1, mbd_2 }, .flags = MAY };
LITMUS2(mbr, "membarrier covers earlier ones", NOT, 0,
	data = 1; ST(y, 1, R),
	if (LD(y, R)) { mc_membarrier(); r[0] = data; })

/* ---- futexes ---- */
static void fut_wait(void)
{
	while (!LD(x, A))
		mc_futex_wait((uint32_t *)&x, 0, INT64_MAX);
	mc_assert(data == 1);
}
static void fut_wake(void) { data = 1; ST(x, 1, L); mc_futex_wake((uint32_t *)&x, 1); }
static void fut_mute(void) { data = 1; ST(x, 1, L); }
static const struct mc_scenario fut = { .name = "futex wait and wake",
	.threads = { fut_wait, fut_wake }, .flags = NOT };
static const struct mc_scenario fut_no = { .name = "futex nobody wakes",
	.threads = { fut_wait, fut_mute }, .flags = MAY };
static const struct mc_scenario fut_two = { .name = "futex two sleepers, one woken",
	.threads = { fut_wait, fut_wait, fut_wake }, .flags = MAY };
static void flag_wait(void)
{
	ST(z, 1, R);
	FENCE(SC);
	if (!LD(x, R))
		mc_futex_wait((uint32_t *)&x, 0, INT64_MAX);
}
static void flag_wake(void) { ST(x, 1, R); FENCE(SC); if (LD(z, R)) mc_futex_wake((uint32_t *)&x, 9); }
static void flag_wake_weak(void) { ST(x, 1, R); if (LD(z, R)) mc_futex_wake((uint32_t *)&x, 9); }
static const struct mc_scenario fut_flag = { .name = "futex waker looks for waiters",
	.threads = { flag_wait, flag_wake }, .flags = NOT };
static const struct mc_scenario fut_flag_weak = { .name = "futex waker looks without a fence",
	.threads = { flag_wait, flag_wake_weak }, .flags = MAY };
static void half_wait(void)
{
	while (!(LD(word, A) & 1))
		mc_futex_wait((uint32_t *)&word, 0, INT64_MAX);
}
static void half_wake(void) { ST(word, 0x500000001ull, L); mc_futex_wake((uint32_t *)&word, 1); }
static const struct mc_scenario fut_half = { .name = "futex half of a word",
	.threads = { half_wait, half_wake }, .flags = NOT };
static void fut_timed(void)
{
	int e = mc_futex_wait((uint32_t *)&x, 0, 100);

	r[0] = e == -110;
	mc_assert(!r[0] || mc_now() == 100);
}
static void timed_f(void) { mc_assert(!r[0]); }
static const struct mc_scenario fut_time = { .name = "futex deadline may pass",
	.threads = { fut_timed, fut_wake }, .fini = timed_f, .flags = MAY };
/* Each nap is another state: only who lets the other store comes to an end. */
static void nap(void)
{
	unsigned naps = 0;

	do {
		ST(z, ++naps, R);
		mc_futex_wait((uint32_t *)&y, 0, 100 * naps);
		FENCE(SC);
	} while (!LD(x, R));
}
static void nap_end(void) { ST(x, 1, R); FENCE(SC); }
static const struct mc_scenario fut_naps = { .name = "futex naps end",
	.threads = { nap, nap_end }, .flags = NOT };
static void two_wait(void)
{
	r[0] = mc_futex_wait2((uint32_t *)&x, 0, (uint32_t *)&y, 0, INT64_MAX);
}
static void two_wake_x(void) { ST(x, 1, R); r[1] = mc_futex_wake((uint32_t *)&x, 1); }
static void two_wake_y(void) { ST(y, 1, R); r[2] = mc_futex_wake((uint32_t *)&y, 1); }
static void two_late(void) { ST(y, 1, R); r[1] = mc_futex_wake((uint32_t *)&x, 1); }
static void two_kept_f(void) { mc_assert(r[2] ? r[0] == 1 : r[0] != 1); }
static void two_both_f(void) { mc_assert(!r[1] || !r[2]); }
static void two_late_f(void) { mc_assert(!r[1] || r[0]); }
static const struct mc_scenario fut_kept = { .name = "futex two words, woken on both is the second",
	.threads = { two_wait, two_wake_x, two_wake_y }, .fini = two_kept_f, .flags = NOT };
static const struct mc_scenario fut_both = { .name = "futex two words, both count the sleeper",
	.threads = { two_wait, two_wake_x, two_wake_y }, .fini = two_both_f, .flags = MAY };
static const struct mc_scenario fut_late = { .name = "futex two words, woken before it compares",
	.threads = { two_wait, two_late }, .fini = two_late_f, .flags = MAY };

/* ---- plain accesses ---- */
LITMUS2(race, "race, flag relaxed", MAY, 0, data = 1; ST(y, 1, R), if (LD(y, R)) r[0] = data)
LITMUS2(race_no, "no race, release acquire", NOT, 0, data = 1; ST(y, 1, L), if (LD(y, A)) r[0] = data)
LITMUS2(race_late, "race, written after the release", MAY, 0,
	ST(y, 1, L); data = 1, if (LD(y, A)) r[0] = data)
LITMUS2(race_ww, "race, two writes", MAY, 0, data = 1; ST(z, 1, R), data = 2; ST(z, 2, R))
LITMUS2(race_wr, "race, write after a read", MAY, 0, r[0] = data; ST(x, 1, R), if (LD(x, R)) data = 2)
LITMUS2(race_rel, "no race, read before the release", NOT, 0, r[0] = data; ST(x, 1, L), if (LD(x, A)) data = 2)
LITMUS2(race_at, "race, atomic and plain read", MAY, 0, ST(x, 1, R), r[0] = x)
LITMUS2(race_at2, "race, atomic read and plain write", MAY, 0, r[0] = LD(x, R), x = 1)
LITMUS2(race_at3, "race, plain write and atomic read", MAY, 0, x = 1; ST(y, 1, R), if (LD(y, R)) r[0] = LD(x, R))
LITMUS2(race_first, "race, with a thread's first access", MAY, 0, ST(x, 1, R), if (LD(x, R)) r[0] = *(volatile int *)&x)
LITMUS2(plain_init, "plain write, then shared", NOT, r[0] == 1 && r[1] != 7,
	x = 7; ST(y, 1, L), r[0] = LD(y, A); r[1] = r[0] ? LD(x, R) : 7)
static unsigned char bytes[4];
LITMUS2(lanes, "no race, bytes side by side", NOT, bytes[0] != 1 || bytes[1] != 2,
	bytes[0] = 1; ST(z, 1, R), bytes[1] = 2; ST(z, 2, R))
LITMUS2(lanes_no, "race, the same byte", MAY, 0, bytes[1] = 1; ST(z, 1, R), bytes[1] = 2; ST(z, 2, R))

/* ---- memory ---- */
static void uaf_f(void) { mc_release(XCHG(ptr, NULL, A)); }
static void uaf_r(void) { int *p = LD(ptr, A); if (p) r[0] = LD(*p, R); }
static const struct mc_scenario uaf = { .name = "use after free, atomic", .init = gpf_init,
	.threads = { uaf_r, uaf_f }, .flags = MAY };
static void uafb_f(void) { mc_release(ptr); ST(x, 1, L); }
static void uafb_r(void) { if (LD(x, A)) r[0] = *ptr; }
static const struct mc_scenario uafb = { .name = "use after free, behind it", .init = gpf_init,
	.threads = { uafb_r, uafb_f }, .flags = MAY };
static void uafu_r(void) { r[0] = LD(*ptr, R); ST(x, 1, R); }
static void uafu_late(void) { if (LD(x, R)) mc_release(ptr); else z = 1; }
static void uafu_fini(void) { if (z) mc_release(ptr); }
static const struct mc_scenario uafu = { .name = "freed under an atomic look", .init = gpf_init,
	.threads = { uafu_r, uafu_late }, .fini = uafu_fini, .flags = MAY };
static void lost_1(void) { ptr = mc_malloc(8); }
static const struct mc_scenario lost = { .name = "memory lost", .threads = { lost_1 }, .flags = MAY };
static void once(void) { int *p = LD(ptr, A); if (p) mc_release(p); }
static const struct mc_scenario twice = { .name = "freed twice", .init = gpf_init,
	.threads = { once, once }, .flags = MAY };
static void counted(void) { if (__atomic_sub_fetch(&z, 1, AL) == 0) mc_release(ptr); }
static void counted_weak(void) { *(volatile int *)ptr; if (__atomic_sub_fetch(&z, 1, R) == 0) mc_release(ptr); }
static void counted_init(void) { gpf_init(); z = 2; }
static const struct mc_scenario last = { .name = "the last one frees", .init = counted_init,
	.threads = { counted, counted }, .flags = NOT };
static const struct mc_scenario last_weak = { .name = "the last one frees, relaxed", .init = counted_init,
	.threads = { counted_weak, counted_weak }, .flags = MAY };
static int pool[2];
static void pois_1(void) { ST(x, 1, L); mc_poison(pool, sizeof(pool)); }
static void pois_2(void) { r[0] = LD(pool[0], R); }
static void pois_3(void) { if (LD(x, A)) r[0] = pool[1]; }
static const struct mc_scenario pois = { .name = "poisoned, atomic look",
	.threads = { pois_1, pois_2 }, .flags = NOT };
static const struct mc_scenario pois_no = { .name = "poisoned, plain look",
	.threads = { pois_1, pois_3 }, .flags = MAY };
static void pois_4(void) { mc_poison(pool, sizeof(pool)); ST(x, 1, L); }
static const struct mc_scenario pois_no2 = { .name = "poisoned, plain look behind it",
	.threads = { pois_4, pois_3 }, .flags = MAY };
static void pois_5(void) { r[0] = pool[0]; ST(x, 1, R); }
static void pois_6(void) { if (LD(x, R)) mc_poison(pool, sizeof(pool)); }
static const struct mc_scenario pois_no3 = { .name = "poisoned under a plain look",
	.threads = { pois_5, pois_6 }, .flags = MAY };
static void reuse_1(void) { int *p = mc_malloc(8); p[0] = 1; r[0] = (int)(uintptr_t)p; mc_release(p); ST(x, 1, L); }
static void reuse_2(void) { int *p; if (!LD(x, A)) return; p = mc_malloc(8); r[1] = r[0] == (int)(uintptr_t)p; mc_release(p); }
static void reuse_f(void) { mc_assert(!r[1]); }
static const struct mc_scenario reuse = { .name = "memory comes back", .threads = { reuse_1, reuse_2 },
	.fini = reuse_f, .flags = MAY | MC_REUSE };
static const struct mc_scenario reuse_no = { .name = "memory does not come back",
	.threads = { reuse_1, reuse_2 }, .fini = reuse_f, .flags = NOT };

/* ---- choices and progress ---- */
static void oom_1(void) { void *p = mc_malloc(8); r[0] = !p; mc_release(p); }
static void oom_f(void) { mc_assert(!r[0]); }
static const struct mc_scenario oom = { .name = "malloc may fail", .threads = { oom_1 }, .fini = oom_f,
	.flags = MAY | MC_FAIL_MALLOC, .faults = 1 };
static const struct mc_scenario oom_no = { .name = "malloc may not fail", .threads = { oom_1 },
	.fini = oom_f, .flags = NOT };
static void abba_1(void) { mc_rcu_read_lock(); while (!LD(x, A)) mc_pause(); mc_rcu_read_unlock(); }
static void abba_2(void) { mc_synchronize_rcu(); ST(x, 1, L); }
static const struct mc_scenario abba = { .name = "deadlock: section and grace period",
	.threads = { abba_1, abba_2 }, .flags = MAY };
static void spin(void) { while (!LD(x, A)) mc_pause(); mc_assert(data == 1); }
static const struct mc_scenario spinning = { .name = "a loop that waits", .threads = { spin, fut_mute },
	.flags = NOT };
static void weak_1(void) { int e = 0; r[0] = __atomic_compare_exchange_n(&x, &e, 1, 1, R, R); }
static void weak_f(void) { mc_assert(r[0]); }
/* clang's interface does not say which are weak */
static const struct mc_scenario weak = { .name = "weak cas may fail", .threads = { weak_1 },
	.fini = weak_f, .faults = 1,
#ifdef __clang__
	.flags = NOT | MC_FAIL_WEAK };
#else
	.flags = MAY | MC_FAIL_WEAK };
#endif
static void *tls_block(void) { static const int one = 41; return mc_tls(4, &one); }
static void tls_1(void) { int *p = tls_block(); (*p)++; ST(z, *p, R); ++*p; mc_assert(*p == 43); }
static const struct mc_scenario tls = { .name = "storage of a thread", .threads = { tls_1, tls_1 },
	.flags = NOT };

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &sb, &sb_ra, &sb_f, &sb_f1, &sb_ar, &sb_sc, &sb_rmw, &sb_mb, &sb_mbs, &sb_gp,
		       &mp, &mp_ra, &mp_rr, &mp_fr, &mp_fa, &mp_af, &mp_rs, &mp_rst, &mp_cas, &mp_casa, &mp_twice,
		       &lb, &ww, &ww_f, &iriw, &iriw_f, &wrc, &corr, &cowr, &cowr2, &atom, &atoms, &atomst,
		       &gp, &gp_out, &gp_two, &gp_nest, &gp_store, &gp_after, &gpf, &gpf_not, &gpf_late,
		       &mbd, &mbr, &fut, &fut_no, &fut_two, &fut_flag, &fut_flag_weak, &fut_half, &fut_time, &fut_naps,
		       &fut_kept, &fut_both, &fut_late,
		       &race, &race_no, &race_late, &race_ww, &race_wr, &race_rel, &race_at, &race_at2,
		       &race_at3, &race_first, &plain_init, &lanes, &lanes_no, &uaf, &uafb, &uafu, &lost, &twice, &last, &last_weak,
		       &pois, &pois_no, &pois_no2, &pois_no3, &reuse, &reuse_no, &oom, &oom_no, &abba,
		       &spinning, &weak, &tls, NULL);
}
