/* SPDX-License-Identifier: MIT */
/*
 * cover_io.cpp - seldom paths of <urctx/io.h>: a ring that is lost, that cannot take
 * one more, that is left; transfers that come in pieces
 *
 * The calls that come to nothing are those of ring_cover_calls.hpp.
 */
#include "io.hpp"

#include "ring_cover_calls.hpp"
#include <liburing.h>
#include <new>

/* A program's own ring and eventfd are made for each of these. */
static long on_a_thread(const std::function<long()> &fn)
{
	long ret = 0;

	thread([&] { ret = fn(); }).join();
	return ret;
}

/* Of a pipe that cannot be tried: the ring waits. */
static long read_over_ring(struct urctx *ctx, int fd, char *c)
{
	refused_number cannot(SYS_preadv2, -EOPNOTSUPP);

	return urctx_read(ctx, fd, c, 1);
}

TEST_CASE("cover: a vector that is read whole, and one that is not", "[io][cover]")
{
	char a[3], b[5];
	struct iovec iov[] = { { a, 3 }, { b, 5 } };
	ends e;
	context live;

	e.put(8);
	CHECK(urctx_readv(live, e.fd[0], iov, 2) == 8);
	CHECK(!memcmp(b, "34567", 5));
	e.put(4);
	CHECK(urctx_readv(live, e.fd[0], iov, 2) == 4);
	CHECK(urctx_read(live, e.fd[0], a, 0) == 0);
}

/* The rest is not in memory: it is asked for, and there is no more than the size says. */
TEST_CASE("cover: a read that comes in pieces, of a file and a device", "[io][cover]")
{
	for (bool device : { false, true })
		for (bool moves : { false, true }) {
			INFO(device << moves);
			FILE *f = tmpfile();
			int fd = fileno(f);
			char buf[8] = {};

			REQUIRE(pwrite(fd, "01234567", 8, 0) == 8);
			CHECK(on_a_thread([&]() -> long {
				      refusal is("block device", 0, device ? ~0U : 0);
				      refused_number some(SYS_preadv2, 3, 1);
				      context live;

				      some.is.instead = [&] {
					      if (pread(fd, buf, 3, 0) != 3 ||
						  (moves && lseek(fd, 3, SEEK_SET) != 3))
						      abort();
				      };
				      return moves ? urctx_read(live, fd, buf, 6) :
						     urctx_pread(live, fd, buf, 6, 0);
			      }) == 6);
			CHECK(!memcmp(buf, "012345", 6));
			fclose(f);
		}
}

/* What is left of it is begun by poll(2), and goes on so. */
TEST_CASE("cover: a ring that is lost before it has seen the op", "[io][cover]")
{
	if (!has_uring())
		return;
	struct ending end = in_child([] {
		ends e;
		char c = 0;

		return (int)on_a_thread([&]() -> long {
			context live;
			{
				refusal lost("io_uring_submit_and_get_events", -EBADF);

				lost.instead = [&] { e.put(); };
				if (read_over_ring(live, e.fd[0], &c) != 1 || c != '0')
					return 1;
				if (lost.met != 1)
					return 2;
			}
			e.put();
			return read_over_ring(live, e.fd[0], &c) == 1 ? 0 : 3;
		});
	});
	CHECK(end.code == 0);
}

/* Nobody leaves before the kernel has let go of what is on his stack. */
TEST_CASE("cover: a ring that is lost when the kernel has the op", "[io][cover]")
{
	if (!has_uring())
		return;
	struct ending end = in_child([] {
		ends e;
		char c;

		return (int)on_a_thread([&]() -> long {
			context ctx, live;
			refusal sleeps("io_uring_submit_and_wait_timeout", 0, 1);
			/* not what submits the op, but its cancel */
			refusal lost("io_uring_submit_and_get_events", -EBADF, 1, 1);

			sleeps.is_done = true;
			sleeps.instead = [&] { urctx_cancel(ctx); };
			if (read_over_ring(ctx, e.fd[0], &c) != -ECANCELED)
				return 1;
			if (sleeps.met != 1 || lost.met != 1)
				return 2;
			e.put();
			return read_over_ring(live, e.fd[0], &c) == 1 ? 0 : 3;
		});
	});
	CHECK(end.code == 0);
}

/* A refusal that lives as long as its thread: what the exit asks for is refused, too. */
struct to_the_end {
	to_the_end(const char *name, long err, unsigned times)
	{
		is = new (room) refusal(name, err, times);
	}
	refusal *is;
	alignas(refusal) char room[sizeof(refusal)];
};

