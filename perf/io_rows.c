/* SPDX-License-Identifier: MIT */
/*
 * What a context costs a system call: when it can be done at once, when it has to
 * wait, and how long a cancel takes to end one that waits.
 */
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <urctx/io.h>
#include "bench.h"
#include "cross.h"

enum { CALLS = 256, BLOCK = 4096, TRIPS = 100 };

/* ----------------------------------------------------------------- done at once */

struct ready {
	struct urctx *ctx;
	int fd, other;
	char buf[BLOCK];
};

static bool feed(const struct ready *y)
{
	static const char data[CALLS];

	return write(y->other, data, CALLS) == CALLS;
}

static double per_call(int64_t t0)
{
	return (double)(now_ns() - t0) / CALLS;
}

static double side_urctx_recv(void *arg)
{
	struct ready *y = arg;
	int64_t t0;

	if (!feed(y))
		return NAN;
	t0 = now_ns();
	for (unsigned i = 0; i < CALLS; i++)
		if (urctx_recv(y->ctx, y->fd, y->buf, 1, 0) != 1)
			return NAN;
	return per_call(t0);
}

static double side_recv(void *arg)
{
	struct ready *y = arg;
	int64_t t0;

	if (!feed(y))
		return NAN;
	t0 = now_ns();
	for (unsigned i = 0; i < CALLS; i++)
		if (recv(y->fd, y->buf, 1, 0) != 1)
			return NAN;
	return per_call(t0);
}

static double side_urctx_pread(void *arg)
{
	struct ready *y = arg;
	int64_t t0 = now_ns();

	for (unsigned i = 0; i < CALLS; i++)
		if (urctx_pread(y->ctx, y->fd, y->buf, BLOCK, 0) != BLOCK)
			return NAN;
	return per_call(t0);
}

static double side_preadv2(void *arg)
{
	struct ready *y = arg;
	struct iovec iov = { y->buf, BLOCK };
	int64_t t0 = now_ns();

	for (unsigned i = 0; i < CALLS; i++)
		if (preadv2(y->fd, &iov, 1, 0, RWF_NOWAIT) != BLOCK)
			return NAN;
	return per_call(t0);
}

static void run_recv(const struct bench *b, struct result *r)
{
	static struct ready y;
	int fd[2];

	if (urctx_with_cancel(NULL, &y.ctx) ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd)) {
		result_fail(r, "no context, or no sockets");
		return;
	}
	y.fd = fd[0];
	y.other = fd[1];
	bench_ab(b, r, SLICES, side_urctx_recv, side_recv, &y);
}

static void run_read(const struct bench *b, struct result *r)
{
	static struct ready y;
	struct iovec iov = { y.buf, BLOCK };
	FILE *f = tmpfile();

	if (!f || urctx_with_cancel(NULL, &y.ctx) ||
	    write(fileno(f), y.buf, BLOCK) != BLOCK) {
		result_fail(r, "no context, or no file");
		return;
	}
	y.fd = fileno(f);
	if (preadv2(y.fd, &iov, 1, 0, RWF_NOWAIT) < 0) {
		result_skip(r, "RWF_NOWAIT of %s: %s", "a file in TMPDIR",
			    strerror(errno));
		return;
	}
	bench_ab(b, r, SLICES, side_urctx_pread, side_preadv2, &y);
}

/* ---------------------------------------------------------------------- it waits */

/*
 * Two threads on one CPU that answer each other.  SCHED_BATCH: who is woken waits
 * until the other sleeps, so that every recv finds nothing and has to wait.
 */
struct rally {
	const struct bench *b;
	struct urctx *ctx[2];
	int fd[2];
	ssize_t (*take)(struct urctx *ctx, int fd);
};

static ssize_t take_urctx(struct urctx *ctx, int fd)
{
	char c;

	return urctx_recv(ctx, fd, &c, 1, 0);
}

static ssize_t take_plain(struct urctx *ctx, int fd)
{
	char c;

	(void)ctx;
	return recv(fd, &c, 1, 0);
}

