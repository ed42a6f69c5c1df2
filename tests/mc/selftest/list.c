/* SPDX-License-Identifier: MIT */
/*
 * list.c - readers walk a list while its head is replaced and freed.  -DM=n: 1 no
 * grace period, 2 relaxed read of the head, 3 a look outside of the section, 4 a
 * relaxed publication, 5 freed inside one's own section (a deadlock).
 *
 * MC:
 * MC: fails -DM=1
 * MC: fails -DM=2
 * MC: fails -DM=3
 * MC: fails -DM=4
 * MC: fails -DM=5
 */
#include "../mc.h"

#ifndef M
#define M 0
#endif
#define RLX __ATOMIC_RELAXED
#define ACQ __ATOMIC_ACQUIRE
#define REL __ATOMIC_RELEASE

static struct node {
	struct node *next;
	long v;
} *head, *made;

static void init(void)
{
	struct node *a = mc_malloc(sizeof(*a)), *b = mc_malloc(sizeof(*b));

	b->next = NULL;
	b->v = 2;
	a->next = b;
	a->v = 1;
	head = a;
}

static void reader(void)
{
	struct node *n;
	long sum = 0;

	mc_rcu_read_lock();
	n = __atomic_load_n(&head, M == 2 ? RLX : ACQ);
	for (; n; n = __atomic_load_n(&n->next, ACQ))
		sum += n->v;
	mc_rcu_read_unlock();
	mc_assert(sum == 3 || sum == 5);
	if (M == 3)
		mc_assert(__atomic_load_n(&head, ACQ)->v < 100);
}

static void writer(void)
{
	struct node *a = __atomic_load_n(&head, RLX), *c = mc_malloc(sizeof(*c));

	c->v = 3;
	__atomic_store_n(&c->next, __atomic_load_n(&a->next, RLX), RLX);
	__atomic_store_n(&head, c, M == 4 ? RLX : REL);
	made = c;
	if (M == 5)
		mc_rcu_read_lock();
	if (M != 1)
		mc_synchronize_rcu();
	mc_release(a);
}

static void fini(void)
{
	mc_release(made->next);
	mc_release(made);
}

static const struct mc_scenario list = {
	.name = "list", .guarantees = "", .init = init, .threads = { reader, reader, writer },
	.fini = fini, .flags = MC_QUICK,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &list, NULL);
}
