/* SPDX-License-Identifier: MIT */
/*
 * limits.c - a resource that takes three connections, and more who want one
 *
 * A semaphore stands before the resource.  Who waits for a place waits with his
 * context: it ends the wait, and a place that is not taken goes to the next.  First
 * come, first served; an export takes all three places, so it has the resource for
 * itself, and small requests that come later do not overtake it for ever.
 *
 * The resource is a server that counts its connections and holds the first ones
 * until it is told.  Meanwhile two of those in the queue are cancelled, one runs out
 * of time, and one does not want to wait at all: it never hears of these.
 */
#include "check.h"
#include "net.h"

#include <semaphore.h>
#include <urctx/sync.h>

#define PLACES	3
#define CLIENTS 16

struct resource {
	struct urctx_sem places;
	struct sockaddr_in addr;
};

/* ------------------------------------------------------------------ who wants it */
/* Return: 0 and a reply; urctx_err(): gave up, in the queue or later; -errno. */
static int ask(struct urctx *ctx, struct resource *r, int64_t places, char id,
	       char reply[8])
{
	int conn, err = urctx_sem_acquire(&r->places, ctx, places);
	ssize_t got;

	if (err)
		return err;
	conn = net_connect(ctx, &r->addr);
	if (conn < 0) {
		err = conn;
		goto out;
	}
	err = net_write(ctx, conn, &id, 1);
	if (!err) {
		got = net_read_all(ctx, conn, reply, 7);
		err = got < 0 ? got : 0;
		reply[got > 0 ? got : 0] = '\0';
	}
	/* First the connection, then the place: in the other order there are four. */
	close(conn);
out:
	urctx_sem_release(&r->places, places);
	return err;
}

struct client {
	pthread_t thread;
	struct urctx *ctx;
	struct resource *resource;
	int64_t places;
	char id, reply[8];
	int result;
};

static void *client_thread(void *arg)
{
	struct client *c = arg;

	c->result = ask(c->ctx, c->resource, c->places, c->id, c->reply);
	return NULL;
}

/* ------------------------------------------------------------------ the resource */
struct server {
	struct urctx *ctx;
	int listener;
	sem_t come; /* posted for each request */
	sem_t go; /* to be posted for each answer */
	pthread_mutex_t lock; /* for what follows */
	int now, most, alone; /* connections; at most; while 'X' was there */
	char seen[CLIENTS + 1];
	int nr;
};

struct connection {
	pthread_t thread;
	struct server *server;
	int fd;
};

static void *serve(void *arg)
{
	struct connection *c = arg;
	struct server *s = c->server;
	char reply[8] = "ok ";

	CHECK(net_read_all(NULL, c->fd, reply + 3, 1) == 1);
	pthread_mutex_lock(&s->lock);
	s->seen[s->nr++] = reply[3];
	s->now++;
	s->most = s->now > s->most ? s->now : s->most;
	pthread_mutex_unlock(&s->lock);
	sem_post(&s->come);
	while (sem_wait(&s->go))
		;
	pthread_mutex_lock(&s->lock);
	if (reply[3] == 'X')
		s->alone = s->now;
	s->now--;
	pthread_mutex_unlock(&s->lock);
	/* It has left the count before the client can know: never one too many. */
	CHECK(net_write(NULL, c->fd, reply, 4) == 0);
	close(c->fd);
	return NULL;
}

static void *accept_all(void *arg)
{
	struct connection conns[CLIENTS];
	struct server *s = arg;
	int i, nr = 0, fd;

	while ((fd = net_accept(s->ctx, s->listener)) >= 0) {
		if (!CHECK(nr < CLIENTS))
			exit(1);
		conns[nr] = (struct connection){ .server = s, .fd = fd };
		if (!CHECK(pthread_create(&conns[nr].thread, NULL, serve,
					  &conns[nr]) == 0))
			exit(1);
		nr++;
	}
	for (i = 0; i < nr; i++)
		pthread_join(conns[i].thread, NULL);
	return NULL;
}

/* ---------------------------------------------------------------------- the check */
static void start(struct client *c, struct resource *r, struct urctx *ctx, int nr)
{
	*c = (struct client){ .ctx = ctx, .resource = r, .id = 'a' + nr, .places = 1 };
	if (nr == 7) {
		c->id = 'X';
		c->places = PLACES;
	}
	if (!CHECK(pthread_create(&c->thread, NULL, client_thread, c) == 0))
		exit(1);
}

static void crowd(struct urctx *root, struct resource *r, struct server *s)
{
	struct urctx *leavers = NULL, *hasty = NULL;
	struct client c[CLIENTS];
	int i;

	if (!CHECK(urctx_with_cancel(root, &leavers) == 0) ||
	    !CHECK(urctx_with_timeout(root, 10 * MSEC, &hasty) == 0))
		exit(1);
	for (i = 0; i < PLACES; i++)
		start(&c[i], r, root, i);
	for (i = 0; i < PLACES; i++)
		while (sem_wait(&s->come))
			;
	/* It is full.  The rest queues, or does not. */
	for (; i < CLIENTS; i++)
		start(&c[i], r, i == 5 || i == 9 ? leavers : i == 6 ? hasty : root, i);
	CHECK(!urctx_sem_try_acquire(&r->places, 1));
	urctx_cancel(leavers);
	for (i = 5; i < 10; i += 4) {
		pthread_join(c[i].thread, NULL);
		CHECK(c[i].result == -ECANCELED);
	}
	pthread_join(c[6].thread, NULL);
	CHECK(c[6].result == -ETIME);
	CHECK(sem_trywait(&s->come) == -1); /* it has seen none of them */

	for (i = 0; i < CLIENTS; i++)
		sem_post(&s->go);
	for (i = 0; i < CLIENTS; i++) {
		if (i == 5 || i == 6 || i == 9)
			continue;
		pthread_join(c[i].thread, NULL);
		CHECK(c[i].result == 0);
		CHECK(!strncmp(c[i].reply, "ok ", 3) && c[i].reply[3] == c[i].id);
	}
	urctx_put(leavers);
	urctx_put(hasty);
}

int main(void)
{
	struct server server = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct urctx *root = NULL;
	struct resource r;
	pthread_t thread;

	check_begin();
	if (!CHECK(urctx_with_cancel(NULL, &root) == 0) ||
	    !CHECK(urctx_with_cancel(root, &server.ctx) == 0))
		return 1;
	urctx_sem_init(&r.places, PLACES);
	server.listener = net_listen(&r.addr);
	sem_init(&server.come, 0, 0);
	sem_init(&server.go, 0, 0);
	if (!CHECK(server.listener >= 0) ||
	    !CHECK(pthread_create(&thread, NULL, accept_all, &server) == 0))
		return 1;
	crowd(root, &r, &server);
	urctx_cancel(server.ctx);
	pthread_join(thread, NULL);

	/* All places are back, the limit was used and kept, and X was alone. */
	CHECK(urctx_sem_try_acquire(&r.places, PLACES));
	urctx_sem_release(&r.places, PLACES);
	CHECK(server.most == PLACES && server.alone == 1 && server.now == 0);
	CHECK(server.nr == CLIENTS - 3 && !strpbrk(server.seen, "fgj"));
	printf("limits: served %s, %d at most at a time\n", server.seen, server.most);
	close(server.listener);
	sem_destroy(&server.come);
	sem_destroy(&server.go);
	urctx_put(server.ctx);
	return check_end(root);
}
