/* SPDX-License-Identifier: MIT */
/* ring_after.cpp - callbacks in the owner's turn, and deadlines without a timekeeper */
#include "ring_support.hpp"

#include <fstream>
#include <thread>

namespace {

struct noted {
	struct urctx_callback cb = {};
	int ran = 0;
	std::thread::id on;
	std::function<void()> then;

	static void fn(struct urctx_callback *cb)
	{
		noted *self = reinterpret_cast<noted *>(cb);

		self->ran++;
		self->on = std::this_thread::get_id();
		if (self->then)
			self->then();
	}
	int after(struct urctx_ring *r, struct urctx *ctx)
	{
		return urctx_ring_after(r, ctx, &cb, fn);
	}
};

/* Threads of ours: a sanitizer has one of its own. */
size_t housekeepers()
{
	size_t nr = 0;
	DIR *dir = opendir("/proc/self/task");

	while (struct dirent *d = readdir(dir)) {
		std::ifstream comm(std::string("/proc/self/task/") + d->d_name + "/comm");
		std::string name;

		std::getline(comm, name);
		nr += name == "urctx";
	}
	closedir(dir);
	return nr;
}

}

TEST_CASE("a ring's callback runs in the owner's turn", "[ring][after][G6]")
{
	struct urctx *ctx = derive(nullptr);
	noted a, b;
	ring r(8);

	OR_SKIP(r);
	REQUIRE(a.after(r.r, ctx) == 0);
	REQUIRE(b.after(r.r, ctx) == 0);
	std::thread([&] { urctx_cancel(ctx); }).join();
	CHECK(a.ran == 0);
	CHECK(urctx_ring_turn(r.r) == 0);
	CHECK(a.ran == 1);
	CHECK(b.ran == 1);
	CHECK(a.on == std::this_thread::get_id());
	CHECK_FALSE(urctx_try_stop(&a.cb));
	urctx_put(ctx);
}

TEST_CASE("until its turn a ring's callback can be taken back", "[ring][after][G6]")
{
	struct urctx *ctx = derive(nullptr);
	noted a, b;
	ring r(8);

	OR_SKIP(r);
	REQUIRE(a.after(r.r, ctx) == 0);
	REQUIRE(b.after(r.r, ctx) == 0);
	urctx_cancel(ctx);
	CHECK(urctx_try_stop(&a.cb));
	CHECK_FALSE(urctx_try_stop(&a.cb));
	CHECK(urctx_ring_turn(r.r) == 0);
	CHECK(a.ran == 0);
	CHECK(b.ran == 1);
	urctx_put(ctx);
}

TEST_CASE("armed on what is over it runs in the next turn", "[ring][after]")
{
	struct urctx *ctx = derive(nullptr);
	noted a, again;
	ring r(8);

	OR_SKIP(r);
	urctx_cancel(ctx);
	a.then = [&] { REQUIRE(again.after(r.r, ctx) == 0); };
	REQUIRE(a.after(r.r, ctx) == 0);
	CHECK(a.ran == 0);
	CHECK(urctx_ring_turn(r.r) == 0);
	CHECK(a.ran == 1);
	CHECK(again.ran == 0);
	CHECK(urctx_ring_turn(r.r) == 0);
	CHECK(again.ran == 1);
	REQUIRE(a.after(r.r, nullptr) == 0);
	CHECK(urctx_stop(&a.cb));
	urctx_put(ctx);
}

TEST_CASE("a ring keeps the deadlines of its contexts", "[ring][after][G5]")
{
	struct urctx *ctx = nullptr;
	noted a;
	ring r(8);

	OR_SKIP(r);
	while (housekeepers())	/* one of before goes */
		REQUIRE(urctx_wait(nullptr, urctx_now() + SEC / 100) == -ETIME);
	REQUIRE(urctx_with_timeout(nullptr, SEC / 100, &ctx) == 0);
	REQUIRE(a.after(r.r, ctx) == 0);
	CHECK(housekeepers() == 0);
	while (!a.ran)
		REQUIRE(urctx_ring_wait(r.r, URCTX_NEVER) >= 0);
	CHECK(urctx_err(ctx) == -ETIME);
	urctx_put(ctx);
}

