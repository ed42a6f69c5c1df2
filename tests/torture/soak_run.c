/* SPDX-License-Identifier: MIT */
/*
 * soak_run.c - one kind of op on one kind of ring, ended by one who may
 *
 * Nothing here sleeps to let others go first: the moment at which an op is ended
 * is so many turns, or so many steps of a count, away.
 */
#include <signal.h>
#include <sys/utsname.h>

#include "soak.h"

static const struct urctx_cause why = { .reason = "soak", .code = -1 };

static const char *const names[] = {
	"owner", "elsewhere", "context-deadline", "deadline", "moved-deadline",
	"op-cancel", "detach",
};

const char *who_name(enum who who)
{
	return names[who];
}

static const struct urctx_cause *cause_of(enum who who)
{
	if (who == DETACH)
		return &urctx_canceled;
	if (who == CTX_DEADLINE || who == OP_DEADLINE || who == MOVED)
		return &urctx_deadline_exceeded;
	return &why;
}

static void count(uint64_t *what)
{
	__atomic_store_n(what, *what + 1, __ATOMIC_RELAXED);
}

static bool aborted(int res)
{
	return res == -ECANCELED || res == -EINTR;
}

/* 6.1 gives an fsync up, seldom, that comes while it makes its first bounded worker. */
static bool kernel_is_old(void)
{
	struct utsname u;

	return !uname(&u) && !strncmp(u.release, "6.1.", 4);
}

static void completed(struct urctx_op *op)
{
	struct place *p = (struct place *)op;
	struct run *run = p->run;

	must(p->busy);
	must(!op->cause || op->cause == cause_of(run->who) ||
	     op->cause == &urctx_canceled);		/* what is left at the end */
	if (aborted(op->res) && !op->cause && !(run->signals && op->res == -EINTR) &&
	    !(op->res == -ECANCELED && run->kind->opcode == IORING_OP_FSYNC && kernel_is_old())) {
		fprintf(stderr, "%s, %s, %s: %d, and was not told to end\n",
			run->kind->name, run->ring->name, who_name(run->who), op->res);
		abort();
	}
	if (run->kind->got && !(run->kind->traits & ZEROCOPY && p->cqes))
		run->kind->got(p, op->res, op->cqe_flags);
	p->cqes++;
	if (op->cqe_flags & IORING_CQE_F_MORE)
		return;
	if (op->cause) {
		count(&run->told);
		if (!aborted(op->res))
			count(&run->late);
	}
	p->busy = false;
	urctx_put(p->ctx);
	p->ctx = NULL;
	count(&run->ended);
}

static void tail_completed(struct urctx_op *op)
{
	struct place *p = (struct place *)((char *)op - offsetof(struct place, tail));

	must(p->tail_busy);
	must(op->res == 0 || op->res == -ECANCELED);
	p->tail_busy = false;
	count(&p->run->tails);
}

/* Into a box, for whoever ends it; true: there was one. */
static bool give(struct run *run, struct urctx *ctx)
{
	struct urctx **box = &run->box[chance(&run->seed) % BOXES], *none = NULL;

	urctx_get(ctx);
	if (__atomic_compare_exchange_n(box, &none, ctx, false, __ATOMIC_RELEASE,
					__ATOMIC_RELAXED))
		return true;
	urctx_put(ctx);
	return false;
}

static void *end_what_comes(void *arg)
{
	struct run *run = arg;
	uint64_t seed = run->salt ^ (uint64_t)(uintptr_t)&seed;
	unsigned empty = 0;

	while (!__atomic_load_n(&run->over, __ATOMIC_RELAXED)) {
		struct urctx **box = &run->box[chance(&seed) % BOXES], *ctx;

		if (!__atomic_load_n(box, __ATOMIC_RELAXED)) {
			if (++empty % BOXES == 0)
				sched_yield();
			continue;
		}
		ctx = __atomic_exchange_n(box, NULL, __ATOMIC_ACQUIRE);
		for (volatile unsigned n = chance(&seed) % 2048; n; n--)
			;
		urctx_cancel_cause(ctx, &why);
		urctx_put(ctx);
	}
	return NULL;
}

static void *feed(void *arg)
{
	struct run *run = arg;
	uint64_t seed = ~run->salt ^ 0x9e3779b97f4a7c15;

	while (!__atomic_load_n(&run->over, __ATOMIC_RELAXED)) {
		struct place *p = &run->place[chance(&seed) % PLACES];

		for (volatile unsigned n = chance(&seed) % 4096; n; n--)
			;
		run->kind->feed(p);
		if (chance(&seed) % 16 == 0)
			sched_yield();
	}
	return NULL;
}

