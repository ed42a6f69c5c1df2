/* SPDX-License-Identifier: MIT */
/*
 * seq_process.c - signals, and a child of fork()
 */
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <urctx.h>

#include "faults.h"

#define MSEC	1000000LL
#define HOUR	(3600 * 1000 * MSEC)

static void arrives(struct urctx *ctx, int sig)
{
	EXPECT(0, urctx_wait(ctx, URCTX_NEVER), -EINTR);
	CHECK(urctx_err(ctx) == -ECANCELED && urctx_cause(ctx)->code == sig);
}

void seq_signals(void)
{
	struct urctx *root, *one, *both, *soon;
	sigset_t usr1, usr2;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	usr2 = usr1;
	sigaddset(&usr2, SIGUSR2);
	EXPECT(0, urctx_with_cancel(NULL, &root), -ENOMEM);
	EXPECT(0, urctx_with_signals(root, &usr1, &one), -ENOMEM, -EAGAIN);
	EXPECT(0, urctx_with_signals(NULL, &usr2, &both), -ENOMEM, -EAGAIN);
	/* the timekeeper has a timer beside */
	EXPECT(0, urctx_with_timeout(root, 3 * MSEC, &soon), -ENOMEM);
	EXPECT(0, urctx_wait(soon, URCTX_NEVER), -EINTR);
	CHECK(!kill(getpid(), SIGUSR1));
	arrives(one, SIGUSR1);
	arrives(both, SIGUSR1);
	urctx_put(both);
	EXPECT(0, urctx_with_signals(root, &usr2, &both), -ENOMEM, -EAGAIN);
	CHECK(!kill(getpid(), SIGUSR2));
	arrives(both, SIGUSR2);
	/* one more is swallowed: nobody is told, and it kills nobody */
	CHECK(!kill(getpid(), SIGUSR1));
	urctx_put(soon);
	urctx_put(both);
	urctx_put(one);
	urctx_put(root);
}

static void count(struct urctx_callback *cb)
{
	(void)cb;
	__atomic_add_fetch(&shared->forked, 1, __ATOMIC_SEQ_CST);
}

static void in_child(struct urctx *root, struct urctx *timed, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct urctx_callback cb = { 0 };
	struct urctx *kid, *soon;

	alarm(4);
	EXPECT(0, urctx_with_cancel(root, &kid), -ENOMEM);
	EXPECT(0, urctx_with_timeout(timed, 5 * MSEC, &soon), -ENOMEM);
	EXPECT(0, urctx_after(kid, &cb, count), -ENOMEM);
	CHECK(RESULT(urctx_fd(timed), -ENOMEM, -EMFILE, -ENFILE, MACHINE) == fd);
	CHECK(!poll(&p, 1, 0));
	EXPECT(0, urctx_wait(soon, URCTX_NEVER), -EINTR);
	CHECK(urctx_err(soon) == -ETIME && !urctx_done(kid));
	CHECK(urctx_cancel(root) && shared->forked == 1);
	CHECK(poll(&p, 1, 0) == 1);
	urctx_put(kid);
	urctx_put(soon);
	_exit(0);
}

void seq_fork(void)
{
	struct urctx *root, *timed, *soon, *below;
	struct pollfd p = { .events = POLLIN };
	struct urctx_callback cb = { 0 };
	int status, i;
	pid_t pid;

	EXPECT(0, urctx_with_cancel(NULL, &root), -ENOMEM);
	EXPECT(0, urctx_with_timeout(root, HOUR, &timed), -ENOMEM);
	/* so that there is a housekeeper, and a grace period perhaps */
	EXPECT(0, urctx_with_timeout(root, 2 * MSEC, &soon), -ENOMEM);
	EXPECT(0, urctx_after(soon, &cb, count), -ENOMEM, -EAGAIN);
	for (i = 0; i < 70; i++) {
		struct urctx *a;

		EXPECT(0, urctx_with_cancel(root, &a), -ENOMEM);
		EXPECT(0, urctx_with_cancel(a, &below), -ENOMEM);
		urctx_put(a);
		urctx_put(below);
	}
	EXPECT(0, urctx_wait(soon, URCTX_NEVER), -EINTR);
	(void)urctx_stop(&cb);
	shared->forked = 0;
	p.fd = (int)RESULT(urctx_fd(timed), -ENOMEM, -EMFILE, -ENFILE, MACHINE);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		in_child(root, timed, p.fd);
	CHECK(waitpid(pid, &status, 0) == pid);
	if (status)
		wrong(__FILE__, __LINE__, shared->said[0] ? shared->said : "the child", status);
	CHECK(!urctx_done(root) && !poll(&p, 1, 0));
	urctx_put(soon);
	urctx_put(timed);
	urctx_end(root);
}
