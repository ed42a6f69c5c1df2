/* SPDX-License-Identifier: MIT */
/*
 * remote.c - calls between processes: the time left goes along, an abort follows
 *
 *	main ---TCP---> B ---TCP---> C		three processes, one machine
 *
 * A call is a frame with what is left of the caller's time: so many nanoseconds, not
 * a point in time, for no two machines' clocks agree.  The callee derives a context
 * with that, under that of its connection, and calls on with it.  If the caller's
 * context ends first, an abort frame carries the cause's code and reason along the
 * same way; if the caller dies, the end of its connection does.
 *
 * Each callee notes what came to it in a journal, which main() reads in the end.
 */
#include "check.h"
#include "net.h"
#include "scratch.h"

#include <inttypes.h>
#include <signal.h>

enum { CALL = 1, ABORT, ANSWER, QUIT };

struct frame {
	uint32_t type;
	int32_t code; /* ABORT: the cause's; ANSWER: 0 or -errno */
	int64_t time; /* CALL: ns that are left, or URCTX_NEVER */
	char text[48];
};

static int send_frame(struct urctx *ctx, int conn, uint32_t type, int code,
		      int64_t time, const char *text)
{
	struct frame f = { .type = type, .code = code, .time = time };

	snprintf(f.text, sizeof(f.text), "%s", text);
	return net_write(ctx, conn, &f, sizeof(f));
}

/* ------------------------------------------------------------------ the caller */
/* Return: what the callee returned; urctx_err(): it is told; -errno. */
static int call(struct urctx *ctx, const struct sockaddr_in *to, const char *text,
		char answer[48])
{
	struct frame f = { .type = 0 };
	int conn = net_connect(ctx, to), err;
	ssize_t got;

	if (conn < 0)
		return conn;
	err = send_frame(ctx, conn, CALL, 0, urctx_remaining(ctx), text);
	if (!err) {
		got = net_read_all(ctx, conn, &f, sizeof(f));
		err = got < 0 ? got : got < (ssize_t)sizeof(f) ? -ECONNRESET : f.code;
	}
	if (f.type == ANSWER) {
		memcpy(answer, f.text, sizeof(f.text));
	} else if (urctx_done(ctx)) {
		/* Not with ctx, which is done.  It fits into the socket's buffer. */
		const struct urctx_cause *cause = urctx_cause(ctx);

		send_frame(NULL, conn, ABORT, cause->code, 0, cause->reason);
	}
	close(conn);
	return err;
}

/* ------------------------------------------------------------------ the callee */
struct node {
	char name;
	int listener, journal;
	int tell; /* a pipe to main(): a byte for each wait that begins, or ends */
	const struct sockaddr_in *next;
	struct urctx *ctx;
};

struct served {
	struct node *node;
	struct urctx *ctx; /* of this call */
	pthread_t connection, handler;
	int conn;
	struct frame call, abort;
	struct urctx_cause cause; /* from the wire; in memory that outlives ctx */
};

/* What takes long: to read from somebody who does not write. */
static int wait_for_ever(struct served *s)
{
	const struct urctx_cause *cause;
	int fds[2], err;
	char c;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	CHECK(write(s->node->tell, &s->node->name, 1) == 1);
	err = net_read(s->ctx, fds[0], &c, 1);
	cause = urctx_cause(s->ctx);
	dprintf(s->node->journal, "%c left %" PRId64 " err %d code %d: %s\n",
		s->node->name, s->call.time, err, cause->code, cause->reason);
	CHECK(write(s->node->tell, &s->node->name, 1) == 1);
	close(fds[0]);
	close(fds[1]);
	return err;
}

