/* SPDX-License-Identifier: MIT */
/*
 * A tree of work, cancelled once, with a cause.
 *
 *	root -- job -- a request of worker 0
 *	           \-- a request of worker 1 ...
 *
 * One request finds its disk failing and cancels the job.  Every worker sees it
 * in the wait it is in or at its next look; the callback and main() learn who
 * gave up, where and why.  Exits with 0 if all of that came true.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <urctx.h>

#define WORKERS 4
#define MSEC 1000000 /* in nanoseconds */

struct worker {
	pthread_t thread;
	struct urctx *job; /* borrowed: main() joins before it ends it */
	int id;
	int served;
};

/* Return: 0, or why the request was not served. */
static int serve(struct urctx *request, struct worker *w)
{
	int err;

	if (w->id == 2 && w->served == 5)
		return -EIO;

	/* Stands for I/O of a millisecond, cut short if the request ends. */
	err = urctx_wait(request, urctx_now() + MSEC);
	return err ? 0 : urctx_err(request);
}

static void *work(void *arg)
{
	struct worker *w = arg;

	while (!urctx_done(w->job)) {
		/* Ended when the scope is left, whichever way. */
		urctx_scoped struct urctx *request = NULL;
		int err = urctx_with_cancel(w->job, &request);

		if (err) {
			urctx_cancel_cause(w->job, urctx_cause_errno(err));
			break;
		}
		err = serve(request, w);
		if (err == -EIO)
			urctx_cancel_cause(w->job,
					   URCTX_CAUSE(-EIO, "disk failed"));
		if (err)
			break;
		w->served++;
	}
	return NULL;
}

/* Runs on the thread that cancels, before its cancel returns. */
static void on_end(struct urctx_callback *cb)
{
	(void)cb;
	puts("callback: the job has ended");
}

int main(void)
{
	urctx_scoped struct urctx *root = NULL;
	urctx_scoped struct urctx *job = NULL;
	struct urctx_callback cb = { { NULL } };
	struct worker workers[WORKERS] = { { .id = 0 } };
	const struct urctx_cause *cause;
	int i, started;

	if (urctx_with_cancel(NULL, &root) || urctx_with_cancel(root, &job) ||
	    urctx_after(job, &cb, on_end))
		return 1;

	for (started = 0; started < WORKERS; started++) {
		struct worker *w = &workers[started];

		w->job = job;
		w->id = started;
		if (pthread_create(&w->thread, NULL, work, w)) {
			urctx_cancel(job);
			break;
		}
	}

	/* -EINTR: a signal handler ran, the job is still on. */
	while (urctx_wait(job, URCTX_NEVER) == -EINTR)
		;
	for (i = 0; i < started; i++)
		pthread_join(workers[i].thread, NULL);
	/* Before cb leaves the stack: it has run by now, and this proves it. */
	urctx_stop(&cb);

	cause = urctx_cause(job);
	printf("main: err %d, code %d, \"%s\", %s() at %s:%d\n", urctx_err(job),
	       cause->code, cause->reason, cause->func ? cause->func : "?",
	       cause->file ? cause->file : "?", cause->line);
	printf("main: the root is %s\n", urctx_done(root) ? "done" : "live");
	return cause->code == -EIO && !urctx_done(root) ? 0 : 1;
}
