/* SPDX-License-Identifier: MIT */
/*
 * middleware.c - tracing, logging, authentication and a time limit, around a handler
 *
 *	trace > log > auth > limit > handler ---> backend, over a connection
 *
 * Each layer is a function that gets the context and the request, derives what it
 * adds, and calls the next with it.  The handler knows its context: who asks, on
 * whose behalf, how long it may take, and that somebody may end it are in there.
 *
 * Eight clients at once ask a server on the loopback; one of them has a wrong token.
 * Then one asks for what takes too long, and one is waiting when the server goes
 * down.  What they read, what the backend got, the log and the spans are compared.
 */
#include "check.h"
#include "net.h"
#include "scratch.h"

#include <semaphore.h>
#include <urctx/sync.h>

#define CLIENTS 8

struct request {
	char trace[16], name[16], token[16]; /* as it came */
	int status;
	char reply[64];
};

struct layer {
	void (*run)(struct urctx *ctx, struct request *req, const struct layer *next);
};

static void next_layer(struct urctx *ctx, struct request *req, const struct layer *next)
{
	next->run(ctx, req, next + 1);
}

static void reply(struct request *req, int status, const char *text)
{
	req->status = status;
	snprintf(req->reply, sizeof(req->reply), "%d %.50s\n", status, text);
}

/* Derivation needs memory: a layer that gets none answers for those below. */
static bool derived(int err, struct request *req)
{
	if (err)
		reply(req, 500, strerror(-err));
	return !err;
}

static int log_fd, trace_fd;

/* ------------------------------------------------- trace: spans, one in another */
struct span {
	const char *trace;
	const struct span *outer;
	const char *name;
};

static const struct urctx_key span_key = { "span", NULL };

static int span_begin(struct urctx *ctx, struct span *s, const char *name,
		      struct urctx **child)
{
	s->outer = urctx_value(ctx, &span_key);
	s->name = name;
	if (s->outer)
		s->trace = s->outer->trace;
	return urctx_with_value(ctx, &span_key, s, child);
}

static void span_end(const struct span *s)
{
	dprintf(trace_fd, "%s %s<%s\n", s->trace, s->name,
		s->outer ? s->outer->name : "");
}

static void trace(struct urctx *ctx, struct request *req, const struct layer *next)
{
	urctx_scoped struct urctx *child = NULL;
	struct span span = { .trace = req->trace };

	if (!derived(span_begin(ctx, &span, "request", &child), req))
		return;
	next_layer(child, req, next);
	span_end(&span);
}

/* ----------------------------- log: one line a request, which layers below add to */
struct entry {
	char user[16];
};

static const struct urctx_key entry_key = { "log entry", NULL };

static void log_request(struct urctx *ctx, struct request *req, const struct layer *next)
{
	urctx_scoped struct urctx *child = NULL;
	const struct span *span = urctx_value(ctx, &span_key);
	struct entry entry = { "-" };

	if (!derived(urctx_with_value(ctx, &entry_key, &entry, &child), req))
		return;
	next_layer(child, req, next);
	dprintf(log_fd, "%s %s %s", span->trace, entry.user, req->reply);
}

/* --------------------------------------------------- auth: who is it, or go away */
static const struct urctx_key user_key = { "user", NULL };

static void authenticate(struct urctx *ctx, struct request *req,
			 const struct layer *next)
{
	static char ann[] = "ann", bob[] = "bob";
	char *user = !strcmp(req->token, "a-secret") ? ann :
		     !strcmp(req->token, "b-secret") ? bob : NULL;
	struct entry *entry = urctx_value(ctx, &entry_key);
	urctx_scoped struct urctx *child = NULL;

	if (!user) {
		reply(req, 401, "who are you?");
		return;
	}
	snprintf(entry->user, sizeof(entry->user), "%s", user);
	if (derived(urctx_with_value(ctx, &user_key, user, &child), req))
		next_layer(child, req, next);
}

/* --------------------------------------- limit: no request takes longer than that */
static void limit(struct urctx *ctx, struct request *req, const struct layer *next)
{
	const struct urctx_cause *late = URCTX_CAUSE(504, "it took too long");
	int64_t time = !strcmp(req->name, "slow") ? 20 * MSEC : PATIENCE;
	urctx_scoped struct urctx *child = NULL;

	if (derived(urctx_with_timeout_cause(ctx, time, late, &child), req))
		next_layer(child, req, next);
	if (!req->status && urctx_err(child))
		reply(req, urctx_cause(child)->code, urctx_cause(child)->reason);
}

