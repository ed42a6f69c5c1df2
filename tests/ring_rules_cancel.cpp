/* SPDX-License-Identifier: MIT */
/*
 * ring_rules_cancel.cpp - how the kernel is asked to let go: rules of
 * lib/ring_rules.h, by their numbers
 */
#include "ring_cover.hpp"

static const struct urctx_cause why = { "why", nullptr, nullptr, 0, -1 };

/* The cancel that is queued now gets lost on its way; the kernel said @res. */
static void lose_cancel(ring &r, int res)
{
	auto cancels = r.cancels();

	REQUIRE(cancels.size() == 1);
	uint64_t ud = cancels[0]->user_data;
	io_uring_prep_nop(cancels[0]);
	cancels[0]->flags = IOSQE_CQE_SKIP_SUCCESS;
	r.submit();
	REQUIRE(r.feed(ud, res));
}

static void asks_again_after(int res)
{
	ends p;
	an_op op;

	ring r(8);
	OR_SKIP(r);
	context ctx;
	r.read(p.in(), ctx, op);
	r.submit();
	urctx_cancel_cause(ctx, &why);
	{
		held clock;

		REQUIRE(r.turn() >= 0);
		lose_cancel(r, res);
		CHECK(op.calls == 0);

		/* at once, then after 1 ms, 2 ms, ... */
		CHECK(r.turn() >= 0);
		REQUIRE(r.cancels().size() == 1);
		lose_cancel(r, res);
		CHECK(r.turn() == MSEC);
		CHECK(r.cancels().empty());
	}
	REQUIRE(r.until_ended(op));
	CHECK(op.res == -ECANCELED);
	CHECK(op.cause == &why);
	CHECK(r.stats().retries >= 2);
	CHECK(r.stats().in_flight == 0);
}

TEST_CASE("-EALREADY: the kernel is asked again", "[ring][rule5][G11]")
{
	asks_again_after(-EALREADY);
}

TEST_CASE("-ENOENT: the kernel is asked again", "[ring][rule6][G11]")
{
	asks_again_after(-ENOENT);
}

TEST_CASE("a cancel that comes before its op has started", "[ring][rule6][G11]")
{
	for (auto mode : MODES) {
		INFO(mode.name);
		ends p;
		an_op first, op;
		ring r(8, mode.flags);
		OR_SKIP(r);
		context ctx;
		struct io_uring_sqe *s = r.sqe();

		io_uring_prep_nop(s);
		s->flags |= IOSQE_IO_LINK;
		REQUIRE(urctx_ring_bind(r.r, s, nullptr, &first.op) == 0);
		r.read(p.in(), ctx, op);
		urctx_cancel_cause(ctx, &why);
		REQUIRE(r.turn() >= 0);		/* behind the chain, in one submit */
		REQUIRE(r.cancels().size() == 1);
		REQUIRE(r.until_ended(op));
		CHECK(first.res == 0);
		CHECK(op.res == -ECANCELED);
	}
}

TEST_CASE("no answer at all: the kernel is asked again", "[ring][G11]")
{
	ends p;
	an_op op;

	ring r(8);
	OR_SKIP(r);
	r.read(p.in(), nullptr, op);
	r.submit();
	urctx_op_cancel(&op.op, &why);
	REQUIRE(r.turn() > 0);
	REQUIRE(r.cancels().size() == 1);
	io_uring_prep_nop(r.cancels()[0]);
	r.queued()[0]->flags = IOSQE_CQE_SKIP_SUCCESS;
	REQUIRE(r.until_ended(op));
	CHECK(r.stats().retries == 1);
}

TEST_CASE("the kernel's timer of one op leaves the others alone", "[ring][rule11]")
{
	for (auto mode : MODES) {
		INFO(mode.name);
		ends p, q;
		an_op untimed, timed;
		ring r(8, mode.flags);
		OR_SKIP(r);
		uint64_t ud = r.read(p.in(), nullptr, untimed);
		struct io_uring_sqe *s = r.sqe();

		io_uring_prep_read(s, q.in(), timed.buf, 8, 0);
		REQUIRE(urctx_ring_bind_flags(r.r, s, nullptr, &timed.op,
					      urctx_now() + SEC / 100,
					      URCTX_OP_LINK_TIMEOUT) == 0);
		REQUIRE(s->user_data != ud);
		REQUIRE(r.until_ended(timed));
		CHECK(timed.res == -ECANCELED);
		CHECK(timed.cause == &urctx_deadline_exceeded);
		CHECK(untimed.calls == 0);
		p.put();
		REQUIRE(r.until_ended(untimed));
		CHECK(untimed.res == 1);
		CHECK(!untimed.cause);
	}
}

