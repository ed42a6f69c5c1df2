/* SPDX-License-Identifier: MIT */
/*
 * uring.c - a ring and its kernel, as memory: instrumented, like their user
 *
 * What the kernel may do is a choice where the owner enters it.  The first way is
 * the straight one: a cancel ends its op, nothing ends by itself, nothing is late;
 * that is what init() and fini() get.  A wait ends by a CQE, or by its time, or it
 * is a deadlock: who was to wake the owner has not.
 *
 * It looks at what it is asked, too: see asked().
 */
#include "uring.h"

#include <errno.h>
#include <poll.h>

#define ENTRIES	8
#define CQES	32
#define OPS	4
#define MSEC	INT64_C(1000000)
#define PATIENCE (50 * MSEC)
#define SILENCE	(25 * MSEC)
#define NEVER	INT64_MAX

static struct io_uring_sqe sqes[ENTRIES];
static struct io_uring_cqe cqes[CQES];
static unsigned sq_head, sq_tail, sq_flags, cq_head, cq_tail;

/* CQEs that are on their way. */
static struct io_uring_cqe late[CQES];
static unsigned lates;

static struct kop {
	uint64_t ud;			/* 0: none */
	int *buf;
	int fd;
	bool multishot;
	bool going;			/* its last CQE is on its way */
	unsigned asks;
	bool heard;			/* the last one was answered: */
	unsigned answer;		/* there in the CQ */
	int64_t at;			/* asked, or answered */
	int64_t deadline;		/* of its linked timeout */
	uint64_t timer;
} ops[OPS];

static struct {
	uint64_t ud;
	bool armed;
	uint32_t seen;
} wakes;

/* ---- completions ---- */

static void post(uint64_t ud, int res, unsigned flags)
{
	mc_assert(cq_tail - cq_head < CQES);
	cqes[cq_tail % CQES] = (struct io_uring_cqe){
		.user_data = ud, .res = res, .flags = flags,
	};
	__atomic_store_n(&cq_tail, cq_tail + 1, __ATOMIC_RELEASE);
}

static void post_later(uint64_t ud, int res)
{
	mc_assert(lates < CQES);
	late[lates++] = (struct io_uring_cqe){ .user_data = ud, .res = res };
}

static struct kop *find(uint64_t ud)
{
	for (struct kop *k = ops; k < ops + OPS; k++)
		if (ud && k->ud == ud)
			return k;
	return NULL;
}

/* Up to here the buffer was the kernel's, and he writes to it. */
static void end(struct kop *k, int res)
{
	*k->buf = res;
	post(k->ud, res, 0);
	if (k->timer)
		post(k->timer, -ECANCELED, 0);
	*k = (struct kop){ 0 };
}

static void answered(uint64_t ud)
{
	struct kop *k = find(ud);

	if (!k)
		return;
	k->heard = true;
	k->answer = cq_tail - 1;
	k->at = mc_time();
}

/* Last CQEs of ops, and answers for ops that have ended. */
static void come_late(void)
{
	unsigned nr = lates;

	lates = 0;
	for (unsigned i = 0; i < nr; i++) {
		struct kop *k = find(late[i].user_data);

		if (k)
			end(k, late[i].res);
		else
			post(late[i].user_data, late[i].res, 0);
	}
}

static void poll_wakes(void)
{
	uint32_t now;

	if (!wakes.armed)
		return;
	now = mc_eventfd_seen();
	if (now == wakes.seen)
		return;
	wakes.seen = now;
	wakes.armed = !mc_rules.deaf || !mc_choose(2);
	if (!wakes.armed)
		mc_rules.deaf--;
	post(wakes.ud, POLLIN, wakes.armed ? IORING_CQE_F_MORE : 0);
}

/* A multishot op may also say something and stay. */
static void by_itself(struct kop *k)
{
	unsigned way;

	if (k->going)
		return;
	if (k->timer && mc_time() >= k->deadline) {
		post(k->timer, -ETIME, 0);
		k->timer = 0;
		end(k, -ECANCELED);
		return;
	}
	if (k->fd != FD_MAYBE)
		return;
	way = mc_choose(2 + (k->multishot && mc_rules.more));
	if (way == 1) {
		end(k, 1);
	} else if (way == 2) {
		mc_rules.more--;
		post(k->ud, 1, IORING_CQE_F_MORE);
	}
}

static void happen(void)
{
	uint64_t alarm;

	if (lates && mc_rules.lazy && mc_choose(2))
		mc_rules.lazy--;
	else
		come_late();
	for (struct kop *k = ops; k < ops + OPS; k++)
		if (k->ud)
			by_itself(k);
	poll_wakes();
	alarm = mc_alarm_fires();
	if (alarm)
		post(alarm, -ETIME, 0);
}

/* ---- submissions ---- */

