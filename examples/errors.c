/* SPDX-License-Identifier: MIT */
/*
 * errors.c - an error on its way up the stack, and across to the others
 *
 * An import loads four tables, each on a thread, each from a connection of its own:
 *
 *	main - import() - load_table() - read_record() - net_read_all()
 *	 root    job         table
 *
 *  - A function returns what went wrong: its own -errno, or urctx_err() where it
 *    gave up because somebody else had.
 *  - Who knows most says it, once: read_record() ends the table's context with a
 *    cause, load_table() wraps that in its own and ends the job with it.  First
 *    wins: the -ECANCELED of the others are consequences, and nobody reports them.
 *  - An end does not go up by itself.  A table that may be missing has a timeout of
 *    its own, and its -ETIME is handled where the parent is seen to be live.
 */
#include "check.h"
#include "net.h"

#define TABLES	4
#define RECORDS	10

struct record {
	uint32_t value, sum; /* sum is ~value */
};

/* A cause that wraps another.  Codes above 0 are the program's: this is its one. */
#define TABLE_FAILED 1

struct failure {
	struct urctx_cause cause; /* first, code TABLE_FAILED */
	const struct urctx_cause *why;
	char text[64];
};

static const struct failure *failure_of(const struct urctx_cause *cause)
{
	if (!cause || cause->code != TABLE_FAILED)
		return NULL;
	return (const struct failure *)cause;
}

struct table {
	pthread_t thread;
	struct urctx *job; /* borrowed: import() joins before it ends it */
	struct sockaddr_in *peer;
	char id;
	bool optional;
	uint32_t total;
	int records;
	int result;
	const struct urctx_cause *seen;
	struct failure failure; /* in memory that outlives the job's contexts */
};

static int read_record(struct urctx *ctx, int conn, uint32_t *value)
{
	struct record r;
	ssize_t got = net_read_all(ctx, conn, &r, sizeof(r));

	if (got < 0) {
		/* Done already, and it is the context's end that we return?  Then
		 * this changes nothing.  An error: known at run time only. */
		urctx_cancel_cause(ctx, urctx_cause_errno(got));
		return got;
	}
	if (got < (ssize_t)sizeof(r) || r.sum != ~r.value) {
		urctx_cancel_cause(ctx, URCTX_CAUSE(-EBADMSG, "a record's sum is wrong"));
		return -EBADMSG;
	}
	*value = r.value;
	return net_write(ctx, conn, "A", 1);
}

static int load_table(struct urctx *ctx, struct table *t)
{
	uint32_t value = 0;
	int err, conn = net_connect(ctx, t->peer);

	if (conn < 0)
		return conn;
	err = net_write(ctx, conn, &t->id, 1);
	for (t->records = 0; !err && t->records < RECORDS; t->records += !err) {
		err = read_record(ctx, conn, &value);
		if (!err)
			t->total += value;
	}
	close(conn);
	return err;
}

/* Where the table's own end and the job's are told apart. */
static int try_table(struct table *t)
{
	urctx_scoped struct urctx *table = NULL;
	struct failure *f = &t->failure;
	const struct urctx_cause *why;
	int err;

	if (t->optional)
		err = urctx_with_timeout(t->job, 30 * MSEC, &table);
	else
		err = urctx_with_cancel(t->job, &table);
	if (err)
		return err;
	err = load_table(table, t);
	if (!err || urctx_err(t->job))
		return err;
	if (t->optional && err == -ETIME)
		return 0;

	snprintf(f->text, sizeof(f->text), "table %c, record %d", t->id, t->records);
	why = urctx_cause(table);
	f->why = why ? why : urctx_cause_errno(err); /* no peer, no memory */
	f->cause = (struct urctx_cause){ .reason = f->text, .file = __FILE__,
					 .func = __func__, .line = __LINE__,
					 .code = TABLE_FAILED };
	urctx_cancel_cause(t->job, &f->cause);
	return err;
}

static void *table_thread(void *arg)
{
	struct table *t = arg;

	t->result = try_table(t);
	t->seen = urctx_cause(t->job);
	return NULL;
}

/* Return: 0, or what the first table to fail returned; in explain why. */
static int import(struct urctx *ctx, struct table *tables, char *explain, size_t size)
{
	urctx_scoped struct urctx *job = NULL;
	const struct urctx_cause *cause;
	const struct failure *f;
	int i, started, err = urctx_with_cancel(ctx, &job);

	if (err)
		return err;
	for (started = 0; started < TABLES; started++) {
		tables[started].job = job;
		err = pthread_create(&tables[started].thread, NULL, table_thread,
				     &tables[started]);
		if (err) {
			urctx_cancel_cause(job, urctx_cause_errno(err));
			break;
		}
	}
	for (i = 0; i < started; i++)
		pthread_join(tables[i].thread, NULL);
	cause = urctx_cause(job);
	if (!cause)
		return 0;
	f = failure_of(cause);
	if (!f) { /* who called us has ended, or there was no thread */
		snprintf(explain, size, "%s", cause->reason);
		return urctx_err(ctx) ? urctx_err(ctx) : cause->code;
	}
	snprintf(explain, size, "%s: %s (%s)", f->cause.reason, f->why->reason,
		 f->why->func ? f->why->func : "the system");
	return f->why->code;
}

