/* SPDX-License-Identifier: MIT */
/*
 * io_cover_refused.cpp - calls of <urctx/io.h> whose rings, descriptors, memory and
 * second tries are refused
 */
#include "io.hpp"

#include "ring_cover_calls.hpp"
#include <algorithm>
#include <sys/eventfd.h>
#include <sys/wait.h>

/* What is done with a ring that can be had, if not this time. */
#define NEEDS_URING()							\
	if (!has_uring()) {						\
		WARN("skipped: io_uring is forbidden here");		\
		return;							\
	}

/* Pipes can be tried from 6.4 on: poll(2) is what they are waited for with. */
static bool pipes_can_be_tried()
{
	ends e;
	char c;
	struct iovec iov = { &c, 1 };

	return preadv2(e.fd[0], &iov, 1, -1, RWF_NOWAIT) == -1 && errno == EAGAIN;
}

#define NEEDS_NOWAIT()							\
	if (!pipes_can_be_tried()) {					\
		WARN("skipped: this kernel's pipes have no RWF_NOWAIT");\
		return;							\
	}

/* What a thread needs is made when it first waits: each of these is a new one. */
static long on_a_thread(const std::function<long()> &fn)
{
	long ret = 0;

	thread([&] { ret = fn(); }).join();
	return ret;
}

/* @ctx ends when this thread sleeps. */
struct ends_in_wait {
	explicit ends_in_wait(struct urctx *ctx)
		: by_poll(SYS_ppoll, 0, 1), by_ring("io_uring_submit_and_wait_timeout", 0, 1)
	{
		by_poll.is.is_done = by_ring.is_done = true;
		by_poll.is.instead = by_ring.instead = [ctx] { urctx_cancel(ctx); };
	}

	refused_number by_poll;
	refusal by_ring;
};

static long without_ring(const std::function<long()> &fn)
{
	return on_a_thread([&] {
		refusal none("io_uring_queue_init", -EMFILE);

		return fn();
	});
}

TEST_CASE("a ring that cannot be had this time is had the next", "[io][refused]")
{
	NEEDS_URING();
	listener l;

	for (int err : { EMFILE, ENFILE, ENOMEM, EAGAIN })
		on_a_thread([&] {
			INFO(strerror(err));
			context soon, late;
			size_t fds = open_fds();
			{
				ends_in_wait end(soon);
				refusal none("io_uring_queue_init", -err);

				CHECK(urctx_accept(soon, l.fd, nullptr, nullptr, 0) ==
				      -ECANCELED);
				CHECK(none.met == 1);
			}
			CHECK(open_fds() == fds + 1);
			ends_in_wait end(late);
			CHECK(urctx_accept(late, l.fd, nullptr, nullptr, 0) == -ECANCELED);
			CHECK(open_fds() == fds + 3);
			return 0L;
		});
	/* it is there, and cannot be attached to */
	on_a_thread([&] {
		context soon;
		size_t fds = open_fds();
		refusal none("eventfd", -EMFILE);
		ends_in_wait end(soon);

		CHECK(urctx_accept(soon, l.fd, nullptr, nullptr, 0) == -ECANCELED);
		CHECK(none.met);
		CHECK(open_fds() == fds);
		return 0L;
	});
}

TEST_CASE("a thread that has nothing to wait with waits", "[io][refused]")
{
	ends e;
	char c;

	for (const char *name : { "mmap", "pthread_setspecific" })
		on_a_thread([&] {
			INFO(name);
			context live, over;
			counted known_to_rcu;

			REQUIRE(known_to_rcu.after(over) == 0);
			urctx_cancel(over);
			refusal none(name, -ENOMEM);
			context soon;
			ends_in_wait end(soon);
			struct pollfd pfd = { e.fd[0], POLLIN, 0 };

			CHECK(urctx_read(soon, e.fd[0], &c, 1) == -ECANCELED);
			CHECK(none.met);
			e.put();
			CHECK(urctx_poll(live, &pfd, 1) == 1);
			CHECK(urctx_read(live, e.fd[0], &c, 1) == 1);
			return 0L;
		});
}

