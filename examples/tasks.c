/* SPDX-License-Identifier: MIT */
/*
 * tasks.c - words of many files, counted by threads, each with its own context
 *
 *	job - the group's - a task's own, with its own time
 *	                  \ ...
 *
 * A group runs a thread per task, so many at once, and waits for all.  The first
 * error ends its context, with that error as the cause: the others return early,
 * and what has not begun does not begin.  A task's own end concerns nobody else.
 *
 * Some inputs are FIFOs that nobody writes to: a task is stuck in there until its
 * context ends.
 */
#include "check.h"
#include "net.h"
#include "scratch.h"

#include <ctype.h>
#include <urctx/sync.h>

#define TASKS	12
#define LIMIT	3

struct task {
	char path[SCRATCH_NAME];
	int64_t time; /* it may take; and then: */
	bool optional; /* its words are not missed */
	bool begun;
	int words;
	int result;
};

static int running, most; /* tasks, now and at most */

static int count(struct urctx *ctx, int fd, int *words)
{
	char buf[512], last = ' ';
	ssize_t got;
	int i;

	while ((got = net_read(ctx, fd, buf, sizeof(buf))) > 0)
		for (i = 0; i < got; last = buf[i++])
			*words += isspace(last) && !isspace(buf[i]);
	return got;
}

