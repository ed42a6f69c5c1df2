/* SPDX-License-Identifier: MIT */
/*
 * io_threads.cpp - signals, pthread_cancel(), fork, threads that go, descriptors that
 * cannot be had
 */
#include <urctx/ring.h>	/* first: liburing.h wants to define _XOPEN_SOURCE itself */
#include "io_scenes.hpp"

#include <sys/resource.h>
#include <sys/wait.h>

static std::atomic<int> handled;

static void handler(int)
{
	handled++;
}

struct handles {
	explicit handles(int flags)
	{
		struct sigaction sa = {};

		sa.sa_handler = handler;
		sa.sa_flags = flags;
		sigaction(SIGUSR1, &sa, &before);
		handled = 0;
	}
	~handles()
	{
		sigaction(SIGUSR1, &before, nullptr);
	}

	struct sigaction before;
};

/* Until the handler has run, the call is over, or it seems that nothing will come. */
static void interrupt(caller &t)
{
	for (int i = 0; i < 2000 && !t.over(); i++) {
		t.asleep();
		if (!t.over())
			pthread_kill(t.handle(), SIGUSR1);
		for (int n = 0; n < 1000 && !t.over(); n++)
			sched_yield();
	}
}

TEST_CASE("a signal handler ends a call, whatever SA_RESTART says", "[io]")
{
	for (int flags : { 0, SA_RESTART })
		for (auto &make : scenes()) {
			scene s = make();
			handles h(flags);
			context c;

			INFO(s.name << (flags ? ", SA_RESTART" : ""));
			/* openat() itself is what waits, and is restarted */
			if (!s.aborted && flags)
				continue;
			caller t([&] { return s.go(c); });
			interrupt(t);
			CHECK(t.join() == -EINTR);
			CHECK(handled > 0);
			CHECK(!urctx_err(c));
			s.feed();
			CHECK(s.good(s.go(c)));
		}
}

/* A terminal's, a supervisor's, an alarm's: it comes once. */
TEST_CASE("one signal is enough, and no deadline is needed", "[io]")
{
	for (auto &make : scenes()) {
		scene s = make();
		handles h(0);
		context c;

		INFO(s.name);
		caller t([&] { return s.go(c); });
		if (t.stands_still()) {
			pthread_kill(t.handle(), SIGUSR1);
			for (int64_t end = urctx_now() + 20 * SEC;
			     !t.over() && urctx_now() < end;)
				sched_yield();
		} else	/* in a look a handler ends nothing */
			interrupt(t);
		CHECK(t.over());
		if (!t.over())
			urctx_cancel(c);
		CHECK(t.join() == -EINTR);
		s.feed();
		CHECK(s.good(s.go(c)));
	}
}

/* A ring's wait for what it submits as it begins; its SQ thread may take that later. */
static long ring_waits(unsigned flags, int fd)
{
	struct io_uring u;
	struct urctx_ring *r;
	struct urctx_op op = {};
	char b;

	if (io_uring_queue_init(8, &u, flags))
		return errno = 4711, -ENOSYS;	/* quietly(): liburing wrote it */
	op.complete = [](struct urctx_op *) {};
	REQUIRE(urctx_ring_attach(&u, nullptr, &r) == 0);
	struct io_uring_sqe *s = urctx_ring_sqe(r);
	io_uring_prep_read(s, fd, &b, 1, 0);
	REQUIRE(urctx_ring_bind(r, s, nullptr, &op) == 0);
	long ret = urctx_ring_wait(r, URCTX_NEVER);
	CHECK(urctx_ring_detach(r, urctx_now() + 20 * SEC) == 0);
	io_uring_queue_exit(&u);
	return ret;
}

