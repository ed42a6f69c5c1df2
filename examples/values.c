/* SPDX-License-Identifier: MIT */
/*
 * values.c - what belongs to a request goes with it, without globals
 *
 *	context of the server
 *	  + user, trace id	per request, released with it
 *	    + span "store"	hides the span "request" from what is called below
 *
 * Four connections are served by four threads, and what they write to one log says
 * whose request it was.  log_line() is given a context and nothing else, and so are
 * the two layers above it, that know of no user and no trace.
 */
#include "check.h"

#include <fcntl.h>
#include <stdarg.h>
#include <sys/socket.h>

#define CONNECTIONS	4
#define REQUESTS	8

/* A key is its address: static, and seen only by those who may look. */
static int released;

static void release_user(void *user)
{
	__atomic_add_fetch(&released, 1, __ATOMIC_RELAXED);
	free(user);
}

static const struct urctx_key user_key = { "user", release_user };
static const struct urctx_key trace_key = { "trace", free };
static const struct urctx_key span_key = { "span", NULL };	/* of these: */
static char span_request[] = "request", span_store[] = "store";

/* A line in one write(): those of other threads do not get in between. */
__attribute__((format(printf, 3, 4)))
static void log_line(struct urctx *ctx, int log, const char *format, ...)
{
	const char *user = urctx_value(ctx, &user_key);
	const unsigned *trace = urctx_value(ctx, &trace_key);
	const char *span = urctx_value(ctx, &span_key);
	char text[64], line[160];
	va_list args;
	int len;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	len = snprintf(line, sizeof(line), "%04x %s %s: %s\n", trace ? *trace : 0,
		       user ? user : "-", span ? span : "-", text);
	CHECK(write(log, line, (size_t)len) == len);
}

/* Two layers of an application: what they are asked, and the context. */
static int store(struct urctx *ctx, int log, int bytes)
{
	urctx_scoped struct urctx *span = NULL;
	int err = urctx_with_value(ctx, &span_key, span_store, &span);

	if (err)
		return err;
	log_line(span, log, "%d bytes", bytes);
	return 0;
}

static int handle(struct urctx *ctx, int log, const char *body)
{
	int err;

	log_line(ctx, log, "begin");
	err = store(ctx, log, (int)strlen(body));
	log_line(ctx, log, err ? "failed" : "end");
	return err;
}

/* Adds one value to *@ctx, which it takes the place of. */
static int add(struct urctx **ctx, const struct urctx_key *key, void *value)
{
	struct urctx *with;
	int err = value ? urctx_with_value(*ctx, key, value, &with) : -ENOMEM;

	if (err) {
		if (key->release && value)
			key->release(value);	/* still ours */
		return err;
	}
	urctx_put(*ctx);	/* the new one keeps what it needs of it */
	*ctx = with;
	return 0;
}

struct connection {
	pthread_t thread;
	struct urctx *server;		/* borrowed */
	int fd, log;
};

struct message {
	unsigned trace;
	char user[12], body[20];
};

static int serve_one(struct connection *c, const struct message *m)
{
	urctx_scoped struct urctx *ctx = NULL;
	unsigned *trace = malloc(sizeof(*trace));
	int err = urctx_with_cancel(c->server, &ctx);

	if (err || !trace) {
		free(trace);
		return err ? err : -ENOMEM;
	}
	*trace = m->trace;
	err = add(&ctx, &trace_key, trace);
	if (!err)
		err = add(&ctx, &user_key, strdup(m->user));
	if (!err)
		err = add(&ctx, &span_key, span_request);
	if (!err)
		err = handle(ctx, c->log, m->body);
	return err;
}

static void *serve(void *arg)
{
	struct connection *c = arg;
	struct message m;
	int err;

	while (recv(c->fd, &m, sizeof(m), MSG_WAITALL) == sizeof(m)) {
		err = serve_one(c, &m);
		if (send(c->fd, &err, sizeof(err), MSG_NOSIGNAL) != sizeof(err))
			break;
	}
	close(c->fd);
	return NULL;
}

/* What client nr sends, and where in the log its lines are. */
static void describe(int nr, int i, struct message *m)
{
	memset(m, 0, sizeof(*m));
	m->trace = (unsigned)(nr << 8 | i);
	snprintf(m->user, sizeof(m->user), "user%d", nr);
	snprintf(m->body, sizeof(m->body), "%.*s", nr + i, "abcdefghijklmnop");
}

static void verify(const char *log)
{
	char line[160];
	struct message m;
	int nr, i;
	const char *p, *q;

	for (nr = 0; nr < CONNECTIONS; nr++) {
		for (i = 0; i < REQUESTS; i++) {
			describe(nr, i, &m);
			snprintf(line, sizeof(line), "%04x user%d request: begin\n",
				 m.trace, nr);
			p = strstr(log, line);
			snprintf(line, sizeof(line), "%04x user%d store: %d bytes\n",
				 m.trace, nr, nr + i);
			q = strstr(log, line);
			CHECK(p && q && p < q);
			snprintf(line, sizeof(line), "%04x user%d request: end\n",
				 m.trace, nr);
			p = strstr(log, line);
			CHECK(p && q && q < p);
		}
	}
	for (i = 0; (log = strchr(log, '\n')); log++)
		i++;
	CHECK(i == 3 * CONNECTIONS * REQUESTS);
}

int main(void)
{
	struct connection conns[CONNECTIONS];
	int net[2], clients[CONNECTIONS], log, nr, i, err;
	struct urctx *root;
	struct message m;
	size_t len;
	char *text;

	check_begin();
	log = temp_file();
	if (log < 0 || fcntl(log, F_SETFL, O_APPEND) || urctx_with_cancel(NULL, &root))
		return 1;
	for (nr = 0; nr < CONNECTIONS; nr++) {
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, net))
			return 1;
		clients[nr] = net[0];
		conns[nr] = (struct connection){ .server = root, .fd = net[1], .log = log };
		if (pthread_create(&conns[nr].thread, NULL, serve, &conns[nr]))
			return 1;
	}
	for (i = 0; i < REQUESTS; i++) {
		for (nr = 0; nr < CONNECTIONS; nr++) {	/* all at once */
			describe(nr, i, &m);
			CHECK(send(clients[nr], &m, sizeof(m), 0) == sizeof(m));
		}
		for (nr = 0; nr < CONNECTIONS; nr++)
			CHECK(recv(clients[nr], &err, sizeof(err), 0) == sizeof(err) &&
			      err == 0);
	}
	for (nr = 0; nr < CONNECTIONS; nr++) {
		close(clients[nr]);
		pthread_join(conns[nr].thread, NULL);
	}
	text = contents(log, &len);
	CHECK(text);
	if (text)
		verify(text);
	free(text);
	CHECK(released == CONNECTIONS * REQUESTS);	/* each user once */
	CHECK(!urctx_value(root, &user_key));
	close(log);
	return check_end(root);
}
