/* SPDX-License-Identifier: MIT */
/*
 * cancellation.c - a user aborts a running action
 *
 *	server --stream--> download --> file		a thread
 *	                      |   \---- dots ----> user
 *	                   context <--- "q" ------ user	main(), the interface
 *
 * The server hangs after 64 KiB and the download would wait for ever.  The user
 * sees that no more dots come, and presses q.  What had arrived is in the file, and
 * the server sees the connection closed.
 */
#include "check.h"

#include <poll.h>
#include <sys/socket.h>

#define BLOCK		4096
#define BLOCKS		16	/* so many the server sends */

/* Return: 0 once fd is ready; urctx_err() once the context has ended; -errno. */
static int wait_for(struct urctx *ctx, int fd, short events)
{
	struct pollfd p[2] = { { fd, events, 0 }, { urctx_fd(ctx), POLLIN, 0 } };

	if (p[1].fd < 0)
		return p[1].fd;
	while (poll(p, 2, -1) < 0)
		if (errno != EINTR)
			return -errno;
	return urctx_err(ctx);
}

struct download {
	struct urctx *ctx;	/* a reference of its own */
	int from, to, screen;
	int64_t bytes;		/* in the file */
	int err;		/* 0: there was an end of the stream */
};

static int copy(struct download *d)
{
	char block[BLOCK];
	ssize_t len;
	int err;

	while (!(err = wait_for(d->ctx, d->from, POLLIN))) {
		len = recv(d->from, block, sizeof(block), MSG_DONTWAIT);
		if (len < 0 && errno == EAGAIN)
			continue;
		if (len <= 0)
			return len ? -errno : 0;
		/* A file: takes what it is given, and does not wait. */
		if (write(d->to, block, (size_t)len) != len)
			return -EIO;
		for (int64_t shown = d->bytes / BLOCK;
		     shown < (d->bytes + len) / BLOCK; shown++)
			if (write(d->screen, ".", 1) != 1)
				return -EIO;
		d->bytes += len;
	}
	return err;
}

static void *download(void *arg)
{
	struct download *d = arg;

	d->err = copy(d);
	close(d->from);
	/* However it ended: nobody need wait for keys any more. */
	urctx_cancel(d->ctx);
	return NULL;
}

/* What the program does meanwhile: it looks at the keyboard. */
static void interface(struct urctx *action, int keyboard)
{
	char key;

	while (!wait_for(action, keyboard, POLLIN) && read(keyboard, &key, 1) == 1)
		if (key == 'q')
			urctx_cancel_cause(action,
					   URCTX_CAUSE(-EINTR, "the user pressed q"));
	/* Over, or the terminal is gone, and with it who wanted this. */
	urctx_cancel(action);
}

/* The world outside: a server that hangs, and somebody at a terminal. */
struct outside {
	int connection, terminal;
	bool closed;		/* the server has seen the end */
};

static char pattern(int64_t at)
{
	return (char)(at % 251);
}

static void *server(void *arg)
{
	struct outside *o = arg;
	char block[BLOCK];
	int i, k;

	for (i = 0; i < BLOCKS; i++) {
		for (k = 0; k < BLOCK; k++)
			block[k] = pattern(i * BLOCK + k);
		if (send(o->connection, block, BLOCK, MSG_NOSIGNAL) != BLOCK)
			return NULL;
	}
	o->closed = recv(o->connection, block, 1, 0) == 0;
	return NULL;
}

static void *user(void *arg)
{
	struct outside *o = arg;
	char dot;
	int seen;

	for (seen = 0; seen < BLOCKS && read(o->terminal, &dot, 1) == 1; seen++)
		CHECK(dot == '.');
	CHECK(write(o->terminal, "hmq", 3) == 3);
	return NULL;
}

static void verify(const struct download *d, const struct outside *o)
{
	const struct urctx_cause *cause = urctx_cause(d->ctx);
	size_t len = 0, i = 0;
	char *text = contents(d->to, &len);

	CHECK(d->err == -ECANCELED);
	CHECK(cause && cause->code == -EINTR);
	CHECK(cause && !strcmp(cause->func, "interface"));
	CHECK(o->closed);
	CHECK(text && len == BLOCK * BLOCKS && (int64_t)len == d->bytes);
	while (i < len && text[i] == pattern((int64_t)i))
		i++;
	CHECK(i == len);
	free(text);
}

int main(void)
{
	struct urctx *root;
	struct download d = { .bytes = 0 };
	struct outside o = { .closed = false };
	pthread_t threads[3];
	int net[2], term[2];

	check_begin();
	if (urctx_with_cancel(NULL, &root) || urctx_with_cancel(root, &d.ctx) ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, net) ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, term) || (d.to = temp_file()) < 0)
		return 1;
	d.from = net[0];
	d.screen = term[0];
	o.connection = net[1];
	o.terminal = term[1];
	if (pthread_create(&threads[0], NULL, server, &o) ||
	    pthread_create(&threads[1], NULL, user, &o) ||
	    pthread_create(&threads[2], NULL, download, &d))
		return 1;
	interface(d.ctx, term[0]);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);

	verify(&d, &o);
	urctx_put(d.ctx);
	close(net[1]);
	close(term[0]);
	close(term[1]);
	close(d.to);
	return check_end(root);
}
