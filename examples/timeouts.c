/* SPDX-License-Identifier: MIT */
/*
 * timeouts.c - requests over a network, each with a timeout, one ring for all
 *
 *	request ---- first try, 30 ms ----> a replica that does not answer
 *	        \--- second try ----------> a replica that does
 *
 * A request may take long, its first try may not.  The tries are contexts below
 * the request's: what is left of the request's time is the limit of the second.
 * Each try connects, sends and receives, every step bound to its context: the one
 * that is in flight when the time is over is aborted.
 */
#include "check.h"
#include "net.h"

#include <urctx/ring.h>

#define REQUESTS	4
#define QUESTION	"what time is it?"
#define ANSWER		"time to answer.."	/* as long */
#define LENGTH		16

struct request {
	struct urctx_op op;		/* first: complete() finds the request by it */
	enum { CONNECT, SEND, RECEIVE, OVER } step;
	struct urctx_ring *ring;
	struct urctx *ctx, *try;	/* the request's; one below it */
	int fd;
	int err;			/* of the last try, or 0 */
	const struct urctx_cause *why;	/* a try was ended */
	int tries, timeouts;
	char answer[LENGTH];
};

static struct sockaddr_in replicas[2];

static int start_step(struct request *req)
{
	struct io_uring_sqe *sqe = urctx_ring_sqe(req->ring);

	if (!sqe)
		return -EAGAIN;
	if (req->step == CONNECT)
		io_uring_prep_connect(sqe, req->fd,
				      (struct sockaddr *)&replicas[req->tries - 1],
				      sizeof(replicas[0]));
	else if (req->step == SEND)
		io_uring_prep_send(sqe, req->fd, QUESTION, LENGTH, MSG_NOSIGNAL);
	else
		io_uring_prep_recv(sqe, req->fd, req->answer, LENGTH, MSG_WAITALL);
	return urctx_ring_bind(req->ring, sqe, req->try, &req->op);
}

static void end_try(struct request *req)
{
	if (req->fd >= 0)
		close(req->fd);	/* takes back a connect that was aborted, too */
	urctx_end(req->try);
	req->step = OVER;
}

static int start_try(struct request *req)
{
	const struct urctx_cause *slow = URCTX_CAUSE(-ETIME, "the replica is slow");
	/* Who is asked last has as much time as the request has. */
	int64_t timeout = req->tries ? URCTX_NEVER : 30 * MSEC;
	int ret = urctx_with_timeout_cause(req->ctx, timeout, slow, &req->try);

	if (ret)
		return ret;
	req->tries++;
	req->step = CONNECT;
	req->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (req->fd < 0)
		ret = -errno;
	else
		ret = start_step(req);
	if (ret)
		end_try(req);
	return ret;
}

/* Of a try that is over. */
static void next_try(struct request *req)
{
	if (req->err != -ETIME)
		return;
	req->timeouts++;
	/* The request itself may be out of time, too. */
	if (req->tries < 2 && !urctx_err(req->ctx))
		req->err = start_try(req);
}

static void step_over(struct urctx_op *op)
{
	struct request *req = (struct request *)op;
	int wanted = req->step == CONNECT ? 0 : LENGTH;

	/* A result is a result, although its time is over by now. */
	if (op->res < 0 && op->cause)
		req->why = op->cause;
	if (op->res < 0)
		req->err = op->cause ? urctx_err(req->try) : op->res;
	else
		req->err = op->res == wanted ? 0 : -EPROTO;
	if (!req->err && ++req->step < OVER)
		req->err = start_step(req);
	if (!req->err && req->step < OVER)
		return;		/* in flight */
	end_try(req);
	next_try(req);
}

static bool all_over(const struct request *reqs)
{
	int i = 0;

	while (i < REQUESTS && reqs[i].step == OVER)
		i++;
	return i == REQUESTS;
}

static void serve_all(struct urctx_ring *r, struct urctx *root)
{
	static struct request reqs[REQUESTS];
	int i, ret;

	for (i = 0; i < REQUESTS; i++) {
		reqs[i].ring = r;
		reqs[i].op.complete = step_over;
		reqs[i].step = OVER;
		CHECK(!urctx_with_timeout(root, PATIENCE, &reqs[i].ctx));
		CHECK(!start_try(&reqs[i]));
	}
	while (!all_over(reqs)) {
		ret = urctx_ring_wait(r, URCTX_NEVER);
		if (ret < 0 && ret != -EINTR)
			abort();	/* the kernel has our buffers */
	}
	for (i = 0; i < REQUESTS; i++) {
		CHECK(reqs[i].err == 0);
		CHECK(reqs[i].tries == 2 && reqs[i].timeouts == 1);
		CHECK(!memcmp(reqs[i].answer, ANSWER, LENGTH));
		CHECK(reqs[i].why && !strcmp(reqs[i].why->reason, "the replica is slow"));
		CHECK(urctx_remaining(reqs[i].ctx) > 0);
		urctx_end(reqs[i].ctx);
	}
}

/* The replica that answers, as many times as it will be asked. */
static void *replica(void *arg)
{
	int listener = *(int *)arg, i, fd;
	char question[LENGTH];

	for (i = 0; i < REQUESTS; i++) {
		fd = net_accept(NULL, listener);
		CHECK(net_read_all(NULL, fd, question, LENGTH) == LENGTH);
		CHECK(!memcmp(question, QUESTION, LENGTH));
		CHECK(net_write(NULL, fd, ANSWER, LENGTH) == 0);
		close(fd);
	}
	return NULL;
}

int main(void)
{
	struct urctx *root;
	struct urctx_ring *r;
	struct io_uring ring;
	pthread_t thread;
	int slow, good, ret;

	check_begin();
	ret = io_uring_queue_init(8, &ring, 0);
	if (ret) {
		fprintf(stderr, "no io_uring here: %s\n", strerror(-ret));
		return 77;
	}
	/* Its kernel takes the connection, it does not: so does a stuck process. */
	slow = net_listen(&replicas[0]);
	good = net_listen(&replicas[1]);
	if (slow < 0 || good < 0 || urctx_with_cancel(NULL, &root) ||
	    urctx_ring_attach(&ring, NULL, &r) ||
	    pthread_create(&thread, NULL, replica, &good))
		return 1;
	serve_all(r, root);
	pthread_join(thread, NULL);

	CHECK(urctx_ring_detach(r, URCTX_NEVER) == 0);
	io_uring_queue_exit(&ring);
	close(slow);
	close(good);
	return check_end(root);
}
