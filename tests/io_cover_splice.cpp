/* SPDX-License-Identifier: MIT */
/* io_cover_splice.cpp - splice(2) without a ring, and with what ends it at once */
#include "io.hpp"

#include "ring_cover_calls.hpp"

static long on_a_thread(const std::function<long()> &fn)
{
	long ret = 0;

	thread([&] { ret = fn(); }).join();
	return ret;
}

static long without_ring(const std::function<long()> &fn)
{
	return on_a_thread([&] {
		refusal none("io_uring_queue_init", -EMFILE);

		return fn();
	});
}

TEST_CASE("splice without a ring", "[io][refused]")
{
	char name[] = "/tmp/urctx-io-cover-XXXXXX", buf[16];
	int fd = mkstemp(name), other = mkostemp(strcpy(name, "/tmp/urctx-io-cover-XXXXXX"), 0);

	REQUIRE(write(fd, "abcdefgh", 8) == 8);
	/* neither is a pipe */
	CHECK(without_ring([&] {
		      context live;
		      off_t at = 0;

		      return urctx_splice(live, fd, &at, other, nullptr, 8, 0);
	      }) == -EINVAL);
	/* from and to a file, and its end */
	ends e;
	off_t at = 3, to = 2;
	auto moves = [&](int in, off_t *in_off, int out, off_t *out_off) {
		return [=]() -> long {
			context live;

			return urctx_splice(live, in, in_off, out, out_off, 1 << 20, 0);
		};
	};
	CHECK(without_ring(moves(fd, &at, e.fd[1], nullptr)) == 5);
	CHECK(at == 8);
	CHECK(without_ring(moves(e.fd[0], nullptr, other, &to)) == 5);
	CHECK(to == 7);
	CHECK(pread(other, buf, 16, 2) == 5);
	CHECK(!memcmp(buf, "defgh", 5));
	CHECK(on_a_thread(moves(fd, &at, e.fd[1], nullptr)) == 0);
	CHECK(at == 8);
	e.put(4);
	CHECK(on_a_thread(moves(e.fd[0], nullptr, other, &to)) == 4);
	CHECK(to == 11);
	/* to a socket */
	ends s(SOCK_STREAM);
	e.put(5);
	CHECK(without_ring(moves(e.fd[0], nullptr, s.fd[1], nullptr)) == 5);
	CHECK(read(s.fd[0], buf, 16) == 5);
	/* somebody else is faster, once and always */
	for (unsigned times : { 1U, ~0U }) {
		e.put(5);
		CHECK(without_ring([&] {
			      refused_number lost(SYS_splice, -EAGAIN, times);
			      context soon(3 * MSEC), live;

			      return urctx_splice(times == 1 ? live : soon, e.fd[0], nullptr,
						  s.fd[1], nullptr, 5, 0);
		      }) == (times == 1 ? 5 : -ETIME));
	}
	context live;
	off_t before = -1;
	CHECK(urctx_splice(live, e.fd[0], nullptr, other, &before, 5, 0) == -EINVAL);
	CHECK(urctx_splice(live, fd, &before, e.fd[1], nullptr, 5, 0) == -EINVAL);
	before = 0;
	CHECK(urctx_splice(live, fd, &before, e.fd[1], nullptr, (size_t)1 << 40, 0) == 8);
	unlink(name);
	close(fd);
	close(other);
}
