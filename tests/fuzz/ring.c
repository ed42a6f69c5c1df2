/* SPDX-License-Identifier: MIT */
/*
 * ring.c - ops of an io_uring, in any order of binding, feeding and ending
 *
 * Every op that bind took completes once for each CQE and is over with the last,
 * every other one never; what the library says is in flight is what we count; a
 * callback of a ring runs in a turn, and behind the ops of its context; and in the
 * end drain and detach find an end, and leave no CQE behind.  What the kernel
 * answers, and when, is its business: only what must hold in any case is asked.
 *
 * The first byte is the ring's kind, the last one how the end goes.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <urctx/ring.h>

#include "fuzz.h"

#define OPS	24
#define CTXS	12
#define CALLS	6
#define PIPES	3
#define DEPTH	2
#define PATIENCE (20 * INT64_C(1000000000))
#define USEC	INT64_C(1000)
#define SIGNAL	SIGRTMIN	/* the others are libFuzzer's */

const char fuzz_name[] = "ring";

struct f_op {
	struct urctx_op op;		/* first */
	bool bound;			/* in flight */
	int ctx;			/* -1: none */
	unsigned calls;
	char buf[4];
};

struct f_call {
	struct urctx_callback cb;	/* first */
	bool armed, idle;
	int ctx;
};

static struct {
	struct io_uring u;
	struct urctx_ring *r;
	struct f_op op[OPS];
	struct f_call call[CALLS];
	struct urctx *ctx[CTXS];
	bool gone[CTXS];		/* put by us; held by ops perhaps */
	unsigned nr_ctx, depth;
	long in_flight;
	bool closing;
	bool wants_end;			/* an op that the kernel is not asked to abort */
	int pipe[PIPES][2];
	struct bytes b;
} f;

bool fuzz_can(void)
{
	struct io_uring u;
	int ret = io_uring_queue_init(2, &u, 0);

	if (!ret)
		io_uring_queue_exit(&u);
	else
		printf("fuzz ring: skipped: io_uring_setup: %s\n", strerror(-ret));
	return !ret;
}

static void act(void);

/* Foreign code may call, a little deep. */
static void nested(void)
{
	if (f.depth == DEPTH || f.closing || !more(&f.b))
		return;
	f.depth++;
	if (take(&f.b) & 1)
		act();
	f.depth--;
}

static void complete(struct urctx_op *op)
{
	struct f_op *o = (struct f_op *)op;

	expect(o->bound, "op %d is not in flight", (int)(o - f.op));
	expect(op->res > -512, "res %d", op->res);
	o->calls++;
	if (!(op->cqe_flags & IORING_CQE_F_MORE)) {
		o->bound = false;
		f.in_flight--;
	}
	nested();
}

static void called(struct urctx_callback *cb)
{
	struct f_call *c = (struct f_call *)cb;
	unsigned i;

	expect(c->armed, "callback %d", (int)(c - f.call));
	expect(urctx_err(f.ctx[c->ctx]), "its context is live");
	for (i = 0; i < OPS && c->idle; i++)
		expect(!f.op[i].bound || f.op[i].ctx != c->ctx, "op %u is in flight", i);
	c->armed = false;
	urctx_put(f.ctx[c->ctx]);
	nested();
}

static struct urctx *some_ctx(int *index)
{
	unsigned i = take(&f.b) % (CTXS + 2);

	*index = i < f.nr_ctx && !f.gone[i] ? (int)i : -1;
	return *index < 0 ? NULL : f.ctx[i];
}

static int64_t when(void)
{
	unsigned by = take(&f.b);

	return by < 128 ? URCTX_NEVER : urctx_now() + ((int64_t)by - 140) * USEC;
}

static void derive(void)
{
	int p;
	struct urctx *parent = some_ctx(&p), **child = &f.ctx[f.nr_ctx];

	if (f.nr_ctx == CTXS)
		return;
	if (take(&f.b) & 1)
		expect(!urctx_with_deadline(parent, when(), child), "no memory");
	else
		expect(!urctx_with_cancel(parent, child), "no memory");
	f.gone[f.nr_ctx++] = false;
}

static void prepare(struct io_uring_sqe *sqe, struct f_op *o, unsigned kind)
{
	static struct __kernel_timespec soon = { .tv_nsec = 20000 };
	int fd = f.pipe[kind / 16 % PIPES][0];

	switch (kind % 8) {
	case 0:
		io_uring_prep_nop(sqe);
		break;
	case 1:
		io_uring_prep_timeout(sqe, &soon, 0, 0);
		break;
	case 2:
		io_uring_prep_poll_add(sqe, fd, POLLIN);
		break;
	case 3:
		io_uring_prep_poll_multishot(sqe, fd, POLLIN);
		break;
	case 4:
		io_uring_prep_read(sqe, -1, o->buf, 1, 0);
		break;
	default:
		io_uring_prep_read(sqe, fd, o->buf, sizeof(o->buf), 0);
		break;
	}
}