TEST_CASE("a cancel hits one op and no other", "[ring][rule13]")
{
	for (auto mode : MODES) {
		INFO(mode.name);
		ends p, q;
		an_op a, b;
		ring r(8, mode.flags);
		OR_SKIP(r);
		context ca, cb;

		r.read(p.in(), ca, a);
		r.read(q.in(), cb, b);
		r.submit();
		urctx_cancel_cause(ca, &why);
		REQUIRE(r.until_ended(a));
		CHECK(b.calls == 0);
		q.put();
		REQUIRE(r.until_ended(b));
		CHECK(b.res == 1);
	}
}

static std::vector<uint64_t> targets(ring &r)
{
	std::vector<uint64_t> v;

	for (auto s : r.cancels())
		v.push_back(s->addr);
	return v;
}

TEST_CASE("the newest op is cancelled first", "[ring][rule14]")
{
	ends p;

	ring r(64);
	OR_SKIP(r);
	context root, a(root.c), b(root.c), c(root.c);
	struct urctx *ctx[] = { a, b, c, b, a, a, c, b, c, a, c, b };
	an_op op[12];
	std::vector<uint64_t> uds;

	for (int i = 0; i < 12; i++)
		uds.insert(uds.begin(), r.read(p.in(), ctx[i], op[i]));
	r.submit();
	urctx_cancel_cause(root, &why);
	REQUIRE(r.turn() >= 0);
	CHECK(targets(r) == uds);
	REQUIRE(r.until([&] { return op[0].ended(); }));
}

TEST_CASE("deadlines that pass together, newest op first", "[ring][rule14]")
{
	ends p;

	ring r(64);
	OR_SKIP(r);
	an_op op[8];
	std::vector<uint64_t> uds;
	held clock;
	int64_t soon = urctx_now() + MSEC;

	for (int i = 0; i < 8; i++) {
		struct io_uring_sqe *s = r.sqe();

		io_uring_prep_read(s, p.in(), op[i].buf, 8, 0);
		REQUIRE(urctx_ring_bind_flags(r.r, s, nullptr, &op[i].op,
					      soon + i % 3, 0) == 0);
		uds.insert(uds.begin(), s->user_data);
	}
	r.submit();
	REQUIRE(urctx_clock_advance(MSEC + 3) == 0);
	REQUIRE(r.turn() >= 0);
	CHECK(targets(r) == uds);
	urctx_clock_release();
	REQUIRE(r.until([&] { return op[0].ended(); }));
	CHECK(op[0].cause == &urctx_deadline_exceeded);
}

/* Two ops on one open file: the one that is told goes, and the other stays. */
static void one_of_two(bool older, bool duplicate)
{
	ends p;
	an_op a, b;
	int other = duplicate ? dup(p.in()) : p.in();

	ring r(8);
	OR_SKIP(r);
	r.read(p.in(), nullptr, a);
	r.read(other, nullptr, b);
	r.submit();
	an_op &told = older ? a : b, &stays = older ? b : a;
	urctx_op_cancel(&told.op, &why);
	REQUIRE(r.until([&] { return a.ended() || b.ended(); }));
	CHECK(told.ended());
	CHECK(!stays.ended());
	p.put();
	REQUIRE(r.until_ended(stays));
	REQUIRE(r.until_ended(told));
	CHECK(told.res == -ECANCELED);
	CHECK(stays.res == 1);
	if (duplicate)
		close(other);
}

TEST_CASE("two ops on one fd: the one that is told is cancelled", "[ring][rule15]")
{
	one_of_two(true, false);
	one_of_two(false, false);
}