static int count_file(struct urctx *ctx, struct task *t)
{
	urctx_scoped struct urctx *own = NULL;
	int fd, err = urctx_with_timeout(ctx, t->time, &own);

	if (err)
		return err;
	/* Not to wait in open() for the FIFO's writer: the context could not end that. */
	fd = open(t->path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = count(own, fd, &t->words);
	close(fd);
	if (err == -ETIME && t->optional && !urctx_err(ctx))
		err = 0;
	return err;
}

/* In a thread of the group.  ctx is the group's. */
static int task(struct urctx *ctx, void *arg)
{
	int now = __atomic_add_fetch(&running, 1, __ATOMIC_RELAXED);
	int seen = __atomic_load_n(&most, __ATOMIC_RELAXED);
	struct task *t = arg;

	while (seen < now && !__atomic_compare_exchange_n(&most, &seen, now, false,
							  __ATOMIC_RELAXED,
							  __ATOMIC_RELAXED))
		;
	t->begun = true;
	t->result = count_file(ctx, t);
	__atomic_sub_fetch(&running, 1, __ATOMIC_RELAXED);
	return t->result;
}

/*
 * Return: 0: all of them are counted; what the first to fail returned, and then not
 * all need have begun; urctx_err(job).
 */
static int count_all(struct urctx *job, struct task *tasks, int nr, int *words)
{
	struct urctx_group group = { { 0 } };
	struct urctx *ctx;
	int i, waited, err = urctx_group_init(&group, job, LIMIT, &ctx);

	if (err)
		return err;
	/* Waits while LIMIT of them run; fails once the group's context is done. */
	for (i = 0; i < nr && !err; i++)
		err = urctx_group_go(&group, task, &tasks[i]);
	waited = urctx_group_wait(&group);
	if (waited || err)
		return waited ? waited : err;
	for (i = 0; i < nr; i++)
		*words += tasks[i].words;
	return 0;
}

/* ---------------------------------------------------------------------- the check */
static void make_inputs(const struct scratch *dir, struct task *tasks)
{
	char text[4000];
	int i, fd, len;

	for (i = 0; i < TASKS; i++) {
		tasks[i] = (struct task){ .time = PATIENCE };
		unlink(scratch_name(dir, tasks[i].path, "input.%d", i));
		fd = open(tasks[i].path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		/* i words on each of 100 lines */
		memset(text, 0, sizeof(text));
		for (len = 0; len < 100 * (2 * i + 1); len++)
			text[len] = len % (2 * i + 1) == 2 * i ? '\n' :
				    len % (2 * i + 1) % 2 ? ' ' : 'w';
		CHECK(fd >= 0 && write(fd, text, len) == len && close(fd) == 0);
	}
}

static void make_stuck(struct task *t)
{
	unlink(t->path);
	CHECK(mkfifo(t->path, 0600) == 0);
}

static void all_are_counted(struct urctx *root, const struct scratch *dir)
{
	struct task tasks[TASKS];
	int i, words = 0;

	make_inputs(dir, tasks);
	make_stuck(&tasks[4]);
	tasks[4].time = 5 * MSEC; /* its own; the other eleven do not notice */
	tasks[4].optional = true;
	CHECK(count_all(root, tasks, TASKS, &words) == 0);
	CHECK(words == 100 * (TASKS * (TASKS - 1) / 2 - 4));
	for (i = 0; i < TASKS; i++)
		CHECK(tasks[i].begun && tasks[i].result == 0);
	CHECK(urctx_err(root) == 0);
}

static void one_fails(struct urctx *root, const struct scratch *dir)
{
	struct task tasks[TASKS];
	int i, words = 0, begun = 0;

	/* Two are stuck, the third fails: the rest may have begun, or not. */
	make_inputs(dir, tasks);
	make_stuck(&tasks[0]);
	make_stuck(&tasks[1]);
	unlink(tasks[2].path);
	CHECK(count_all(root, tasks, TASKS, &words) == -ENOENT);
	CHECK(words == 0 && tasks[2].result == -ENOENT);
	for (i = 0; i < 2; i++)
		CHECK(tasks[i].begun ? tasks[i].result == -ECANCELED : !tasks[i].words);
	for (i = 3; i < TASKS; i++) {
		CHECK(!tasks[i].result || tasks[i].result == -ECANCELED);
		begun += tasks[i].begun;
	}
	CHECK(urctx_err(root) == 0);
	printf("tasks: after the one that failed %d of %d began\n", begun, TASKS - 3);
}

struct user {
	struct urctx *job;
	struct task *tasks;
	int result;
};

static void *count_thread(void *arg)
{
	struct user *u = arg;
	int words = 0;

	u->result = count_all(u->job, u->tasks, TASKS, &words);
	return NULL;
}

static void user_ends_it(struct urctx *root, const struct scratch *dir)
{
	struct task tasks[TASKS];
	struct user user = { .tasks = tasks };
	pthread_t thread;
	int i, fd[LIMIT];

	/* All are stuck: no more than LIMIT of them ever begin. */
	make_inputs(dir, tasks);
	for (i = 0; i < TASKS; i++)
		make_stuck(&tasks[i]);
	if (!CHECK(urctx_with_cancel(root, &user.job) == 0) ||
	    !CHECK(pthread_create(&thread, NULL, count_thread, &user) == 0))
		exit(1);
	for (i = 0; i < LIMIT; i++) /* returns once there is a reader */
		CHECK((fd[i] = open(tasks[i].path, O_WRONLY | O_CLOEXEC)) >= 0);
	urctx_cancel(user.job);
	pthread_join(thread, NULL);
	CHECK(user.result == -ECANCELED);
	for (i = 0; i < LIMIT; i++)
		CHECK(tasks[i].result == -ECANCELED && close(fd[i]) == 0);
	for (; i < TASKS; i++)
		CHECK(!tasks[i].begun);
	urctx_put(user.job);
}

int main(void)
{
	struct urctx *root = NULL;
	struct scratch dir;

	check_begin();
	if (!CHECK(scratch_make(&dir) == 0) ||
	    !CHECK(urctx_with_cancel(NULL, &root) == 0))
		return 1;
	all_are_counted(root, &dir);
	one_fails(root, &dir);
	user_ends_it(root, &dir);
	CHECK(running == 0 && most <= LIMIT);
	printf("tasks: %d at a time\n", most);
	scratch_remove(&dir);
	return check_end(root);
}
