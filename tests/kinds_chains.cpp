/* SPDX-License-Identifier: MIT */
/* kinds_chains.cpp - ops with others behind them, in one submission */
#include "kinds.hpp"

static void chain(stage &s, unsigned link, unsigned behind)
{
	int fd[2];

	s.pipe(fd);
	struct io_uring_sqe *sqe = s.sqe();
	io_uring_prep_read(sqe, fd[0], s.buf, 10, 0);
	s.bind(sqe, link);
	sqe = s.sqe();
	io_uring_prep_nop(sqe);
	s.bind(sqe, behind);
}

static void linked(stage &s)
{
	chain(s, IOSQE_IO_LINK, 0);
}

static void hardlinked(stage &s)
{
	chain(s, IOSQE_IO_HARDLINK, 0);
}

static void drained(stage &s)
{
	chain(s, 0, IOSQE_IO_DRAIN);
}

static void feed(stage &s)
{
	char saved[10];

	s.next(sizeof(saved));
	memcpy(saved, s.buf, sizeof(saved));
	REQUIRE(write(s.out, saved, sizeof(saved)) == sizeof(saved));
	s.sent += sizeof(saved);
}

static void got_bytes(stage &s, const struct urctx_op &op)
{
	s.take(s.buf, (size_t)op.res);
}

std::vector<kind> kinds_of_chains()
{
	return {
		{ "linked", IORING_OP_READ, BYTES, 10, linked, feed, nullptr, got_bytes },
		{ "hardlinked", IORING_OP_READ, BYTES, 10, hardlinked, feed, nullptr,
		  got_bytes },
		{ "drain", IORING_OP_READ, BYTES | DRAINS, 10, drained, feed, nullptr,
		  got_bytes },
	};
}
