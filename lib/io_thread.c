/* SPDX-License-Identifier: MIT */
/*
 * io_thread.c - the ring and the eventfd of a thread: made when it first has to wait,
 * gone when it exits
 *
 * A forked child makes its own, and leaves alone what it inherited: it cannot know
 * whether those numbers are still ours.
 */
#include "io.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES		8U		/* an op, its cancel, the poll that wakes */

#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN	(1U << 13)
#endif

static __thread struct io_thread *self;

static pthread_key_t key;
static bool key_made;
static bool forbidden;		/* io_uring, in this process */

/* Nothing is in flight: whoever called has waited for it.  So this is not interrupted. */
static void unmake_ring(struct io_thread *t)
{
	if (!urctx_ring_detach(t->r, URCTX_NEVER))
		io_uring_queue_exit(&t->ring);
}

/* A thread that returned with a cancellation pending would be unwound from here. */
static void leave(void *arg)
{
	struct io_calm calm = io_calm();
	struct io_thread *t = arg;
	bool ours = t->process == ring_process();

	self = NULL;
	if (ours && t->wake >= 0)
		ring_eventfd_close(t->wake);
	if (ours && t->r && !t->lost)
		unmake_ring(t);
	sys_pages_free(t, sizeof(*t));
	io_calm_end(&calm);
}

static void start(void)
{
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): setenv() beside it is not our mistake */
	const char *no = getenv("URCTX_NO_URING");

	key_made = !pthread_key_create(&key, leave);
	if (no && !strcmp(no, "1"))
		store_relaxed(&forbidden, true);
}

static void fresh(struct io_thread *t)
{
	memset(t, 0, sizeof(*t));
	t->wake = -1;
	t->process = ring_process();
}

static struct io_thread *self_new(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct io_thread *t;

	(void)pthread_once(&once, start);
	t = key_made ? sys_pages(sizeof(*t)) : NULL;
	if (!t)
		return NULL;
	if (pthread_setspecific(key, t)) {
		sys_pages_free(t, sizeof(*t));
		return NULL;
	}
	fresh(t);
	self = t;
	return t;
}

struct io_thread *io_self(void)
{
	struct io_thread *t = self;

	if (unlikely(!t))
		return self_new();
	if (unlikely(t->process != ring_process()))
		fresh(t);
	return t;
}

static int queue_init(struct io_uring *ring)
{
	static const unsigned flags[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_COOP_TASKRUN,
		0,
	};
	int ret = -EINVAL;

	for (size_t i = 0; ret == -EINVAL && i < sizeof(flags) / sizeof(*flags); i++)
		ret = io_uring_queue_init(ENTRIES, ring, flags[i]);
	return ret;
}

/* Descriptors and memory may be there the next time; permission will not. */
static bool passes(int err)
{
	return err == -EMFILE || err == -ENFILE || err == -ENOMEM || err == -EAGAIN;
}

static bool make_ring(struct io_thread *t)
{
	int ret = queue_init(&t->ring);

	if (!ret) {
		ret = urctx_ring_attach(&t->ring, NULL, &t->r);
		if (ret)
			io_uring_queue_exit(&t->ring);
	}
	if (ret) {
		if (!passes(ret))
			store_relaxed(&forbidden, true);
		return false;
	}
	/* saves a look-up in each wait; and who closes our number closes not us */
	(void)io_uring_register_ring_fd(&t->ring);
	return true;
}

struct io_thread *io_self_ring(void)
{
	struct io_thread *t = io_self();

	if (unlikely(!t || t->busy || t->lost))
		return NULL;
	if (likely(t->r))
		return t;
	if (load_relaxed(&forbidden))
		return NULL;
	return make_ring(t) ? t : NULL;
}

#define OP_WAITID	50U		/* IORING_OP_WAITID, Linux 6.7 */

bool io_ring_can_waitid(struct io_thread *t)
{
	_Alignas(struct io_uring_probe) char room[sizeof(struct io_uring_probe) +
			(OP_WAITID + 1) * sizeof(struct io_uring_probe_op)];
	struct io_uring_probe *probe = (struct io_uring_probe *)room;

	if (t->probed)
		return t->has_waitid;
	t->probed = true;
	memset(room, 0, sizeof(room));
	if (!io_uring_register_probe(&t->ring, probe, OP_WAITID + 1) &&
	    probe->last_op >= OP_WAITID)
		t->has_waitid = probe->ops[OP_WAITID].flags & IO_URING_OP_SUPPORTED;
	return t->has_waitid;
}

int io_self_wake(struct io_thread *t)
{
	if (!t)
		return -1;
	if (t->wake < 0) {
		int fd = ring_eventfd();

		t->wake = fd < 0 ? -1 : fd;
	}
	return t->wake;
}
