/* SPDX-License-Identifier: MIT */
/*
 * propagation.c - one cancel, through levels of threads
 *
 *	main -- 3 threads -- 3 threads each -- 3 threads each, which wait for a peer
 *
 * Each thread derives a context of its own and starts those below it with that.
 * Nobody keeps a list of threads, and nobody is signalled: main() ends the first
 * context, and every level comes back, with the same cause in hand.  Down it goes by
 * itself; up, a thread that fails ends the context it was given.
 */
#include "check.h"

#include <poll.h>
#include <sys/socket.h>

#define LEVELS	3
#define FAN	3
#define LEAVES	27

struct node {
	pthread_t thread;
	struct urctx *parent;		/* borrowed: the parent joins us */
	int level;
	int peer;			/* a socket that all leaves share */
	/* for the parent, once joined */
	int err, nodes;
	const struct urctx_cause *cause;
};

/* A leaf: tells the peer that it is here, and waits for what never comes. */
static int wait_for_peer(struct urctx *ctx, int peer)
{
	struct pollfd p[2] = { { peer, POLLIN, 0 }, { urctx_fd(ctx), POLLIN, 0 } };

	if (p[1].fd < 0)
		return p[1].fd;
	if (write(peer, "a", 1) != 1)
		return -EPIPE;
	while (poll(p, 2, -1) < 0)
		if (errno != EINTR)
			return -errno;
	if (write(peer, "z", 1) != 1)
		return -EPIPE;
	return urctx_err(ctx);
}

static void *run(void *arg);

/* Return: the first error; all that were started are back by then. */
static int run_below(struct urctx *ctx, struct node *n)
{
	struct node below[FAN];
	int started, i, err = 0;

	for (started = 0; started < FAN; started++) {
		below[started] = (struct node){
			.parent = ctx,
			.level = n->level + 1,
			.peer = n->peer,
		};
		err = -pthread_create(&below[started].thread, NULL, run, &below[started]);
		if (err)
			break;
	}
	/* Those who run are of no use without the others. */
	if (err)
		urctx_cancel_cause(ctx, urctx_cause_errno(err));
	for (i = 0; i < started; i++) {
		pthread_join(below[i].thread, NULL);
		n->nodes += below[i].nodes;
		if (!err)
			err = below[i].err;
		/* What ended us has ended them, and is known by the same cause. */
		CHECK(below[i].cause == urctx_cause(ctx));
	}
	return err;
}

static void *run(void *arg)
{
	struct node *n = arg;
	struct urctx *ctx = NULL;

	n->nodes = 1;
	n->err = urctx_with_cancel(n->parent, &ctx);
	if (!n->err)
		n->err = n->level < LEVELS ? run_below(ctx, n) :
					     wait_for_peer(ctx, n->peer);

	/* To be told one's own end is no failure; anything else ends the siblings. */
	if (n->err && n->err != urctx_err(ctx))
		urctx_cancel_cause(n->parent, urctx_cause_errno(n->err));
	n->cause = urctx_cause(ctx);
	/* A parent is done before its children. */
	CHECK(urctx_err(n->parent) == -ECANCELED);
	urctx_put(ctx);
	if (!n->level)
		shutdown(n->peer, SHUT_WR);
	return NULL;
}

/* Return: how many of these bytes came, one from each leaf. */
static int hear(int peer, char byte)
{
	char c;
	int n = 0;

	while (n < LEAVES && read(peer, &c, 1) == 1 && c == byte)
		n++;
	return n;
}

int main(void)
{
	const struct urctx_cause *gone = URCTX_CAUSE(-ECONNRESET, "the peer is gone");
	struct urctx *root, *job;
	struct node top = { .level = 0 };
	int net[2];

	check_begin();
	if (urctx_with_cancel(NULL, &root) || urctx_with_cancel(root, &job) ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, net))
		return 1;
	top.parent = job;
	top.peer = net[0];
	if (pthread_create(&top.thread, NULL, run, &top))
		return 1;

	CHECK(hear(net[1], 'a') == LEAVES);	/* all levels are there */
	CHECK(live(job) == 1 + 3 + 9 + 27);
	CHECK(urctx_cancel_cause(job, gone));
	CHECK(hear(net[1], 'z') == LEAVES);
	pthread_join(top.thread, NULL);

	CHECK(top.nodes == 1 + 3 + 9 + 27);
	CHECK(top.err == -ECANCELED);
	CHECK(top.cause == gone);
	CHECK(!urctx_done(root));
	urctx_put(job);
	close(net[0]);
	close(net[1]);
	return check_end(root);
}
