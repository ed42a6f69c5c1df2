/* SPDX-License-Identifier: MIT */
/*
 * http_sqlite.c - a web server and its database: who hangs up stops his query
 *
 *	server - connection - request		ends when
 *	   |         |           its time is over: 504
 *	   |         the client hangs up: 499, which nobody reads
 *	   the server goes down: 503
 *
 * One thread, the loop, accepts, and watches all connections for a hang-up; it never
 * waits for a query.  A thread of the group serves a request: it reads it, asks
 * fetch_from_db(ctx) (http_db.c) and writes what that finds, row by row as it comes.
 * Neither knows who may end the context, and the loop does not know what it stops.
 *
 *	GET /user/7 HTTP/1.1		one row, from a table
 *	GET /scan HTTP/1.1		a row at once, and then none, for ever
 *	GET /count HTTP/1.1		no row, for ever
 *	Request-Timeout: 30		ms; 30000 where it is not said
 */
#include "check.h"
#include "net.h"
#include "scratch.h"

#include <semaphore.h>
#include <sys/epoll.h>
#include <urctx/sync.h>

#include "http_db.h"

#define THREADS		8
/* ?1, and one more, and one more, ... */
#define NUMBERS		"WITH RECURSIVE n(x) AS" \
			" (SELECT ?1 UNION ALL SELECT x + 1 FROM n) "

struct server {
	struct urctx *ctx, *group_ctx; /* the group's: borrowed until it is waited for */
	struct urctx_group group;
	int listener, epoll, log;
	int finished[2]; /* a pipe: connections, from their threads to the loop */
	const char *db;
	sem_t logged; /* for the check: a line more is in the log */
};

struct connection {
	struct server *server;
	struct urctx *ctx;
	int fd;
	int status, rows;
	char text[1024], method[8], path[64];
};

static const struct urctx_cause hung_up = { .reason = "the client has hung up",
					    .code = 499 };
static const struct urctx_cause too_slow = { .reason = "the query took too long",
					     .code = 504 };
static const struct urctx_cause going_down = { .reason = "the server goes down",
					       .code = 503 };

/* ------------------------------------------------------------------- one request */
/* Return: ms that it may take; < 0: that is no request. */
static int64_t read_request(struct connection *c)
{
	size_t len = 0;
	ssize_t got;
	char *line;

	do {
		got = net_read(c->ctx, c->fd, c->text + len, sizeof(c->text) - 1 - len);
		if (got <= 0)
			return -EBADMSG;
		len += got;
		c->text[len] = '\0';
	} while (!strstr(c->text, "\r\n\r\n"));
	if (sscanf(c->text, "%7s %63s HTTP/1.1", c->method, c->path) != 2)
		return -EBADMSG;
	line = strstr(c->text, "\r\nRequest-Timeout: ");
	return line ? atoi(line + strlen("\r\nRequest-Timeout: ")) : 30000;
}

static int write_head(struct urctx *ctx, struct connection *c, int status,
		      const char *more)
{
	char text[256];

	c->status = status;
	snprintf(text, sizeof(text), "HTTP/1.1 %d %s\r\nConnection: close\r\n%s\r\n",
		 status, status == 200 ? "OK" : "Sorry", more);
	return net_write(ctx, c->fd, text, strlen(text));
}

struct row_to {
	struct urctx *ctx;
	struct connection *c;
};

/* A chunk for each row.  The first one says that it is a 200. */
static int write_row(void *arg, int64_t id, const char *name)
{
	struct row_to *to = arg;
	char row[128], chunk[160];
	int err = 0;

	if (!to->c->rows++)
		err = write_head(to->ctx, to->c, 200, "Transfer-Encoding: chunked\r\n");
	snprintf(row, sizeof(row), "{\"id\":%d,\"name\":\"%s\"}\n", (int)id,
		 name ? name : "");
	snprintf(chunk, sizeof(chunk), "%zx\r\n%s\r\n", strlen(row), row);
	return err ? err : net_write(to->ctx, to->c->fd, chunk, strlen(chunk));
}

static int query(struct urctx *ctx, struct connection *c)
{
	struct row_to to = { .ctx = ctx, .c = c };
	const char *sql = NULL;
	int id = 1;

	if (sscanf(c->path, "/user/%d", &id) == 1)
		sql = "SELECT id, name FROM users WHERE id = ?1";
	else if (!strcmp(c->path, "/scan"))
		sql = NUMBERS "SELECT x, 'first' FROM n WHERE x = 1";
	else if (!strcmp(c->path, "/count"))
		sql = NUMBERS "SELECT count(*), 'all' FROM n";
	return sql ? fetch_from_db(ctx, c->server->db, sql, id, write_row, &to) : 0;
}

/*
 * The answer outlives its request: last ends a second after the connection, so that
 * a 503 still gets out.  Once rows are out there is no other status to give: the
 * missing last chunk tells the client that it has not got all.
 * Return: how it ended, for the log.
 */