static void *handler(void *arg)
{
	struct served *s = arg;
	const char *text = s->call.text;
	char answer[48] = "";
	int err = -ENOSYS;

	if (!strncmp(text, "pass ", 5)) {
		err = call(s->ctx, s->node->next, text + 5, answer);
	} else if (!strncmp(text, "echo ", 5)) {
		snprintf(answer, sizeof(answer), "%c: %s", s->node->name, text + 5);
		err = 0;
	} else if (!strcmp(text, "wait")) {
		err = wait_for_ever(s);
	}
	/* Nobody may be there any more to read it. */
	send_frame(NULL, s->conn, ANSWER, err, 0, answer);
	return NULL;
}

/* Reads what comes behind the call: an abort, or the end. */
static void *connection(void *arg)
{
	struct served *s = arg;
	ssize_t got = net_read_all(s->node->ctx, s->conn, &s->call, sizeof(s->call));

	if (got != sizeof(s->call) || s->call.type != CALL) {
		if (got == sizeof(s->call) && s->call.type == QUIT)
			urctx_cancel(s->node->ctx);
		goto out;
	}
	s->call.text[sizeof(s->call.text) - 1] = '\0';
	if (urctx_with_timeout(s->node->ctx, s->call.time, &s->ctx))
		goto out;
	if (pthread_create(&s->handler, NULL, handler, s))
		goto out;
	got = net_read_all(s->node->ctx, s->conn, &s->abort, sizeof(s->abort));
	if (got == sizeof(s->abort) && s->abort.type == ABORT) {
		s->abort.text[sizeof(s->abort.text) - 1] = '\0';
		s->cause.reason = s->abort.text;
		s->cause.code = s->abort.code ? s->abort.code : -ECANCELED;
		urctx_cancel_cause(s->ctx, &s->cause);
	} else {
		urctx_cancel_cause(s->ctx,
				   URCTX_CAUSE(-ECONNRESET, "the caller has gone"));
	}
	pthread_join(s->handler, NULL);
out:
	urctx_put(s->ctx);
	close(s->conn);
	return NULL;
}

static int node_main(struct node *n)
{
	struct served served[16];
	int i, conn, nr = 0;

	check_begin();
	if (!CHECK(urctx_with_cancel(NULL, &n->ctx) == 0))
		return 1;
	while (nr < 16 && (conn = net_accept(n->ctx, n->listener)) >= 0) {
		served[nr] = (struct served){ .node = n, .conn = conn };
		if (!CHECK(pthread_create(&served[nr].connection, NULL, connection,
					  &served[nr]) == 0))
			return 1;
		nr++;
	}
	for (i = 0; i < nr; i++)
		pthread_join(served[i].connection, NULL);
	return check_end(n->ctx);
}

/* ------------------------------------------------------------------- the check */
static pid_t spawn(struct node *n)
{
	pid_t pid = fork();

	if (!pid)
		exit(node_main(n));
	CHECK(pid > 0);
	close(n->listener);
	return pid;
}

/* A caller that will be killed while it waits; begins when a byte comes. */
static pid_t spawn_victim(const struct sockaddr_in *b, int go)
{
	pid_t pid = fork();
	char answer[48], c;

	if (pid)
		return pid;
	if (read(go, &c, 1) == 1)
		call(NULL, b, "wait", answer);
	_exit(1);
}

struct caller {
	struct urctx *ctx;
	const struct sockaddr_in *to;
	int result;
};

static void *caller(void *arg)
{
	struct caller *c = arg;
	char answer[48];

	c->result = call(c->ctx, c->to, "pass wait", answer);
	return NULL;
}

/* Which of the two has begun to wait, or ended? */
static char told(int tell)
{
	char c = 0;

	CHECK(read(tell, &c, 1) == 1);
	return c;
}