TEST_CASE("cover: a thread whose exit is interrupted, or fails", "[io][cover]")
{
	if (!has_uring())
		return;
	for (int err : { EINTR, EBADF }) {
		INFO(strerror(err));
		struct ending end = in_child([err] {
			ends e;
			char c;
			size_t fds = open_fds();
			std::unique_ptr<to_the_end> a, b;

			if (on_a_thread([&] {
				    context live;
				    e.put();
				    long ret = read_over_ring(live, e.fd[0], &c);
				    unsigned times = err == EINTR ? 1 : ~0U;

				    a = std::make_unique<to_the_end>(
					    "io_uring_submit_and_wait_timeout", -err, times);
				    b = std::make_unique<to_the_end>(
					    "io_uring_submit_and_get_events", -err, times);
				    return ret;
			    }) != 1)
				return 1;
			if (!a->is->met && !b->is->met)
				return 2;
			/* what cannot be let go stays */
			return (open_fds() == fds) == (err == EINTR) ? 0 : 3;
		});
		CHECK(end.code == 0);
	}
}

TEST_CASE("cover: a call within a call that has the ring", "[io][cover]")
{
	ends e;
	char c;

	if (!has_uring())
		return;
	FILE *f = tmpfile();
	CHECK(on_a_thread([&]() -> long {
		      context live;
		      long nested = -1;
		      refusal wait("io_uring_submit_and_wait_timeout", 0, 1);

		      wait.is_done = true;
		      wait.instead = [&] {
			      nested = urctx_fsync(live, fileno(f));
			      e.put();
		      };
		      long ret = read_over_ring(live, e.fd[0], &c);
		      return wait.met == 1 && !nested ? ret : -1;
	      }) == 1);
	fclose(f);
}

TEST_CASE("cover: a kernel that knows no flag of a ring", "[io][cover]")
{
	if (!has_uring()) {
		WARN("skipped: io_uring is forbidden here");
		return;
	}
	struct ending end = in_child([] {
		FILE *f = tmpfile();
		int ret = (int)on_a_thread([&]() -> long {
			refusal none("io_uring_queue_init", -EINVAL);
			context live;

			if (urctx_fsync(live, fileno(f)))
				return 1;
			if (none.met != 3)
				return 2;
			/* and is not asked again */
			return urctx_fsync(live, fileno(f)) || none.met != 3 ? 3 : 0;
		});

		fclose(f);
		return ret;
	});
	CHECK(end.code == 0);
}

/* The contexts are there; a callback of theirs needs memory. */
TEST_CASE("cover: no memory for what wakes a wait", "[io][cover]")
{
	constexpr size_t N = 4096, MORE = 10;
	const bool uring = has_uring();
	ends e, pipe;
	char c;

	CHECK(on_a_thread([&]() -> long {
		      std::vector<context> all(N);
		      std::vector<counted> told(N);
		      std::vector<context> more(MORE);
		      context live;
		      size_t n = 0;
		      int ret = 0;

		      e.put();
		      if (read_over_ring(live, e.fd[0], &c) != 1)	/* there is a ring */
			      return -1;
		      refusal memory("mmap", -ENOMEM);
		      for (; n < N && !ret; n++)
			      ret = told[n].after(all[n]);
		      if (ret != -ENOMEM)
			      return -2;
		      /* each leaves an SQE behind, until there is no room for one */
		      refusal busy("io_uring_submit", -EBUSY);
		      for (auto &ctx : more) {
			      refused_number wait(SYS_ppoll, 0, 1);

			      wait.is.is_done = true;
			      wait.is.instead = [&] { urctx_cancel(ctx); };
			      if (read_over_ring(ctx, pipe.fd[0], &c) != -ECANCELED)
				      return -3;
		      }
		      if (uring && !busy.met)
			      return -4;
		      for (size_t i = 0; i < n; i++)
			      urctx_stop(&told[i].cb);
		      return 0;
	      }) == 0);
}