/* -------------------------------------------------- the handler, and its backend */
static struct sockaddr_in backend_addr;

static void handle(struct urctx *ctx, struct request *req, const struct layer *next)
{
	urctx_scoped struct urctx *child = NULL;
	const char *user = urctx_value(ctx, &user_key);
	char line[64] = "";
	struct span span;
	ssize_t got;
	int conn;

	(void)next; /* nothing is below */
	if (!derived(span_begin(ctx, &span, "backend", &child), req))
		return;
	conn = net_connect(child, &backend_addr);
	if (conn >= 0) {
		snprintf(line, sizeof(line), "%s %s %s\n", span.trace, user, req->name);
		got = net_write(child, conn, line, strlen(line));
		if (!got)
			got = net_read_all(child, conn, line, sizeof(line) - 1);
		if (got > 0) {
			line[got] = '\0';
			reply(req, 200, line);
		} else if (!urctx_done(child)) {
			reply(req, 502, "no answer");
		}
		close(conn);
	}
	span_end(&span);
}

static const struct layer service[] = {
	{ trace }, { log_request }, { authenticate }, { limit }, { handle },
};

/* ------------------------------------------- the servers: a thread a connection */
struct server {
	struct urctx *ctx;
	int listener;
	int (*task)(struct urctx *ctx, void *conn);
	sem_t stuck; /* the backend has got a request that it will not answer */
};

static struct server server, backend;

static int connection(struct urctx *ctx, void *arg)
{
	struct request req = { .status = 0 };
	int conn = (intptr_t)arg;
	char line[64] = "";

	if (net_read(ctx, conn, line, sizeof(line) - 1) > 0 &&
	    sscanf(line, "%15s %15s %15s", req.trace, req.name, req.token) == 3) {
		service->run(ctx, &req, service + 1);
		/* The answer is sent although the server goes down. */
		CHECK(net_write(NULL, conn, req.reply, strlen(req.reply)) == 0);
	}
	close(conn);
	return 0;
}

static int backend_connection(struct urctx *ctx, void *arg)
{
	char line[64] = "", id[16], user[16], name[16], answer[64];
	int conn = (intptr_t)arg;

	if (net_read(ctx, conn, line, sizeof(line) - 1) > 0 &&
	    CHECK(sscanf(line, "%15s %15s %15s", id, user, name) == 3)) {
		if (!strcmp(name, "stuck"))
			sem_post(&backend.stuck);
		if (!strcmp(name, "motd")) {
			snprintf(answer, sizeof(answer), "%s for %s (%s)", name,
				 user, id);
			CHECK(net_write(ctx, conn, answer, strlen(answer)) == 0);
		} else {
			/* slow, stuck: until the other side hangs up */
			CHECK(net_read(NULL, conn, line, 1) == 0);
		}
	}
	close(conn);
	return 0;
}

/* Until its context ends; back when the last connection is. */
static void *accept_all(void *arg)
{
	struct urctx_group group;
	struct server *s = arg;
	struct urctx *ctx;
	int conn;

	if (!CHECK(urctx_group_init(&group, s->ctx, 0, &ctx) == 0))
		exit(1);
	while ((conn = net_accept(ctx, s->listener)) >= 0)
		if (urctx_group_go(&group, s->task, (void *)(intptr_t)conn))
			close(conn);
	CHECK(urctx_group_wait(&group) == 0);
	return NULL;
}

/* ------------------------------------------------------ the clients, and the check */
struct client {
	pthread_t thread;
	const struct sockaddr_in *addr;
	char line[48], answer[64];
};

static void *client(void *arg)
{
	struct client *c = arg;
	int conn = net_connect(NULL, c->addr);
	ssize_t got;

	if (!CHECK(conn >= 0))
		return NULL;
	CHECK(net_write(NULL, conn, c->line, strlen(c->line)) == 0);
	got = net_read_all(NULL, conn, c->answer, sizeof(c->answer) - 1);
	c->answer[got > 0 ? got : 0] = '\0';
	close(conn);
	return NULL;
}

