/* SPDX-License-Identifier: MIT */
/*
 * hierarchies.c - whose end reaches whom
 *
 *	server --- session A --- request		a thread each
 *	       \             \-- request
 *	        \- session B --- request
 *	                     \-- request
 *
 * The end of a session ends its requests and nobody else's; that of a request ends
 * nothing but itself; that of the server ends all that is left.  One thing must be
 * done although its session has ended: the record that says why.  It goes under a
 * shield (urctx_without_cancel), which keeps the session's values.
 */
#include "check.h"
#include "net.h"

#include <fcntl.h>

#define SESSIONS	2
#define REQUESTS	2

static const struct urctx_key name_key = { "name", NULL };

struct session {
	pthread_t thread;
	struct urctx *server;		/* borrowed: joined before it ends */
	char *name;
	int client, audit;
	struct request {
		pthread_t thread;
		struct urctx *session;	/* likewise */
		int client, backend;
		int err;
	} requests[REQUESTS];
};

/* One byte from the backend to the client, once it is there. */
static int forward(struct urctx *ctx, struct request *req)
{
	char byte = '?';
	int err;

	if (write(req->backend, &byte, 1) != 1)
		return -EPIPE;
	err = net_wait(ctx, req->backend, POLLIN);
	if (err)
		return err;
	if (read(req->backend, &byte, 1) != 1)
		return -EPIPE;
	return send(req->client, &byte, 1, MSG_NOSIGNAL) == 1 ? 0 : -EPIPE;
}

static void *request(void *arg)
{
	struct request *req = arg;
	struct urctx *ctx = NULL;

	req->err = urctx_with_cancel(req->session, &ctx);
	if (!req->err) {
		req->err = forward(ctx, req);
		urctx_end(ctx);		/* its own end: the session goes on */
	}
	close(req->backend);
	return NULL;
}

/* As everything that takes a context, it does not begin under one that ended. */
static int record(struct urctx *ctx, int file, const char *what)
{
	char line[64];
	int len, err = urctx_err(ctx);

	if (err)
		return err;
	len = snprintf(line, sizeof(line), "%s: %s\n",
		       (char *)urctx_value(ctx, &name_key), what);
	return write(file, line, (size_t)len) == len ? 0 : -EIO;
}

static void audit(struct urctx *session, int file)
{
	urctx_scoped struct urctx *shield = NULL;
	const char *why = urctx_cause(session)->reason;

	CHECK(record(session, file, why) == -ECANCELED);
	CHECK(urctx_without_cancel(session, &shield) == 0);
	CHECK(record(shield, file, why) == 0);
}

static void serve(struct urctx *ctx, struct session *s)
{
	struct request *req;
	int i, started, err = 0;
	char byte;

	for (started = 0; started < REQUESTS && !err; started += !err) {
		req = &s->requests[started];
		req->session = ctx;
		err = pthread_create(&req->thread, NULL, request, req);
	}
	if (err)
		urctx_cancel_cause(ctx, urctx_cause_errno(err));
	/* A client says nothing, or that it is gone. */
	if (!net_wait(ctx, s->client, POLLIN) && read(s->client, &byte, 1) == 0)
		urctx_cancel_cause(ctx, URCTX_CAUSE(-ECONNRESET, "the client hung up"));
	urctx_cancel(ctx);		/* if nothing did before */
	for (i = 0; i < started; i++)
		pthread_join(s->requests[i].thread, NULL);
	for (; i < REQUESTS; i++)
		close(s->requests[i].backend);
	audit(ctx, s->audit);
}

static void *session(void *arg)
{
	struct session *s = arg;
	urctx_scoped struct urctx *ctx = NULL;

	/* What a session is known by goes with its context. */
	if (CHECK(!urctx_with_value(s->server, &name_key, s->name, &ctx)))
		serve(ctx, s);
	close(s->client);
	return NULL;
}

static bool gone(int fd)
{
	char byte;

	return read(fd, &byte, 1) == 0;
}

/* The world outside: clients and backends, and main()'s view of the tree. */
static void outside(struct urctx *server, struct session *s, const int *clients,
		    int backends[][REQUESTS])
{
	char byte;
	int i;

	for (i = 0; i < SESSIONS * REQUESTS; i++)
		CHECK(read(backends[i / REQUESTS][i % REQUESTS], &byte, 1) == 1);
	CHECK(live(server) == SESSIONS + SESSIONS * REQUESTS);

	close(clients[0]);	/* A's client hangs up: A's requests end */
	CHECK(gone(backends[0][0]) && gone(backends[0][1]));
	pthread_join(s[0].thread, NULL);
	CHECK(s[0].requests[0].err == -ECANCELED && s[0].requests[1].err == -ECANCELED);
	CHECK(live(server) == 1 + REQUESTS);

	CHECK(write(backends[1][0], "!", 1) == 1);	/* one of B's is answered */
	CHECK(read(clients[1], &byte, 1) == 1 && byte == '!');
	CHECK(gone(backends[1][0]));
	CHECK(live(server) == 1 + REQUESTS - 1);

	CHECK(urctx_cancel_cause(server, URCTX_CAUSE(-ESHUTDOWN, "the server stops")));
	CHECK(gone(backends[1][1]) && gone(clients[1]));
	pthread_join(s[1].thread, NULL);
	CHECK(s[1].requests[0].err == 0 && s[1].requests[1].err == -ECANCELED);
	close(clients[1]);
}

int main(void)
{
	static char names[SESSIONS][2] = { "A", "B" };
	struct session s[SESSIONS] = { { .name = names[0] }, { .name = names[1] } };
	int clients[SESSIONS], backends[SESSIONS][REQUESTS], net[2], audits, i, k;
	struct urctx *root, *server;
	size_t len;
	char *text;

	check_begin();
	audits = temp_file();
	if (audits < 0 || fcntl(audits, F_SETFL, O_APPEND) ||
	    urctx_with_cancel(NULL, &root) || urctx_with_cancel(root, &server))
		return 1;
	for (i = 0; i < SESSIONS; i++) {
		for (k = 0; k <= REQUESTS; k++) {
			if (socketpair(AF_UNIX, SOCK_STREAM, 0, net))
				return 1;
			*(k < REQUESTS ? &backends[i][k] : &clients[i]) = net[0];
			*(k < REQUESTS ? &s[i].requests[k].backend : &s[i].client) = net[1];
		}
		s[i].server = server;
		s[i].audit = audits;
		s[i].requests[0].client = s[i].requests[1].client = s[i].client;
		if (pthread_create(&s[i].thread, NULL, session, &s[i]))
			return 1;
	}
	outside(server, s, clients, backends);

	text = contents(audits, &len);
	CHECK(text && !strcmp(text, "A: the client hung up\nB: the server stops\n"));
	free(text);
	for (i = 0; i < SESSIONS * REQUESTS; i++)
		close(backends[i / REQUESTS][i % REQUESTS]);
	close(audits);
	urctx_put(server);
	return check_end(root);
}