static const char *answer(struct urctx *request, struct urctx *last,
			  struct connection *c, int rows)
{
	const struct urctx_cause *cause = rows < 0 ? urctx_cause(request) : NULL;
	int err = 0;

	if (rows > 0)
		err = net_write(last, c->fd, "0\r\n\r\n", 5);
	else if (!c->rows && cause != &hung_up)
		err = write_head(last, c, rows == 0 ? 404 : cause ? cause->code : 500,
				 "Content-Length: 0\r\n");
	if (cause)
		c->status = cause->code;
	return cause ? cause->reason : rows < 0 ? strerror(-rows) :
	       err ? strerror(-err) : "fine";
}

static void log_line(struct connection *c, const char *how)
{
	dprintf(c->server->log, "%s %d rows %d: %s\n", c->path, c->status, c->rows, how);
	sem_post(&c->server->logged);
}

/* A task of the group, on its thread. */
static int serve(struct urctx *ctx, void *arg)
{
	urctx_scoped struct urctx *request = NULL, *last = NULL;
	struct connection *c = arg;
	int64_t ms = read_request(c);
	const char *how = "no request";

	(void)ctx; /* c->ctx is derived from it */
	log_line(c, "begins");
	if (ms < 0)
		write_head(c->ctx, c, 400, "Content-Length: 0\r\n");
	else if (urctx_with_grace(c->ctx, SECOND, &last) ||
		 urctx_with_timeout_cause(c->ctx, ms * MSEC, &too_slow, &request))
		how = "no memory"; /* and no answer */
	else
		how = answer(request, last, c, query(request, c));
	log_line(c, how);
	/* The loop's epoll has it: the loop frees it. */
	CHECK(write(c->server->finished[1], &c, sizeof(c)) == sizeof(c));
	return 0;
}

/* ---------------------------------------------------------------------- the loop */
static int watch(struct server *s, int fd, uint32_t events, void *what)
{
	struct epoll_event e = { .events = events, .data.ptr = what };

	return epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e) ? -errno : 0;
}

static void drop(struct connection *c)
{
	close(c->fd); /* and out of the epoll */
	urctx_end(c->ctx);
	free(c);
}

/* Return: true: a thread serves it, and will hand it back. */
static bool welcome(struct server *s)
{
	static const char busy[] = "HTTP/1.1 503 Busy\r\nConnection: close\r\n\r\n";
	struct connection *c;
	int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return false; /* it has gone again */
	c = calloc(1, sizeof(*c));
	if (!c) {
		close(fd);
		return false;
	}
	c->server = s;
	c->fd = fd;
	/* Once: after that epoll would say it over and over. */
	if (!urctx_with_cancel(s->group_ctx, &c->ctx) &&
	    !watch(s, fd, EPOLLRDHUP | EPOLLONESHOT, c) &&
	    urctx_group_try_go(&s->group, serve, c))
		return true;
	send(fd, busy, strlen(busy), MSG_NOSIGNAL);
	drop(c);
	return false;
}

/*
 * One event at a time: the next one cannot be of a connection that the last one
 * freed.  A client that only ends its sending (shutdown(2)) counts as gone, too.
 */
static void *loop(void *arg)
{
	struct server *s = arg;
	struct epoll_event e;
	struct connection *c;
	int active = 0;

	while (active || !urctx_done(s->ctx)) {
		if (epoll_wait(s->epoll, &e, 1, -1) != 1)
			continue;
		if (e.data.ptr == &s->listener) {
			active += welcome(s);
		} else if (e.data.ptr == &s->finished) {
			if (CHECK(read(s->finished[0], &c, sizeof(c)) == sizeof(c)))
				drop(c);
			active--;
		} else if (e.data.ptr == s) {
			/* The server goes down, and its connections have heard. */
			epoll_ctl(s->epoll, EPOLL_CTL_DEL, urctx_fd(s->ctx), NULL);
			epoll_ctl(s->epoll, EPOLL_CTL_DEL, s->listener, NULL);
		} else {
			c = e.data.ptr;
			urctx_cancel_cause(c->ctx, &hung_up);
		}
	}
	CHECK(urctx_group_wait(&s->group) == 0);
	return NULL;
}

static bool server_open(struct server *s, struct urctx *root, struct sockaddr_in *addr)
{
	int fd;

	if (!CHECK(urctx_with_cancel(root, &s->ctx) == 0) ||
	    !CHECK(urctx_group_init(&s->group, s->ctx, THREADS, &s->group_ctx) == 0))
		return false;
	fd = urctx_fd(s->ctx);
	s->listener = net_listen(addr);
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	sem_init(&s->logged, 0, 0);
	return CHECK(fd >= 0 && s->listener >= 0 && s->epoll >= 0) &&
	       CHECK(pipe2(s->finished, O_CLOEXEC) == 0) &&
	       CHECK(watch(s, fd, EPOLLIN, s) == 0) &&
	       CHECK(watch(s, s->listener, EPOLLIN, &s->listener) == 0) &&
	       CHECK(watch(s, s->finished[0], EPOLLIN, &s->finished) == 0);
}

