/* SPDX-License-Identifier: MIT */
/* edges_calls.cpp - vectors and where they end, what a wait leaves behind */
#include "io.hpp"

#include "dump.hpp"
#include "ring_cover_calls.hpp"
#include "still.hpp"
#include <climits>
#include <poll.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>

namespace
{
/* A vector whose last piece is the last that can be read. */
struct vector_at_end {
	vector_at_end()
	{
		void *p = mmap(nullptr, 2 * size, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED || mprotect((char *)p + size, size, PROT_NONE))
			abort();
		base = (char *)p;
	}
	vector_at_end(const vector_at_end &) = delete;
	~vector_at_end()
	{
		munmap(base, 2 * size);
	}
	struct iovec *of(const std::vector<struct iovec> &pieces) const
	{
		size_t bytes = pieces.size() * sizeof(struct iovec);
		void *at = base + size - bytes;

		if (bytes)
			memcpy(at, pieces.data(), bytes);
		return (struct iovec *)at;
	}

	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	char *base;
};

struct msghdr message(struct iovec *iov, size_t nr)
{
	struct msghdr msg = {};

	msg.msg_iov = iov;
	msg.msg_iovlen = nr;
	return msg;
}
}

TEST_CASE("a vector is looked at to its end, and no further", "[io][edges]")
{
	vector_at_end at;
	char in[16], out[] = "abcdefgh";
	context live, soon(MSEC);

	for (int kind : { 0, (int)SOCK_STREAM, (int)SOCK_DGRAM }) {
		ends e(kind);
		struct iovec *two = at.of({ { out, 3 }, { out + 3, 5 } });

		CHECK(urctx_writev(live, e.fd[1], two, 2) == 8);
		two = at.of({ { in, 3 }, { in + 3, 5 } });
		CHECK(urctx_readv(live, e.fd[0], two, 2) == 8);
		CHECK(!memcmp(in, out, 8));
		/* nothing in any piece, and no piece */
		struct iovec *empty = at.of({ { out, 0 }, { out, 0 } });
		CHECK(urctx_writev(live, e.fd[1], empty, 2) == 0);
		CHECK(urctx_readv(live, e.fd[0], empty, 2) == 0);
		CHECK(urctx_writev(live, e.fd[1], nullptr, 0) == 0);
		CHECK(urctx_readv(live, e.fd[0], nullptr, 0) == 0);
		two = at.of({ { in, 3 }, { in + 3, 5 } });
		CHECK(urctx_readv(live, e.fd[0], two, 0) == 0);
		if (!kind)
			continue;
		two = at.of({ { out, 3 }, { out + 3, 5 } });
		struct msghdr msg = message(two, 2);
		CHECK(urctx_sendmsg(live, e.fd[1], &msg, 0) == 8);
		two = at.of({ { in, 3 }, { in + 3, 5 } });
		msg = message(two, 2);
		CHECK(urctx_recvmsg(live, e.fd[0], &msg, MSG_WAITALL) == 8);
		msg = message(nullptr, 0);
		CHECK(urctx_sendmsg(live, e.fd[1], &msg, 0) == 0);
	}
	/* where it has to wait as well */
	ends full, none;
	full.fill();
	struct iovec *some = at.of({ { out, 0 }, { out, 4 }, { out, 4 } });
	CHECK(urctx_writev(soon, full.fd[1], some, 3) == -ETIME);
	context again(MSEC);
	some = at.of({ { in, 0 }, { in, 4 }, { in, 4 } });
	CHECK(urctx_readv(again, none.fd[0], some, 3) == -ETIME);
	/* and where the kernel cannot say whether it has to, and there is no ring */
	long refused = 0;
	thread([&] {
		refusal no_ring("io_uring_queue_init", -EMFILE);
		refused_number no_try(SYS_pwritev2, -EOPNOTSUPP);

		refused = urctx_writev(live, none.fd[1],
				       at.of({ { out, 3 }, { out + 3, 5 } }), 2);
	}).join();
	CHECK(refused == 8);
}