/* As from a signal handler, where they may not be called; and it does no harm. */
TEST_CASE("a call within a call", "[io][refused]")
{
	NEEDS_NOWAIT();
	ends outer, inner;
	char c;
	context ends_soon(2 * MSEC), live;
	refused_number wait(SYS_ppoll, 0, 1);
	long nested = 0, over_ring = 0;
	listener l;

	wait.is.is_done = true;
	wait.is.instead = [&] {
		context too(2 * MSEC);

		nested = urctx_read(ends_soon, inner.fd[0], &c, 1);
		over_ring = urctx_accept(too, l.fd, nullptr, nullptr, 0);
		outer.put();
	};
	CHECK(urctx_read(live, outer.fd[0], &c, 1) == 1);
	CHECK(wait.is.met == 1);
	CHECK(nested == -ETIME);
	CHECK(over_ring == -ETIME);
}

static std::vector<int> eventfds()
{
	std::vector<int> found;
	char name[64], text[64];

	for (int fd = 0; fd < 1024; fd++) {
		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		ssize_t n = readlink(name, text, sizeof(text) - 1);

		if (n > 0 && !strncmp(text, "anon_inode:[eventfd]", 20))
			found.push_back(fd);
	}
	return found;
}

TEST_CASE("somebody closes the eventfd that a call waits with", "[io][refused]")
{
	NEEDS_NOWAIT();
	ends e;
	char c;

	on_a_thread([&] {
		context doomed, soon(2 * MSEC);
		std::vector<int> before = eventfds();
		int closed = -1;
		{
			refused_number second(SYS_ppoll, 0, 1, 1), first(SYS_ppoll, 0, 1);

			first.is.is_done = second.is.is_done = true;
			first.is.instead = [&] {
				for (int fd : eventfds())
					if (!std::count(before.begin(), before.end(), fd))
						closed = fd;
				close(closed);
			};
			second.is.instead = [&] { urctx_cancel(doomed); };
			CHECK(urctx_read(doomed, e.fd[0], &c, 1) == -ECANCELED);
			CHECK(first.is.met + second.is.met == 2);
		}
		CHECK(closed >= 0);
		/* what has the number now is left alone */
		uint64_t five = 0;
		int other = eventfd(5, EFD_CLOEXEC | EFD_NONBLOCK);
		context third;

		if (other != closed)
			CHECK(dup3(other, closed, O_CLOEXEC) == closed);
		CHECK(urctx_read(soon, e.fd[0], &c, 1) == -ETIME);
		{
			refused_number wait(SYS_ppoll, 0, 1);

			wait.is.is_done = true;
			wait.is.instead = [&] { urctx_cancel(third); };
			CHECK(urctx_read(third, e.fd[0], &c, 1) == -ECANCELED);
		}
		CHECK(read(closed, &five, sizeof(five)) == sizeof(five));
		CHECK(five == 5);
		if (other != closed)
			close(other);
		close(closed);
		return 0L;
	});
}

/* RLIMIT_NOFILE: poll(2) counts ours, and refuses. */
TEST_CASE("poll(2) takes no descriptor more, and none at all", "[io][refused]")
{
	NEEDS_NOWAIT();
	for (unsigned times : { 1, 2 }) {
		ends e;
		char c = 0;
		context live;
		refused_number none(SYS_ppoll, -EINVAL, times);

		/* it comes while we wait */
		none.is.instead = [&] {
			if (none.is.met == times)
				e.put();
		};
		CHECK(urctx_read(live, e.fd[0], &c, 1) == 1);
		CHECK(c == '0');
		CHECK(none.is.met == times);
	}
}

