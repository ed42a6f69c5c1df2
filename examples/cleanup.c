/* SPDX-License-Identifier: MIT */
/*
 * cleanup.c - files and connections that are closed once, however it ends
 *
 * Who closes?  One rule for each way of owning:
 *
 *   a thread is in it       the thread does, on its way out.  The context makes it
 *                           leave, no more: nobody closes under its feet
 *   nobody is in it         the context's callback does, unless who takes it out
 *                           again has stopped that: urctx_stop() says true to one
 *   all of a request is     the last put does: a value of the context, with release
 *
 * A server sends eight downloads.  It completes the even ones, and stalls in the
 * odd ones until their context ends; it sees each connection end once.  Then idle
 * connections are taken out of a pool while that pool is cancelled.
 */
#include "check.h"
#include "net.h"
#include "scratch.h"

#include <semaphore.h>

#define TRANSFERS	8
#define HALF		20000
#define ROUNDS		100

static int opened, closed; /* by this program, and it worked */

static int counted(int fd)
{
	if (fd >= 0)
		__atomic_add_fetch(&opened, 1, __ATOMIC_RELAXED);
	return fd;
}

/* A second close() of the same would fail here, or close what is another's. */
static void close_once(int fd)
{
	if (CHECK(close(fd) == 0))
		__atomic_add_fetch(&closed, 1, __ATOMIC_RELAXED);
}

/* ------------------------------------------ what a whole job has: its log file */
struct log {
	int fd;
	int releases;
};

static void release_log(void *value)
{
	struct log *log = value;

	log->releases++;
	close_once(log->fd);
}

static const struct urctx_key log_key = { "log", release_log };

static void note(struct urctx *ctx, const char *what)
{
	struct log *log = urctx_value(ctx, &log_key);

	CHECK(log && write(log->fd, what, strlen(what)) == (ssize_t)strlen(what));
}

/* ----------------------------------------- what a thread is in: a download's two */
struct download {
	pthread_t thread;
	struct urctx *job; /* a reference of its own */
	const struct sockaddr_in *server;
	const struct scratch *dir;
	char id;
	int result;
};

static int receive(struct urctx *ctx, int conn, int file)
{
	char buf[4096];
	ssize_t got, total = 0;

	while ((got = net_read(ctx, conn, buf, sizeof(buf))) > 0) {
		if (write(file, buf, got) != got)
			return -EIO;
		total += got;
		/* the server wants to know when the first half is stored */
		if (total >= HALF && total - got < HALF &&
		    net_write(ctx, conn, "H", 1))
			return -EPIPE;
	}
	return got < 0 ? got : total == 2 * HALF ? 0 : -ECONNRESET;
}