/*
 * At once, then after 1, 2, 4 … 50 ms; without an answer after 25.  Never while an
 * answer to the last time is there and was not looked at.
 */
static void asked(struct kop *k)
{
	int64_t wait = 0;

	if (k->asks && !k->heard) {
		wait = SILENCE;
	} else if (k->asks) {
		mc_assert((int)(cq_head - k->answer) > 0);
		wait = k->asks < 2 ? 0 : MSEC << (k->asks - 2);
		if (wait > PATIENCE)
			wait = PATIENCE;
	}
	mc_assert(!k->asks || mc_time() >= k->at + wait);
	k->asks++;
	k->heard = false;
	k->at = mc_time();
}

static void answer(const struct io_uring_sqe *sqe, int res)
{
	if (!res && sqe->flags & IOSQE_CQE_SKIP_SUCCESS)
		return;
	post(sqe->user_data, res, 0);
	if (res)
		answered(sqe->addr);
}

static unsigned pick(void)
{
	unsigned ways = mc_rules.answers, nth;

	if (!ways || !mc_rules.whims)
		return 0;
	nth = mc_choose(1 + (unsigned)__builtin_popcount(ways));
	if (!nth)
		return 0;
	mc_rules.whims--;
	while (--nth)
		ways &= ways - 1;
	return ways & -ways;
}

static void cancel_op(struct kop *k, const struct io_uring_sqe *sqe)
{
	switch (pick()) {
	case A_LATER:
		k->going = true;
		post_later(k->ud, -ECANCELED);
		answer(sqe, 0);
		break;
	case A_AGAIN:
		answer(sqe, -EALREADY);
		break;
	case A_MISSED:
		answer(sqe, -ENOENT);
		break;
	case A_INTR:
		k->going = true;
		post_later(k->ud, -EINTR);
		answer(sqe, -EALREADY);
		break;
	case A_SILENT:
		answer(sqe, 0);
		break;
	case A_WON:
		end(k, 1);
		post_later(sqe->user_data, -ENOENT);
		break;
	case A_BEHIND:
		answer(sqe, -EALREADY);
		end(k, 1);
		break;
	default:
		end(k, -ECANCELED);
		answer(sqe, 0);
	}
}

static void cancel(const struct io_uring_sqe *sqe)
{
	struct kop *k = find(sqe->addr);

	mc_assert(!sqe->cancel_flags);
	if (wakes.armed && sqe->addr == wakes.ud) {
		wakes.armed = false;
		post(wakes.ud, -ECANCELED, 0);
		answer(sqe, 0);
		return;
	}
	if (mc_alarm_cancel(sqe->addr)) {
		post(sqe->addr, -ECANCELED, 0);
		answer(sqe, 0);
		return;
	}
	if (k)
		asked(k);
	if (k && !k->going)
		cancel_op(k, sqe);
	else
		answer(sqe, -ENOENT);
}

static void poll_add(const struct io_uring_sqe *sqe)
{
	if (sqe->fd < 0) {
		post(sqe->user_data, -EBADF, 0);
		return;
	}
	mc_assert(sqe->fd == FD_EVENT && mc_eventfd_open() && !wakes.armed);
	mc_assert(sqe->len & IORING_POLL_ADD_MULTI);
	wakes.ud = sqe->user_data;
	wakes.armed = true;
	wakes.seen = 0;
}

static struct kop *begin(const struct io_uring_sqe *sqe)
{
	struct kop *k = ops;

	mc_assert(!find(sqe->user_data));
	while (k->ud)
		k++;
	mc_assert(k < ops + OPS);
	*k = (struct kop){
		.ud = sqe->user_data, .buf = (int *)(uintptr_t)sqe->addr,
		.fd = sqe->fd, .multishot = sqe->ioprio,
	};
	return k;
}

static void linked_timeout(struct kop *k, const struct io_uring_sqe *sqe)
{
	const struct __kernel_timespec *ts =
		(const struct __kernel_timespec *)(uintptr_t)sqe->addr;

	mc_assert(k && k->ud && sqe->timeout_flags == IORING_TIMEOUT_ABS);
	k->timer = sqe->user_data;
	k->deadline = ts->tv_sec * 1000000000 + ts->tv_nsec;
}