static void start(pthread_t *thread, void *(*fn)(void *), void *arg)
{
	if (!CHECK(pthread_create(thread, NULL, fn, arg) == 0))
		exit(1);
}

/* That line is in the file, and once. */
static bool once(const char *path, const char *line)
{
	char text[4096], *at;

	if (scratch_read(path, text, sizeof(text)) < 0)
		return false;
	at = strstr(text, line);
	return at && !strstr(at + 1, line);
}

static void many_clients(const struct sockaddr_in *addr, const char *log,
			 const char *spans)
{
	struct client c[CLIENTS];
	char want[96];
	int i;

	for (i = 0; i < CLIENTS; i++) {
		c[i] = (struct client){ .addr = addr };
		snprintf(c[i].line, sizeof(c[i].line), "t%d motd %c-secret\n", i,
			 i == 5 ? 'x' : i % 2 ? 'b' : 'a');
		start(&c[i].thread, client, &c[i]);
	}
	for (i = 0; i < CLIENTS; i++) {
		const char *user = i == 5 ? "-" : i % 2 ? "bob" : "ann";

		pthread_join(c[i].thread, NULL);
		if (i == 5)
			strcpy(want, "401 who are you?\n");
		else
			snprintf(want, sizeof(want), "200 motd for %s (t%d)\n", user, i);
		CHECK(!strcmp(c[i].answer, want));
		snprintf(want, sizeof(want), "t%d %s %s", i, user, c[i].answer);
		CHECK(once(log, want));
		snprintf(want, sizeof(want), "t%d request<\n", i);
		CHECK(once(spans, want));
		snprintf(want, sizeof(want), "t%d backend<request\n", i);
		CHECK(once(spans, want) == (i != 5));
	}
}

static void late_clients(struct sockaddr_in *addr, const char *log)
{
	struct client slow = { .addr = addr, .line = "t8 slow a-secret\n" };
	struct client stuck = { .addr = addr, .line = "t9 stuck b-secret\n" };

	client(&slow);
	CHECK(!strcmp(slow.answer, "504 it took too long\n"));
	CHECK(once(log, "t8 ann 504 it took too long\n"));

	start(&stuck.thread, client, &stuck);
	while (sem_wait(&backend.stuck))
		;
	urctx_cancel_cause(server.ctx, URCTX_CAUSE(503, "the server goes down"));
	pthread_join(stuck.thread, NULL);
	CHECK(!strcmp(stuck.answer, "503 the server goes down\n"));
	CHECK(once(log, "t9 bob 503 the server goes down\n"));
}

int main(void)
{
	char log[SCRATCH_NAME], spans[SCRATCH_NAME], text[1024];
	const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
	pthread_t server_thread, backend_thread;
	struct urctx *root = NULL;
	struct sockaddr_in addr;
	struct scratch dir;

	check_begin();
	server.task = connection;
	backend.task = backend_connection;
	if (!CHECK(scratch_make(&dir) == 0) ||
	    !CHECK(urctx_with_cancel(NULL, &root) == 0) ||
	    !CHECK(urctx_with_cancel(root, &server.ctx) == 0) ||
	    !CHECK(urctx_with_cancel(root, &backend.ctx) == 0))
		return 1;
	log_fd = open(scratch_name(&dir, log, "log"), flags, 0600);
	trace_fd = open(scratch_name(&dir, spans, "spans"), flags, 0600);
	server.listener = net_listen(&addr);
	backend.listener = net_listen(&backend_addr);
	sem_init(&backend.stuck, 0, 0);
	CHECK(log_fd >= 0 && trace_fd >= 0 && server.listener >= 0);
	start(&server_thread, accept_all, &server);
	start(&backend_thread, accept_all, &backend);

	many_clients(&addr, log, spans);
	late_clients(&addr, log);

	pthread_join(server_thread, NULL);
	urctx_cancel(backend.ctx);
	pthread_join(backend_thread, NULL);
	urctx_put(server.ctx);
	urctx_put(backend.ctx);
	close(server.listener);
	close(backend.listener);
	close(log_fd);
	close(trace_fd);
	CHECK(scratch_read(log, text, sizeof(text)) > 0);
	printf("middleware: the log:\n%s", text);
	sem_destroy(&backend.stuck);
	scratch_remove(&dir);
	return check_end(root);
}
