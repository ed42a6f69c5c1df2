/* SPDX-License-Identifier: MIT */
/* kinds_files.cpp - ops on files and pipes */
#include "kinds.hpp"

#include <sys/mman.h>
#include <sys/stat.h>

static void read_some(stage &s)
{
	int fd[2];

	s.pipe(fd);
	struct io_uring_sqe *sqe = s.sqe();
	io_uring_prep_read(sqe, fd[0], s.buf, 10, 0);
	s.bind(sqe);
}

static void read_async(stage &s)
{
	int fd[2];

	s.pipe(fd);
	struct io_uring_sqe *sqe = s.sqe();
	io_uring_prep_read(sqe, fd[0], s.buf, 10, 0);
	s.bind(sqe, IOSQE_ASYNC);
}

static void readv_some(stage &s)
{
	int fd[2];

	s.pipe(fd);
	s.iov[0] = { s.buf, 4 };
	s.iov[1] = { s.buf + 4, 6 };
	struct io_uring_sqe *sqe = s.sqe();
	io_uring_prep_readv(sqe, fd[0], s.iov, 2, 0);
	s.bind(sqe);
}

/* By the number of a file and of a buffer. */
static void read_fixed(stage &s)
{
	int fd[2];

	s.pipe(fd);
	s.iov[0] = { s.buf, sizeof(s.buf) };
	REQUIRE(io_uring_register_files(&s.u, fd, 1) == 0);
	s.files = true;
	REQUIRE(io_uring_register_buffers(&s.u, s.iov, 1) == 0);
	s.memory = true;
	struct io_uring_sqe *sqe = s.sqe();
	io_uring_prep_read_fixed(sqe, 0, s.buf, 10, 0, 0);
	s.bind(sqe, IOSQE_FIXED_FILE);
}

static void feed(stage &s)
{
	char saved[10];

	s.next(sizeof(saved));
	memcpy(saved, s.buf, sizeof(saved));
	memset(s.buf, 0xee, sizeof(saved));
	REQUIRE(write(s.out, saved, sizeof(saved)) == sizeof(saved));
	s.sent += sizeof(saved);
}

static void got_bytes(stage &s, const struct urctx_op &op)
{
	s.take(s.buf, (size_t)op.res);
}

static void read_provided(stage &s)
{
	int fd[2];

	s.pipe(fd);
	s.buffers();
	struct io_uring_sqe *sqe = s.sqe();
	io_uring_prep_read(sqe, fd[0], nullptr, 10, 0);
	sqe->buf_group = GROUP;
	s.bind(sqe, IOSQE_BUFFER_SELECT);
}

static void read_multishot(stage &s)
{
	int fd[2];

	s.pipe(fd);
	s.buffers();
	struct io_uring_sqe *sqe = s.sqe();
	io_uring_prep_rw(OP_READ_MULTISHOT, sqe, fd[0], nullptr, 0, 0);
	sqe->buf_group = GROUP;
	s.bind(sqe, IOSQE_BUFFER_SELECT);
}

static void twice(stage &s)
{
	s.put(s.out, 10);
	s.until([&] { return s.op[0].cqes.size() >= 1; });
	s.put(s.out, 7);
	s.until([&] { return s.op[0].cqes.size() >= 2; });
	s.expect(s.op[0].cqes.size() == 2 && !s.op[0].ended, "two shots");
}

static void close_writer(stage &s)
{
	twice(s);
	close(s.out);
	s.fds.pop_back();
}

static void got_provided(stage &s, const struct urctx_op &op)
{
	unsigned id = op.cqe_flags >> IORING_CQE_BUFFER_SHIFT;

	if (op.cqe_flags & IORING_CQE_F_BUFFER)
		s.take(s.pool + id * 64, (size_t)op.res);
	else
		s.expect(op.res == 0, "bytes, and no buffer");
}

static void write_full(stage &s)
{
	int fd[2];

	s.pipe(fd);
	fcntl(fd[1], F_SETPIPE_SZ, 4096);
	s.fill(fd[1]);
	s.next(1);
	struct io_uring_sqe *sqe = s.sqe();
	io_uring_prep_write(sqe, fd[1], s.buf, 1, 0);
	s.bind(sqe);
}