/* 0, or what the manual has for it. */
static void bind_op(struct f_op *o, struct io_uring_sqe *sqe)
{
	bool busy = o->bound, poll = sqe->opcode == IORING_OP_POLL_ADD;
	int index, ret;
	struct urctx *ctx = some_ctx(&index);
	unsigned flags = take(&f.b);
	int64_t deadline = when();

	flags = flags < 0xc0 ? 0 : flags < 0xd0 ? URCTX_OP_LINK_TIMEOUT :
		flags < 0xf0 ? URCTX_OP_NO_ABORT : 1U << (flags & 31);
	if (poll)
		flags &= ~URCTX_OP_NO_ABORT;	/* a multishot one ends by nothing else */
	if (!busy)
		o->op.complete = complete;
	ret = urctx_ring_bind_flags(f.r, sqe, ctx, &o->op, deadline, flags);
	if (!ret && flags & URCTX_OP_NO_ABORT)
		f.wants_end = true;
	if (ret) {
		expect(ret == -EBUSY || ret == -EINVAL || ret == -EOPNOTSUPP, "%d", ret);
		expect(ret != -EBUSY || busy || flags & URCTX_OP_LINK_TIMEOUT, "busy");
		return;
	}
	expect(!busy, "op %d was in flight", (int)(o - f.op));
	o->bound = true;
	o->ctx = index;
	f.in_flight++;
}

/* A chain of some, of which each may be refused. */
static void start(void)
{
	unsigned nr = take(&f.b), i;

	nr = nr < 192 ? 1 : 2 + nr % 3;
	for (i = 0; i < nr; i++) {
		struct f_op *o = &f.op[take(&f.b) % OPS];
		unsigned kind = take(&f.b), how = take(&f.b);
		struct io_uring_sqe *sqe = urctx_ring_sqe(f.r);

		if (!sqe)
			return;
		prepare(sqe, o, kind);
		if (i + 1 < nr)
			sqe->flags |= how & 1 ? IOSQE_IO_LINK : IOSQE_IO_HARDLINK;
		if (how >= 0xf8)
			sqe->flags |= IOSQE_ASYNC;
		else if (how >= 0xf0)
			sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
		bind_op(o, sqe);
	}
}

static void callback(void)
{
	struct f_call *c = &f.call[take(&f.b) % CALLS];
	int index;
	struct urctx *ctx = some_ctx(&index);

	if (c->armed) {
		expect(urctx_try_stop(&c->cb), "armed");
		c->armed = false;
		urctx_put(f.ctx[c->ctx]);
		return;
	}
	c->idle = take(&f.b) & 1;
	if (!ctx)
		return;
	*c = (struct f_call){ .idle = c->idle, .armed = true, .ctx = index };
	urctx_get(ctx);
	expect(!(c->idle ? urctx_ring_idle : urctx_ring_after)(f.r, ctx, &c->cb, called),
	       "no memory");
}

static void feed(unsigned i)
{
	(void)!write(f.pipe[i % PIPES][1], "four", 1 + i / PIPES % 4);
}

static void reap(void)
{
	struct io_uring_cqe *cqe;
	unsigned most = 8;

	(void)io_uring_submit_and_get_events(&f.u);
	while (most-- && !io_uring_peek_cqe(&f.u, &cqe)) {
		struct io_uring_cqe copy = *cqe;

		io_uring_cqe_seen(&f.u, cqe);
		expect(urctx_ring_dispatch(f.r, &copy), "user_data %llx",
		       (unsigned long long)copy.user_data);
	}
}

static void ended(bool cancel)
{
	int index;
	struct urctx *ctx = some_ctx(&index);

	if (cancel) {
		(void)urctx_cancel(ctx);
	} else if (ctx) {
		f.gone[index] = true;
		urctx_put(ctx);
	}
}

static void act(void)
{
	unsigned op = take(&f.b) % 16;
	int ret;

	switch (op) {
	case 0:
	case 1:
		derive();
		break;
	case 2:
	case 3:
	case 4:
	case 5:
		start();
		break;
	case 6:
	case 7:
		ended(op & 1);
		break;
	case 8:
		urctx_op_cancel(&f.op[take(&f.b) % OPS].op, NULL);
		break;
	case 9:
		urctx_op_deadline(&f.op[take(&f.b) % OPS].op, when());
		break;
	case 10:
	case 11:
		callback();
		break;
	case 12:
		feed(take(&f.b));
		break;
	case 13:
		expect(urctx_ring_turn(f.r) >= 0, "turn");
		break;
	case 14:
		if (!f.depth) {
			reap();
			break;
		}
		ret = urctx_ring_wait(f.r, 0);
		expect(ret == -EDEADLK, "%d", ret);
		break;
	default:
		if (f.depth)
			break;
		ret = urctx_ring_wait(f.r, 0);
		expect(ret >= 0 || ret == -EINTR, "%d", ret);
		break;
	}
}

