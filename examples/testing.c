/* SPDX-License-Identifier: MIT */
/*
 * testing.c - a retry loop, tested by a clock that is advanced by hand
 *
 * What is tested: retry() asks again after 100 ms, 200 ms, 400 ms, ... an hour at
 * most, until it gets an answer or its context ends.  The tests:
 *
 *   backoff    a server on the loopback hangs up five times, then answers: it is
 *              asked at the right nanoseconds, and at none between
 *   deadline   the context's time is over in the middle of a pause
 *   done       a context made done, or past its deadline: nothing is even tried
 *   mock       a scripted server, which ends the context on its third call
 *   a day      of failures
 *
 * None of them sleeps, and none has a figure that depends on the machine.
 */
#include "check.h"
#include "net.h"

#include <semaphore.h>
#include <urctx/clock.h>

#define HOUR (3600 * SECOND)

/* ------------------------------------------------------------- what is tested */
static bool may_get_better(int err)
{
	return err == -ECONNREFUSED || err == -ECONNRESET || err == -EAGAIN;
}

/* Return: what ask() did, or urctx_err(): the context has ended. */
static int retry(struct urctx *ctx, int (*ask)(struct urctx *ctx, void *arg), void *arg)
{
	int64_t pause = 100 * MSEC, until;
	int err = urctx_err(ctx);

	while (!err) {
		err = ask(ctx, arg);
		if (!may_get_better(err))
			return err;
		until = urctx_now() + pause;
		pause = pause * 2 < HOUR ? pause * 2 : HOUR;
		do
			err = urctx_wait(ctx, until);
		while (err == -EINTR);
		/* -ETIME: the pause is over.  0: the context is. */
		err = err == -ETIME ? urctx_err(ctx) : err ? err : urctx_err(ctx);
	}
	return err;
}

struct server {
	struct sockaddr_in addr;
	int listener;
	int failures; /* hang-ups before it answers */
	int64_t asked[8];
	sem_t each; /* posted when asked[] has one more */
	struct urctx *ctx;
};

static int ask_server(struct urctx *ctx, void *arg)
{
	struct server *s = arg;
	char answer[2];
	ssize_t got;
	int conn = net_connect(ctx, &s->addr);

	if (conn < 0)
		return conn;
	got = net_read_all(ctx, conn, answer, 2);
	close(conn);
	return got < 0 ? got : got == 2 && !memcmp(answer, "ok", 2) ? 0 : -ECONNRESET;
}

/* ------------------------------------------------------------ what tests it with */
static void *serve(void *arg)
{
	struct server *s = arg;
	int i, conn;

	for (i = 0; (conn = net_accept(s->ctx, s->listener)) >= 0; i++) {
		if (CHECK(i < 8))
			s->asked[i] = urctx_now();
		if (i >= s->failures)
			CHECK(net_write(NULL, conn, "ok", 2) == 0);
		close(conn);
		sem_post(&s->each);
	}
	return NULL;
}

struct call {
	pthread_t thread;
	struct urctx *ctx;
	int (*ask)(struct urctx *ctx, void *arg);
	void *arg;
	int result;
	int64_t returned;
};

static void *call_thread(void *arg)
{
	struct call *c = arg;

	c->result = retry(c->ctx, c->ask, c->arg);
	c->returned = urctx_now();
	return NULL;
}

static void start(pthread_t *thread, void *(*fn)(void *), void *arg)
{
	if (!CHECK(pthread_create(thread, NULL, fn, arg) == 0))
		exit(1);
}

static void asked(struct server *s)
{
	while (sem_wait(&s->each))
		;
}

static void with_server(struct urctx *root, int failures,
			void (*test)(struct urctx *root, struct server *s))
{
	struct server s = { .failures = failures };
	pthread_t thread;

	s.listener = net_listen(&s.addr);
	sem_init(&s.each, 0, 0);
	if (!CHECK(s.listener >= 0) || !CHECK(urctx_with_cancel(root, &s.ctx) == 0))
		exit(1);
	start(&thread, serve, &s);
	test(root, &s);
	urctx_cancel(s.ctx);
	pthread_join(thread, NULL);
	urctx_put(s.ctx);
	close(s.listener);
	sem_destroy(&s.each);
}