static int download(struct urctx *ctx, struct download *d)
{
	char part[SCRATCH_NAME], whole[SCRATCH_NAME];
	int conn, file, err;

	scratch_name(d->dir, part, "part.%c", d->id);
	scratch_name(d->dir, whole, "whole.%c", d->id);
	conn = counted(net_connect(ctx, d->server));
	if (conn < 0)
		return conn;
	file = counted(open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	if (file < 0) {
		err = -errno;
		goto out_conn;
	}
	err = net_write(ctx, conn, &d->id, 1);
	if (!err)
		err = receive(ctx, conn, file);
	if (!err && rename(part, whole))
		err = -errno;
	/* The same way out for success, failure and the context's end. */
	if (err)
		unlink(part);
	close_once(file);
out_conn:
	close_once(conn);
	return err;
}

static void *download_thread(void *arg)
{
	struct download *d = arg;

	d->result = download(d->job, d);
	note(d->job, d->result ? "gave up\n" : "done\n");
	urctx_put(d->job);
	return NULL;
}

/* ------------------------------------------------------------------- the server */
struct server {
	int listener;
	sem_t stored; /* posted once the odd ones have their half */
	int ends; /* connections whose end it has seen */
};

static void *serve(void *arg)
{
	static const char half[HALF] = { [0 ... HALF - 1] = 'x' };
	int conn[TRANSFERS], i;
	struct server *s = arg;
	char id[TRANSFERS], c;

	for (i = 0; i < TRANSFERS; i++) {
		conn[i] = net_accept(NULL, s->listener);
		CHECK(net_read_all(NULL, conn[i], &id[i], 1) == 1);
		CHECK(net_write(NULL, conn[i], half, HALF) == 0);
		CHECK(net_read_all(NULL, conn[i], &c, 1) == 1 && c == 'H');
		if ((id[i] - '0') % 2)
			continue; /* nothing more for this one, ever */
		CHECK(net_write(NULL, conn[i], half, HALF) == 0);
		CHECK(shutdown(conn[i], SHUT_WR) == 0);
	}
	sem_post(&s->stored);
	for (i = 0; i < TRANSFERS; i++) {
		s->ends += CHECK(net_read(NULL, conn[i], &c, 1) == 0);
		close(conn[i]);
	}
	return NULL;
}

static void join(struct download *d, int want)
{
	pthread_join(d->thread, NULL);
	CHECK(d->result == want);
}

static void downloads(struct urctx *root, const struct scratch *dir)
{
	struct download d[TRANSFERS];
	struct server server = { .ends = 0 };
	char path[SCRATCH_NAME], text[2 * HALF + 2];
	struct urctx *job = NULL;
	struct sockaddr_in addr;
	struct log log = { .fd = -1 };
	pthread_t thread;
	int i;

	sem_init(&server.stored, 0, 0);
	server.listener = net_listen(&addr);
	scratch_name(dir, path, "log");
	log.fd = counted(open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
	if (!CHECK(server.listener >= 0 && log.fd >= 0) ||
	    !CHECK(urctx_with_value(root, &log_key, &log, &job) == 0) ||
	    !CHECK(pthread_create(&thread, NULL, serve, &server) == 0))
		exit(1);
	for (i = 0; i < TRANSFERS; i++) {
		d[i] = (struct download){ .job = urctx_get(job), .server = &addr,
					  .dir = dir, .id = '0' + i };
		if (!CHECK(pthread_create(&d[i].thread, NULL, download_thread,
					  &d[i]) == 0))
			exit(1);
	}
	for (i = 0; i < TRANSFERS; i += 2)
		join(&d[i], 0);
	while (sem_wait(&server.stored))
		;
	urctx_cancel(job);
	for (i = 1; i < TRANSFERS; i += 2)
		join(&d[i], -ECANCELED);
	pthread_join(thread, NULL);
	CHECK(server.ends == TRANSFERS);
	close(server.listener);
	sem_destroy(&server.stored);

	/* The log was open as long as anybody had the context, and no longer. */
	CHECK(log.releases == 0);
	urctx_put(job);
	CHECK(log.releases == 1);
	CHECK(scratch_read(path, text, sizeof(text)) == 4 * 5 + 4 * 8);
	CHECK(scratch_count(dir, "part.") == 0);
	CHECK(scratch_count(dir, "whole.") == TRANSFERS / 2);
	for (i = 0; i < TRANSFERS; i += 2) {
		scratch_name(dir, path, "whole.%d", i);
		CHECK(scratch_read(path, text, sizeof(text)) == 2 * HALF);
		CHECK(strspn(text, "x") == 2 * HALF);
	}
}

/* ----------------------------- what nobody is in: a connection kept for later use */
struct idle {
	struct urctx_callback on_end; /* first: the callback finds the rest */
	int conn;
};

static void close_idle(struct urctx_callback *cb)
{
	close_once(((struct idle *)cb)->conn);
}

struct pool {
	struct urctx *ctx;
	pthread_barrier_t together;
};

static void *end_pool(void *arg)
{
	struct pool *pool = arg;

	pthread_barrier_wait(&pool->together);
	urctx_cancel(pool->ctx);
	return NULL;
}

/* Return: true: it was in time to take the connection out of the pool. */
static bool take_out(struct urctx *root)
{
	struct idle idle = { .conn = -1 };
	struct pool pool = { .ctx = NULL };
	pthread_t thread;
	int fds[2], got;
	char buf[8];
	bool mine;

	if (!CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0) ||
	    !CHECK(urctx_with_cancel(root, &pool.ctx) == 0))
		exit(1);
	pthread_barrier_init(&pool.together, NULL, 2);
	idle.conn = counted(fds[0]);
	CHECK(urctx_after(pool.ctx, &idle.on_end, close_idle) == 0);
	if (!CHECK(pthread_create(&thread, NULL, end_pool, &pool) == 0))
		exit(1);

	pthread_barrier_wait(&pool.together);
	mine = urctx_stop(&idle.on_end);
	if (mine) {
		CHECK(send(idle.conn, "bye", 3, MSG_NOSIGNAL) == 3);
		close_once(idle.conn);
	}
	/* Either way it is closed by now, and idle may leave the stack. */
	got = read(fds[1], buf, sizeof(buf));
	CHECK(mine ? got == 3 && !memcmp(buf, "bye", 3) : got == 0);
	CHECK(read(fds[1], buf, sizeof(buf)) == 0);
	close(fds[1]);
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&pool.together);
	urctx_put(pool.ctx);
	return mine;
}

int main(void)
{
	struct urctx *root = NULL;
	struct scratch dir;
	int i, taken = 0;

	check_begin();
	if (!CHECK(scratch_make(&dir) == 0) ||
	    !CHECK(urctx_with_cancel(NULL, &root) == 0))
		return 1;
	downloads(root, &dir);
	for (i = 0; i < ROUNDS; i++)
		taken += take_out(root);
	CHECK(opened == 2 * TRANSFERS + 1 + ROUNDS && closed == opened);
	printf("cleanup: %d closed, %d opened; of %d idle ones %d taken out, the rest "
	       "closed by the cancel\n", closed, opened, ROUNDS, taken);
	scratch_remove(&dir);
	return check_end(root);
}
