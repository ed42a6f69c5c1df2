/* SPDX-License-Identifier: MIT */
/* io_calls.cpp - every call that waits: ready, fed, cancelled, late, done before, wrong */
#include "io_scenes.hpp"

TEST_CASE("what can be done at once is done", "[io]")
{
	for_each_scene([](scene &s) {
		context c;

		s.feed();
		long ret = quietly([&] { return s.go(c); });
		CHECK(s.good(ret));
	});
}

TEST_CASE("with NULL it is the plain call", "[io]")
{
	for_each_scene([](scene &s) {
		s.feed();
		long ret = quietly([&] { return s.go(nullptr); });
		CHECK(s.good(ret));
	});
}

TEST_CASE("what waits is done when it can be", "[io]")
{
	for_each_scene([](scene &s) {
		context c;
		caller t([&] { return s.go(c); });

		t.asleep();
		CHECK(!t.over());
		s.feed();
		CHECK(s.good(t.join()));
		CHECK(!urctx_err(c));
	});
}

TEST_CASE("what waits ends with its context", "[io]")
{
	for_each_scene([](scene &s) {
		if (!s.aborted) {
			WARN("skipped: nothing aborts it here: " << s.name);
			return;
		}
		context c;
		caller t([&] { return s.go(c); });

		t.asleep();
		CHECK(!t.over());
		urctx_cancel(c);
		CHECK(t.join() == -ECANCELED);
		/* nothing was done: it is still there to be */
		s.feed();
		CHECK(s.good(s.go(nullptr)));
	});
}

TEST_CASE("what waits ends with an ancestor of its context", "[io]")
{
	for_each_scene([](scene &s) {
		if (!s.aborted)
			return;
		context root;
		struct urctx *c = derive(root);
		caller t([&] { return s.go(c); });

		t.asleep();
		urctx_cancel(root);
		CHECK(t.join() == -ECANCELED);
		urctx_put(c);
	});
}

TEST_CASE("what waits ends at the deadline, and not before", "[io]")
{
	for_each_scene([](scene &s) {
		if (!s.aborted)
			return;
		context c(5 * MSEC);
		int64_t deadline = 0;

		REQUIRE(urctx_deadline(c, &deadline));
		long ret = quietly([&] { return s.go(c); });
		CHECK(ret == -ETIME);
		CHECK(urctx_now() >= deadline);
		s.feed();
		CHECK(s.good(s.go(nullptr)));
	});
}

TEST_CASE("with a context that is done nothing is started", "[io]")
{
	for_each_scene([](scene &s) {
		context c, late(0);

		urctx_cancel(c);
		s.feed();
		CHECK(quietly([&] { return s.go(c); }) == -ECANCELED);
		CHECK(quietly([&] { return s.go(late); }) == -ETIME);
		CHECK(quietly([&] { return s.go_wrong(c); }) == -ECANCELED);
		CHECK(s.good(s.go(nullptr)));
	});
}

TEST_CASE("mistakes are the system call's", "[io][unwatched]")
{
	for_each_scene([](scene &s) {
		context c;

		CHECK(quietly([&] { return s.go_wrong(c); }) == s.wrong);
		CHECK(quietly([&] { return s.go_wrong(nullptr); }) == s.wrong);
	});
}

TEST_CASE("a thread waits again and again, ended or not", "[io]")
{
	for_each_scene([](scene &s) {
		if (!s.aborted)
			return;
		for (int i = 0; i < 3; i++) {
			context c(MSEC / 2);

			CHECK(s.go(c) == -ETIME);
		}
		context c;

		s.feed();
		CHECK(s.good(s.go(c)));
	});
}

TEST_CASE("sleep", "[io]")
{
	context c, d(2 * MSEC);
	int64_t before = urctx_now();

	CHECK(quietly([&] { return urctx_sleep(c, MSEC); }) == 0);
	CHECK(urctx_now() - before >= MSEC);
	CHECK(urctx_sleep(nullptr, MSEC) == 0);
	CHECK(urctx_sleep(nullptr, -1) == 0);
	CHECK(urctx_sleep(d, 3600 * SEC) == -ETIME);
	CHECK(urctx_sleep(d, 0) == -ETIME);
	caller t([&] { return urctx_sleep(c, URCTX_NEVER); });

	t.asleep();
	urctx_cancel(c);
	CHECK(t.join() == -ECANCELED);
	CHECK(urctx_sleep(c, -1) == -ECANCELED);
}

TEST_CASE("close lets go of the number, whatever the context says", "[io]")
{
	context c;

	for (struct urctx *ctx : { (struct urctx *)nullptr, (struct urctx *)c }) {
		int fd = dup(0);

		CHECK(quietly([&] { return urctx_close(ctx, fd); }) == 0);
		CHECK(quietly([&] { return urctx_close(ctx, fd); }) == -EBADF);
		CHECK(fcntl(fd, F_GETFD) == -1);
		urctx_cancel(ctx);
	}
	int fd = dup(0);

	CHECK(urctx_close(c, fd) == 0);
	CHECK(fcntl(fd, F_GETFD) == -1);
}

TEST_CASE("what is ready is told though the context has just ended", "[io]")
{
	/* the callback that ends it runs first: urctx_poll() looks before it waits */
	context c;
	ends e;
	struct pollfd p[2] = { { e.fd[0], POLLIN, 0 }, { -1, POLLIN, 7 } };

	e.put();
	CHECK(urctx_poll(c, p, 2) == 1);
	CHECK(p[0].revents == POLLIN);
	CHECK(p[1].revents == 0);
	caller t([&] { return urctx_poll(c, nullptr, 0); });

	t.asleep();
	urctx_cancel(c);
	CHECK(t.join() == -ECANCELED);
}
