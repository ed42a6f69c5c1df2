/* SPDX-License-Identifier: MIT */
/*
 * blockd.c - reads and writes of a file, asked for over a Unix socket (blockd.h)
 *
 *	blockd SOCKET FILE [GRACE-MS]
 *
 * One thread and one ring.  What is in flight is bound to a context (daemon.h):
 *
 *	client.watch	client, below work	a poll: has it hung up?
 *	client.in	client or stop		its next request, if it has not too many
 *	client.out	client			an answer, one at a time
 *	request.disk	request, below client	the read, write or fsync
 *
 * A request has two phases: at its deadline, or when its client has gone, it is
 * answered (too_late); its memory goes when that is sent and the disk has let go.
 */
#include "daemon.h"
#include "blockd.h"

#include <fcntl.h>
#include <sys/un.h>

#define REQUESTS	16		/* of one client at a time */
#define SEND_TIME	(5 * SECOND)	/* for a client to take an answer */

struct client {
	struct urctx_op watch, in, out;
	struct blockd *server;
	struct urctx *ctx, *listens;
	struct request *incoming, *answers, **last; /* to be sent: from answers to last */
	struct block_ask ask;
	int fd;
	unsigned refs, requests;		/* refs: ops in flight, and requests */
	bool hearing, deaf, sending;		/* deaf: it will not be heard any more */
};

struct request {
	struct urctx_op disk;
	struct urctx_callback late;
	struct urctx *ctx;
	struct client *client;
	struct request *next;
	struct block_ask ask;
	uint32_t refs, length;		/* of the answer, which is in one piece: */
	bool answered;
	struct block_answer answer;
	unsigned char data[];
};

struct blockd {
	struct daemon d;
	int file;
	unsigned long done, late, aborted, failed;	/* requests */
};

static void hear(struct client *c);

static void client_put(struct client *c)
{
	if (--c->refs)
		return;
	close(c->fd);	/* no op is left that uses it, and not before */
	urctx_end(c->listens);
	urctx_end(c->ctx);
	c->server->d.clients--;
	free(c);
}

static void request_put(struct request *req)
{
	struct client *c = req->client;

	if (--req->refs)
		return;
	urctx_end(req->ctx);
	free(req);
	c->requests--;
	hear(c);
	client_put(c);
}

static void send_answer(struct client *c)
{
	struct request *req = c->answers;
	struct io_uring_sqe sqe = { 0 };

	if (c->sending || !req)
		return;
	c->sending = true;
	c->refs++;
	io_uring_prep_send(&sqe, c->fd, &req->answer, req->length,
			   MSG_NOSIGNAL | MSG_WAITALL);
	daemon_start(&c->server->d, &sqe, c->ctx, &c->out, urctx_now() + SEND_TIME, 0);
}

static void sent(struct urctx_op *op)
{
	struct client *c = container_of(op, struct client, out);
	struct request *req = c->answers;

	/* What followed a part of an answer would be misunderstood. */
	if (op->res != (int)req->length)
		urctx_cancel_cause(c->ctx, URCTX_CAUSE(-EPIPE, "it does not listen"));
	c->answers = req->next;
	if (!c->answers)
		c->last = &c->answers;
	request_put(req);
	c->sending = false;
	send_answer(c);
	client_put(c);
}

/* Whoever is first says what becomes of the request. */
static void answer(struct request *req, int res)
{
	struct client *c = req->client;
	struct blockd *s = c->server;

	if (req->answered)
		return;
	req->answered = true;
	urctx_try_stop(&req->late);
	++*(res >= 0 ? &s->done : res == -ETIME ? &s->late :
	    res == -ECANCELED ? &s->aborted : &s->failed);
	req->answer = (struct block_answer){ .id = req->ask.id, .res = res };
	req->length = sizeof(req->answer);
	if (req->ask.op == BLOCK_READ && res > 0)
		req->length += (uint32_t)res;
	req->refs++;
	*c->last = req;
	c->last = &req->next;
	send_answer(c);
}

/* Phase one, if it comes to that.  Called in the turn, not in whoever cancels. */
static void too_late(struct urctx_callback *cb)
{
	struct request *req = container_of(cb, struct request, late);

	answer(req, urctx_err(req->ctx));
}

/* Phase two, in most cases the only one. */
static void disk_done(struct urctx_op *op)
{
	struct request *req = container_of(op, struct request, disk);

	answer(req, urctx_op_result(op));
	request_put(req);
}