TEST_CASE("ops on duplicates of an fd, and on one that is closed", "[ring][rule15][rule16]")
{
	one_of_two(true, true);
	one_of_two(false, true);

	ends p;
	an_op op;
	ring r(8);
	OR_SKIP(r);
	int fd = dup(p.in());
	r.read(fd, nullptr, op);
	r.submit();
	close(fd);
	urctx_op_cancel(&op.op, &why);
	REQUIRE(r.until_ended(op));
	CHECK(op.res == -ECANCELED);
}

TEST_CASE("a cancel that succeeds costs no CQE", "[ring][rule19]")
{
	ends p;
	an_op op;

	ring r(8);
	OR_SKIP(r);
	r.read(p.in(), nullptr, op);
	r.submit();
	urctx_op_cancel(&op.op, &why);
	unsigned before = *r.u.cq.ktail;
	REQUIRE(r.until_ended(op));
	REQUIRE(urctx_ring_wait(r.r, 0) == 0);
	CHECK(*r.u.cq.ktail - before == 1);
}

TEST_CASE("a cancel on another thread ends an op", "[ring][rule33][G10]")
{
	for (auto mode : MODES) {
		INFO(mode.name);
		ends s(SOCK_STREAM);
		an_op op;
		ring r(8, mode.flags);
		OR_SKIP(r);
		context ctx;
		struct io_uring_sqe *sqe = r.sqe();

		io_uring_prep_recv(sqe, s.in(), op.buf, 8, 0);
		REQUIRE(urctx_ring_bind(r.r, sqe, ctx, &op.op) == 0);
		r.submit();
		cancel_elsewhere(ctx, &why);
		REQUIRE(r.until_ended(op));
		CHECK(op.res == -ECANCELED);
		CHECK(op.cause == &why);
	}
}

/* How often the eventfd was written to that the library has opened. */
static long eventfd_count()
{
	long count = -1;
	DIR *dir = opendir("/proc/self/fdinfo");

	for (struct dirent *e; (e = readdir(dir));) {
		std::string path = std::string("/proc/self/fdinfo/") + e->d_name;
		FILE *f = fopen(path.c_str(), "r");
		char line[128];

		while (f && fgets(line, sizeof(line), f))
			sscanf(line, "eventfd-count: %lx", &count);
		if (f)
			fclose(f);
	}
	closedir(dir);
	return count;
}

TEST_CASE("a hundred cancels wake the owner once", "[ring][rule36]")
{
	ends p;

	ring r(128);
	OR_SKIP(r);
	context root;
	std::vector<std::unique_ptr<context>> ctx;
	std::vector<std::unique_ptr<an_op>> op;
	size_t ended = 0;

	for (int i = 0; i < 100; i++) {
		ctx.push_back(std::make_unique<context>(root.c));
		op.push_back(std::make_unique<an_op>());
		op.back()->then = [&] { ended++; };
		r.read(p.in(), *ctx.back(), *op.back());
	}
	REQUIRE(r.turn() == URCTX_NEVER);
	r.submit();
	CHECK(eventfd_count() == 0);
	cancel_elsewhere(root, &why);
	CHECK(eventfd_count() == 1);
	REQUIRE(r.until([&] { return ended == 100; }));
	CHECK(eventfd_count() == 1);
	/* and the owner does not wake himself */
	context mine;
	an_op last;
	r.read(p.in(), mine, last);
	urctx_cancel_cause(mine, &why);
	REQUIRE(r.until_ended(last));
	CHECK(eventfd_count() == 1);
}

TEST_CASE("10,000 ops and an SQ of 4", "[ring][rule47][G11]")
{
	for (auto mode : MODES) {
		INFO(mode.name);
		ends p;
		size_t nr = scaled(10000), ended = 0, canceled = 0;
		ring r(4, mode.flags);
		OR_SKIP(r);
		context ctx;
		std::vector<an_op> op(nr);

		for (auto &o : op) {
			o.then = [&] {
				ended++;
				canceled += o.res == -ECANCELED && o.cause == &why;
			};
			r.read(p.in(), ctx, o);
		}
		CHECK(r.stats().in_flight == nr);
		cancel_elsewhere(ctx, &why);
		REQUIRE(r.until([&] { return ended == nr; }, 4 * PATIENCE));
		CHECK(canceled == nr);
		CHECK(r.stats().in_flight == 0);
	}
}