static __thread int efd = -1;

/* What a call with a context is made of, by hand: tried, then waited for, by poll(2) */
static ssize_t take_poll(struct urctx *ctx, int fd)
{
	struct pollfd pfd[2] = { { .fd = fd, .events = POLLIN } };
	ssize_t n;
	char c;

	(void)ctx;
	n = recv(fd, &c, 1, MSG_DONTWAIT);
	if (n >= 0 || errno != EAGAIN)
		return n;
	if (efd < 0)
		efd = eventfd(0, EFD_CLOEXEC);
	pfd[1] = (struct pollfd){ .fd = efd, .events = POLLIN };
	if (poll(pfd, 2, -1) < 0)
		return -1;
	return recv(fd, &c, 1, MSG_DONTWAIT);
}

/* or on a ring. */
static __thread struct io_uring hand;

static bool hand_open(void)
{
	struct io_uring_params p = { .flags = IORING_SETUP_SINGLE_ISSUER |
					      IORING_SETUP_DEFER_TASKRUN };

	if (io_uring_queue_init_params(8, &hand, &p))
		return false;
	(void)io_uring_register_ring_fd(&hand);
	return true;
}

static ssize_t take_hand(struct urctx *ctx, int fd)
{
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	ssize_t n;
	char c;

	(void)ctx;
	n = recv(fd, &c, 1, MSG_DONTWAIT);
	if (n >= 0 || errno != EAGAIN || (!hand.ring_fd && !hand_open()))
		return n;
	sqe = io_uring_get_sqe(&hand);
	io_uring_prep_recv(sqe, fd, &c, 1, 0);
	sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
	if (io_uring_submit_and_wait(&hand, 1) < 0 ||
	    io_uring_peek_cqe(&hand, &cqe))
		return -1;
	n = cqe->res;
	io_uring_cqe_seen(&hand, cqe);
	return n;
}

static void hand_close(void)
{
	if (hand.ring_fd)
		io_uring_queue_exit(&hand);
	hand.ring_fd = 0;
	if (efd >= 0)
		close(efd);
	efd = -1;
}

static bool batch(void)
{
	const struct sched_param p = { 0 };

	return !sched_setscheduler(0, SCHED_BATCH, &p);
}

static bool give(int fd)
{
	return send(fd, "", 1, MSG_NOSIGNAL) == 1;
}

static void *answers(void *arg)
{
	struct rally *y = arg;

	pin_to(y->b->cpu[0]);
	if (!batch())
		return NULL;
	while (y->take(y->ctx[1], y->fd[1]) == 1 && give(y->fd[1]))
		;
	hand_close();
	return NULL;
}

/* ns of CPU time of both, a recv and the send that it waits for. */
static double rally(struct rally *y)
{
	pthread_t other;
	double ns = NAN;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, y->fd))
		return NAN;
	if (pthread_create(&other, NULL, answers, y))
		goto out;
	for (unsigned i = 0, warm = TRIPS / 4; i < TRIPS + warm; i++) {
		if (i == warm)
			ns = (double)process_ns();
		if (!give(y->fd[0]) || y->take(y->ctx[0], y->fd[0]) != 1)
			break;
	}
	ns = ((double)process_ns() - ns) / TRIPS / 2;
	shutdown(y->fd[0], SHUT_RDWR);
	pthread_join(other, NULL);
out:
	close(y->fd[0]);
	close(y->fd[1]);
	return ns;
}

static double side_blocked(void *arg)
{
	struct rally *y = arg;

	y->take = take_urctx;
	return rally(y);
}

static double side_blocked_plain(void *arg)
{
	struct rally *y = arg;

	y->take = take_plain;
	return rally(y);
}

static double side_blocked_ring(void *arg)
{
	struct rally *y = arg;

	y->take = take_hand;
	return rally(y);
}

static double side_blocked_poll(void *arg)
{
	struct rally *y = arg;

	y->take = take_poll;
	return rally(y);
}

