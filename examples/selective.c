/* SPDX-License-Identifier: MIT */
/*
 * selective.c - one group of threads out of several
 *
 *	job --- group "index"    --- 3 threads, each with a stream and a file
 *	    \-- group "thumbs"   --- 3 threads
 *	     \- group "checksum" --- 3 threads
 *
 * A group is a context.  "thumbs" is not wanted any more: it is cancelled in the
 * middle of its work, and waited for, without a list of its threads.  The others do
 * not notice, and every byte they were sent is in their files.
 */
#include "check.h"
#include "net.h"

#define GROUPS	3
#define THREADS	3
#define BLOCK	512
#define BLOCKS	16	/* a stream's; the cancel comes after half of them */

struct worker {
	pthread_t thread;
	struct urctx *ctx;	/* its own: the group is idle once all are put */
	int stream, file;
	int blocks, err;	/* in the file; 0: the stream came to its end */
	int feed;		/* main()'s end of the stream */
};

struct group {
	struct urctx *ctx;
	struct worker workers[THREADS];
};

static int work(struct worker *w)
{
	char block[BLOCK];
	ssize_t len;
	int err;

	while (!(err = net_wait(w->ctx, w->stream, POLLIN))) {
		len = recv(w->stream, block, BLOCK, 0);
		if (len <= 0)
			return len ? -errno : 0;
		if (pwrite(w->file, block, (size_t)len, w->blocks * BLOCK) != len)
			return -EIO;
		w->blocks++;
		if (send(w->stream, "k", 1, MSG_NOSIGNAL) != 1)
			return -EPIPE;
	}
	return err;
}

static void *worker(void *arg)
{
	struct worker *w = arg;

	w->err = work(w);
	close(w->stream);
	/* Last: who waits for the group finds everything else done. */
	urctx_end(w->ctx);
	return NULL;
}

static int start(struct group *g, struct worker *w)
{
	int net[2], err;

	/* A packet is a block: no worker stops in the middle of one. */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, net) || (w->file = temp_file()) < 0)
		return -errno;
	w->stream = net[0];
	w->feed = net[1];
	err = urctx_with_cancel(g->ctx, &w->ctx);
	return err ? err : -pthread_create(&w->thread, NULL, worker, w);
}

/* Return: true once so many blocks more are in the worker's file. */
static bool feed(struct worker *w, int blocks)
{
	char block[BLOCK], ack;

	while (blocks--) {
		memset(block, 'a' + blocks, BLOCK);
		if (send(w->feed, block, BLOCK, MSG_NOSIGNAL) != BLOCK ||
		    recv(w->feed, &ack, 1, 0) != 1)
			return false;
	}
	return true;
}

/* Blocks are numbered down in each half. */
static void verify(const struct worker *w, int blocks, int err)
{
	size_t len = 0, i;
	char *text = contents(w->file, &len);

	CHECK(w->err == err && w->blocks == blocks);
	CHECK(text && len == (size_t)blocks * BLOCK);
	for (i = 0; i < len; i++)
		if (text[i] != 'a' + BLOCKS / 2 - 1 - (int)(i / BLOCK % (BLOCKS / 2)))
			break;
	CHECK(i == len);
	free(text);
}

int main(void)
{
	static struct group groups[GROUPS];
	struct group *index = &groups[0], *thumbs = &groups[1], *g;
	struct urctx *job;
	struct worker *w;

	check_begin();
	if (urctx_with_cancel(NULL, &job))
		return 1;
	for (g = groups; g < groups + GROUPS; g++) {
		if (urctx_with_cancel(job, &g->ctx))
			return 1;
		for (w = g->workers; w < g->workers + THREADS; w++)
			if (start(g, w) || !feed(w, BLOCKS / 2))
				return 1;
	}

	CHECK(urctx_cancel_cause(thumbs->ctx, URCTX_CAUSE(-EIDRM, "album deleted")));
	CHECK(urctx_wait_idle(thumbs->ctx, urctx_now() + PATIENCE) == 0);
	CHECK(live(thumbs->ctx) == 0 && live(index->ctx) == THREADS);
	CHECK(!urctx_done(index->ctx) && !urctx_done(job));

	for (g = groups; g < groups + GROUPS; g++) {
		for (w = g->workers; w < g->workers + THREADS; w++) {
			CHECK(feed(w, BLOCKS / 2) == (g != thumbs));
			close(w->feed);
		}
	}
	for (g = groups; g < groups + GROUPS; g++) {
		for (w = g->workers; w < g->workers + THREADS; w++) {
			pthread_join(w->thread, NULL);
			if (g == thumbs)
				verify(w, BLOCKS / 2, -ECANCELED);
			else
				verify(w, BLOCKS, 0);
			close(w->file);
		}
		urctx_end(g->ctx);
	}
	return check_end(job);
}