static void calls(struct urctx *root, const struct sockaddr_in *b, int tell)
{
	struct caller c = { .to = b };
	struct urctx *ctx = NULL;
	char answer[48] = "";
	struct frame f;
	pthread_t thread;
	int conn;

	CHECK(call(root, b, "echo hello", answer) == 0 && !strcmp(answer, "B: hello"));
	CHECK(call(root, b, "pass echo 2", answer) == 0 && !strcmp(answer, "C: 2"));

	/* Two processes further on somebody waits; and then the user goes. */
	if (!CHECK(urctx_with_timeout(root, 3 * PATIENCE, &c.ctx) == 0) ||
	    !CHECK(pthread_create(&thread, NULL, caller, &c) == 0))
		exit(1);
	CHECK(told(tell) == 'C');
	urctx_cancel_cause(c.ctx, URCTX_CAUSE(-EPIPE, "the user has gone"));
	pthread_join(thread, NULL);
	CHECK(c.result == -ECANCELED);
	CHECK(told(tell) == 'C');
	urctx_put(c.ctx);

	/* The callee needs no abort: it knows the time itself. */
	conn = net_connect(root, b);
	CHECK(send_frame(root, conn, CALL, 0, MSEC, "wait") == 0);
	CHECK(net_read_all(root, conn, &f, sizeof(f)) == sizeof(f) && f.code == -ETIME);
	CHECK(told(tell) == 'B' && told(tell) == 'B');
	close(conn);

	/* And no time left is no call. */
	CHECK(urctx_with_timeout(root, 0, &ctx) == 0);
	CHECK(call(ctx, b, "wait", answer) == -ETIME);
	urctx_put(ctx);
}

static void quit(const struct sockaddr_in *to, pid_t pid)
{
	int status = -1, conn = net_connect(NULL, to);

	CHECK(conn >= 0 && send_frame(NULL, conn, QUIT, 0, 0, "") == 0);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	close(conn);
}

/* What B and C wrote down. */
static void read_journal(const char *path)
{
	char text[1024] = "", *line;
	int64_t left = 0;

	CHECK(scratch_read(path, text, sizeof(text)) > 0);
	line = strstr(text, "C left ");
	CHECK(line && sscanf(line, "C left %" SCNd64, &left) == 1);
	CHECK(left > 0 && left < 3 * PATIENCE);
	CHECK(strstr(text, "err -125 code -32: the user has gone\n"));
	CHECK(strstr(text, "B left 1000000 err -62 code -62: "));
	CHECK(strstr(text, "err -125 code -104: the caller has gone\n"));
	printf("remote: journal:\n%s", text);
}

int main(void)
{
	struct node b = { .name = 'B' }, c = { .name = 'C' };
	struct sockaddr_in b_addr, c_addr;
	char path[SCRATCH_NAME];
	struct urctx *root = NULL;
	struct scratch dir;
	int tell[2], go[2];
	pid_t b_pid, c_pid, victim;

	/* Processes first, then threads and contexts: each has its own. */
	if (!CHECK(scratch_make(&dir) == 0) || !CHECK(pipe2(tell, O_CLOEXEC) == 0) ||
	    !CHECK(pipe2(go, O_CLOEXEC) == 0))
		return 1;
	b.journal = c.journal = open(scratch_name(&dir, path, "journal"),
				     O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	b.tell = c.tell = tell[1];
	b.listener = net_listen(&b_addr);
	c.listener = net_listen(&c_addr);
	b.next = &c_addr;
	if (!CHECK(b.journal >= 0 && b.listener >= 0 && c.listener >= 0))
		return 1;
	victim = spawn_victim(&b_addr, go[0]);
	c_pid = spawn(&c);
	b_pid = spawn(&b);
	close(tell[1]);
	check_begin();
	if (!CHECK(urctx_with_cancel(NULL, &root) == 0))
		return 1;

	calls(root, &b_addr, tell[0]);
	CHECK(write(go[1], "g", 1) == 1);
	CHECK(told(tell[0]) == 'B');
	CHECK(kill(victim, SIGKILL) == 0 && waitpid(victim, NULL, 0) == victim);
	CHECK(told(tell[0]) == 'B');

	quit(&b_addr, b_pid);
	quit(&c_addr, c_pid);
	read_journal(path);
	scratch_remove(&dir);
	return check_end(root);
}