/* Kernels before 5.20 say that for a pipe which is O_NONBLOCK by now. */
TEST_CASE("cover: a ring that says -EAGAIN for a pipe", "[io][cover]")
{
	ends e, empty(SOCK_STREAM);
	char c;

	if (!has_uring())
		return;
	CHECK(on_a_thread([&]() -> long {
		      refusal submits("io_uring_submit_and_get_events", 0, 1);
		      refused_number waits(SYS_ppoll, 0, 1);
		      context live;

		      submits.is_done = waits.is.is_done = true;
		      /* and this one does for a socket that is asked so */
		      submits.instead = [&] {
			      struct io_uring_sq *sq = &refused_ring->sq;

			      for (unsigned i = sq->sqe_head; i != sq->sqe_tail; i++) {
				      struct io_uring_sqe *s = &sq->sqes[i & sq->ring_mask];

				      if (s->opcode != IORING_OP_READ)
					      continue;
				      s->opcode = IORING_OP_RECV;
				      s->fd = empty.fd[0];
				      s->off = 0;
				      s->msg_flags = MSG_DONTWAIT;
			      }
		      };
		      waits.is.instead = [&] { e.put(); };
		      return read_over_ring(live, e.fd[0], &c);
	      }) == 1);
}

/* poll(2) promises a page of it: no more is written at once. */
TEST_CASE("cover: a vector to a pipe that cannot be tried", "[io][cover]")
{
	char some[3] = { 'a', 'b', 'c' };
	std::vector<char> much(8192, 'x'), buf(9000);
	struct iovec iov[] = { { nullptr, 0 }, { some, 3 }, { much.data(), much.size() } };
	ends e;

	CHECK(on_a_thread([&]() -> long {
		      refusal none("io_uring_queue_init", -EMFILE);
		      refused_number cannot(SYS_pwritev2, -EOPNOTSUPP);
		      context live;

		      return urctx_writev(live, e.fd[1], iov, 3);
	      }) == 8195);
	CHECK(read(e.fd[0], buf.data(), buf.size()) == 8195);
	CHECK(!memcmp(buf.data(), "abcxxx", 6));
}

TEST_CASE("cover: a send that says it has begun to connect", "[io][cover]")
{
	for (int what = 0; what < 4; what++) {
		INFO(what);
		ends e(SOCK_STREAM);
		context ctx;
		/* the flag itself is nothing to a socket of this kind */
		refused_number begins(SYS_sendto, -EINPROGRESS, 1);
		long ret;

		if (what == 1) {
			e.fill();
			begins.is.instead = [&] { urctx_cancel(ctx); };
		}
		ret = urctx_send(ctx, e.fd[1], "abc", 3,
				 what == 2 ? 0 :
				 what == 3 ? MSG_FASTOPEN | MSG_DONTWAIT : MSG_FASTOPEN);
		CHECK(begins.is.met == 1);
		CHECK(ret == (what == 0 ? 3 : what == 1 ? -ECANCELED : -EINPROGRESS));
	}
}

TEST_CASE("no is 0: this is for the next", "[.][is-0]")
{
	FILE *f = tmpfile();
	context live;
	size_t fds = open_fds();

	CHECK(urctx_fsync(live, fileno(f)) == 0);
	CHECK(open_fds() == fds + 2 * has_uring());	/* the ring and its eventfd */
	fclose(f);
}

TEST_CASE("cover: URCTX_NO_URING=0 forbids nothing", "[io][cover]")
{
	struct ending end;

	if (TESTS_VALGRIND || getenv("URCTX_NO_URING"))
		return;
	end = in_child([]() -> int {
		setenv("URCTX_NO_URING", "0", 1);
		execl("/proc/self/exe", "check-cover-io", "[is-0]", nullptr);
		return 98;
	});
	CHECK(end.code == 0);
}

/* Of who has closed his standard input. */
TEST_CASE("cover: an eventfd that is descriptor 0 hears nothing behind its wait", "[io][cover]")
{
	struct ending end = in_child([] {
		ends e(SOCK_STREAM);
		char c, name[64] = "";

		close(0);
		return (int)on_a_thread([&]() -> long {
			context live;
			refused_number wait(SYS_ppoll, 0, 1);
			uint64_t told;

			wait.is.is_done = true;
			wait.is.instead = [&] { e.put(); };
			if (urctx_recv(live, e.fd[0], &c, 1, 0) != 1 || !wait.is.met)
				return 1;
			if (readlink("/proc/self/fd/0", name, sizeof(name) - 1) < 0 ||
			    strcmp(name, "anon_inode:[eventfd]"))
				return 2;
			urctx_cancel(live);
			return read(0, &told, sizeof(told)) == -1 && errno == EAGAIN ? 0 : 3;
		});
	});
	INFO(end.said);
	CHECK(end.code == 0);
}