static void count(void)
{
	struct urctx_ring_stats st;

	urctx_ring_stats(f.r, &st, sizeof(st));
	expect((long)st.in_flight == f.in_flight, "%ld in flight, not %ld",
	       (long)st.in_flight, f.in_flight);
	expect(!st.stale, "%ld stale", (long)st.stale);
}

static void begin(void)
{
	static const unsigned MODES[] = {
		0, IORING_SETUP_COOP_TASKRUN, IORING_SETUP_SUBMIT_ALL,
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	};
	unsigned mode = take(&f.b), flags = mode >> 4 & 7, i;
	struct io_uring_params p = { .flags = MODES[mode % 4] };
	struct urctx_ring_params rp = { .ops = mode & 0x80 ? 4 : 0 };

	/* not both: -EOPNOTSUPP */
	rp.flags = flags == 5 || flags == 7 ? URCTX_RING_TIMER : flags;
	expect(!io_uring_queue_init_params(2U << (mode >> 2 & 3), &f.u, &p), "setup");
	expect(!urctx_ring_attach(&f.u, &rp, &f.r), "attach");
	for (i = 0; i < PIPES; i++)
		expect(!pipe2(f.pipe[i], O_CLOEXEC), "pipe2");
	for (i = 0; i < PIPES; i++)
		(void)fcntl(f.pipe[i][1], F_SETFL, O_NONBLOCK);
}

static void handler(int sig)
{
	(void)sig;
}

/* One, in so many us: more of them would hide a wake that is lost. */
static timer_t interrupt(long us)
{
	struct sigaction sa = { .sa_handler = handler };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGNAL };
	struct itimerspec once = { .it_value.tv_nsec = us * 1000 };
	timer_t timer;

	expect(!sigaction(SIGNAL, &sa, NULL), "sigaction");
	expect(!timer_create(CLOCK_MONOTONIC, &ev, &timer), "timer_create");
	expect(!timer_settime(timer, 0, &once, NULL), "timer_settime");
	return timer;
}

/* Also libFuzzer has an alarm, every half minute. */
static void drain(void)
{
	int64_t deadline = urctx_now() + PATIENCE;
	int ret;

	do {
		ret = urctx_ring_drain(f.r, NULL, deadline);
	} while (ret == -EINTR);
	expect(!ret, "stuck: %d, %ld in flight", ret, f.in_flight);
}

static void detach(void)
{
	int64_t deadline = urctx_now() + PATIENCE;
	int ret;

	do {
		ret = urctx_ring_detach(f.r, deadline);
	} while (ret == -EINTR);
	expect(!ret, "stuck: %d, %ld in flight", ret, f.in_flight);
}

static void leave(unsigned how)
{
	timer_t timer;
	unsigned i;

	if (how >> 1)
		timer = interrupt((how >> 1) * 400);
	if (how & 1) {
		for (i = 0; i < f.nr_ctx; i++)
			(void)urctx_cancel(f.gone[i] ? NULL : f.ctx[i]);
		for (i = 0; i < OPS; i++)
			urctx_op_cancel(&f.op[i].op, NULL);
		drain();
		expect(!f.in_flight, "%ld", f.in_flight);
		count();
	}
	detach();
	if (how >> 1)
		timer_delete(timer);
}

static void end(unsigned how)
{
	struct io_uring_cqe *cqe;
	unsigned i;

	f.closing = true;
	for (i = 0; i < PIPES && f.wants_end; i++)
		close(f.pipe[i][1]);
	leave(how);
	expect(!f.in_flight, "%ld", f.in_flight);
	for (i = 0; i < OPS; i++)
		expect(!f.op[i].bound, "op %u", i);
	expect(io_uring_peek_cqe(&f.u, &cqe) == -EAGAIN, "a CQE is left");
	for (i = 0; i < CALLS; i++)
		if (f.call[i].armed)
			urctx_put(f.ctx[f.call[i].ctx]);
	for (i = 0; i < f.nr_ctx; i++)
		urctx_put(f.gone[i] ? NULL : f.ctx[i]);
	for (i = 0; i < PIPES; i++) {
		close(f.pipe[i][0]);
		if (!f.wants_end)
			close(f.pipe[i][1]);
	}
	io_uring_queue_exit(&f.u);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned how = size > 1 ? data[--size] : 0;

	memset(&f, 0, sizeof(f));
	f.b = (struct bytes){ data, data + size };
	begin();
	while (more(&f.b)) {
		act();
		count();
	}
	end(how);
	return 0;
}