TEST_CASE("one signal ends a ring's wait without a deadline", "[io][ring]")
{
	for (unsigned flags : { 0U, (unsigned)IORING_SETUP_COOP_TASKRUN,
				(unsigned)IORING_SETUP_SQPOLL }) {
		handles h(0);
		int fd[2];

		INFO(flags);
		REQUIRE(pipe(fd) == 0);
		caller t([&] { return ring_waits(flags, fd[0]); });
		t.stands_still();
		if (!t.over())
			pthread_kill(t.handle(), SIGUSR1);
		for (int64_t end = urctx_now() + 20 * SEC;
		     !t.over() && urctx_now() < end;)
			sched_yield();
		CHECK(t.over());
		CHECK(write(fd[1], "x", 1) == 1);
		long ret = t.join();
		if (ret != -ENOSYS)
			CHECK(ret == -EINTR);
		close(fd[0]);
		close(fd[1]);
	}
}

TEST_CASE("bytes that had come before the signal are delivered", "[io]")
{
	handles h(0);
	ends s(SOCK_STREAM);
	context c;
	char b[9];
	caller t([&] { return urctx_recv(c, s.fd[0], b, 9, MSG_WAITALL); });

	s.put(4);
	/* once all have been taken the call waits for more */
	for (int i = 0; i < 100000; i++) {
		char peek;

		if (recv(s.fd[0], &peek, 1, MSG_PEEK | MSG_DONTWAIT) < 0)
			break;
		sched_yield();
	}
	interrupt(t);
	CHECK(t.join() == 4);
	CHECK(!memcmp(b, "0123", 4));
}

/* A thread that is told to go while it waits in @s. */
struct cancelled {
	explicit cancelled(scene &scene, int cancel_type) : s(scene), type(cancel_type)
	{
		if (pthread_create(&id, nullptr, enter, this))
			abort();
	}
	static void *enter(void *arg)
	{
		cancelled *self = static_cast<cancelled *>(arg);

		self->tid = (int)syscall(SYS_gettid);
		pthread_setcanceltype(self->type, nullptr);
		self->ret = self->s.go(self->c);
		/* a forced unwinding is nothing that ASan's stacks are made for */
		if (!TESTS_ASAN)
			pthread_testcancel();
		return nullptr;
	}
	void *join()
	{
		void *end = nullptr;

		while (!tid)
			sched_yield();
		until_asleep(tid, [] { return false; });
		pthread_cancel(id);
		s.feed();
		pthread_join(id, &end);
		return end;
	}

	scene &s;
	int type;
	pthread_t id;
	context c;
	std::atomic<int> tid{ 0 };
	std::atomic<long> ret{ -1000 };
};

TEST_CASE("pthread_cancel() finds no thread inside a call", "[io]")
{
	for_each_scene([](scene &s) {
		cancelled t(s, PTHREAD_CANCEL_DEFERRED);
		void *end = t.join();

		CHECK((TESTS_ASAN || end == PTHREAD_CANCELED));
		CHECK(s.good(t.ret));
	});
}

TEST_CASE("asynchronous cancellation waits until the kernel has let go", "[io]")
{
	if (TESTS_ASAN || TESTS_TSAN)
		return;
	for_each_scene([](scene &s) {
		cancelled t(s, PTHREAD_CANCEL_ASYNCHRONOUS);

		CHECK(t.join() == PTHREAD_CANCELED);
		/* the last thing that the call did was to go */
		CHECK(t.ret == -1000);
	});
}

TEST_CASE("a forked child waits with what is its own", "[io]")
{
	for_each_scene([](scene &s) {
		/* the parent has its ring and its eventfd by now */
		if (!s.aborted || s.name.find("waitid") == 0)
			return;
		context before(MSEC);

		REQUIRE(s.go(before) == -ETIME);
		struct ending e = in_child([&]() -> int {
			context late(2 * MSEC), c;

			if (s.go(late) != -ETIME)
				return 1;
			caller t([&] { return s.go(c); });
			t.asleep();
			urctx_cancel(c);
			return t.join() == -ECANCELED ? 0 : 2;
		});
		CHECK(e.code == 0);
		context c(2 * MSEC);
		CHECK(s.go(c) == -ETIME);
	});
}