TEST_CASE("without a ring fsync is fsync(2)", "[io][edges]")
{
	long done = -1, pipe = -1, none = -1, refused = -1;
	FILE *f = tmpfile();

	thread([&] {
		refusal no_ring("io_uring_queue_init", -EMFILE);
		context live;
		ends e;

		done = urctx_fsync(live, fileno(f));
		pipe = urctx_fsync(live, e.fd[0]);
		none = urctx_fsync(live, -1);
		refused_number sync(SYS_fsync, -EIO);
		refused = urctx_fsync(live, fileno(f));
	}).join();
	fclose(f);
	CHECK(done == 0);
	CHECK(pipe == -EINVAL);
	CHECK(none == -EBADF);
	CHECK(refused == -EIO);
}

/* As writev(2): with a buffer of nothing it is one, with a vector it is none. */
TEST_CASE("a vector of nothing is no packet", "[io][edges]")
{
	for (int kind : { (int)SOCK_DGRAM, (int)SOCK_SEQPACKET }) {
		struct iovec none[2] = {};
		context live;
		char c;
		ends e(kind);

		for (struct urctx *ctx : { (struct urctx *)nullptr, (struct urctx *)live })
			for (int nr : { 0, 1, 2 }) {
				CHECK(urctx_writev(ctx, e.fd[1], none, nr) == 0);
				CHECK(recv(e.fd[0], &c, 1, MSG_DONTWAIT) == -1);
			}
		CHECK(urctx_writev(live, e.fd[1], nullptr, 0) == 0);
		CHECK(recv(e.fd[0], &c, 1, MSG_DONTWAIT) == -1);
		CHECK(urctx_write(live, e.fd[1], &c, 0) == 0);
		CHECK(recv(e.fd[0], &c, 1, MSG_DONTWAIT) == 0);
	}
}

/* As readv(2): and what there is to read stays there. */
TEST_CASE("a vector of less than nothing, and of too much, is EINVAL", "[io][edges]")
{
	char buf[4] = {};
	std::vector<struct iovec> many(IOV_MAX + 1, { buf, 1 });
	context live;
	ends e;

	e.put(3);
	for (struct urctx *ctx : { (struct urctx *)nullptr, (struct urctx *)live })
		for (int nr : { -1, INT_MIN, IOV_MAX + 1 }) {
			CHECK(urctx_readv(ctx, e.fd[0], many.data(), nr) == -EINVAL);
			CHECK(urctx_writev(ctx, e.fd[1], many.data(), nr) == -EINVAL);
			if (nr < 0)
				CHECK(urctx_readv(ctx, e.fd[0], nullptr, nr) == -EINVAL);
		}
	CHECK(urctx_read(live, e.fd[0], buf, 4) == 3);
	CHECK(std::string(buf, 3) == "012");
}

TEST_CASE("a vector of which the first piece fits is written to its end", "[io][edges]")
{
	std::vector<char> page(4096, 'x'), back(4096);
	struct iovec two[] = { { page.data(), 4096 }, { page.data(), 4096 } };
	context live;
	ends e;

	e.fill();
	REQUIRE(read(e.fd[0], back.data(), 4096) == 4096);
	caller t([&] { return urctx_writev(live, e.fd[1], two, 2); });
	t.asleep();
	for (size_t got = 0; got < 65536 + 4096 && !t.over();)
		got += e.drain();
	CHECK(t.join() == 8192);
}

TEST_CASE("one byte is as good as many: it goes on behind it", "[io][edges]")
{
	char buf[4] = {};
	context live;
	ends s(SOCK_STREAM);

	s.put();
	caller t([&] { return urctx_recv(live, s.fd[0], buf, 3, MSG_WAITALL); });
	for (int i = 0; i < 2; i++) {
		t.asleep();
		CHECK_FALSE(t.over());
		s.put();
	}
	CHECK(t.join() == 3);
	CHECK(!strcmp(buf, "000"));
}

static std::string lines(struct urctx *ctx)
{
	return std::regex_replace(dumped(ctx, { { ctx, "ctx" } }).text,
				  std::regex("0x[0-9a-f]+ "), "");
}