static void request_start(struct request *req)
{
	struct blockd *s = req->client->server;
	struct block_ask *ask = &req->ask;
	struct io_uring_sqe sqe = { 0 };

	req->disk.res = urctx_ring_after(s->d.ring, req->ctx, &req->late, too_late);
	if (ask->op == BLOCK_READ)
		io_uring_prep_read(&sqe, s->file, req->data, ask->length, ask->offset);
	else if (ask->op == BLOCK_WRITE)
		io_uring_prep_write(&sqe, s->file, req->data, ask->length, ask->offset);
	else if (ask->op == BLOCK_SYNC)
		io_uring_prep_fsync(&sqe, s->file, IORING_FSYNC_DATASYNC);
	else
		req->disk.res = -EINVAL;
	/* A disk does not listen, so do not ask; but a sync may still be in a queue. */
	if (req->disk.res)
		disk_done(&req->disk);
	else
		daemon_start(&s->d, &sqe, req->ctx, &req->disk, URCTX_NEVER,
			     ask->op == BLOCK_SYNC ? 0 : URCTX_OP_NO_ABORT);
}

/* Return: what the client has asked for; NULL: that can not be. */
static struct request *request_new(struct client *c)
{
	struct request *req = NULL;

	if (c->ask.length <= BLOCK_MAX)
		req = malloc(sizeof(*req) + c->ask.length);
	if (req)
		*req = (struct request){ .client = c, .ask = c->ask, .refs = 1,
					 .disk = { disk_done, .res = -ECANCELED } };
	if (!req || urctx_with_timeout(c->ctx, c->ask.timeout_ms * MSEC, &req->ctx)) {
		free(req);
		return NULL;
	}
	c->requests++;
	c->refs++;
	return req;
}

static void receive(struct client *c, void *buf, uint32_t length,
		    void (*complete)(struct urctx_op *op))
{
	struct io_uring_sqe sqe = { 0 };

	c->hearing = true;
	c->refs++;
	c->in.complete = complete;
	io_uring_prep_recv(&sqe, c->fd, buf, length, MSG_WAITALL);
	daemon_start(&c->server->d, &sqe, c->listens, &c->in, URCTX_NEVER, 0);
}

static void heard_data(struct urctx_op *op)
{
	struct client *c = container_of(op, struct client, in);
	struct request *req = c->incoming;

	c->hearing = false;
	c->deaf = op->res != (int)req->ask.length;
	if (c->deaf)
		disk_done(&req->disk);
	else
		request_start(req);
	hear(c);
	client_put(c);
}

static void heard_ask(struct urctx_op *op)
{
	struct client *c = container_of(op, struct client, in);
	struct request *req = op->res == sizeof(c->ask) ? request_new(c) : NULL;

	c->hearing = false;
	c->deaf = !req;
	c->incoming = req;
	if (req && req->ask.op == BLOCK_WRITE && req->ask.length)
		receive(c, req->data, req->ask.length, heard_data);
	else if (req)
		request_start(req);
	hear(c);
	client_put(c);
}

/* Called whenever there may be a reason to. */
static void hear(struct client *c)
{
	if (c->deaf && !c->requests)
		urctx_cancel_cause(c->ctx, URCTX_CAUSE(-ESHUTDOWN, "all is answered"));
	if (!c->hearing && !c->deaf && c->requests < REQUESTS)
		receive(c, &c->ask, sizeof(c->ask), heard_ask);
}

static void hung_up(struct urctx_op *op)
{
	struct client *c = container_of(op, struct client, watch);

	urctx_cancel_cause(c->ctx, URCTX_CAUSE(-EPIPE, "the client has hung up"));
	client_put(c);
}

static bool client_new(struct daemon *d, int fd)
{
	struct client *c = calloc(1, sizeof(*c));
	struct io_uring_sqe sqe = { 0 };

	if (!c)
		return false;
	d->clients++;
	*c = (struct client){ .watch.complete = hung_up, .out.complete = sent,
			      .fd = fd, .refs = 1, .last = &c->answers,
			      .server = container_of(d, struct blockd, d) };
	if (urctx_with_cancel(d->work, &c->ctx) ||
	    urctx_with_any((struct urctx *[]){ c->ctx, d->stop }, 2, &c->listens)) {
		client_put(c);
		return true;
	}
	hear(c);
	io_uring_prep_poll_add(&sqe, fd, POLLRDHUP);
	daemon_start(d, &sqe, c->ctx, &c->watch, URCTX_NEVER, 0);
	return true;
}

int main(int argc, char **argv)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct blockd s = { .d.client = client_new };
	int left;

	if (argc < 3 || strlen(argv[1]) >= sizeof(addr.sun_path))
		return fprintf(stderr, "blockd SOCKET FILE [GRACE-MS]\n"), 2;
	strcpy(addr.sun_path, argv[1]);
	s.d.grace = (argc > 3 ? atoi(argv[3]) : 2000) * MSEC;
	if (!daemon_open(&s.d))
		return 77;
	s.file = open(argv[2], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	s.d.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s.file < 0 || s.d.listener < 0 ||
	    bind(s.d.listener, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(s.d.listener, 128))
		return perror("blockd"), 1;
	left = daemon_run(&s.d);
	unlink(argv[1]);
	close(s.file);
	printf("blockd: done %lu, late %lu, aborted %lu, failed %lu\n", s.done, s.late,
	       s.aborted, s.failed);
	return daemon_close(&s.d, left);
}
