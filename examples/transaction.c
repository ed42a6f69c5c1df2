/* SPDX-License-Identifier: MIT */
/*
 * transaction.c - three processes that all commit, or all roll back
 *
 * Each participant keeps an account in a file.  To prepare it writes the new balance
 * beside it; to commit it renames that over the old one; to roll back it unlinks it.
 * The coordinator asks all to prepare, under one context:
 *
 *  - whoever cannot prepare ends that context, with his cause; the others' answers
 *    are not waited for any more;
 *  - the decision is the coordinator's alone, made once, and written down before
 *    anybody hears of it.  The context ends the asking, never the decision;
 *  - what follows the decision must be done although the context is done: behind a
 *    shield (urctx_without_cancel), with a time of its own.
 *
 * Three transfers: one succeeds; in the second a disk is full when the others have
 * prepared; in the third the user gives up while one is slow to prepare.
 */
#include "check.h"
#include "net.h"
#include "scratch.h"

#include <signal.h>
#include <sys/resource.h>

#define PARTICIPANTS	3
#define RUNS		3

enum { PREPARE = 'P', COMMIT = 'C', ROLLBACK = 'R', YES = 'Y', NO = 'N', DONE = 'D' };

struct message {
	int32_t verb, code; /* ROLLBACK, NO: why */
	int64_t time; /* PREPARE: ns left */
	int32_t amount; /* PREPARE: to add */
	char reason[44]; /* ROLLBACK: for people */
};

struct participant {
	int conn; /* the coordinator's end */
	pid_t pid;
	int nr, amount;
	struct message in;
	struct urctx_cause cause; /* in memory that outlives the transaction */
	char why[44];
};

/* -------------------------------------------------------------- a participant */
struct own {
	char account[SCRATCH_NAME], fresh[SCRATCH_NAME], why[SCRATCH_NAME];
	int conn;
	bool full; /* its disk */
	int begun, go; /* fds: a byte out when it prepares, and one in before it does */
};