/* Its wake-up has descriptor 0, and who is told to end by it does as by any other. */
TEST_CASE("a wait leaves nothing behind, by whatever number it was woken", "[io][edges]")
{
	for (bool zero : { false, true }) {
		int spare = fcntl(0, F_DUPFD_CLOEXEC, 100), still_there = 1;
		ends e, silent;
		context live, ended, third;
		std::atomic<int> turn{ 0 };
		long ret[3] = { 1, 1, 1 };
		char c;

		REQUIRE(spare >= 0);
		one_thread t([&] {
			if (zero)
				close(0);
			turn = 1;
			ret[0] = urctx_read(live, e.fd[0], &c, 1);
			turn = 2;
			ret[1] = urctx_read(ended, silent.fd[0], &c, 1);
			turn = 3;
			ret[2] = urctx_read(third, silent.fd[0], &c, 1);
			return 0;
		});
		while (turn != 1)
			sched_yield();
		CHECK(t.stands_still());
		if (zero)
			CHECK(lines(live).find("\n  ring armed ops=1\n") != std::string::npos);
		e.put();
		while (turn != 2)
			sched_yield();
		CHECK(lines(live) == "ctx live refs=1\n");
		CHECK(t.stands_still());
		urctx_cancel(ended);
		while (turn != 3)
			sched_yield();
		CHECK(t.stands_still());
		urctx_cancel(third);
		t.join();
		if (zero) {
			still_there = fcntl(0, F_GETFD) >= 0;
			if (dup2(spare, 0))
				abort();
			CHECK(!still_there);
		}
		close(spare);
		CHECK(ret[0] == 1);
		CHECK(ret[1] == -ECANCELED);
		CHECK(ret[2] == -ECANCELED);
	}
}

TEST_CASE("a thread that waits again and again opens nothing more", "[io][edges]")
{
	size_t first = 0, last = 0;
	ends e;

	thread([&] {
		char c;

		for (int i = 0; i < 20; i++) {
			context soon(MSEC / 10);

			if (urctx_read(soon, e.fd[0], &c, 1) != -ETIME)
				abort();
			last = open_fds();
			if (!i)
				first = last;
		}
	}).join();
	/* the library's own thread may have come meanwhile, with its descriptors */
	CHECK(last <= first + 3);
}

TEST_CASE("who waits by <urctx/io.h> sleeps", "[io][edges]")
{
	context ctx;
	ends e, s(SOCK_STREAM), full, out;
	listener l;
	struct pollfd pfd = { e.fd[0], POLLIN, 0 };
	char c, some[8192] = {};
	pid_t pid = fork();

	REQUIRE(pid >= 0);
	if (!pid) {
		pause();
		_exit(0);
	}
	full.fill();
	const std::function<long()> calls[] = {
		[&] { return urctx_read(ctx, e.fd[0], &c, 1); },
		[&] { return urctx_recv(ctx, s.fd[0], &c, 1, 0); },
		[&] { return urctx_write(ctx, full.fd[1], some, sizeof(some)); },
		[&] { return urctx_accept(ctx, l.fd, nullptr, nullptr, 0); },
		[&] { return urctx_poll(ctx, &pfd, 1); },
		[&] { return urctx_sleep(ctx, 3600 * SEC); },
		[&] { return urctx_splice(ctx, e.fd[0], nullptr, out.fd[1], nullptr, 9, 0); },
		[&] { return urctx_waitid(ctx, P_PID, (id_t)pid, nullptr, WEXITED); },
	};
	{
		std::vector<std::unique_ptr<one_thread>> threads;

		for (const auto &call : calls)
			threads.push_back(std::make_unique<one_thread>([&call] {
				return (int)call();
			}));
		for (size_t i = 0; i < threads.size(); i++) {
			INFO(i);
			CHECK(threads[i]->stands_still());
		}
		urctx_cancel(ctx);
		for (auto &t : threads)
			CHECK(t->join() == -ECANCELED);
	}
	kill(pid, SIGKILL);
	CHECK(waitpid(pid, nullptr, 0) == pid);
}
