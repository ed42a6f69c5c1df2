/* SPDX-License-Identifier: MIT */
/*
 * net.h - TCP on the loopback whose every wait a context ends, for the examples
 *
 * One pattern throughout: sockets do not block, and where there is nothing to do
 * poll(2) waits for the socket and for urctx_fd(), whichever is first.  NULL is a
 * context as everywhere: it never ends the wait.
 */
#ifndef EXAMPLES_NET_H
#define EXAMPLES_NET_H

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <urctx.h>

/* Return: 0: fd is ready, or has failed; what urctx_err() says; -errno. */
static inline int net_wait(struct urctx *ctx, int fd, short events)
{
	struct pollfd fds[2] = { { .fd = fd, .events = events },
				 { .fd = -1, .events = POLLIN } };
	int err;

	if (ctx) {
		fds[1].fd = urctx_fd(ctx);
		if (fds[1].fd < 0)
			return fds[1].fd;
	}
	for (;;) {
		err = urctx_err(ctx);
		if (err)
			return err;
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return -errno;
		if (fds[0].revents)
			return 0;
	}
}

/* Return: bytes, as many as there are; 0: the peer sends no more; -errno. */
static inline ssize_t net_read(struct urctx *ctx, int fd, void *buf, size_t len)
{
	ssize_t got;
	int err;

	for (;;) {
		err = net_wait(ctx, fd, POLLIN);
		if (err)
			return err;
		got = read(fd, buf, len);
		if (got >= 0)
			return got;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
}

/* Return: len; less: the peer sent no more; -errno. */
static inline ssize_t net_read_all(struct urctx *ctx, int fd, void *buf, size_t len)
{
	size_t done = 0;
	ssize_t got;

	while (done < len) {
		got = net_read(ctx, fd, (char *)buf + done, len - done);
		if (got < 0)
			return got;
		if (!got)
			break;
		done += got;
	}
	return done;
}

/* Return: 0: all is sent; -errno. */
static inline int net_write(struct urctx *ctx, int fd, const void *buf, size_t len)
{
	const char *next = buf, *end = next + len;
	ssize_t put;
	int err;

	while (next < end) {
		err = net_wait(ctx, fd, POLLOUT);
		if (err)
			return err;
		put = send(fd, next, end - next, MSG_NOSIGNAL);
		if (put >= 0)
			next += put;
		else if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	return 0;
}

/* Return: a socket that listens at addr, which is filled in; -errno. */
static inline int net_listen(struct sockaddr_in *addr)
{
	struct sockaddr_in any = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(*addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;

	if (fd < 0)
		return -errno;
	if (!bind(fd, (struct sockaddr *)&any, sizeof(any)) && !listen(fd, 128) &&
	    !getsockname(fd, (struct sockaddr *)addr, &len))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* Return: a connection, the caller's to close; -errno. */
static inline int net_accept(struct urctx *ctx, int listener)
{
	int fd, err;

	for (;;) {
		err = net_wait(ctx, listener, POLLIN);
		if (err)
			return err;
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			return fd;
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			return -errno;
	}
}

/* Return: as net_accept().  Given up half way it is closed: nobody is connected. */
static inline int net_connect(struct urctx *ctx, const struct sockaddr_in *addr)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(int);
	int err;

	if (fd < 0)
		return -errno;
	err = urctx_err(ctx);
	if (!err && connect(fd, (const struct sockaddr *)addr, sizeof(*addr))) {
		err = errno == EINPROGRESS ? net_wait(ctx, fd, POLLOUT) : -errno;
		if (!err && getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len))
			err = errno;
		if (err > 0)
			err = -err;
	}
	if (!err)
		return fd;
	close(fd);
	return err;
}

#endif