TEST_CASE("what a thread waited with goes with it", "[io]")
{
	auto round = [] {
		for_each_scene([](scene &s) {
			if (!s.aborted)
				return;
			thread([&] {
				context c(MSEC / 4);

				if (s.go(c) != -ETIME)
					abort();
			}).join();
		});
	};

	round();
	size_t before = open_fds();
	for (int i = 0; i < 3; i++)
		round();
	CHECK(open_fds() == before);
}

TEST_CASE("so it does when the thread was cancelled, and returned", "[io]")
{
	listener l;
	ends p;
	auto round = [&] {
		pthread_t id;
		std::function<void()> body = [&] {
			context c(MSEC / 4), d(MSEC / 4);
			char b;

			pthread_cancel(pthread_self());
			if (urctx_accept(c, l.fd, nullptr, nullptr, 0) != -ETIME ||
			    urctx_read(d, p.fd[0], &b, 1) != -ETIME)
				abort();
		};
		auto enter = [](void *arg) -> void * {
			(*static_cast<std::function<void()> *>(arg))();
			return nullptr;
		};

		if (pthread_create(&id, nullptr, enter, &body))
			abort();
		pthread_join(id, nullptr);
	};

	round();
	size_t before = open_fds();
	for (int i = 0; i < 5; i++)
		round();
	CHECK(open_fds() == before);
}

/* A destructor of the program's own, which may run behind ours. */
static void wait_again(void *)
{
	ends p, s(SOCK_STREAM);
	listener l;
	context c(MSEC / 4);
	char b;

	if (urctx_read(c, p.fd[0], &b, 1) != -ETIME ||
	    urctx_accept(c, l.fd, nullptr, nullptr, 0) != -ETIME)
		abort();
}

TEST_CASE("destructors of a thread may wait as well", "[io]")
{
	pthread_key_t key;
	size_t before = open_fds();

	REQUIRE(pthread_key_create(&key, wait_again) == 0);
	for (int i = 0; i < 3; i++)
		thread([&] {
			wait_again(nullptr);
			pthread_setspecific(key, &key);
		}).join();
	pthread_key_delete(key);
	CHECK(open_fds() == before);
}

TEST_CASE("a callback may wait, on the thread that cancels", "[io]")
{
	ends p;
	context c, other(2 * MSEC);
	long ret = 0;
	counted cb;
	char b;

	cb.also = [&] { ret = urctx_read(other, p.fd[0], &b, 1); };
	REQUIRE(cb.after(c) == 0);
	urctx_cancel(c);
	CHECK(ret == -ETIME);
}

TEST_CASE("without descriptors to be had it waits all the same", "[io]")
{
	for_each_scene([](scene &s) {
		if (!s.aborted)
			return;
		long late = 0, cancelled = 0;
		bool fed = false;
		context c, d(2 * MSEC), e;
		struct rlimit before, none;
		/* threads that have made nothing yet */
		auto in_thread = [&](std::function<void()> f) {
			thread t(f);
			t.join();
		};

		if (s.name == "accept" || s.name == "openat" || s.name == "waitid")
			return;		/* these want one for themselves */
		getrlimit(RLIMIT_NOFILE, &before);
		none = before;
		none.rlim_cur = 20;	/* as many as urctx_poll()'s scene has */
		std::vector<int> taken;
		setrlimit(RLIMIT_NOFILE, &none);
		for (int fd; (fd = dup(0)) >= 0;)
			taken.push_back(fd);
		in_thread([&] { late = s.go(d); });
		in_thread([&] {
			std::function<void()> end = [&] { urctx_cancel(c); };
			thread ends_it(end);
			cancelled = s.go(c);
		});
		for (int fd : taken)
			close(fd);
		setrlimit(RLIMIT_NOFILE, &before);
		s.feed();
		in_thread([&] { fed = s.good(s.go(e)); });
		CHECK(late == -ETIME);
		CHECK(cancelled == -ECANCELED);
		CHECK(fed);
	});
}