static void server_close(struct server *s)
{
	close(s->listener);
	close(s->epoll);
	close(s->finished[0]);
	close(s->finished[1]);
	close(s->log);
	sem_destroy(&s->logged);
	urctx_put(s->ctx);
}

/* --------------------------------------------------------- the clients, the check */
static int ask(const struct sockaddr_in *addr, const char *path, const char *more)
{
	int fd = net_connect(NULL, addr);
	char text[256];

	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: here\r\n%s\r\n", path,
		 more);
	if (!CHECK(fd >= 0) || !CHECK(net_write(NULL, fd, text, strlen(text)) == 0))
		exit(1);
	return fd;
}

static void get(const struct sockaddr_in *addr, const char *path, const char *more,
		const char *status, const char *body)
{
	char text[1024];
	int fd = ask(addr, path, more);
	ssize_t got = net_read_all(NULL, fd, text, sizeof(text) - 1);

	text[got > 0 ? got : 0] = '\0';
	CHECK(!strncmp(text, status, strlen(status)));
	CHECK(strstr(text, body));
	close(fd);
}

/* A query that runs: its first row has come. */
static int scan(const struct sockaddr_in *addr)
{
	int fd = ask(addr, "/scan", "");
	char text[1024] = "";
	size_t len = 0;
	ssize_t got;

	while (!strstr(text, "\"first\"}\n\r\n")) {
		got = net_read(NULL, fd, text + len, sizeof(text) - 1 - len);
		if (!CHECK(got > 0))
			exit(1);
		len += got;
	}
	return fd;
}

/* Sleeps until that line is in the log. */
static void logged(struct server *s, const char *path, const char *line)
{
	char text[2048];
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE / SECOND;
	while (scratch_read(path, text, sizeof(text)) < 0 || !strstr(text, line))
		if (!CHECK(!sem_timedwait(&s->logged, &until) || errno == EINTR))
			exit(1); /* the query goes on */
}

static void clients(struct server *s, const struct sockaddr_in *addr, const char *log)
{
	char text[64];
	void *lock;
	int fd[2];

	get(addr, "/user/7", "", "HTTP/1.1 200 ",
	    "{\"id\":7,\"name\":\"user 7\"}\n\r\n0\r\n\r\n");
	logged(s, log, "/user/7 200 rows 1: fine\n");
	get(addr, "/user/9", "", "HTTP/1.1 404 ", "\r\n\r\n");
	logged(s, log, "/user/9 404 rows 0: fine\n");

	/* The client hangs up in the middle of a query. */
	fd[0] = scan(addr);
	close(fd[0]);
	logged(s, log, "/scan 499 rows 1: the client has hung up\n");
	CHECK(check_quiet() >= 0);

	/* Its time ends. */
	get(addr, "/count", "Request-Timeout: 20\r\n", "HTTP/1.1 504 ", "\r\n\r\n");
	logged(s, log, "/count 504 rows 0: the query took too long\n");
	CHECK(check_quiet() >= 0);

	/* It hangs up where the query waits for somebody else's lock. */
	lock = lock_db(s->db);
	fd[0] = ask(addr, "/user/8", "");
	CHECK(lock != NULL);
	logged(s, log, "/user/8 0 rows 0: begins\n");
	close(fd[0]);
	logged(s, log, "/user/8 499 rows 0: the client has hung up\n");
	unlock_db(lock);

	/* The server goes down: what was sent stays, the last chunk does not come. */
	fd[0] = scan(addr);
	fd[1] = scan(addr);
	urctx_cancel_cause(s->ctx, &going_down);
	CHECK(net_read_all(NULL, fd[0], text, sizeof(text)) == 0);
	CHECK(net_read_all(NULL, fd[1], text, sizeof(text)) == 0);
	close(fd[0]);
	close(fd[1]);
	logged(s, log, "/scan 503 rows 1: the server goes down\n");
}

int main(void)
{
	char db[SCRATCH_NAME], log[SCRATCH_NAME], text[2048];
	struct server server = { .db = db };
	struct urctx *root = NULL;
	struct sockaddr_in addr;
	struct scratch dir;
	pthread_t thread;

	check_begin();
	if (!CHECK(scratch_make(&dir) == 0) ||
	    !CHECK(urctx_with_cancel(NULL, &root) == 0))
		return 1;
	scratch_name(&dir, db, "db");
	scratch_name(&dir, log, "log");
	CHECK(change_db(db, "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);"
			    "INSERT INTO users VALUES (7, 'user 7')") == 0);
	server.log = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (!CHECK(server.log >= 0) || !server_open(&server, root, &addr) ||
	    !CHECK(pthread_create(&thread, NULL, loop, &server) == 0))
		return 1;
	clients(&server, &addr, log);
	pthread_join(thread, NULL);
	server_close(&server);
	CHECK(scratch_read(log, text, sizeof(text)) > 0);
	printf("http_sqlite: the log:\n%s", text);
	scratch_remove(&dir);
	return check_end(root);
}
