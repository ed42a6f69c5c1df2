/* SPDX-License-Identifier: MIT */
/*
 * select.c - a slow result or the context, whichever is first, three ways
 *
 *	          asks, and waits for                     waits by
 *	by_poll   an eventfd, and urctx_fd()              poll()
 *	by_cond   a condition, and urctx_after()          pthread_cond_wait()
 *	by_futex  a word                                  urctx_futex_wait()
 *
 * The result is a line that a thread reads from a peer, which takes its time.  Who
 * asked for it leaves when the context ends; the thread cannot, say because it is in
 * somebody else's library.  Both hold the future: who lets go last frees it, and in
 * it the result that came too late.
 */
#include "check.h"

#include <linux/futex.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <urctx/sync.h>

static int results;		/* that are not freed */

struct future {
	int refs;		/* two: who asked, who answers */
	uint32_t ready;		/* 0, then 1; what it says is in result */
	char *result;
	/* the ways to be told; each asker uses one */
	int event;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	int peer;		/* what the thread works with */
};

static void free_result(char *result)
{
	if (result)
		__atomic_sub_fetch(&results, 1, __ATOMIC_RELAXED);
	free(result);
}

static void let_go(struct future *f)
{
	if (__atomic_sub_fetch(&f->refs, 1, __ATOMIC_ACQ_REL))
		return;
	free_result(f->result);
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->cond);
	if (f->event >= 0)
		close(f->event);
	free(f);
}

static bool is_ready(struct future *f)
{
	return __atomic_load_n(&f->ready, __ATOMIC_ACQUIRE);
}

/* The slow thing: no context reaches it. */
static void *answer(void *arg)
{
	struct future *f = arg;
	char *line = calloc(1, 32);

	if (line) {
		__atomic_add_fetch(&results, 1, __ATOMIC_RELAXED);
		if (recv(f->peer, line, 31, 0) < 0)
			line[0] = '\0';
	}
	f->result = line;
	pthread_mutex_lock(&f->lock);
	__atomic_store_n(&f->ready, 1, __ATOMIC_RELEASE);
	pthread_cond_signal(&f->cond);
	pthread_mutex_unlock(&f->lock);
	eventfd_write(f->event, 1);
	syscall(SYS_futex, &f->ready, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	let_go(f);
	return NULL;
}

/* Return: 0: the result is there; urctx_err(): the context has ended. */
static int by_poll(struct urctx *ctx, struct future *f)
{
	struct pollfd p[2] = { { f->event, POLLIN, 0 }, { urctx_fd(ctx), POLLIN, 0 } };

	if (p[1].fd < 0)
		return p[1].fd;
	while (poll(p, 2, -1) < 0)
		if (errno != EINTR)
			return -errno;
	/* Both may be: what is there is not thrown away. */
	return is_ready(f) ? 0 : urctx_err(ctx);
}

struct waiter {
	struct urctx_callback cb;	/* first: its function finds the rest by it */
	struct future *f;
};

static void wake(struct urctx_callback *cb)
{
	struct future *f = ((struct waiter *)cb)->f;

	/* With the lock: not between the waiter's look and its sleep. */
	pthread_mutex_lock(&f->lock);
	pthread_cond_signal(&f->cond);
	pthread_mutex_unlock(&f->lock);
}

static int by_cond(struct urctx *ctx, struct future *f)
{
	struct waiter w = { .f = f };
	/* Not under the lock: on a context that is done it calls wake() here. */
	int err = urctx_after(ctx, &w.cb, wake);

	if (err)
		return err;
	pthread_mutex_lock(&f->lock);
	while (!is_ready(f) && !(err = urctx_err(ctx)))
		pthread_cond_wait(&f->cond, &f->lock);
	pthread_mutex_unlock(&f->lock);
	/* Nor this: it waits for a wake() that waits for the lock. */
	urctx_stop(&w.cb);
	return err;
}

static int by_futex(struct urctx *ctx, struct future *f)
{
	int err = 0;

	while (!is_ready(f)) {
		err = urctx_futex_wait(ctx, &f->ready, 0);
		if (err && err != -EAGAIN && err != -EINTR)
			break;
	}
	return is_ready(f) ? 0 : err;
}

typedef int (*way)(struct urctx *ctx, struct future *f);

/* The whole of it. Return: 0, and the line, to be freed; -errno. */
static int fetch(struct urctx *ctx, int peer, way wait, char **line, pthread_t *thread)
{
	struct future *f = calloc(1, sizeof(*f));
	int err;

	if (!f)
		return -ENOMEM;
	f->refs = 2;
	f->peer = peer;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->cond, NULL);
	f->event = eventfd(0, EFD_CLOEXEC);
	err = f->event < 0 ? -errno : -pthread_create(thread, NULL, answer, f);
	if (err)
		f->refs = 1;
	else
		err = wait(ctx, f);
	if (!err) {
		*line = f->result;
		f->result = NULL;
	}
	let_go(f);
	return err;
}

/* Cancels as soon as the peer's answer is being waited for, or a moment sooner. */
static void *hang_up(void *arg)
{
	urctx_cancel_cause(arg, URCTX_CAUSE(-ECONNRESET, "nobody waits any more"));
	return NULL;
}

static void try(struct urctx *root, way wait, bool cancel)
{
	struct urctx *ctx = NULL;
	pthread_t thread, canceller;
	char *line = NULL;
	int net[2], err;

	CHECK(!urctx_with_cancel(root, &ctx));
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, net));
	if (cancel)	/* first the context; the result comes when all is over */
		CHECK(!pthread_create(&canceller, NULL, hang_up, ctx));
	else		/* the result */
		CHECK(send(net[1], "a line", 6, MSG_NOSIGNAL) == 6);
	err = fetch(ctx, net[0], wait, &line, &thread);
	if (cancel) {
		CHECK(err == -ECANCELED && !line);
		CHECK(send(net[1], "too late", 8, MSG_NOSIGNAL) == 8);
		pthread_join(canceller, NULL);
	} else {
		CHECK(err == 0 && line && !strcmp(line, "a line"));
		free_result(line);
	}
	pthread_join(thread, NULL);
	CHECK(results == 0);
	urctx_end(ctx);
	close(net[0]);
	close(net[1]);
}

int main(void)
{
	static const way ways[] = { by_poll, by_cond, by_futex };
	struct urctx *root;
	int i;

	check_begin();
	if (urctx_with_cancel(NULL, &root))
		return 1;
	for (i = 0; i < 6; i++)
		try(root, ways[i / 2], i % 2);
	return check_end(root);
}