/* Somebody else was faster: the second try comes to nothing. */
TEST_CASE("what poll(2) has promised is gone", "[io][refused]")
{
	for (bool ring : { true, false })
		for (int what = 0; what < 6; what++) {
			INFO(what << (ring ? " ring" : " poll"));
			int nr = what == 0 ? SYS_recvfrom : what == 1 ? SYS_recvmsg :
				 what == 2 ? SYS_sendto : what == 3 ? SYS_sendmsg :
				 what == 4 ? SYS_preadv2 : SYS_pwritev2;
			ends e(SOCK_STREAM);
			char buf[8] = {};
			struct iovec iov = { buf, 3 };
			struct msghdr msg = {};
			auto call = [&]() -> long {
				/* the first says so as well: nothing would wait else */
				refused_number lost(nr, -EAGAIN, 2);
				context live;
				long ret = what == 0 ? urctx_recv(live, e.fd[0], buf, 3, 0) :
					   what == 1 ? urctx_recvmsg(live, e.fd[0], &msg, 0) :
					   what == 2 ? urctx_send(live, e.fd[0], buf, 3, 0) :
					   what == 3 ? urctx_sendmsg(live, e.fd[0], &msg, 0) :
					   what == 4 ? urctx_read(live, e.fd[0], buf, 3) :
						       urctx_write(live, e.fd[0], buf, 3);

				CHECK(lost.is.met == 2);
				return ret;
			};

			msg.msg_iov = &iov;
			msg.msg_iovlen = 1;
			e.put(3);
			CHECK((ring ? on_a_thread(call) : without_ring(call)) == 3);
			if (what == 0 || what == 1 || what == 4)
				CHECK(!memcmp(buf, "012", 3));
			else
				CHECK(read(e.fd[1], buf, 8) == 3);
		}
}

TEST_CASE("what is taken twice is waited for once more", "[io][refused]")
{
	ends e(SOCK_STREAM);
	char c;

	e.put();
	CHECK(without_ring([&] {
		      refused_number lost(SYS_recvfrom, -EAGAIN, 4);
		      context live;

		      return urctx_recv(live, e.fd[0], &c, 1, 0);
	      }) == 1);
	e.put();
	CHECK(without_ring([&] {
		      refused_number lost(SYS_recvfrom, -EAGAIN);
		      context soon(3 * MSEC);

		      return urctx_recv(soon, e.fd[0], &c, 1, 0);
	      }) == -ETIME);
}

struct no_sigpipe {
	no_sigpipe()
	{
		before = signal(SIGPIPE, count);
		raised = 0;
	}
	~no_sigpipe()
	{
		signal(SIGPIPE, before);
	}
	static void count(int)
	{
		raised++;
	}
	static std::atomic<int> raised;
	void (*before)(int);
};
std::atomic<int> no_sigpipe::raised;

/* As the plain calls: an error, and a signal to who has not said that he wants none. */
TEST_CASE("a peer who has gone while a call waited", "[io][refused]")
{
	char buf[8] = {};

	for (int flags : { 0, (int)MSG_NOSIGNAL }) {
		no_sigpipe counts;
		ends e(SOCK_STREAM);
		context live;

		e.fill();
		std::swap(e.fd[0], e.fd[1]);
		e.shut(1);
		CHECK(on_a_thread([&] {
			      refused_number lost(SYS_sendto, -EAGAIN, 2);

			      return urctx_send(live, e.fd[0], buf, 3, flags);
		      }) == -EPIPE);
		CHECK(no_sigpipe::raised == !flags);
	}
	for (int err : { EAGAIN, EOPNOTSUPP }) {
		no_sigpipe counts;
		ends e;
		context live;

		e.shut(0);
		CHECK(on_a_thread([&] {
			      refused_number lost(SYS_pwritev2, -err, 2);

			      return urctx_write(live, e.fd[1], buf, 3);
		      }) == -EPIPE);
		CHECK(no_sigpipe::raised >= (err != EAGAIN));
	}
	for (bool again : { false, true }) {
		no_sigpipe counts;
		ends from, to;
		context live;

		from.put(3);
		to.shut(0);
		CHECK(on_a_thread([&] {
			      refused_number full(SYS_splice, -EAGAIN, again);

			      return urctx_splice(live, from.fd[0], nullptr, to.fd[1],
						  nullptr, 3, 0);
		      }) == -EPIPE);
	}
}