static unsigned submit(struct io_uring *u)
{
	static int alone;
	unsigned nr = u->sq.sqe_tail - sq_head;
	struct kop *last = NULL;

	/* init() and fini() do not wait for ever */
	mc_assert(mc_self() || ++alone < 100);
	mc_assert(mc_self() <= 1 && nr <= u->sq.ring_entries);
	for (; sq_head != u->sq.sqe_tail; sq_head++) {
		const struct io_uring_sqe *sqe = &sqes[sq_head & u->sq.ring_mask];

		switch (sqe->opcode) {
		case IORING_OP_NOP:
			post(sqe->user_data, 0, 0);
			break;
		case IORING_OP_POLL_ADD:
			poll_add(sqe);
			break;
		case IORING_OP_ASYNC_CANCEL:
			cancel(sqe);
			break;
		case IORING_OP_TIMEOUT:
			mc_alarm_begin(sqe);
			break;
		case IORING_OP_TIMEOUT_REMOVE:
			answer(sqe, mc_alarm_move(sqe));
			break;
		case IORING_OP_LINK_TIMEOUT:
			linked_timeout(last, sqe);
			break;
		default:
			last = begin(sqe);
		}
	}
	u->sq.sqe_head = sq_head;
	for (struct kop *k = ops; k < ops + OPS; k++)
		if (k->ud && k->fd == FD_READY)
			end(k, 1);
	return nr;
}

/* ---- liburing ---- */

static bool ready(unsigned nr)
{
	return cq_tail - cq_head >= nr;
}

/* Until something may have happened. */
static int nap(int64_t until)
{
	static uint32_t nobody;
	int64_t when = until;

	for (struct kop *k = ops; k < ops + OPS; k++)
		if (k->ud && k->timer && k->deadline < when)
			when = k->deadline;
	if (mc_alarm_at() < when)
		when = mc_alarm_at();
	if (mc_signal_point(mc_rules.must && when == NEVER))
		return -EINTR;
	if (!mc_self() && when != NEVER) {	/* nobody else is there: it passes */
		mc_time_is(when);
		return 0;
	}
	return wakes.armed ? mc_sleep(&mc_eventfd_counter, wakes.seen, when) :
			     mc_sleep(&nobody, 0, when);
}

static int enter(struct io_uring *u, unsigned nr, int64_t until)
{
	int submitted, ret;

	(void)mc_signal_point(false);
	submitted = (int)submit(u);
	happen();
	while (!ready(nr)) {
		if (until != NEVER && mc_time() >= until)
			return -ETIME;
		if (lates) {
			come_late();
			continue;
		}
		ret = nap(until);
		if (ret == -EINTR)
			return ret;
		happen();
	}
	return submitted;
}

int io_uring_submit(struct io_uring *u)
{
	return (int)submit(u);
}

int io_uring_submit_and_get_events(struct io_uring *u)
{
	return enter(u, 0, NEVER);
}

int io_uring_submit_and_wait_timeout(struct io_uring *u, struct io_uring_cqe **cqe,
				     unsigned nr, struct __kernel_timespec *ts,
				     sigset_t *mask)
{
	int64_t until = NEVER;

	(void)cqe;
	(void)mask;
	if (ts)
		until = mc_time() + ts->tv_sec * 1000000000 + ts->tv_nsec;
	return enter(u, nr, until);
}

/* For rings with an SQ thread, of which there are none here. */
int io_uring_wait_cqes(struct io_uring *u, struct io_uring_cqe **cqe, unsigned nr,
		       struct __kernel_timespec *ts, sigset_t *mask)
{
	return io_uring_submit_and_wait_timeout(u, cqe, nr, ts, mask);
}

int io_uring_register_sync_cancel(struct io_uring *u, struct io_uring_sync_cancel_reg *reg)
{
	struct kop *k = find(reg->addr);
	unsigned way;

	(void)u;
	mc_assert(mc_self() <= 1 && !reg->timeout.tv_sec);
	if (!k)
		return -ENOENT;
	asked(k);
	way = pick() & (A_AGAIN | A_MISSED);
	if (!way) {
		end(k, -ECANCELED);
		return 0;
	}
	k->heard = true;
	k->answer = cq_head - 1;
	return way == A_AGAIN ? -EALREADY : -ENOENT;
}

int __io_uring_sqring_wait(struct io_uring *u)
{
	(void)u;
	mc_assert(!"no thread of the kernel's");
	return 0;
}

void mc_uring(struct io_uring *u, unsigned entries)
{
	mc_assert(entries <= ENTRIES);
	*u = (struct io_uring){
		.sq = {
			.khead = &sq_head, .ktail = &sq_tail, .kflags = &sq_flags,
			.sqes = sqes,
			.ring_mask = entries - 1, .ring_entries = entries,
		},
		.cq = {
			.khead = &cq_head, .ktail = &cq_tail, .cqes = cqes,
			.ring_mask = CQES - 1, .ring_entries = CQES,
		},
		.features = IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE |
			    IORING_FEAT_FAST_POLL | IORING_FEAT_EXT_ARG |
			    IORING_FEAT_CQE_SKIP,
	};
}

unsigned mc_asked(uint64_t ud)
{
	const struct kop *k = find(ud);

	return k ? k->asks : 0;
}

bool mc_uring_idle(void)
{
	for (struct kop *k = ops; k < ops + OPS; k++)
		if (k->ud)
			return false;
	return !lates && !wakes.armed && mc_alarm_at() == NEVER && cq_head == cq_tail;
}
