/* SPDX-License-Identifier: MIT */
/* io_scenes.cpp - see io_scenes.hpp */
#include "io_scenes.hpp"

#include <sys/stat.h>
#include <sys/wait.h>

namespace {

constexpr int BAD = 1 << 20;		/* no descriptor */

struct place {
	explicit place(int kind = 0) : e(kind)
	{
	}

	ends e;
	char buf[65536] = {};
	struct iovec iov[2] = { { buf, 3 }, { buf + 3, 4 } };
	struct msghdr msg = {};
};

std::function<bool(long)> is(long n)
{
	return [n](long ret) { return ret == n; };
}

scene reading(const char *name, int kind,
	      std::function<long(struct urctx *, place &, int fd)> call)
{
	auto p = std::make_shared<place>(kind);

	p->msg.msg_iov = p->iov;
	p->msg.msg_iovlen = 2;
	return { name, [=](struct urctx *c) { return call(c, *p, p->e.fd[0]); },
		 [=] { p->e.put(5); },
		 [=](long ret) { return ret == 5 && !memcmp(p->buf, "01234", 5); }, true,
		 -EBADF,
		 [=](struct urctx *c) { return call(c, *p, BAD); } };
}

scene writing(const char *name, int kind,
	      std::function<long(struct urctx *, place &, int fd)> call)
{
	auto p = std::make_shared<place>(kind);

	p->msg.msg_iov = p->iov;
	p->msg.msg_iovlen = 2;
	p->e.fill();
	return { name, [=](struct urctx *c) { return call(c, *p, p->e.fd[1]); },
		 [=] { p->e.drain(); }, is(7), true, -EBADF,
		 [=](struct urctx *c) { return call(c, *p, BAD); } };
}

scene splicing()
{
	auto in = std::make_shared<ends>(), out = std::make_shared<ends>();

	return { "splice",
		 [=](struct urctx *c) {
			 return urctx_splice(c, in->fd[0], nullptr, out->fd[1], nullptr,
					     100, 0);
		 },
		 [=] { in->put(5); }, is(5), true, -EBADF,
		 [=](struct urctx *c) {
			 return urctx_splice(c, BAD, nullptr, out->fd[1], nullptr, 9, 0);
		 } };
}

scene accepting()
{
	auto l = std::make_shared<listener>();
	auto keep = std::make_shared<ends>();

	return { "accept",
		 [=](struct urctx *c) {
			 return urctx_accept(c, l->fd, nullptr, nullptr, SOCK_CLOEXEC);
		 },
		 [=] { close(l->connects()); },
		 [](long ret) { return ret >= 0 && !close((int)ret); }, true, -EBADF,
		 [=](struct urctx *c) {
			 return urctx_accept(c, BAD, nullptr, nullptr, 0);
		 } };
}

/* A queue that is full: who connects waits. */
scene connecting()
{
	auto l = std::make_shared<listener>(0);
	auto s = std::make_shared<ends>(SOCK_STREAM);

	while (int fd = l->connects(SOCK_NONBLOCK)) {
		if (fd < 0)
			break;
		close(fd);
	}
	s->shut(0);
	s->fd[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	auto call = [=](struct urctx *c, int fd) {
		return urctx_connect(c, fd, (struct sockaddr *)&l->addr, l->len);
	};
	return { "connect", [=](struct urctx *c) { return call(c, s->fd[0]); },
		 [=] { close(accept(l->fd, nullptr, nullptr)); }, is(0), true, -EBADF,
		 [=](struct urctx *c) { return call(c, BAD); } };
}

struct fifo {
	fifo()
	{
		char dir[] = "/tmp/urctx.XXXXXX";

		if (!mkdtemp(dir))
			abort();
		at = dir;
		path = at + "/fifo";
		if (mkfifo(path.c_str(), 0600))
			abort();
	}
	~fifo()
	{
		for (int fd : fds)
			close(fd);
		unlink(path.c_str());
		rmdir(at.c_str());
	}

	std::string at, path;
	std::vector<int> fds;
};

scene opening()
{
	auto f = std::make_shared<fifo>();

	return { "openat",
		 [=](struct urctx *c) {
			 return urctx_openat(c, AT_FDCWD, f->path.c_str(),
					     O_RDONLY | O_CLOEXEC, 0);
		 },
		 /* with both ends it does not wait for whoever is on his way */
		 [=] { f->fds.push_back(open(f->path.c_str(), O_RDWR | O_CLOEXEC)); },
		 [](long ret) { return ret >= 0 && !close((int)ret); }, has_uring(),
		 -ENOENT,
		 [=](struct urctx *c) {
			 return urctx_openat(c, AT_FDCWD, "/no such file", O_RDONLY, 0);
		 } };
}

scene polling()
{
	auto e = std::make_shared<ends>();

	return { "poll",
		 [=](struct urctx *c) {
			 struct pollfd fds[20];

			 for (auto &p : fds)
				 p = { -1, POLLIN, 0 };
			 fds[19].fd = e->fd[0];
			 long ret = urctx_poll(c, fds, 20);
			 return ret == 1 && fds[19].revents != POLLIN ? -EPROTO : ret;
		 },
		 [=] { e->put(); }, is(1), true, 1, [](struct urctx *c) {
			 struct pollfd p = { BAD, POLLIN, 0 };

			 return (long)urctx_poll(c, &p, 1);
		 } };
}

struct child {
	child()
	{
		pid = fork();
		if (pid)
			return;
		char c;
		e.shut(1);
		_exit(read(e.fd[0], &c, 1) == 1 ? 42 : 1);
	}
	~child()
	{
		e.shut(1);
		waitpid(pid, nullptr, 0);
	}

	ends e;
	pid_t pid;
};

scene waiting(const char *name, bool by_number)
{
	auto k = std::make_shared<child>();

	return { name,
		 [=](struct urctx *c) {
			 siginfo_t info = {};
			 int ret = by_number ?
				   urctx_waitid(c, P_PID, (id_t)k->pid, &info, WEXITED) :
				   urctx_waitid(c, P_ALL, 0, &info, WEXITED);

			 return ret ? (long)ret : info.si_pid == k->pid ?
							  info.si_status : -EPROTO;
		 },
		 [=] { k->e.put(); }, is(42), true, -ECHILD,
		 [=](struct urctx *c) {
			 return urctx_waitid(c, P_PID, (id_t)getpid(), nullptr, WEXITED);
		 } };
}

#define READS(name, kind, expression)                                          \
	[] {                                                                   \
		return reading(name, kind, [](struct urctx *c, place &p, int fd) -> long { \
			(void)p;                                               \
			return expression;                                     \
		});                                                            \
	}
#define WRITES(name, kind, expression)                                         \
	[] {                                                                   \
		return writing(name, kind, [](struct urctx *c, place &p, int fd) -> long { \
			(void)p;                                               \
			return expression;                                     \
		});                                                            \
	}

}

const std::vector<scene_maker> &scenes()
{
	static const std::vector<scene_maker> all = {
		READS("read, pipe", 0, urctx_read(c, fd, p.buf, 9)),
		READS("read, socket", SOCK_STREAM, urctx_read(c, fd, p.buf, 9)),
		READS("readv", 0, urctx_readv(c, fd, p.iov, 2)),
		READS("recv", SOCK_STREAM, urctx_recv(c, fd, p.buf, 9, 0)),
		READS("recv, datagram", SOCK_DGRAM, urctx_recv(c, fd, p.buf, 9, 0)),
		READS("recv, all", SOCK_STREAM, urctx_recv(c, fd, p.buf, 5, MSG_WAITALL)),
		READS("recvmsg", SOCK_STREAM, urctx_recvmsg(c, fd, &p.msg, 0)),
		WRITES("write, pipe", 0, urctx_write(c, fd, p.buf, 7)),
		WRITES("write, socket", SOCK_STREAM, urctx_write(c, fd, p.buf, 7)),
		WRITES("writev", 0, urctx_writev(c, fd, p.iov, 2)),
		WRITES("send", SOCK_STREAM, urctx_send(c, fd, p.buf, 7, 0)),
		WRITES("send, datagram", SOCK_DGRAM, urctx_send(c, fd, p.buf, 7, 0)),
		WRITES("sendmsg", SOCK_STREAM, urctx_sendmsg(c, fd, &p.msg, 0)),
		splicing, accepting, connecting, opening, polling,
		[] { return waiting("waitid", true); },
		[] { return waiting("waitid, any", false); },
	};

	return all;
}