/* O_NONBLOCK is set meanwhile: the ring says so, and it is asked in the usual way. */
TEST_CASE("a descriptor that becomes O_NONBLOCK while a ring takes it", "[io][refused]")
{
	NEEDS_URING();
	ends e;
	char c;

	long ret = on_a_thread([&]() -> long {
		refused_number cannot(SYS_preadv2, -EOPNOTSUPP);
		refusal submits("io_uring_submit_and_wait_timeout", 0, 1);
		context live;

		submits.is_done = true;
		submits.instead = [&] {
			fcntl(e.fd[0], F_SETFL, O_NONBLOCK);
			e.put();
		};
		return urctx_read(live, e.fd[0], &c, 1);
	});
	CHECK(ret == 1);
}

TEST_CASE("a context that ends when a ring is refused: nothing is begun", "[io][refused]")
{
	NEEDS_URING();
	char name[] = "/tmp/urctx-io-cover-XXXXXX";
	int fd = mkstemp(name);
	char c;

	unlink(name);
	for (int what = 0; what < 4; what++) {
		INFO(what);
		CHECK(on_a_thread([&]() -> long {
			      context ctx;
			      refusal none(what == 3 ? "F_GETFL" : "io_uring_queue_init",
					   -EMFILE, 1);

			      none.instead = [&] { urctx_cancel(ctx); };
			      none.is_done = what == 3;
			      if (!what)
				      return urctx_openat(ctx, AT_FDCWD, name,
							  O_CREAT | O_RDWR, 0600);
			      if (what == 1)
				      return urctx_fsync(ctx, fd);
			      if (what == 2)
				      return urctx_connect(ctx, -1, nullptr, 0) == -EBADF ?
						     -ECANCELED :
						     0;
			      refused_number cannot(SYS_pwritev2, -EOPNOTSUPP, 1);
			      return urctx_write(ctx, fd, &c, 1);
		      }) == -ECANCELED);
	}
	CHECK(access(name, F_OK) == -1);
	CHECK(lseek(fd, 0, SEEK_END) == 0);
	close(fd);
}

TEST_CASE("a connect whose flags or whose answer cannot be had", "[io][refused]")
{
	listener l;

	for (int what = 0; what < 3; what++) {
		INFO(what);
		int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		const struct sockaddr *addr = (const struct sockaddr *)&l.addr;
		long ret = without_ring([&]() -> long {
			context live;
			refusal get("F_GETFL", -EBADF, what == 0, 1);
			refusal set("F_SETFL", -EPERM, what == 1);
			refusal answer("getsockopt", -ENOBUFS, what == 2);
			refused_number begins(SYS_connect, -EINPROGRESS, what == 2);

			begins.is.instead = [&] {
				if (connect(s, addr, l.len))
					abort();
			};
			return urctx_connect(live, s, addr, l.len);
		});
		CHECK(ret == (what == 0 ? -EBADF : what == 1 ? -EPERM : -ENOBUFS));
		CHECK(fcntl(s, F_GETFL) == O_RDWR);
		close(s);
	}
}

static pid_t sleeper()
{
	pid_t pid = fork();

	if (!pid) {
		pause();
		_exit(0);
	}
	return pid;
}

TEST_CASE("waitid without the ring's", "[io][refused]")
{
	for (int what = 0; what < 4; what++) {
		INFO(what);
		pid_t pid = sleeper();
		int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
		siginfo_t info = {};
		bool by_fd = what == 1;

		long ret = on_a_thread([&]() -> long {
			refusal unknown("io_uring_register_probe", what ? -EINVAL : 0);
			/* poll(2) says that it has ended, and it is not there yet */
			refused_number early(SYS_waitid, 0, what == 2, 1);
			refused_number first(SYS_ppoll, 0, 1);
			context live;

			first.is.is_done = true;
			first.is.instead = [&] { kill(pid, what == 3 ? SIGSTOP : SIGKILL); };
			return urctx_waitid(live, by_fd ? 3 : P_PID,
					    (id_t)(by_fd ? pidfd : pid), &info,
					    what == 3 ? WSTOPPED : WEXITED);
		});
		CHECK(ret == 0);
		CHECK(info.si_pid == pid);
		CHECK(info.si_code == (what == 3 ? CLD_STOPPED : CLD_KILLED));
		if (what == 3) {
			context live;

			kill(pid, SIGKILL);
			CHECK(urctx_waitid(live, P_PID, (id_t)pid, nullptr, WEXITED) == 0);
		}
		close(pidfd);
	}
}