static void run_blocked(const struct bench *b, struct result *r)
{
	static const side_fn side[] = { side_blocked, side_blocked_plain,
					side_blocked_poll, side_blocked_ring };
	static struct series s[ARRAY_SIZE(side)];
	static struct rally y;
	unsigned sides = hand_open() ? 4 : 3;
	struct rusage u;
	char ring[48];
	long before;

	hand_close();
	y.b = b;
	if (urctx_with_cancel(NULL, &y.ctx[0]) ||
	    urctx_with_cancel(NULL, &y.ctx[1]) || !batch()) {
		result_fail(r, "no context, or no SCHED_BATCH");
		return;
	}
	getrusage(RUSAGE_SELF, &u);
	before = u.ru_nvcsw;
	if (!rounds_run(b->rounds, SLICES, side, sides, &y, s)) {
		result_fail(r, "a round failed");
		return;
	}
	getrusage(RUSAGE_SELF, &u);
	series_to_result(r, &s[0], &s[1]);
	result_extra(r, "by_poll", series_median(&s[2]));
	result_extra(r, "by_ring", series_median(&s[3]));
	result_extra(r, "sleeps", (double)(u.ru_nvcsw - before) /
		     ((b->rounds * SLICES + 1) * sides * 2 *
		      (TRIPS + TRIPS / 4)));
	snprintf(ring, sizeof(ring), ", with a ring %.0f", r->extra[1].value);
	result_note(r, "CPU time of both, a recv and its send; by hand with poll(2) "
		    "%.0f%s ns; %.2f sleeps each", r->extra[0].value,
		    sides > 3 ? ring : "", r->extra[2].value);
}

/* ------------------------------------------------------------------ it is ended */

struct ended {
	struct cross x;
	struct hist round, all;
};

static double ended_round(struct ended *e, bool (*cross)(struct cross *x))
{
	hist_reset(&e->round);
	e->x.completed = 0;
	if (!cross(&e->x) || e->x.completed)
		return NAN;
	return hist_percentile(&e->round, 50);
}

static double side_ended(void *arg)
{
	struct ended *e = arg;
	double p50 = ended_round(e, cross_io);

	hist_merge(&e->all, &e->round);
	return p50;
}

static double side_woken(void *arg)
{
	return ended_round(arg, cross_wake);
}

static void run_cancel(const struct bench *b, struct result *r)
{
	static struct ended e;
	struct target target;
	char why[160];

	if (b->nr_cpus < 2) {
		result_skip(r, "needs two CPUs");
		return;
	}
	if (!target_open(&target, "recv", NULL, why, sizeof(why))) {
		result_fail(r, "%s", why);
		return;
	}
	hist_reset(&e.all);
	e.x = (struct cross){ .b = b, .target = &target, .hist = &e.round,
			      .n = b->quick ? 200 : 1500 };
	bench_ab(b, r, WHOLE, side_ended, side_woken, &e);
	result_extra(r, "p99", hist_percentile(&e.all, 99));
	result_note(r, "p50 of a pending recv; ours p99 %.0f ns",
		    hist_percentile(&e.all, 99));
	target_close(&target);
}

const struct row io_rows[] = {
	{ "io_recv_overhead", "io", "ns", "urctx_recv() with data there",
	  "recv(2)", 30, GOAL_OVER_MAX, 0, run_recv },
	{ "io_read_overhead", "io", "ns", "urctx_pread() of a cached 4 KiB",
	  "preadv2(2), RWF_NOWAIT", 30, GOAL_OVER_MAX, 0, run_read },
	{ "io_blocked_overhead", "io", "ns",
	  "urctx_recv() that waits, by two threads that answer each other",
	  "recv(2)", 250, GOAL_OVER_MAX, 0, run_blocked },
	{ "io_cancel_wake", "io", "ns",
	  "urctx_cancel() to a thread blocked in urctx_recv() being back, p50",
	  "bare eventfd wake", 1.3, GOAL_RATIO_MAX, 0, run_cancel },
	{ NULL }
};