/* Those of this process whose name has @what in it. */
static std::vector<int> named(const char *what)
{
	std::vector<int> v;
	DIR *dir = opendir("/proc/self/fd");

	while (struct dirent *d = readdir(dir)) {
		char name[256] = "";

		if (readlinkat(dirfd(dir), d->d_name, name, sizeof(name) - 1) > 0 &&
		    strstr(name, what))
			v.push_back(atoi(d->d_name));
	}
	closedir(dir);
	return v;
}

TEST_CASE("a ring that was closed by its number is done without", "[io]")
{
	struct ending e = in_child([]() -> int {
		listener l;
		context a(MSEC), b(MSEC), c(MSEC), d;

		if (urctx_accept(a, l.fd, nullptr, nullptr, 0) != -ETIME)
			return 1;
		for (int fd : named("io_uring"))
			close(fd);
		if (urctx_accept(b, l.fd, nullptr, nullptr, 0) != -ETIME ||
		    urctx_accept(c, l.fd, nullptr, nullptr, 0) != -ETIME)
			return 2;
		close(l.connects());
		return urctx_accept(d, l.fd, nullptr, nullptr, 0) >= 0 ? 0 : 3;
	});
	CHECK(e.code == 0);
	CHECK(e.signal == 0);
}

TEST_CASE("accept against cancel: every connection is somebody's", "[io]")
{
	size_t before = open_fds(), rounds = scaled(2000);
	std::atomic<size_t> accepted{ 0 };
	size_t left = 0;

	{
		listener l(4000);	/* with room for those that nobody accepts */
		for (size_t i = 0; i < rounds; i++) {
			context c;
			int s = -1;

			together({ [&] {
					  long fd = urctx_accept(c, l.fd, nullptr,
								 nullptr, 0);
					  if (fd >= 0 && !close((int)fd))
						  accepted++;
				  },
				   [&] { s = l.connects(); },
				   [&] { urctx_cancel(c); } });
			close(s);
		}
		fcntl(l.fd, F_SETFL, O_NONBLOCK);
		for (int fd; (fd = accept(l.fd, nullptr, nullptr)) >= 0; left++)
			close(fd);
	}
	INFO(accepted << " accepted, " << left << " left");
	CHECK(accepted + left == rounds);
	CHECK(open_fds() == before);
}

TEST_CASE("data against cancel: no byte is lost", "[io]")
{
	size_t rounds = scaled(2000), got = 0, left = 0;
	ends p, s(SOCK_STREAM);
	char b[64];

	for (size_t i = 0; i < rounds; i++) {
		context c;
		long n = 0;
		const ends &e = i % 2 ? p : s;

		together({ [&] { n = urctx_read(c, e.fd[0], b, sizeof(b)); },
			   [&] { e.put(3); }, [&] { urctx_cancel(c); } });
		if (n != -ECANCELED)
			got += (size_t)n;
		left += e.drain();
	}
	CHECK(got + left == rounds * 3);
}

TEST_CASE("a child whose end was not waited for is still there", "[io]")
{
	for (size_t i = 0; i < scaled(100); i++) {
		context c;
		siginfo_t info = {};
		long ret = 0;
		pid_t pid = fork();

		if (!pid)
			_exit(7);
		together({ [&] {
				  ret = urctx_waitid(c, P_PID, (id_t)pid, &info, WEXITED);
			  },
			   [&] { urctx_cancel(c); } });
		if (ret)
			ret = ret == -ECANCELED ?
				      waitid(P_PID, (id_t)pid, &info, WEXITED) : ret;
		CHECK(ret == 0);
		CHECK(info.si_status == 7);
	}
}