static void make_room(stage &s)
{
	char some[4096];
	ssize_t n = read(s.in, some, sizeof(some));

	REQUIRE(n > 0);
	s.take(some, (size_t)n);
}

static void wrote(stage &s, const struct urctx_op &op)
{
	s.sent += (size_t)op.res;
}

static void splice_pipes(stage &s)
{
	int fd[2], to[2];

	s.pipe(to);
	s.pipe(fd);
	struct io_uring_sqe *sqe = s.sqe();
	io_uring_prep_splice(sqe, fd[0], -1, to[1], -1, 10, 0);
	s.bind(sqe);
}

static void spliced(stage &s, const struct urctx_op &op)
{
	char some[16];

	/* the first of .fds is the pipe that it went to */
	s.expect(read(s.fds[0], some, sizeof(some)) == op.res, "spliced");
	s.take(some, (size_t)op.res);
}

static int a_file(stage &s)
{
	return s.keep(memfd_create("kinds", MFD_CLOEXEC));
}

static void read_file(stage &s)
{
	s.in = a_file(s);
	s.put(s.in, 10);
	struct io_uring_sqe *sqe = s.sqe();
	io_uring_prep_read(sqe, s.in, s.buf, 10, 0);
	s.bind(sqe);
}

static void sync_file(stage &s)
{
	s.in = a_file(s);
	s.put(s.in, 10);
	struct io_uring_sqe *sqe = s.sqe();
	io_uring_prep_fsync(sqe, s.in, 0);
	s.bind(sqe);
}

static void a_nop(stage &s)
{
	struct io_uring_sqe *sqe = s.sqe();

	io_uring_prep_nop(sqe);
	s.bind(sqe);
}

/* Nobody writes to it: a worker of the kernel waits in open(). */
static void open_fifo(stage &s)
{
	char dir[] = "/tmp/urctx-kinds-XXXXXX";

	REQUIRE(mkdtemp(dir));
	s.path = dir + std::string("/fifo");
	REQUIRE(mkfifo(s.path.c_str(), 0600) == 0);
	struct io_uring_sqe *sqe = s.sqe();
	io_uring_prep_openat(sqe, AT_FDCWD, s.path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC,
			     0600);
	s.bind(sqe);
}

static void be_its_peer(stage &s)
{
	s.keep(open(s.path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
	if (!s.until([&] { return s.op[0].ended; }))
		return;
	s.expect(s.op[0].cqes[0].first >= 0, "opened");
	s.op[0].cqes[0].first = 0;
}

static void got_fd(stage &s, const struct urctx_op &op)
{
	s.expect(fcntl(op.res, F_GETFD) == FD_CLOEXEC, "an fd");
	close(op.res);
}

std::vector<kind> kinds_of_files()
{
	return {
		{ "nop", IORING_OP_NOP, READY, 0, a_nop, nullptr, nullptr, nullptr },
		{ "read of a pipe", IORING_OP_READ, BYTES, 10, read_some, feed, nullptr,
		  got_bytes },
		{ "read of a pipe, IOSQE_ASYNC", IORING_OP_READ, BYTES, 10, read_async,
		  feed, nullptr, got_bytes },
		{ "read of a file", IORING_OP_READ, READY, 10, read_file, nullptr,
		  nullptr, got_bytes },
		{ "readv", IORING_OP_READV, BYTES, 10, readv_some, feed, nullptr,
		  got_bytes },
		{ "read, registered file and buffer", IORING_OP_READ_FIXED, BYTES, 10,
		  read_fixed, feed, nullptr, got_bytes },
		{ "read, provided buffer", IORING_OP_READ, BYTES, 10, read_provided,
		  feed, nullptr, got_provided },
		{ "read multishot", OP_READ_MULTISHOT, BYTES, 0, read_multishot,
		  close_writer, twice, got_provided },
		{ "write to a full pipe", IORING_OP_WRITE, BYTES, 1, write_full,
		  make_room, nullptr, wrote },
		{ "splice", IORING_OP_SPLICE, BYTES, 10, splice_pipes, feed, nullptr,
		  spliced },
		{ "openat of a FIFO", IORING_OP_OPENAT, 0, 0, open_fifo, be_its_peer,
		  nullptr, got_fd },
		{ "fsync", IORING_OP_FSYNC, READY, 0, sync_file, nullptr, nullptr,
		  nullptr },
	};
}
