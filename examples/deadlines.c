/* SPDX-License-Identifier: MIT */
/*
 * deadlines.c - a query that must be over by then
 *
 *	client --deadline--> server's limit -- query --- scan of the first half
 *	       <---answer---                         \-- scan of the second half
 *
 * The client says until when an answer is of use to it, and the server has a limit
 * of its own: the earlier of the two holds, for all threads of the query, whenever
 * they were started.  A point in time, so no stage starts counting anew.  What had
 * been found by then is the answer, with an error that says it is not all.
 */
#include "check.h"

#include <sys/socket.h>

#define BLOCK	INT64_C(65536)
#define ROW	64
#define MARKED	16			/* the first so many blocks have a hit */
#define TABLE	(BLOCK << 21)		/* 128 GiB, nearly all of them holes */
#define SCANS	2

struct question {
	int64_t deadline;		/* CLOCK_MONOTONIC: of this machine */
	int64_t size;			/* of the table, from its start */
};

struct answer {
	int err;			/* 0: the answer is complete */
	int rows;
	int64_t deadline;		/* that held */
	int64_t blocks[SCANS];		/* that were looked at */
	char why[40];
};

struct scan {
	pthread_t thread;
	struct urctx *query;		/* borrowed: who started us joins us */
	int table, rows, err;
	int64_t from, to, blocks;
};

static void *scan(void *arg)
{
	struct scan *s = arg;
	char block[BLOCK];
	int64_t at;
	int row;

	for (at = s->from; at < s->to; at += BLOCK) {
		/* A load, most of the time: so often that 64 KiB are the delay. */
		if (urctx_done(s->query))
			break;
		if (pread(s->table, block, sizeof(block), at) != BLOCK) {
			s->err = -EIO;
			return NULL;
		}
		for (row = 0; row < BLOCK; row += ROW)
			s->rows += block[row] == 'x';
		s->blocks++;
	}
	if (at < s->to)
		s->err = urctx_err(s->query);
	return NULL;
}

static int run_query(struct urctx *query, int table, int64_t size, struct answer *a)
{
	struct scan scans[SCANS];
	int i, started, err = urctx_err(query);

	for (started = 0; started < SCANS && !err; started++) {
		scans[started] = (struct scan){
			.query = query,
			.table = table,
			.from = size / SCANS * started,
			.to = size / SCANS * (started + 1),
		};
		err = -pthread_create(&scans[started].thread, NULL, scan, &scans[started]);
		if (err) {
			urctx_cancel_cause(query, urctx_cause_errno(err));
			break;
		}
	}
	for (i = 0; i < started; i++) {
		pthread_join(scans[i].thread, NULL);
		a->rows += scans[i].rows;
		a->blocks[i] = scans[i].blocks;
		if (!err)
			err = scans[i].err;
	}
	return err;
}

static int answer(struct urctx *limit, int table, const struct question *q,
		  struct answer *a)
{
	urctx_scoped struct urctx *query = NULL;
	int err;

	err = urctx_with_deadline_cause(limit, q->deadline,
					URCTX_CAUSE(-ETIME, "the client's deadline"),
					&query);
	if (err)
		return err;
	if (!urctx_deadline(query, &a->deadline))
		a->deadline = URCTX_NEVER;
	err = run_query(query, table, q->size, a);
	if (urctx_err(query))
		snprintf(a->why, sizeof(a->why), "%s", urctx_cause(query)->reason);
	return err;
}

struct server {
	struct urctx *root;
	int connection, table;
};

static void *serve(void *arg)
{
	struct server *s = arg;
	struct question q;

	while (recv(s->connection, &q, sizeof(q), MSG_WAITALL) == sizeof(q)) {
		urctx_scoped struct urctx *limit = NULL;
		struct answer a = { .err = 0 };

		a.err = urctx_with_timeout(s->root, PATIENCE, &limit);
		if (!a.err)
			a.err = answer(limit, s->table, &q, &a);
		if (send(s->connection, &a, sizeof(a), MSG_NOSIGNAL) != sizeof(a))
			break;
	}
	close(s->connection);
	return NULL;
}

static struct answer ask(int connection, int64_t deadline, int64_t size)
{
	struct question q = { deadline, size };
	struct answer a = { .err = -EPIPE };

	CHECK(send(connection, &q, sizeof(q), MSG_NOSIGNAL) == sizeof(q));
	CHECK(recv(connection, &a, sizeof(a), MSG_WAITALL) == sizeof(a));
	return a;
}

static void client(int connection)
{
	int64_t now = urctx_now(), by = now + 50 * MSEC;
	struct answer a = ask(connection, by, TABLE);

	/* Not before its time, and with what it had found. */
	CHECK(a.err == -ETIME && !strcmp(a.why, "the client's deadline"));
	CHECK(a.deadline == by && urctx_now() >= by);
	CHECK(a.blocks[0] + a.blocks[1] < TABLE / BLOCK);
	CHECK(a.rows == (a.blocks[0] < MARKED ? a.blocks[0] : MARKED));

	/* Time enough: the server's own limit holds. */
	a = ask(connection, URCTX_NEVER, MARKED * BLOCK);
	CHECK(a.err == 0 && a.rows == MARKED && !a.why[0]);
	CHECK(a.deadline >= now + PATIENCE && a.deadline <= urctx_now() + PATIENCE);

	/* Too late already: not begun. */
	a = ask(connection, by, TABLE);
	CHECK(a.err == -ETIME && a.rows == 0 && a.blocks[0] + a.blocks[1] == 0);
}

int main(void)
{
	struct server s;
	pthread_t thread;
	int net[2], i;

	check_begin();
	s.table = temp_file();
	if (s.table < 0 || ftruncate(s.table, TABLE) ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, net) || urctx_with_cancel(NULL, &s.root))
		return 1;
	for (i = 0; i < MARKED; i++)
		if (pwrite(s.table, "x", 1, i * BLOCK + i * ROW) != 1)
			return 1;
	s.connection = net[1];
	if (pthread_create(&thread, NULL, serve, &s))
		return 1;
	client(net[0]);
	close(net[0]);
	pthread_join(thread, NULL);
	close(s.table);
	return check_end(s.root);
}
