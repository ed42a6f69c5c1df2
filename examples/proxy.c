/* SPDX-License-Identifier: MIT */
/*
 * proxy.c - TCP connections, passed on to another address
 *
 *	proxy PORT ADDRESS PORT [CONNECT-MS [IDLE-MS [GRACE-MS]]]
 *
 * Listens at the first PORT of 127.0.0.1 (0: any) and connects to the second one of
 * ADDRESS.  One thread and one ring; a context for each connection, below daemon.h's
 * "work".  What is in flight for a connection is bound to its context:
 *
 *	connect		to the upstream; a deadline of its own
 *	watch		meanwhile, a poll: has the client gone?
 *	flow[0].op	client to upstream, from the beginning: a recv or a send
 *	flow[1].op	upstream to client, likewise, once it is connected
 *
 * A flow has one buffer and is either filling or emptying it: who does not read is
 * not written to, and who sends to him is not read from.  At the end of what it
 * reads it shuts down what it writes, and the other flow goes on.
 *
 * Whatever ends a connection ends its context, with a cause that says what: the end
 * of both flows, an error, a deadline, SIGTERM.  The ring aborts what is in flight,
 * and calls conn_over() when nothing is any more; nobody else closes or frees.
 */
#include "daemon.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>

struct flow {
	struct urctx_op op;
	struct conn *conn;
	int from, to;
	bool ended;		/* there is no more to be read */
	size_t at, length;	/* what is in buf, but not yet sent */
	char buf[16384];
};

struct conn {
	struct urctx_op connect, watch;
	struct urctx_callback over;
	struct proxy *proxy;
	struct urctx *ctx;
	int client, upstream;
	bool connected;
	int64_t idle_at;	/* unless something is read or written before */
	struct flow flow[2];
};

struct proxy {
	struct daemon d;
	struct sockaddr_in upstream;
	int64_t connect_time, idle_time;
	unsigned long whole, late, gone, failed; /* connections */
};

static const struct urctx_cause all_said = { .reason = "all is said", .code = -ESHUTDOWN };
static const struct urctx_cause client_gone = { .reason = "it has gone", .code = -EPIPE };