TEST_CASE("an op ends at the deadline of its context", "[ring][after][G5]")
{
	struct urctx *ctx = nullptr;
	an_op op;
	char buf[8];
	int p[2];
	ring r(8);

	OR_SKIP(r);
	REQUIRE(pipe(p) == 0);
	REQUIRE(urctx_with_timeout(nullptr, SEC / 100, &ctx) == 0);
	struct io_uring_sqe *sqe = urctx_ring_sqe(r.r);
	io_uring_prep_read(sqe, p[0], buf, sizeof(buf), 0);
	REQUIRE(urctx_ring_bind(r.r, sqe, ctx, &op.op) == 0);
	while (!op.ended())
		REQUIRE(urctx_ring_wait(r.r, URCTX_NEVER) >= 0);
	CHECK(op.res == -ECANCELED);
	CHECK(op.cause == &urctx_deadline_exceeded);
	urctx_put(ctx);
	close(p[0]);
	close(p[1]);
}

TEST_CASE("a detach takes back what has not come", "[ring][after]")
{
	struct urctx *ctx = derive(nullptr), *over = derive(nullptr);
	noted a, b;

	{
		ring r(8);

		OR_SKIP(r);
		REQUIRE(a.after(r.r, ctx) == 0);
		REQUIRE(b.after(r.r, over) == 0);
		urctx_cancel(over);
	}
	CHECK(b.ran == 1);
	urctx_cancel(ctx);
	CHECK(a.ran == 0);
	CHECK_FALSE(urctx_try_stop(&a.cb));
	urctx_put(ctx);
	urctx_put(over);
}

TEST_CASE("drain counts what is derived from a further parent", "[ring][after]")
{
	struct urctx *a = derive(nullptr), *b = derive(nullptr), *n = nullptr;
	struct urctx *both[] = { a, b };
	an_op op;
	int p[2];
	ring r(8);

	OR_SKIP(r);
	REQUIRE(pipe(p) == 0);
	REQUIRE(urctx_with_any(both, 2, &n) == 0);
	r.read(p[0], n, op);
	r.submit();
	CHECK(urctx_ring_drain(r.r, a, urctx_now()) == 1);
	CHECK(urctx_ring_drain(r.r, b, urctx_now()) == 1);
	urctx_cancel(b);
	CHECK(urctx_ring_drain(r.r, b, urctx_now() + PATIENCE) == 0);
	CHECK(op.ended());
	for (struct urctx *ctx : { n, a, b })
		urctx_put(ctx);
	close(p[0]);
	close(p[1]);
}

/* Links without ops are more than slots for ops, and each may have a deadline. */
TEST_CASE("callbacks of more contexts with deadlines than there are ops", "[ring][after]")
{
	for (size_t n : { 66, 67, 72, 73, 145, 300 }) {
		INFO(n);
		ends p;
		an_op near[8];
		std::vector<noted> told(n);
		std::vector<struct urctx *> all(n);
		ring r(64);
		OR_SKIP(r);
		int64_t now = urctx_now();

		for (an_op &op : near) {
			struct io_uring_sqe *sqe = r.sqe();

			io_uring_prep_read(sqe, p.in(), op.buf, 1, 0);
			REQUIRE(urctx_ring_bind_flags(r.r, sqe, nullptr, &op.op,
						      now + SEC / 10, 0) == 0);
		}
		/* the latest first: into the heap */
		for (size_t i = 0; i < n; i++) {
			REQUIRE(urctx_with_deadline(nullptr, now + 3600 * SEC - (int64_t)i * SEC,
						    &all[i]) == 0);
			REQUIRE(told[i].after(r.r, all[i]) == 0);
		}
		for (an_op &op : near) {
			REQUIRE(r.until_ended(op));
			CHECK(op.cause == &urctx_deadline_exceeded);
		}
		for (struct urctx *ctx : all)
			urctx_cancel(ctx);
		REQUIRE(urctx_ring_wait(r.r, urctx_now()) >= 0);
		size_t ran = 0;
		for (int i = 0; i < 100 && ran < n; i++) {
			REQUIRE(urctx_ring_turn(r.r) >= 0);
			ran = 0;
			for (const noted &cb : told)
				ran += cb.ran == 1;
		}
		CHECK(ran == n);
		for (struct urctx *ctx : all)
			urctx_put(ctx);
	}
}