/* As a full disk does: a file does not grow. */
static void disk_is_full(bool full)
{
	struct rlimit limit;

	CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
	limit.rlim_cur = full ? 0 : limit.rlim_max;
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static int write_fresh(struct own *o, int amount)
{
	char text[32];
	int fd, err = 0;
	ssize_t len = scratch_read(o->account, text, sizeof(text));

	if (len < 0)
		return len;
	fd = open(o->fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	len = snprintf(text, sizeof(text), "%d", atoi(text) + amount);
	if (write(fd, text, len) != len || fsync(fd))
		err = -errno;
	if (close(fd) && !err)
		err = -errno;
	return err;
}

/* Return: 0: the new balance is on the disk, beside the old one; -errno. */
static int prepare(struct urctx *ctx, struct own *o, int amount)
{
	int err;
	char c;

	if (o->full)
		disk_is_full(true);
	err = write_fresh(o, amount);
	if (o->full)
		disk_is_full(false);
	/* A slow disk: no context ends that, it takes as long as it takes. */
	if (!err && o->begun >= 0)
		CHECK(write(o->begun, "b", 1) == 1 && read(o->go, &c, 1) == 1);
	return err ? err : urctx_err(ctx);
}

static void roll_back(struct own *o, int code, const char *reason)
{
	int fd = open(o->why, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	CHECK(!unlink(o->fresh) || errno == ENOENT);
	CHECK(dprintf(fd, "%d %s", code, reason) > 0);
	close(fd);
}

static int participate(struct own *o)
{
	struct urctx *root = NULL, *ctx = NULL;
	struct message m, reply;
	bool prepared = false;

	check_begin();
	if (!CHECK(urctx_with_cancel(NULL, &root) == 0))
		return 1;
	while (net_read(root, o->conn, &m, sizeof(m)) == sizeof(m)) {
		reply = (struct message){ .verb = DONE };
		if (m.verb == PREPARE) {
			reply.code = urctx_with_timeout(root, m.time, &ctx);
			if (!reply.code)
				reply.code = prepare(ctx, o, m.amount);
			urctx_put(ctx);
			ctx = NULL;
			prepared = !reply.code;
			reply.verb = prepared ? YES : NO;
		} else if (m.verb == COMMIT && CHECK(prepared)) {
			CHECK(rename(o->fresh, o->account) == 0);
			prepared = false;
		} else {
			m.reason[sizeof(m.reason) - 1] = '\0';
			roll_back(o, m.code, m.reason);
			prepared = false;
		}
		if (net_write(root, o->conn, &reply, sizeof(reply)))
			break;
	}
	/* Else in doubt: it was decided, who knows what.  Both files stay, to ask. */
	CHECK(!prepared);
	return check_end(root);
}

/* ------------------------------------------------------------ the coordinator */
struct step {
	pthread_t thread;
	struct urctx *ctx;
	struct participant *p;
	struct message m;
	int answer; /* YES or DONE: which it waits for */
	int result;
};

static void *step_thread(void *arg)
{
	struct step *s = arg;
	struct participant *p = s->p;
	int err;

	s->m.time = urctx_remaining(s->ctx);
	s->m.amount = p->amount;
	err = net_write(s->ctx, p->conn, &s->m, sizeof(s->m));
	/* A late answer to PREPARE may come before the one to ROLLBACK. */
	do {
		ssize_t got = err ? err : net_read(s->ctx, p->conn, &p->in,
						   sizeof(p->in));
		err = got < 0 ? got : got != sizeof(p->in) ? -ECONNRESET : 0;
	} while (!err && s->answer == DONE && p->in.verb != DONE);
	if (!err && p->in.verb == NO)
		err = p->in.code;
	if (err) {
		snprintf(p->why, sizeof(p->why), "participant %d: %s", p->nr,
			 urctx_cause_errno(err)->reason);
		p->cause = (struct urctx_cause){ .reason = p->why, .code = err };
		urctx_cancel_cause(s->ctx, &p->cause);
	}
	s->result = err;
	return NULL;
}

/* The same to all of them, at once.  Return: 0, or the first error. */
static int tell_all(struct urctx *ctx, struct participant *p, int nr,
		    const struct message *m, int answer)
{
	struct step s[PARTICIPANTS];
	int i, started, err = 0;

	for (started = 0; started < nr && !err; started += !err) {
		s[started] = (struct step){ .ctx = ctx, .p = &p[started], .m = *m,
					    .answer = answer };
		err = -pthread_create(&s[started].thread, NULL, step_thread, &s[started]);
	}
	for (i = 0; i < started; i++) {
		pthread_join(s[i].thread, NULL);
		err = err ? err : s[i].result;
	}
	return err;
}

/* Return: 0: committed; what urctx_err() said: rolled back, and *why. */
static int transact(struct urctx *ctx, struct participant *p, int decisions,
		    const struct urctx_cause **why)
{
	urctx_scoped struct urctx *tx = NULL, *shield = NULL, *settle = NULL;
	struct message m = { .verb = PREPARE };
	int last = PARTICIPANTS - 1, err = urctx_with_timeout(ctx, PATIENCE, &tx);

	/* What is needed to settle it is there before anything is begun. */
	if (!err)
		err = urctx_without_cancel(tx, &shield);
	if (!err)
		err = urctx_with_timeout(shield, 3 * PATIENCE, &settle);
	if (err)
		return err;

	/* Who is likeliest to fail is asked last. */
	err = tell_all(tx, p, last, &m, YES);
	if (!err)
		err = tell_all(tx, p + last, 1, &m, YES);

	*why = urctx_cause(tx);
	if (!err && !*why) {
		m.verb = COMMIT;
		/* From here on it is committed, whatever happens. */
		CHECK(write(decisions, "commit\n", 7) == 7 && fsync(decisions) == 0);
	} else {
		m.verb = ROLLBACK;
		m.code = *why ? (*why)->code : err;
		snprintf(m.reason, sizeof(m.reason), "%s",
			 *why ? (*why)->reason : strerror(-err));
		err = urctx_err(tx) ? urctx_err(tx) : err;
	}
	CHECK(tell_all(settle, p, PARTICIPANTS, &m, DONE) == 0);
	return err;
}

/* ---------------------------------------------------------------------- the check */
struct run {
	struct participant p[PARTICIPANTS];
	struct own own[PARTICIPANTS];
	pthread_t thread;
	struct urctx *ctx;
	int decisions;
	int result, code;
};

static void spawn(struct run *r, int run, const struct scratch *dir, int begun, int go)
{
	static const int amounts[PARTICIPANTS] = { -10, 4, 6 };
	static int ends[RUNS * PARTICIPANTS], nr_ends;
	int i, fd, pair[2];

	for (i = 0; i < PARTICIPANTS; i++) {
		struct own *o = &r->own[i];

		scratch_name(dir, o->account, "account.%d.%d", run, i);
		scratch_name(dir, o->fresh, "account.%d.%d.new", run, i);
		scratch_name(dir, o->why, "account.%d.%d.why", run, i);
		o->full = run == 1 && i == 2;
		o->begun = run == 2 && i == 2 ? begun : -1;
		o->go = go;
		fd = open(o->account, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		if (!CHECK(fd >= 0 && write(fd, "100", 3) == 3 && close(fd) == 0) ||
		    !CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
				      SOCK_NONBLOCK, 0, pair) == 0))
			exit(1);
		o->conn = pair[1];
		r->p[i] = (struct participant){ .conn = pair[0], .nr = i,
						.amount = amounts[i] };
		ends[nr_ends++] = pair[0];
		r->p[i].pid = fork();
		if (!r->p[i].pid) {
			while (nr_ends) /* the coordinator's ends, and his alone */
				close(ends[--nr_ends]);
			exit(participate(o));
		}
		CHECK(r->p[i].pid > 0);
		close(pair[1]);
	}
}

static void *run_thread(void *arg)
{
	const struct urctx_cause *why = NULL;
	struct run *r = arg;

	r->result = transact(r->ctx, r->p, r->decisions, &why);
	r->code = why ? why->code : 0;
	return NULL;
}

static void finish(struct run *r)
{
	int i, status;

	pthread_join(r->thread, NULL);
	for (i = 0; i < PARTICIPANTS; i++)
		close(r->p[i].conn);
	for (i = 0; i < PARTICIPANTS; i++)
		CHECK(waitpid(r->p[i].pid, &status, 0) == r->p[i].pid && status == 0);
}

/* All have these balances; or all have the old ones, and know why. */
static void check_files(const struct run *r, const char *const *balances, const char *why)
{
	char text[64] = "";
	int i;

	printf("transaction: %d, balances", r->result);
	for (i = 0; i < PARTICIPANTS; i++) {
		const struct own *o = &r->own[i];

		CHECK(access(o->fresh, F_OK) == -1);
		CHECK(scratch_read(o->account, text, sizeof(text)) > 0);
		CHECK(!strcmp(text, balances[i]));
		printf(" %s", text);
		if (why)
			CHECK(scratch_read(o->why, text, sizeof(text)) > 0 &&
			      !strncmp(text, why, strlen(why)));
		else
			CHECK(access(o->why, F_OK) == -1);
	}
	printf("%s%s\n", why ? ", why: " : "", why ? text : "");
}

int main(void)
{
	static const char *const before[] = { "100", "100", "100" };
	static const char *const after[] = { "90", "104", "106" };
	int i, begun[2], go[2], decisions;
	char path[SCRATCH_NAME], text[64], c;
	struct urctx *root = NULL;
	struct scratch dir;
	struct run r[RUNS];

	signal(SIGXFSZ, SIG_IGN); /* write() says it */
	if (!CHECK(scratch_make(&dir) == 0) || !CHECK(pipe2(begun, O_CLOEXEC) == 0) ||
	    !CHECK(pipe2(go, O_CLOEXEC) == 0))
		return 1;
	/* Processes first, then threads and contexts: each has its own. */
	check_begin();
	for (i = 0; i < RUNS; i++)
		spawn(&r[i], i, &dir, begun[1], go[0]);
	decisions = open(scratch_name(&dir, path, "decisions"),
			 O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (!CHECK(decisions >= 0) || !CHECK(urctx_with_cancel(NULL, &root) == 0))
		return 1;
	for (i = 0; i < RUNS; i++) {
		r[i].decisions = decisions;
		if (!CHECK(urctx_with_cancel(root, &r[i].ctx) == 0) ||
		    !CHECK(pthread_create(&r[i].thread, NULL, run_thread, &r[i]) == 0))
			return 1;
	}
	/* The slow one is at it, the others have prepared: the user gives up. */
	CHECK(read(begun[0], &c, 1) == 1);
	urctx_cancel_cause(r[2].ctx, URCTX_CAUSE(-EPIPE, "the user gives up"));
	CHECK(write(go[1], "g", 1) == 1);
	for (i = 0; i < RUNS; i++)
		finish(&r[i]);

	CHECK(r[0].result == 0 && r[0].code == 0 && urctx_err(r[0].ctx) == 0);
	check_files(&r[0], after, NULL);
	CHECK(r[1].result == -ECANCELED && r[1].code == -EFBIG);
	check_files(&r[1], before, "-27 participant 2: ");
	CHECK(r[2].result == -ECANCELED && r[2].code == -EPIPE);
	check_files(&r[2], before, "-32 the user gives up");
	CHECK(scratch_read(path, text, sizeof(text)) == 7 && !strcmp(text, "commit\n"));
	for (i = 0; i < RUNS; i++)
		urctx_put(r[i].ctx);
	close(decisions);
	scratch_remove(&dir);
	return check_end(root);
}
