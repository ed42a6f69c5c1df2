/* SPDX-License-Identifier: MIT */
/*
 * s_ring_wake.c - the list by which other threads reach a ring's owner (G11)
 *
 * Every node is taken once and whole, the owner never sleeps over one, and nobody
 * touches a node, the list or its eventfd once the owner may have freed them.
 */
#include "mc.h"

#include "atomic.h"

/* An eventfd: a counter that somebody may sleep on.  The kernel orders both. */
static uint32_t counter;
static int is_open;

int mc_eventfd(void)
{
	is_open = 1;
	return 7;
}

void mc_eventfd_write(int fd)
{
	mc_assert(fd == 7 && is_open);
	__atomic_fetch_add(&counter, 1, __ATOMIC_RELEASE);
	mc_futex_wake(&counter, 1);
}

static uint32_t written(void)
{
	return __atomic_load_n(&counter, __ATOMIC_ACQUIRE);
}

uint64_t mc_eventfd_read(int fd)
{
	uint32_t sum;

	mc_assert(fd == 7 && is_open);
	while (!(sum = __atomic_exchange_n(&counter, 0, __ATOMIC_ACQUIRE)))
		mc_futex_wait(&counter, 0, INT64_MAX);
	return sum;
}

void mc_eventfd_close(int fd)
{
	(void)fd;
	is_open = 0;
}

#include "ring_wake.c"

#define NODES 3

struct node {
	struct wake_node wake;
	int payload;
};

static struct wake *w;
static struct node *node[NODES];
static int expected, taken, sum;

static void init(int nodes)
{
	w = mc_alloc(sizeof(*w), 64);
	mc_assert(w && !wake_open(w));
	expected = nodes;
	for (int i = 0; i < nodes; i++) {
		node[i] = mc_alloc(sizeof(struct node), 8);
		mc_assert(node[i]);
	}
}

static void init_two(void)
{
	init(2);
}

static void init_three(void)
{
	init(3);
}

static void push(int i)
{
	node[i]->payload = 1 << i;
	wake_push(w, &node[i]->wake, false);
}

static void push_first(void)
{
	push(0);
}

static void push_second(void)
{
	push(1);
}

static void push_two(void)
{
	push(1);
	push(2);
}

static void take(void)
{
	struct wake_node *n, *next;

	for (n = wake_take(w); n; n = next) {
		struct node *own = (struct node *)n;

		next = wake_next(w, n);
		sum += own->payload;
		taken++;
		mc_free(own);
	}
}

/* Sleeps between two takes, and at the end there is nothing left of it all. */
static void own(void)
{
	for (;;) {
		uint32_t before = written();

		take();
		if (taken == expected)
			break;
		mc_futex_wait(&counter, before, INT64_MAX);
	}
	wake_close(w);
	mc_free(w);
}

/* The same, and the owner ends a context himself in between. */
static void own_and_push(void)
{
	node[2]->payload = 4;
	wake_push(w, &node[2]->wake, true);
	own();
}

static void fini(void)
{
	mc_assert(taken == expected && sum == (1 << expected) - 1);
	mc_assert(!is_open);
}

static const struct mc_scenario two = {
	"ring_wake_two", "G11", init_two,
	{ push_first, push_second, own }, fini, MC_QUICK,
};
static const struct mc_scenario again = {
	"ring_wake_again", "G11", init_three,
	{ push_first, push_two, own }, fini, 0,
};
static const struct mc_scenario quiet = {
	"ring_wake_quiet", "G11", init_three,
	{ push_first, push_second, own_and_push }, fini, MC_QUICK,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &two, &again, &quiet, NULL);
}
