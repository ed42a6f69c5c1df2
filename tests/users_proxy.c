/* SPDX-License-Identifier: MIT */
/*
 * users_proxy.c - 10,000 connections through examples/proxy, many of them cut off
 *
 * Both ends of each are here: the client says first who of the two will do what, and
 * each knows every byte that the other sends.  The rule for all: the end of a stream
 * is seen where the other end has shut it down, and nowhere else.
 */
#include "users.h"

#include <arpa/inet.h>
#include <poll.h>

#define SERVERS		8	/* threads of the upstream */

enum how { WHOLE, CLIENT_RESETS = 4, CLIENT_CLOSES, SERVER_RESETS, SERVER_CLOSES, HOWS,
	   SILENT };
enum { STARTED, DONE, CUT };	/* sums */

/* What a client begins with. */
struct hello {
	uint32_t how, seed;
	uint32_t up, down;	/* bytes that follow, each way */
	uint32_t cut_at;	/* for who resets or closes: after so many bytes */
};

/* One of the two ends. */
struct end {
	int fd;
	bool cuts, resets, slow;
	uint32_t cut_at;
	uint32_t out_seed, in_seed;
	size_t out, out_length, in;
	bool said_all, heard_all;
};

static int upstream_listener;

static void reset(int fd)
{
	struct linger linger = { .l_onoff = 1 };

	MUST(!setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	close(fd);
}

/* Return: false: the connection has been reset. */
static bool say(struct end *e)
{
	unsigned char buf[8192];
	size_t length = e->out_length - e->out, i;
	ssize_t put;

	length = length < sizeof(buf) ? length : sizeof(buf);
	for (i = 0; i < length; i++)
		buf[i] = pattern(e->out_seed, e->out + i);
	put = send(e->fd, buf, length, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (put < 0 && errno != EAGAIN) {
		MUST(errno == ECONNRESET || errno == EPIPE);
		return false;
	}
	e->out += put > 0 ? (size_t)put : 0;
	if (e->out == e->out_length) {
		e->said_all = true;
		shutdown(e->fd, SHUT_WR);
	}
	return true;
}

static bool hear(struct end *e)
{
	unsigned char buf[8192];
	ssize_t got = recv(e->fd, buf, sizeof(buf), MSG_DONTWAIT), i;

	if (got < 0 && errno != EAGAIN) {
		MUST(errno == ECONNRESET || errno == EPIPE);
		return false;
	}
	for (i = 0; i < got; i++)
		MUST(buf[i] == pattern(e->in_seed, e->in + (size_t)i));
	e->in += got > 0 ? (size_t)got : 0;
	e->heard_all = got == 0;
	return true;
}

/* Return: all has been said and heard.  Closes. */
static bool exchange(struct end *e, struct rng *rng)
{
	bool there = true;

	while (there && !(e->said_all && e->heard_all) &&
	       !(e->cuts && e->in + e->out >= e->cut_at)) {
		struct pollfd p = { .fd = e->fd,
				    .events = (short)((e->said_all ? 0 : POLLOUT) |
						      (e->heard_all ? 0 : POLLIN)) };

		MUST(poll(&p, 1, -1) == 1);
		if (e->slow)
			dither(rng);
		if (!e->heard_all)
			there = hear(e);
		if (there && !e->said_all)
			there = say(e);
	}
	if (e->cuts)
		dither(rng);
	if (e->cuts && e->resets)
		reset(e->fd);
	else
		close(e->fd);
	return there && e->said_all && e->heard_all;
}

static int dial(int port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				    .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	MUST(fd >= 0 && !connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
	return fd;
}

/* --------------------------------------------------------------------- upstream */
static void serve(int fd, struct rng *rng)
{
	struct hello h;
	struct end e = { .fd = fd };
	char c;

	/* Cut off before it could say what it wants? */
	if (recv(fd, &h, sizeof(h), MSG_WAITALL) != sizeof(h)) {
		close(fd);
		return;
	}
	if (h.how == SILENT) {
		MUST(recv(fd, &c, 1, 0) < 0 && errno == ECONNRESET);
		close(fd);
		return;
	}
	e.cuts = h.how == SERVER_RESETS || h.how == SERVER_CLOSES;
	e.resets = h.how == SERVER_RESETS;
	e.cut_at = h.cut_at;
	e.out_seed = ~h.seed;
	e.in_seed = h.seed;
	e.out_length = h.down;
	exchange(&e, rng);
	MUST(e.in <= h.up);
	if (e.heard_all && h.how != CLIENT_CLOSES)
		MUST(e.in == h.up);
	if (h.how == WHOLE)
		MUST(e.said_all && e.heard_all);
}

static void *server(void *arg)
{
	struct rng rng = { SEED + 100 + (uint64_t)(intptr_t)arg };
	int fd;

	while ((fd = accept4(upstream_listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		serve(fd, &rng);
	MUST(errno == EINVAL);
	return NULL;
}

/* Return: a socket at a port of its own. */
static int bound(int *port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	MUST(fd >= 0 && !bind(fd, (struct sockaddr *)&addr, length) &&
	     !getsockname(fd, (struct sockaddr *)&addr, &length));
	*port = ntohs(addr.sin_port);
	return fd;
}

/* ---------------------------------------------------------------------- clients */
static int proxy_port;

static uint32_t length(struct rng *rng)
{
	return pick(rng, 20) ? pick(rng, 3000) : pick(rng, 300000);
}

static void connection(struct client *c)
{
	struct rng *rng = &c->rng;
	uint32_t how = pick(rng, HOWS);
	struct hello h = { .how = how < CLIENT_RESETS ? WHOLE : how,
			   .seed = pick(rng, 1U << 31),
			   .up = length(rng), .down = length(rng) };
	struct end e = { .fd = dial(proxy_port), .out_seed = h.seed, .in_seed = ~h.seed,
			 .out_length = h.up };
	bool whole;

	h.cut_at = pick(rng, h.up + h.down + 1);
	e.cuts = h.how == CLIENT_RESETS || h.how == CLIENT_CLOSES;
	e.resets = h.how == CLIENT_RESETS;
	e.cut_at = h.cut_at;
	c->sums.v[STARTED]++;
	/* Now and then not even that is said. */
	if (!e.cuts || pick(rng, 4))
		MUST(send(e.fd, &h, sizeof(h), MSG_NOSIGNAL) == sizeof(h));
	else
		e.cut_at = 0;
	whole = exchange(&e, rng);
	MUST(e.in <= h.down);
	if (e.heard_all && h.how != SERVER_CLOSES)
		MUST(e.in == h.down);
	if (h.how == WHOLE)
		MUST(whole);
	c->sums.v[whole ? DONE : CUT]++;
}

static void *client(void *arg)
{
	struct client *c = arg;
	int i;

	for (i = 0; i < REQUESTS / CLIENTS; i++)
		connection(c);
	return NULL;
}

/* ------------------------------------------------------------------------ parts */
static struct daemon_run start(int port, const char *connect, const char *idle,
			       const char *grace)
{
	char to[16];
	const char *args[] = { NULL, "0", "127.0.0.1", to, connect, idle, grace, NULL };
	struct daemon_run d;

	snprintf(to, sizeof(to), "%d", port);
	d = daemon_start("proxy", args);
	MUST(d.port);
	proxy_port = d.port;
	return d;
}

/* What is under way when SIGTERM comes is finished. */
static void drained(struct daemon_run *d, unsigned long counts[4])
{
	struct hello h = { .how = WHOLE, .seed = 4711, .up = 100000, .down = 100000 };
	struct end e = { .fd = dial(proxy_port), .out_seed = h.seed, .in_seed = ~h.seed,
			 .out_length = h.up };
	struct rng rng = { SEED };

	MUST(send(e.fd, &h, sizeof(h), MSG_NOSIGNAL) == sizeof(h));
	while (!e.in)
		MUST(hear(&e));
	MUST(!kill(d->pid, SIGTERM));
	MUST(exchange(&e, &rng) && e.in == h.down);
	daemon_stop(d, counts);
}

static void many(int upstream)
{
	struct daemon_run d = start(upstream, "60000", "60000", "60000");
	struct sums sums = clients_run(client);
	unsigned long counts[4];

	printf("users_proxy: seed %d, %lu connections, %lu whole, %lu cut off\n", SEED,
	       sums.v[STARTED], sums.v[DONE], sums.v[CUT]);
	drained(&d, counts);
	MUST(counts[0] > sums.v[DONE] && counts[1] == 0);
	MUST(counts[0] + counts[2] + counts[3] <= sums.v[STARTED] + 1);
}

/* So many clients that say so much are cut off, each by a reset. */
static void all_reset(int nr, const void *said, size_t bytes, bool and_no_more)
{
	int fd[64], i;
	bool told[64];
	char c;

	for (i = 0; i < nr; i++) {
		fd[i] = dial(proxy_port);
		/* A socket says once that it is reset: here, or below. */
		told[i] = send(fd[i], said, bytes, MSG_NOSIGNAL) < 0;
		MUST(!told[i] || errno == ECONNRESET);
		if (and_no_more)
			shutdown(fd[i], SHUT_WR);
	}
	for (i = 0; i < nr; i++) {
		if (!told[i])
			MUST(recv(fd[i], &c, 1, 0) < 0 && errno == ECONNRESET);
		close(fd[i]);
	}
}

/* Who reads slowly: what is sent to him is sent in parts. */
static void slow(int upstream)
{
	struct daemon_run d = start(upstream, "60000", "60000", "60000");
	struct hello h = { .how = WHOLE, .seed = 42, .down = 10000000 };
	struct end e = { .out_seed = h.seed, .in_seed = ~h.seed, .slow = true };
	struct rng rng = { SEED };
	unsigned long counts[4];
	int size = 65536;

	e.fd = dial(proxy_port);
	MUST(!setsockopt(e.fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)));
	MUST(send(e.fd, &h, sizeof(h), MSG_NOSIGNAL) == sizeof(h));
	MUST(exchange(&e, &rng) && e.in == h.down);
	daemon_stop(&d, counts);
	MUST(counts[0] == 1);
}

static void refused(void)
{
	unsigned long counts[4];
	struct daemon_run d;
	int port, fd = bound(&port);	/* and does not listen */

	d = start(port, "60000", "60000", "60000");
	all_reset(50, "x", 1, false);
	daemon_stop(&d, counts);
	MUST(counts[3] == 50);
	close(fd);
}

static void idle(int upstream)
{
	struct daemon_run d = start(upstream, "60000", "20", "60000");
	struct hello h = { .how = SILENT };
	unsigned long counts[4];

	all_reset(20, &h, sizeof(h), false);
	daemon_stop(&d, counts);
	MUST(counts[1] == 20);
}

/* A connection that goes on and on is cut off at last. */
static void grace_over(int upstream)
{
	struct daemon_run d = start(upstream, "60000", "60000", "500");
	struct hello h = { .how = SILENT };
	struct end e = { .in_seed = ~h.seed };
	struct rng rng = { SEED };
	int fd = dial(proxy_port);
	unsigned long counts[4];
	char c;

	MUST(send(fd, &h, sizeof(h), MSG_NOSIGNAL) == sizeof(h));
	/* A second one, so that the first has been accepted. */
	h.how = WHOLE;
	e.fd = dial(proxy_port);
	MUST(send(e.fd, &h, sizeof(h), MSG_NOSIGNAL) == sizeof(h));
	MUST(exchange(&e, &rng));
	daemon_stop(&d, counts);
	MUST(counts[0] == 1 && counts[3] == 1);
	MUST(recv(fd, &c, 1, 0) < 0 && errno == ECONNRESET);
	close(fd);
}

/* A listener whose kernel answers nobody any more. */
static int full(int *port, int fill[4])
{
	int fd = bound(port), i;
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				    .sin_port = htons((uint16_t)*port) };
	struct pollfd p = { .fd = fd, .events = POLLIN };

	MUST(!listen(fd, 0));
	for (i = 0; i < 4; i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		MUST(connect(fill[i], (struct sockaddr *)&addr, sizeof(addr)) < 0 &&
		     errno == EINPROGRESS);
		MUST(poll(&p, 1, -1) == 1);
	}
	return fd;
}

/*
 * Clients that hang up while their upstream is connected to: nobody waits for a minute.
 * One that has said something and will say no more may wait for an answer, and is not
 * among them.
 */
static void hang_up(int upstream)
{
	struct daemon_run d = start(upstream, "60000", "60000", "60000");
	struct rng rng = { SEED };
	unsigned long counts[4];
	int i, fd;

	for (i = 0; i < 300; i++) {
		fd = dial(proxy_port);
		if (i % 3 == 0)
			MUST(send(fd, "x", 1, MSG_NOSIGNAL) == 1);
		dither(&rng);
		if (i % 3 == 2)
			close(fd);
		else
			reset(fd);
	}
	daemon_stop(&d, counts);
	MUST(counts[0] == 0 && counts[1] == 0 && counts[2] > 0);
}

static void connect_late(int upstream)
{
	struct daemon_run d = start(upstream, "20", "60000", "60000");
	unsigned long counts[4];

	all_reset(20, "x", 1, false);
	all_reset(20, "x", 1, true);
	daemon_stop(&d, counts);
	MUST(counts[1] == 40);
}

int main(void)
{
	pthread_t servers[SERVERS];
	int port, fill[4], i;

	alarm(HOPELESS);
	upstream_listener = bound(&port);
	MUST(!listen(upstream_listener, 128));
	for (i = 0; i < SERVERS; i++)
		MUST(!pthread_create(&servers[i], NULL, server, (void *)(intptr_t)i));
	many(port);
	slow(port);
	idle(port);
	grace_over(port);
	shutdown(upstream_listener, SHUT_RDWR);
	for (i = 0; i < SERVERS; i++)
		pthread_join(servers[i], NULL);
	close(upstream_listener);

	refused();
	upstream_listener = full(&port, fill);
	hang_up(port);
	connect_late(port);
	for (i = 0; i < 4; i++)
		close(fill[i]);
	close(upstream_listener);
	return 0;
}
