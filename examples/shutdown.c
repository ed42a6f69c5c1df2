/* SPDX-License-Identifier: MIT */
/*
 * shutdown.c - a server that finishes what it has, then ends
 *
 *	SIGTERM --> stop			nothing new is begun
 *	             \-- work (grace 20 s)	what was begun is finished
 *	                   \-- connection ...	a thread each
 *
 * Two contexts are the whole of it.  Between requests a connection waits under
 * "stop", within one under a context below "work".  The server waits until nothing
 * derived from "work" is left, or until the grace is over and has ended that.
 *
 * A client asks 'P', is told 'g', sends a record, and is told 'k' once the record is
 * on disk.  One of them sends SIGTERM in the middle of that.  Then every record that
 * was acknowledged to anybody must be in the file, once.
 */
#include "check.h"
#include "net.h"

#include <fcntl.h>
#include <signal.h>

#define CLIENTS	4
#define RECORDS	6	/* of each client, at most */
#define STOP_AT	3	/* SIGTERM is sent within this record of client 0 */
#define RECORD	16

struct server {
	struct urctx *stop, *work;
	int listener, file;
};

struct connection {
	struct server *server;
	struct urctx *ctx;
	int fd;
};

/* Return: 0: acknowledged, or -errno: not, and the connection is of no more use. */
static int put_record(struct connection *c)
{
	char record[RECORD];
	ssize_t got = net_read_all(c->ctx, c->fd, record, 1);
	int err;

	if (got != 1)
		return got < 0 ? got : -EPIPE;
	if (record[0] != 'P')
		return -EPROTO;
	err = net_write(c->ctx, c->fd, "g", 1);
	if (err)
		return err;
	got = net_read_all(c->ctx, c->fd, record, RECORD);
	if (got != RECORD)
		return got < 0 ? got : -EPIPE;
	/* O_APPEND, and one call: whole records, whoever else writes. */
	if (write(c->server->file, record, RECORD) != RECORD ||
	    fdatasync(c->server->file))
		return -EIO;
	return net_write(c->ctx, c->fd, "k", 1);
}

static void *connection(void *arg)
{
	struct connection *c = arg;

	while (!net_wait(c->server->stop, c->fd, POLLIN) && !put_record(c))
		;
	close(c->fd);
	/* Last: the server waits for this, and for no thread. */
	urctx_end(c->ctx);
	free(c);
	return NULL;
}

static int start(struct server *s, int fd)
{
	struct connection *c = malloc(sizeof(*c));
	pthread_t thread;
	int err;

	if (!c)
		return -ENOMEM;
	*c = (struct connection){ .server = s, .fd = fd };
	err = urctx_with_cancel(s->work, &c->ctx);
	if (!err) {
		err = -pthread_create(&thread, NULL, connection, c);
		if (err)
			urctx_end(c->ctx);
	}
	if (err)
		free(c);
	else
		pthread_detach(thread);
	return err;
}

static void serve(struct server *s)
{
	int fd;

	while ((fd = net_accept(s->stop, s->listener)) >= 0)
		if (start(s, fd))
			close(fd);	/* no room for it: the others go on */
	close(s->listener);
	/* Ends: at the latest, all that is below work ends with the grace. */
	CHECK(urctx_wait_idle(s->work, URCTX_NEVER) == 0);
}

/* What follows is the clients' side: processes of their own. */
static bool client_put(int fd, const char *record, bool stop_server)
{
	char reply;

	if (send(fd, "P", 1, MSG_NOSIGNAL) != 1 || recv(fd, &reply, 1, 0) != 1)
		return false;
	if (stop_server)
		kill(getppid(), SIGTERM);
	return send(fd, record, RECORD, MSG_NOSIGNAL) == RECORD &&
	       recv(fd, &reply, 1, 0) == 1 && reply == 'k';
}

/* Client 0 begins once each of the others has been served, by the pipe. */
static int client(int nr, const struct sockaddr_in *addr, int acked, const int *pipefd)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), i;
	char record[64], c;	/* of which RECORD bytes are sent */

	if (nr == 0)
		close(pipefd[1]);
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)))
		return 1;
	for (i = 1; i < CLIENTS && nr == 0; i++)
		if (read(pipefd[0], &c, 1) != 1)
			return 2;
	for (i = 0; i < RECORDS; i++) {
		snprintf(record, sizeof(record), "client %d rec %02d\n", nr, i);
		if (!client_put(fd, record, nr == 0 && i == STOP_AT))
			break;
		if (write(acked, record, RECORD) != RECORD ||
		    (nr && !i && write(pipefd[1], "", 1) != 1))
			return 3;
	}
	if (i < RECORDS)
		return i > (nr ? 0 : STOP_AT) ? 0 : 4;
	/* All is said, and the connection stays idle: until the server stops. */
	return recv(fd, &c, 1, 0) == 1 ? 5 : 0;
}

static int start_clients(int listener, const struct sockaddr_in *addr, int acked)
{
	int pipefd[2], i, status;
	pid_t pid;

	if (pipe(pipefd))
		return -errno;
	for (i = 0; i < CLIENTS; i++) {
		pid = fork();
		if (pid < 0)
			return -errno;
		if (pid)
			continue;
		close(listener);
		status = client(i, addr, acked, pipefd);
		if (status)
			kill(getppid(), SIGTERM);
		_exit(status);
	}
	close(pipefd[0]);
	close(pipefd[1]);
	return 0;
}

static void verify(int file, int acked)
{
	size_t len = 0, acked_len = 0, i;
	char *text = contents(file, &len), *claims = contents(acked, &acked_len);
	char record[RECORD + 1] = "", *found;

	CHECK(text && claims && acked_len >= (STOP_AT + CLIENTS) * RECORD);
	for (i = 0; text && claims && i < acked_len; i += RECORD) {
		memcpy(record, claims + i, RECORD);
		found = strstr(text, record);
		CHECK(found && (found - text) % RECORD == 0);
		CHECK(found && !strstr(found + 1, record));
	}
	CHECK(acked_len % RECORD == 0 && len % RECORD == 0 && acked_len <= len);
	free(text);
	free(claims);
}

int main(void)
{
	struct server s;
	struct sockaddr_in addr;
	struct urctx *root;
	sigset_t set;
	int acked, i, status;

	/* Before there is any other thread, and for all of them. */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);

	check_begin();
	s.listener = net_listen(&addr);
	s.file = temp_file();
	acked = temp_file();
	if (s.listener < 0 || fcntl(s.file, F_SETFL, O_APPEND) || fcntl(acked, F_SETFL, O_APPEND) ||
	    start_clients(s.listener, &addr, acked) || urctx_with_cancel(NULL, &root) ||
	    urctx_with_signals(root, &set, &s.stop) ||
	    urctx_with_grace(s.stop, 20 * SECOND, &s.work))
		return 1;
	serve(&s);

	CHECK(urctx_err(s.stop) == -ECANCELED);
	urctx_end(s.work);
	urctx_end(s.stop);
	for (i = 0; i < CLIENTS; i++)
		CHECK(wait(&status) > 0 && status == 0);
	verify(s.file, acked);
	close(s.file);
	close(acked);
	return check_end(root);
}