/* --------------------------------------------------------------------- the peers */
struct peer {
	struct urctx *ctx; /* until the import is over */
	int listener;
	int reset, corrupt, stall; /* bits: the tables that it does that to */
	int optional; /* bits: the tables that may be missing */
};

static void send_records(int conn, int nr, uint32_t spoil)
{
	struct record r;
	char ack;

	for (; nr; nr--) {
		r.value = nr;
		r.sum = ~r.value ^ spoil;
		if (net_write(NULL, conn, &r, sizeof(r)) ||
		    net_read_all(NULL, conn, &ack, 1) != 1)
			break;
	}
}

static void *peer_thread(void *arg)
{
	const struct linger hard = { .l_onoff = 1 };
	int i, come, conn[TABLES] = { -1, -1, -1, -1 };
	struct peer *p = arg;
	char c;

	/* What fails does so when the others are in the middle of theirs. */
	for (come = 0; come < TABLES; come++) {
		int fd = net_accept(p->ctx, p->listener);

		if (fd < 0)
			break;
		if (net_read_all(NULL, fd, &c, 1) != 1) {
			close(fd);
			continue;
		}
		conn[c - '0'] = fd;
		if (!((p->stall | p->corrupt | p->reset) & 1 << (c - '0')))
			send_records(fd, RECORDS, 0);
	}
	for (i = 0; i < TABLES; i++) {
		if ((p->corrupt | p->reset) & 1 << i)
			send_records(conn[i], 3, 0);
		if (p->corrupt & 1 << i)
			send_records(conn[i], 1, 1);
		if (p->reset & 1 << i) {
			setsockopt(conn[i], SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
			close(conn[i]);
			conn[i] = -1;
		}
	}
	for (i = 0; i < TABLES; i++) {
		if (conn[i] < 0)
			continue;
		CHECK(net_read(NULL, conn[i], &c, 1) == 0);
		close(conn[i]);
	}
	return NULL;
}

static int run(struct urctx *root, struct peer *p, struct table *tables, char text[160])
{
	urctx_scoped struct urctx *peer_ctx = NULL;
	struct sockaddr_in addr;
	pthread_t thread;
	int i, err;

	p->listener = net_listen(&addr);
	if (!CHECK(p->listener >= 0) ||
	    !CHECK(urctx_with_cancel(root, &peer_ctx) == 0))
		exit(1);
	p->ctx = peer_ctx;
	if (!CHECK(pthread_create(&thread, NULL, peer_thread, p) == 0))
		exit(1);
	for (i = 0; i < TABLES; i++)
		tables[i] = (struct table){ .id = '0' + i, .peer = &addr,
					    .optional = p->optional & 1 << i };
	text[0] = '\0';
	err = import(root, tables, text, 160);
	urctx_cancel(peer_ctx);
	pthread_join(thread, NULL);
	close(p->listener);
	CHECK(urctx_err(root) == 0);
	printf("errors: import: %d %s\n", err, text);
	return err;
}

/* All but one gave up for its cause, and say -ECANCELED, not what that was. */
static void check_others(const struct table *tables, int failed)
{
	int i;

	for (i = 0; i < TABLES; i++) {
		CHECK(tables[i].seen == &tables[failed].failure.cause);
		if (i != failed)
			CHECK(tables[i].result == -ECANCELED);
	}
}

int main(void)
{
	const uint32_t all = RECORDS * (RECORDS + 1) / 2;
	struct table tables[TABLES];
	struct urctx *root = NULL;
	char text[160];
	int i;

	check_begin();
	if (!CHECK(urctx_with_cancel(NULL, &root) == 0))
		return 1;

	/* The fourth may be missing, and is: that is no error. */
	CHECK(run(root, &(struct peer){ .stall = 8, .optional = 8 }, tables, text) == 0);
	for (i = 0; i < TABLES; i++)
		CHECK(tables[i].result == 0 && tables[i].total == (i < 3 ? all : 0));

	/* A peer resets its connection: the error is the system's. */
	CHECK(run(root, &(struct peer){ .stall = 0xb, .reset = 1 << 2 }, tables,
		  text) == -ECONNRESET);
	CHECK(!strncmp(text, "table 2, record 3: ", 19) && strstr(text, "(the system)"));
	check_others(tables, 2);

	/* A record is spoiled: the error is ours, and knows where it was made. */
	CHECK(run(root, &(struct peer){ .stall = 0xd, .corrupt = 1 << 1 }, tables,
		  text) == -EBADMSG);
	CHECK(!strcmp(text, "table 1, record 3: a record's sum is wrong (read_record)"));
	check_others(tables, 1);
	return check_end(root);
}
