/* SPDX-License-Identifier: MIT */
/*
 * slots.c - a tree of two levels: is a child lost that is added while its parent
 * is cancelled?  Each order has a number; -DM=n leaves the n-th out.
 *
 * MC:
 * MC: fails -DM=1
 * MC: fails -DM=2
 * MC: fails -DM=3
 * MC: fails -DM=4
 * MC: fails -DM=13
 * MC: fails -DM=14
 * MC: fails -DM=5
 * MC: fails -DM=6
 * MC: fails -DM=7
 * MC: -DBIG
 * MC: fails -DBIG -DM=4
 */
#include "../mc.h"

#ifndef M
#define M 0
#endif
#define RLX __ATOMIC_RELAXED
#define ACQ __ATOMIC_ACQUIRE
#define REL __ATOMIC_RELEASE
#define ORD(n, o) (M == (n) ? RLX : (o))

enum { LIVE, CLAIMED, DONE };
#define KIDS 2

static struct node {
	unsigned state;
	struct node *first;
	struct node *next;
	int cause;
} p, k[KIDS];

static inline void full_fence(int n)
{
	if (M == n)
		return;
	if (M == n + 10)
		__atomic_thread_fence(__ATOMIC_ACQ_REL);
	else
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void cancel(struct node *c, int cause, int deep)
{
	unsigned s = LIVE;
	struct node *n;

	if (!__atomic_compare_exchange_n(&c->state, &s, CLAIMED, 0, RLX, RLX))
		return;
	c->cause = cause;
	__atomic_store_n(&c->state, DONE, ORD(1, REL));
	if (!deep)
		return;
	full_fence(3);
	for (n = __atomic_load_n(&c->first, ORD(6, ACQ)); n; n = n->next)
		cancel(n, cause, 0);
}

static void add(struct node *c)
{
	struct node *head = __atomic_load_n(&p.first, RLX);

	do
		c->next = head;
	while (!__atomic_compare_exchange_n(&p.first, &head, c, 0, ORD(5, REL), RLX));
	full_fence(4);
	if (__atomic_load_n(&p.state, ORD(2, ACQ)) == DONE)
		cancel(c, p.cause, 0);
}

static void t_cancel(void)
{
	cancel(&p, 7, 1);
}

static void t_add0(void)
{
	add(&k[0]);
}

static void t_add1(void)
{
	add(&k[1]);
}

static void t_wait(void)
{
	if (__atomic_load_n(&k[0].state, ORD(7, ACQ)) == DONE)
		mc_assert(k[0].cause == 7);
}

static void ended(void)
{
	mc_assert(k[0].state == DONE && k[0].cause == 7);
#ifdef BIG
	mc_assert(k[1].state == DONE && k[1].cause == 7);
#endif
}

static const struct mc_scenario slots = {
	.name = "slots", .guarantees = "", .fini = ended, .flags = MC_QUICK,
#ifdef BIG
	.threads = { t_cancel, t_add0, t_wait, t_add1 },
#else
	.threads = { t_cancel, t_add0, t_wait },
#endif
};

int main(int argc, char **argv)
{
	(void)t_add1;
	return mc_main(argc, argv, &slots, NULL);
}