/* --------------------------------------------------------------------- the tests */
static void backoff(struct urctx *root, struct server *s)
{
	struct call c = { .ctx = root, .ask = ask_server, .arg = s };
	int64_t at = urctx_now(), pause = 100 * MSEC;
	int i, more;

	start(&c.thread, call_thread, &c);
	for (i = 0; i < 5; i++, pause *= 2) {
		asked(s);
		CHECK(s->asked[i] == at);
		urctx_clock_await(1); /* it sleeps now, and until exactly then */
		CHECK(urctx_clock_advance(pause - 1) == 0);
		CHECK(sem_getvalue(&s->each, &more) == 0 && more == 0);
		CHECK(urctx_clock_advance(1) == 0);
		at += pause;
	}
	asked(s);
	pthread_join(c.thread, NULL);
	CHECK(c.result == 0 && c.returned == at && s->asked[5] == at);
	CHECK(at == s->asked[0] + 3100 * MSEC);
}

static void deadline(struct urctx *root, struct server *s)
{
	struct call c = { .ask = ask_server, .arg = s };
	int64_t begun = urctx_now();
	int i;

	if (!CHECK(urctx_with_timeout(root, SECOND, &c.ctx) == 0))
		exit(1);
	start(&c.thread, call_thread, &c);
	for (i = 0; i < 4; i++) { /* at 0, 100, 300, 700 ms */
		asked(s);
		urctx_clock_await(1);
		CHECK(urctx_err(c.ctx) == 0);
		CHECK(urctx_clock_advance((i < 3 ? 100 << i : 300) * MSEC) == 0);
	}
	pthread_join(c.thread, NULL);
	CHECK(c.result == -ETIME && c.returned == begun + SECOND);
	CHECK(urctx_cause(c.ctx) == &urctx_deadline_exceeded);
	CHECK(sem_getvalue(&s->each, &i) == 0 && i == 0);
	urctx_put(c.ctx);
}

static void done(struct urctx *root, struct server *s)
{
	struct urctx *canceled = NULL, *late = NULL;
	int more;

	CHECK(urctx_with_cancel(root, &canceled) == 0);
	CHECK(urctx_cancel_cause(canceled, URCTX_CAUSE(-EPIPE, "for a test")));
	CHECK(retry(canceled, ask_server, s) == -ECANCELED);
	CHECK(urctx_with_timeout(root, 0, &late) == 0);
	CHECK(retry(late, ask_server, s) == -ETIME);
	CHECK(sem_getvalue(&s->each, &more) == 0 && more == 0);
	urctx_put(canceled);
	urctx_put(late);
}

/* A server in a table: results in turn, and the call that ends the context. */
struct script {
	int calls, cancel_at;
};

static int ask_script(struct urctx *ctx, void *arg)
{
	static const int results[] = { -EAGAIN, -ECONNREFUSED };
	struct script *s = arg;

	if (++s->calls == s->cancel_at)
		urctx_cancel(ctx);
	return results[s->calls % 2];
}

static void mock(struct urctx *root)
{
	struct script script = { .cancel_at = 3 };
	struct call c = { .ask = ask_script, .arg = &script };

	CHECK(urctx_with_cancel(root, &c.ctx) == 0);
	start(&c.thread, call_thread, &c);
	urctx_clock_await(1);
	CHECK(urctx_clock_advance(100 * MSEC) == 0);
	urctx_clock_await(1);
	CHECK(urctx_clock_advance(200 * MSEC) == 0);
	/* No clock moves any more, and it returns. */
	pthread_join(c.thread, NULL);
	CHECK(c.result == -ECANCELED && script.calls == 3);
	urctx_put(c.ctx);
}

static void a_day(struct urctx *root)
{
	struct script script = { .cancel_at = -1 };
	struct call c = { .ask = ask_script, .arg = &script };
	int64_t begun = urctx_now(), pause = 100 * MSEC, left;

	CHECK(urctx_with_timeout(root, 24 * HOUR, &c.ctx) == 0);
	start(&c.thread, call_thread, &c);
	while ((left = urctx_remaining(c.ctx)) > 0) {
		urctx_clock_await(1);
		CHECK(urctx_clock_advance(pause < left ? pause : left) == 0);
		pause = pause * 2 < HOUR ? pause * 2 : HOUR;
	}
	pthread_join(c.thread, NULL);
	CHECK(c.result == -ETIME && c.returned == begun + 24 * HOUR);
	/* 16 that double, to 6553.5 s, and 22 of an hour */
	CHECK(script.calls == 1 + 16 + 22);
	printf("testing: %d attempts in a day\n", script.calls);
	urctx_put(c.ctx);
}

int main(void)
{
	struct urctx *root = NULL;

	check_begin();
	if (!CHECK(urctx_clock_hold(1000 * SECOND) == 0) ||
	    !CHECK(urctx_with_cancel(NULL, &root) == 0))
		return 1;
	with_server(root, 5, backoff);
	with_server(root, 99, deadline);
	with_server(root, 0, done);
	mock(root);
	a_day(root);
	urctx_clock_release();
	return check_end(root);
}