/* Whatever the owner is doing, he is interrupted. */
static void *disturb(void *arg)
{
	struct run *run = arg;
	uint64_t seed = run->salt;

	while (!__atomic_load_n(&run->over, __ATOMIC_RELAXED)) {
		for (volatile unsigned n = chance(&seed) % 8192; n; n--)
			;
		must(pthread_kill(run->owner, SIGUSR1) == 0);
		sched_yield();
	}
	return NULL;
}

static struct io_uring_sqe *sqe_of(struct run *run)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = urctx_ring_sqe(run->r))) {
		int ret = urctx_ring_wait(run->r, 0);

		must(ret >= 0 || ret == -EINTR);
	}
	return sqe;
}

/* A chain must not be submitted in two parts. */
static void room_for_two(struct run *run)
{
	while (io_uring_sq_space_left(&run->u) < 3) {	/* and one of a timer */
		int ret = io_uring_submit(&run->u);

		must(ret >= 0 || ret == -EINTR);
	}
}

static void begin(struct place *p)
{
	struct run *run = p->run;
	int64_t deadline = URCTX_NEVER, soon = urctx_now() + chance(&run->seed) % 60000;
	bool chain = run->kind->traits & CHAIN;
	struct io_uring_sqe *sqe;

	if (run->who == CTX_DEADLINE)
		must(urctx_with_deadline(run->root, soon, &p->ctx) == 0);
	else
		must(urctx_with_cancel(run->root, &p->ctx) == 0);
	if (run->who == OP_DEADLINE)
		deadline = soon;
	if (run->who == MOVED)
		deadline = soon + INT64_C(1000000000000);
	/* now and then it is ended while it is bound, or before */
	bool given = run->who == ELSEWHERE && chance(&run->seed) % 8 == 0 &&
		     give(run, p->ctx);
	if (chain)
		room_for_two(run);
	sqe = sqe_of(run);
	run->kind->prep(p, sqe);
	p->busy = true;
	p->cqes = 0;
	p->op.complete = completed;
	must(urctx_ring_bind_flags(run->r, sqe, p->ctx, &p->op, deadline, 0) == 0);
	if (chain) {
		sqe = sqe_of(run);
		if (run->kind->traits & DRAINS)
			sqe->flags |= IOSQE_IO_DRAIN;
		p->tail.complete = tail_completed;
		p->tail_busy = true;
		must(urctx_ring_bind(run->r, sqe, p->ctx, &p->tail) == 0);
	}
	p->delay = chance(&run->seed) % 4;
	if (run->who == ELSEWHERE && !given && !give(run, p->ctx))
		urctx_cancel_cause(p->ctx, &why);
	count(&run->bound);
}

static void act(struct place *p)
{
	struct run *run = p->run;

	if (p->delay && p->delay--)
		return;
	switch (run->who) {
	case OWNER:
		urctx_cancel_cause(p->ctx, &why);
		break;
	case OP_CANCEL:
		urctx_op_cancel(&p->op, &why);
		break;
	case MOVED:
		urctx_op_deadline(&p->op, urctx_now() + chance(&run->seed) % 20000);
		p->delay = UINT32_MAX;
		break;
	default:
		break;
	}
}

static void attach(struct run *run)
{
	struct urctx_ring_params params = { .flags = run->ring->attach };

	if (run->kind->traits & DRAINS)
		params.flags |= URCTX_RING_DRAIN;
	must(urctx_ring_attach(&run->u, &params, &run->r) == 0);
}

static void detach(struct run *run)
{
	struct urctx_ring_stats stats;

	int ret;

	urctx_ring_stats(run->r, &stats, sizeof(stats));
	do
		ret = urctx_ring_detach(run->r, URCTX_NEVER);
	while (ret == -EINTR && run->signals);
	must(ret == 0);
	must(!stats.stale);
	run->retries += stats.retries;
	run->stuck += stats.stuck;
}

/* Sleep for @ns at most; a timer of the library's, if there is one, ends any sleep. */
static void sleep_by_hand(struct run *run, int64_t ns)
{
	struct __kernel_timespec ts = { ns / 1000000000, ns % 1000000000 };
	struct io_uring_cqe *cqe;
	int ret;

	if (!ns)
		ret = io_uring_submit_and_get_events(&run->u);
	else if (ns == URCTX_NEVER || run->ring->attach & URCTX_RING_TIMER)
		ret = io_uring_submit_and_wait(&run->u, 1);
	else
		ret = io_uring_submit_and_wait_timeout(&run->u, &cqe, 1, &ts, NULL);
	must(ret >= 0 || ret == -EINTR || ret == -ETIME || ret == -EBUSY || ret == -EAGAIN);
}

