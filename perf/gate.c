/* SPDX-License-Identifier: MIT */
/*
 * gate: each fast path some hundred times, for tests/verify/callgrind to count
 * the instructions of.
 *
 * Collection is on between prepare() and finish() of a path alone, and on this
 * thread.  The names of the paths and how often each was taken go to stdout.
 * Every path runs once before it counts: what a thread's or a context's first
 * call makes is not what the next ones cost.  Calls of the system count as the
 * instruction that makes them.
 *
 * Not here: what starts a thread (urctx_group_go) or sleeps, whose counts are
 * the scheduler's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <urctx/io.h>
#include <urctx/ring.h>
#include <urctx/sync.h>
#include <valgrind/callgrind.h>
#include "bench.h"

/* as many bytes as a socket takes one by one */
enum { TIMES = 256, BATCH = 32, HOUR = 3600 };

#define NEED(expr)                                                             \
	do {                                                                   \
		if (!(expr)) {                                                 \
			fprintf(stderr, "gate: %s\n", #expr);                  \
			exit(1);                                               \
		}                                                              \
	} while (0)

struct path {
	const char *name;
	void (*prepare)(void);
	void (*run)(unsigned n);
	void (*finish)(void);
};

static struct urctx *parent, *child[TIMES], *deep, *timed, *over;
static struct urctx_sem sem;
static struct io_uring ring;
static struct urctx_ring *r;
static struct urctx_op op[BATCH];
static unsigned ended;
static int pair[2];
static char bytes[2 * TIMES];

static const struct urctx_key here = { .name = "here" }, above = { .name = "above" },
	nowhere = { .name = "nowhere" };

static void run_loop(unsigned n)
{
	while (n--)
		BARRIER();
}

static void run_poll(unsigned n)
{
	struct urctx *ctx = parent;

	HIDE(ctx);
	while (n--)
		NEED(!urctx_done(ctx));
}

static void run_poll_background(unsigned n)
{
	struct urctx *none = NULL;

	HIDE(none);
	while (n--)
		NEED(!urctx_done(none));
}

static void run_err(unsigned n)
{
	while (n--)
		NEED(!urctx_err(parent));
}

static void run_err_deadline(unsigned n)
{
	while (n--)
		NEED(!urctx_err(timed));
}

static void run_err_done(unsigned n)
{
	while (n--)
		NEED(urctx_err(over));
}

static void run_cause_done(unsigned n)
{
	while (n--)
		NEED(urctx_cause(over));
}

static void run_value(unsigned n)
{
	while (n--)
		NEED(urctx_value(deep, &here));
}

static void run_value_above(unsigned n)
{
	while (n--)
		NEED(urctx_value(deep, &above));
}

static void run_value_nowhere(unsigned n)
{
	while (n--)
		NEED(!urctx_value(deep, &nowhere));
}

static void run_get_put(unsigned n)
{
	while (n--)
		urctx_put(urctx_get(parent));
}

static void run_derive_put(unsigned n)
{
	while (n--) {
		struct urctx *c;

		NEED(!urctx_with_cancel(parent, &c));
		urctx_put(c);
	}
}

static void run_deadline_put(unsigned n)
{
	int64_t when;

	NEED(urctx_deadline(timed, &when));
	while (n--) {
		struct urctx *c;

		NEED(!urctx_with_deadline(parent, when, &c));
		urctx_put(c);
	}
}

static void run_value_put(unsigned n)
{
	while (n--) {
		struct urctx *c;

		NEED(!urctx_with_value(parent, &here, bytes, &c));
		urctx_put(c);
	}
}

static void children(void)
{
	for (unsigned i = 0; i < TIMES; i++)
		NEED(!urctx_with_cancel(parent, &child[i]));
}

static void no_children(void)
{
	for (unsigned i = 0; i < TIMES; i++)
		urctx_put(child[i]);
}

static void run_cancel(unsigned n)
{
	while (n--)
		NEED(urctx_cancel(child[n]));
}

static void nothing(struct urctx_callback *cb)
{
	HIDE(cb);
}

static void run_after_stop(unsigned n)
{
	struct urctx_callback cb = { { NULL } };

	while (n--) {
		NEED(!urctx_after(parent, &cb, nothing));
		NEED(urctx_stop(&cb));
	}
}

static void run_sem(unsigned n)
{
	while (n--) {
		NEED(!urctx_sem_acquire(&sem, parent, 1));
		urctx_sem_release(&sem, 1);
	}
}

static void run_group(unsigned n)
{
	while (n--) {
		struct urctx_group g = { { 0 } };
		struct urctx *ctx;

		NEED(!urctx_group_init(&g, parent, 0, &ctx));
		NEED(!urctx_group_wait(&g));
	}
}

static void fill(void)
{
	NEED(write(pair[1], bytes, TIMES) == TIMES);
}

static void run_recv(unsigned n)
{
	char c;

	while (n--)
		NEED(urctx_recv(parent, pair[0], &c, 1, 0) == 1);
}

static void run_send(unsigned n)
{
	while (n--)
		NEED(urctx_send(parent, pair[1], bytes, 1, 0) == 1);
}

static void empty(void)
{
	size_t left = TIMES;

	while (left) {
		ssize_t got = read(pair[0], bytes, left);

		NEED(got > 0);
		left -= (size_t)got;
	}
}

static void complete(struct urctx_op *o)
{
	NEED(!o->res);
	ended++;
}

/* As a loop does it: a batch, a turn, a system call, and each CQE to its op. */
static void turns(unsigned n, int64_t deadline)
{
	while (n) {
		struct io_uring_cqe *cqe;
		unsigned head, seen = 0;

		for (unsigned i = 0; i < BATCH; i++) {
			struct io_uring_sqe *sqe = urctx_ring_sqe(r);

			NEED(sqe);
			io_uring_prep_nop(sqe);
			op[i].complete = complete;
			NEED(!urctx_ring_bind_flags(r, sqe, parent, &op[i], deadline, 0));
		}
		NEED(urctx_ring_turn(r) >= 0);
		ended = 0;
		NEED(io_uring_submit_and_wait(&ring, BATCH) >= 0);
		io_uring_for_each_cqe(&ring, head, cqe) {
			seen++;
			NEED(urctx_ring_dispatch(r, cqe));
		}
		io_uring_cq_advance(&ring, seen);
		NEED(ended == BATCH);
		n -= BATCH;
	}
}

static void run_bind(unsigned n)
{
	turns(n, URCTX_NEVER);
}

static void run_bind_deadline(unsigned n)
{
	int64_t when;

	NEED(urctx_deadline(timed, &when));
	turns(n, when);
}

static void run_turn(unsigned n)
{
	while (n--)
		NEED(urctx_ring_turn(r) == URCTX_NEVER);
}

static const struct path paths[] = {
	{ "loop", NULL, run_loop, NULL },
	{ "poll", NULL, run_poll, NULL },
	{ "poll_background", NULL, run_poll_background, NULL },
	{ "err", NULL, run_err, NULL },
	{ "err_deadline", NULL, run_err_deadline, NULL },
	{ "err_done", NULL, run_err_done, NULL },
	{ "cause_done", NULL, run_cause_done, NULL },
	{ "value", NULL, run_value, NULL },
	{ "value_above", NULL, run_value_above, NULL },
	{ "value_nowhere", NULL, run_value_nowhere, NULL },
	{ "get_put", NULL, run_get_put, NULL },
	{ "derive_put", NULL, run_derive_put, NULL },
	{ "deadline_put", NULL, run_deadline_put, NULL },
	{ "value_put", NULL, run_value_put, NULL },
	{ "cancel_leaf", children, run_cancel, no_children },
	{ "after_stop", NULL, run_after_stop, NULL },
	{ "sem", NULL, run_sem, NULL },
	{ "group_empty", NULL, run_group, NULL },
	{ "recv", fill, run_recv, NULL },
	{ "send", NULL, run_send, empty },
	{ "bind_dispatch", NULL, run_bind, NULL },
	{ "bind_deadline", NULL, run_bind_deadline, NULL },
	{ "turn", NULL, run_turn, NULL },
};

static void counted(const struct path *p)
{
	for (int counts = 0; counts < 2; counts++) {
		if (p->prepare)
			p->prepare();
		if (counts) {
			CALLGRIND_TOGGLE_COLLECT;
			p->run(TIMES);
			CALLGRIND_TOGGLE_COLLECT;
			CALLGRIND_DUMP_STATS_AT(p->name);
		} else {
			p->run(TIMES);
		}
		if (p->finish)
			p->finish();
	}
	printf("%s %d\n", p->name, TIMES);
}

int main(void)
{
	struct urctx_ring_params params = { .ops = 2 * BATCH };
	struct urctx *values;

	NEED(!urctx_with_cancel(NULL, &parent));
	NEED(!urctx_with_timeout(NULL, HOUR * INT64_C(1000000000), &timed));
	NEED(!urctx_with_cancel(NULL, &over));
	urctx_cancel(over);
	NEED(!urctx_with_value(parent, &above, bytes, &values));
	NEED(!urctx_with_value(values, &here, bytes, &deep));
	urctx_sem_init(&sem, 1);
	NEED(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	/* 77: where io_uring is forbidden half of this says nothing */
	if (io_uring_queue_init(2 * BATCH, &ring, 0) ||
	    urctx_ring_attach(&ring, &params, &r)) {
		puts("io_uring is forbidden here");
		return 77;
	}
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		counted(&paths[i]);
	NEED(!urctx_ring_detach(r, URCTX_NEVER));
	io_uring_queue_exit(&ring);
	urctx_put(deep);
	urctx_put(values);
	urctx_put(over);
	urctx_put(timed);
	urctx_put(parent);
	return 0;
}