/* Who reads a stream that was cut off is not to take it for a whole one. */
static void conn_reset(const struct conn *c)
{
	struct linger reset = { .l_onoff = 1 };

	setsockopt(c->client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	setsockopt(c->upstream, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
}

static void conn_over(struct urctx_callback *cb)
{
	struct conn *c = container_of(cb, struct conn, over);
	const struct urctx_cause *cause = urctx_cause(c->ctx);
	struct proxy *p = c->proxy;

	++*(cause == &all_said ? &p->whole : cause == &client_gone ? &p->gone :
	    cause == &urctx_deadline_exceeded ? &p->late : &p->failed);
	if (cause != &all_said)
		conn_reset(c);
	/* This is what takes a connect back, too. */
	close(c->client);
	if (c->upstream >= 0)
		close(c->upstream);
	urctx_put(c->ctx);
	p->d.clients--;
	free(c);
}

static void conn_fail(struct conn *c, const struct urctx_op *op)
{
	urctx_cancel_cause(c->ctx, op->cause ? op->cause : urctx_cause_errno(op->res));
}

/* Both flows are idle only if both are. */
static void conn_active(struct conn *c)
{
	c->idle_at = urctx_now() + c->proxy->idle_time;
	urctx_op_deadline(&c->flow[0].op, c->idle_at);
	urctx_op_deadline(&c->flow[1].op, c->idle_at);
}

/* Told at its deadline, when the other flow's op was about to move that? */
static bool was_active(const struct conn *c, const struct urctx_op *op)
{
	return urctx_op_result(op) == -ETIME &&
	       !urctx_done(c->ctx) && urctx_now() < c->idle_at;
}

/* Whatever is next for a flow with nothing in flight. */
static void flow_go_on(struct flow *f)
{
	struct io_uring_sqe sqe = { 0 };
	struct conn *c = f->conn;
	size_t left = f->length - f->at;

	if (!c->connected && (left || f->ended))
		return;		/* connected() comes back to it */
	if (f->ended) {
		shutdown(f->to, SHUT_WR);
		if (c->flow[0].ended && c->flow[1].ended)
			urctx_cancel_cause(c->ctx, &all_said);
		return;
	}
	if (left)
		io_uring_prep_send(&sqe, f->to, f->buf + f->at, left, MSG_NOSIGNAL);
	else
		io_uring_prep_recv(&sqe, f->from, f->buf, sizeof(f->buf), 0);
	daemon_start(&c->proxy->d, &sqe, c->ctx, &f->op, c->idle_at, 0);
}

/*
 * A socket says once that it was reset, perhaps to the other flow, whose send was
 * under way; then a recv says what it says at the end of a stream.
 */
static bool was_reset(const struct flow *f)
{
	const struct flow *back = &f->conn->flow[f == f->conn->flow];
	struct pollfd p = { .fd = f->from };

	return !back->ended && poll(&p, 1, 0) == 1 && p.revents & POLLHUP;
}

static void flow_moved(struct urctx_op *op)
{
	struct flow *f = container_of(op, struct flow, op);
	struct conn *c = f->conn;
	bool sending = f->at < f->length;

	if (!op->res && was_reset(f))
		op->res = -ECONNRESET;
	if (op->res > 0 && sending) {
		f->at += (size_t)op->res;
	} else if (op->res > 0) {
		f->at = 0;
		f->length = (size_t)op->res;
	} else if (!op->res && !sending) {
		f->ended = true;
		/* Else what it has said is passed on, and it waits for an answer. */
		if (!c->connected && !f->length)
			urctx_cancel_cause(c->ctx, &client_gone);
	} else if (!was_active(c, op)) {
		conn_fail(c, op);
		return;
	}
	if (c->connected && op->res >= 0)
		conn_active(c);
	flow_go_on(f);
}

static void connected(struct urctx_op *op)
{
	struct conn *c = container_of(op, struct conn, connect);

	urctx_op_cancel(&c->watch, NULL);
	if (op->res) {
		conn_fail(c, op);
		return;
	}
	c->connected = true;
	conn_active(c);
	flow_go_on(&c->flow[1]);
	if (c->flow[0].ended || c->flow[0].length)
		flow_go_on(&c->flow[0]);
}

/* The end of what it sends is no news here: flow[0] sees that.  A reset is. */
static void watched(struct urctx_op *op)
{
	struct conn *c = container_of(op, struct conn, watch);

	if (op->res > 0 && op->res & (POLLERR | POLLHUP))
		urctx_cancel_cause(c->ctx, &client_gone);
}

static void conn_start(struct conn *c)
{
	struct io_uring_sqe connect = { 0 }, watch = { 0 };
	struct daemon *d = &c->proxy->d;
	int on = 1;

	setsockopt(c->client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(c->upstream, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	io_uring_prep_connect(&connect, c->upstream, (struct sockaddr *)&c->proxy->upstream,
			      sizeof(c->proxy->upstream));
	daemon_start(d, &connect, c->ctx, &c->connect, urctx_now() + c->proxy->connect_time,
		     0);
	io_uring_prep_poll_multishot(&watch, c->client, POLLRDHUP);
	daemon_start(d, &watch, c->ctx, &c->watch, URCTX_NEVER, 0);
	flow_go_on(&c->flow[0]);
}

static bool conn_new(struct daemon *d, int fd)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c || urctx_with_cancel(d->work, &c->ctx) ||
	    urctx_ring_idle(d->ring, c->ctx, &c->over, conn_over)) {
		if (c)
			urctx_put(c->ctx);
		free(c);
		return false;
	}
	d->clients++;
	c->proxy = container_of(d, struct proxy, d);
	c->client = c->flow[0].from = c->flow[1].to = fd;
	c->upstream = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	c->flow[0].to = c->flow[1].from = c->upstream;
	c->flow[0].conn = c->flow[1].conn = c;
	c->flow[0].op.complete = c->flow[1].op.complete = flow_moved;
	c->connect.complete = connected;
	c->watch.complete = watched;
	c->idle_at = URCTX_NEVER;
	if (c->upstream < 0)
		urctx_cancel_cause(c->ctx, urctx_cause_errno(errno));
	else
		conn_start(c);
	return true;
}

static int64_t time_arg(int argc, char **argv, int nr, int otherwise)
{
	return (argc > nr ? atoi(argv[nr]) : otherwise) * MSEC;
}

int main(int argc, char **argv)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	struct proxy p = { .d.client = conn_new, .upstream.sin_family = AF_INET };
	socklen_t length = sizeof(addr);
	int left, fd;

	if (argc < 4 || inet_pton(AF_INET, argv[2], &p.upstream.sin_addr) != 1)
		return fprintf(stderr, "proxy PORT ADDRESS PORT [CONNECT-MS [IDLE-MS "
				       "[GRACE-MS]]]\n"), 2;
	p.upstream.sin_port = htons((uint16_t)atoi(argv[3]));
	p.connect_time = time_arg(argc, argv, 4, 5000);
	p.idle_time = time_arg(argc, argv, 5, 60000);
	p.d.grace = time_arg(argc, argv, 6, 2000);
	if (!daemon_open(&p.d))
		return 77;
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	addr.sin_port = htons((uint16_t)atoi(argv[1]));
	fd = p.d.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, length) || listen(fd, 128) ||
	    getsockname(fd, (struct sockaddr *)&addr, &length))
		return perror("proxy"), 1;
	printf("port %d\n", ntohs(addr.sin_port));
	left = daemon_run(&p.d);
	printf("proxy: whole %lu, late %lu, gone %lu, failed %lu\n", p.whole, p.late, p.gone,
	       p.failed);
	return daemon_close(&p.d, left);
}