/* What urctx_ring_wait() does, by who has a loop of his own. */
static void loop_by_hand(struct run *run, int64_t until)
{
	int64_t ns = urctx_ring_turn(run->r);
	struct io_uring_cqe *cqe;

	must(ns >= 0);
	sleep_by_hand(run, until ? ns : 0);
	while (io_uring_peek_cqe(&run->u, &cqe) == 0) {
		must(urctx_ring_dispatch(run->r, cqe));
		io_uring_cqe_seen(&run->u, cqe);
	}
}

/* Whoever waits for no time but a wake relies on it: a lost one is seen as a hang. */
static void wait_a_turn(struct run *run)
{
	bool comes = run->who == ELSEWHERE || run->who == CTX_DEADLINE ||
		     run->who == OP_DEADLINE;
	int64_t until = comes && chance(&run->seed) % 2 ? URCTX_NEVER : 0;
	int ret;

	if (run->by_hand) {
		loop_by_hand(run, until);
		return;
	}
	ret = urctx_ring_wait(run->r, until);
	must(ret >= 0 || ret == -EINTR);
}

static void own(struct run *run)
{
	while (run->ended < run->ops) {
		for (unsigned i = 0; i < PLACES; i++) {
			struct place *p = &run->place[i];

			if (!p->busy && !p->tail_busy && run->bound < run->ops)
				begin(p);
			else if (p->busy)
				act(p);
		}
		if (run->who == DETACH && chance(&run->seed) % 4 == 0) {
			detach(run);
			attach(run);
		} else {
			wait_a_turn(run);
		}
	}
}

static void ring_open(struct run *run)
{
	struct io_uring_params p = { .flags = run->ring->flags, .sq_thread_idle = 1 };

	must(io_uring_queue_init_params(run->ring->entries, &run->u, &p) == 0);
	if (p.flags & IORING_SETUP_R_DISABLED)
		must(io_uring_register((unsigned)run->u.ring_fd,
				       IORING_REGISTER_ENABLE_RINGS, NULL, 0) == 0);
	if (run->kind->traits & BUFFERS)
		buffers_open(run);
	attach(run);
}

static void ring_close(struct run *run)
{
	detach(run);
	if (run->kind->traits & BUFFERS)
		buffers_close(run);
	io_uring_queue_exit(&run->u);
}

static void places_open(struct run *run)
{
	for (unsigned i = 0; i < PLACES; i++) {
		struct place *p = &run->place[i];

		p->run = run;
		p->in = p->out = p->more[0] = p->more[1] = -1;
		if (run->kind->open)
			run->kind->open(p);
	}
}

static void places_close(struct run *run)
{
	for (unsigned i = 0; i < PLACES; i++) {
		ledger_close(&run->place[i]);
		if (run->kind->close)
			run->kind->close(&run->place[i]);
	}
}

void run_one(struct run *run)
{
	pthread_t feeder = 0, disturber = 0, ender[4];
	unsigned enders = run->who == ELSEWHERE ? run->threads : 0, i;
	size_t fds = open_fds();

	must(urctx_with_cancel(NULL, &run->root) == 0);
	places_open(run);
	ring_open(run);
	for (i = 0; i < enders; i++)
		ender[i] = start(end_what_comes, run);
	if (run->fed)
		feeder = start(feed, run);
	run->owner = pthread_self();
	if (run->signals)
		disturber = start(disturb, run);
	own(run);
	__atomic_store_n(&run->over, 1, __ATOMIC_RELAXED);
	for (i = 0; i < enders; i++)
		pthread_join(ender[i], NULL);
	if (run->fed)
		pthread_join(feeder, NULL);
	if (run->signals)
		pthread_join(disturber, NULL);
	for (i = 0; i < BOXES; i++)
		urctx_put(run->box[i]);
	ring_close(run);
	places_close(run);
	must(run->bound == run->ops && run->ended == run->ops);
	must(run->tails == (run->kind->traits & CHAIN ? run->ops : 0));
	must(urctx_wait_idle(run->root, urctx_now() + INT64_C(10000000000)) == 0);
	urctx_put(run->root);
	must(open_fds() == fds);
}
