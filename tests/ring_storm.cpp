/* SPDX-License-Identifier: MIT */
/* ring_storm.cpp - many threads end contexts while a ring's owner works */
#include "ring_support.hpp"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>

static const struct urctx_cause why = { "why", nullptr, nullptr, 0, -1 };

/* Hands contexts from the owner to whoever ends them. */
struct handover {
	void give(struct urctx *ctx)
	{
		std::lock_guard<std::mutex> guard(lock);
		waiting.push_back(ctx);
	}
	void end_all()
	{
		std::lock_guard<std::mutex> guard(lock);
		over = true;
	}
	/* False: there is none, and none will come. */
	bool take(struct urctx **ctx)
	{
		std::lock_guard<std::mutex> guard(lock);

		*ctx = nullptr;
		if (waiting.empty())
			return !over;
		*ctx = waiting.back();
		waiting.pop_back();
		return true;
	}

	std::mutex lock;
	std::vector<struct urctx *> waiting;
	bool over = false;
};

static void end_what_comes(handover &h)
{
	struct urctx *ctx;

	while (h.take(&ctx))
		if (ctx) {
			urctx_cancel_cause(ctx, &why);
			urctx_put(ctx);
		} else {
			sched_yield();
		}
}

TEST_CASE("four threads end contexts: each op completes once", "[ring][storm][G10][G11]")
{
	for (auto mode : MODES) {
		INFO(mode.name);
		const int per_context = 3;
		size_t rounds = scaled(20000), ended = 0, twice = 0, wrong = 0;
		ends p;
		handover h;
		ring r(64, mode.flags);
		OR_SKIP(r);
		std::vector<std::unique_ptr<thread>> threads;
		std::vector<an_op> op(rounds * per_context);

		for (int i = 0; i < 4; i++)
			threads.push_back(std::make_unique<thread>([&] {
				end_what_comes(h);
			}));
		for (size_t n = 0; n < rounds; n++) {
			struct urctx *ctx = derive(nullptr);

			for (int i = 0; i < per_context; i++) {
				an_op &o = op[n * per_context + i];

				o.then = [&] {
					ended++;
					twice += o.calls != 1;
					wrong += o.res != -ECANCELED ||
						 o.cause != &why;
				};
				r.read(p.in(), ctx, o);
				if (i == 0)
					h.give(ctx);	/* the rest in the race */
				if (i == 0 && n % 2)
					sched_yield();
			}
			if (n % 16 == 0 && urctx_ring_wait(r.r, 0) < 0)
				FAIL("wait");
		}
		h.end_all();
		CHECK(r.until([&] { return ended == op.size(); }, 4 * PATIENCE));
		threads.clear();
		CHECK(ended == op.size());
		CHECK(twice == 0);
		CHECK(wrong == 0);
		CHECK(r.stats().in_flight == 0);
		CHECK(r.stats().stale == 0);
	}
}

/* Accepts that are cancelled while others connect: no connection gets lost. */
TEST_CASE("every accepted fd is delivered, in a storm of cancels", "[ring][storm][G10]")
{
	struct sockaddr_in addr = {};
	socklen_t len = sizeof(addr);
	size_t nr = scaled(1000), ended = 0, accepted = 0;
	size_t before = open_fds();

	{
		handover h;
		ring r(64);
		OR_SKIP(r);
		int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		addr.sin_family = AF_INET;
		addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		REQUIRE(bind(listener, (struct sockaddr *)&addr, len) == 0);
		REQUIRE(listen(listener, 4096) == 0);
		REQUIRE(getsockname(listener, (struct sockaddr *)&addr, &len) == 0);
		std::vector<an_op> op(nr);
		std::atomic<size_t> connected{ 0 };
		thread a([&] { end_what_comes(h); }), b([&] { end_what_comes(h); });
		thread connects([&] {
			for (size_t i = 0; i < nr; i++) {
				int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

				if (!connect(fd, (struct sockaddr *)&addr, len))
					connected++;
				close(fd);
			}
		});

		for (auto &o : op) {
			struct urctx *ctx = derive(nullptr);
			struct io_uring_sqe *s = r.sqe();

			o.then = [&] {
				ended++;
				if (o.res >= 0) {
					accepted++;
					close(o.res);
				}
			};
			io_uring_prep_accept(s, listener, nullptr, nullptr, SOCK_CLOEXEC);
			REQUIRE(urctx_ring_bind(r.r, s, ctx, &o.op) == 0);
			h.give(ctx);
			REQUIRE(urctx_ring_wait(r.r, 0) >= 0);
		}
		h.end_all();
		CHECK(r.until([&] { return ended == nr; }, 4 * PATIENCE));
		connects.join();
		a.join();
		b.join();
		/*
		 * What was not accepted waits in the listener's queue, or, connected to
		 * on its own side alone, is about to come there.
		 */
		fcntl(listener, F_SETFL, O_NONBLOCK);
		for (;;) {
			struct pollfd comes = { listener, POLLIN, 0 };
			int fd;

			if (accepted < connected)
				(void)poll(&comes, 1, (int)(PATIENCE / 1000000));
			fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
			if (fd < 0)
				break;
			accepted++;
			close(fd);
		}
		CHECK(accepted == connected);
		CHECK(connected == nr);
		close(listener);
	}
	CHECK(open_fds() == before);
}

TEST_CASE("a ring is detached while others end its contexts", "[ring][storm]")
{
	size_t before = open_fds(), lost = 0;

	for (size_t n = scaled(300); n--;) {
		ends p;
		an_op op[8];
		struct urctx *root = derive(nullptr), *ctx[8];
		ring r(16, MODES[n % 3].flags);
		OR_SKIP(r);

		for (int i = 0; i < 8; i++) {
			ctx[i] = derive(root);
			r.read(p.in(), ctx[i], op[i]);
		}
		r.submit();
		thread other([&] { urctx_cancel_cause(root, &why); });
		if (n % 2)
			sched_yield();
		REQUIRE(urctx_ring_detach(r.r, urctx_now() + PATIENCE) == 0);
		r.r = nullptr;
		other.join();
		for (int i = 0; i < 8; i++) {
			lost += op[i].calls != 1 || !op[i].cause;
			urctx_put(ctx[i]);
		}
		urctx_put(root);
	}
	CHECK(lost == 0);
	CHECK(open_fds() == before);
}

TEST_CASE("an op that ends by itself while its context is ended", "[ring][storm]")
{
	for (auto mode : MODES) {
		INFO(mode.name);
		size_t rounds = scaled(5000), ended = 0;
		handover h;
		an_op op;
		ring r(16, mode.flags);
		OR_SKIP(r);
		thread a([&] { end_what_comes(h); }), b([&] { end_what_comes(h); });

		op.then = [&] { ended++; };
		for (size_t n = 0; n < rounds; n++) {
			struct urctx *ctx = derive(nullptr);
			struct io_uring_sqe *s = r.sqe();

			io_uring_prep_nop(s);
			REQUIRE(urctx_ring_bind(r.r, s, ctx, &op.op) == 0);
			h.give(ctx);
			if (!r.until([&] { return ended == n + 1; }))
				FAIL("an op is missing");
		}
		h.end_all();
		CHECK(r.stats().stale == 0);
	}
}

TEST_CASE("contexts end behind their ops, and no turn hears of it", "[ring][storm]")
{
	an_op op;

	ring r(8);
	OR_SKIP(r);
	for (int i = 1; i <= 200; i++) {
		context ctx;
		struct io_uring_cqe *cqe;
		struct io_uring_sqe *s = r.sqe();

		io_uring_prep_nop(s);
		REQUIRE(urctx_ring_bind(r.r, s, ctx, &op.op) == 0);
		r.submit();
		cancel_elsewhere(ctx, &why);
		REQUIRE(io_uring_wait_cqe(&r.u, &cqe) == 0);
		REQUIRE(urctx_ring_dispatch(r.r, cqe));
		io_uring_cqe_seen(&r.u, cqe);
		REQUIRE(op.calls == i);
	}
	CHECK(!op.cause);		/* nobody told them */
	REQUIRE(r.turn() == URCTX_NEVER);
	CHECK(r.stats().told == 0);
}

/* What the poll of the eventfd says when it ends; its user_data: lib/ring.h. */
static bool end_of_poll(ring &r, int res)
{
	for (auto s : r.queued())
		if (s->opcode == IORING_OP_POLL_ADD)
			return r.feed(s->user_data, res);
	return false;
}

TEST_CASE("the poll that wakes the owner ends, and is armed again", "[ring][G11]")
{
	ends p;
	an_op op;

	ring r(8);
	OR_SKIP(r);
	context ctx;
	r.read(p.in(), ctx, op);
	REQUIRE(r.turn() == URCTX_NEVER);
	REQUIRE(r.queued().size() == 2);
	uint64_t first = r.queued()[1]->user_data;
	REQUIRE(end_of_poll(r, -ECANCELED));
	REQUIRE(r.turn() == URCTX_NEVER);
	REQUIRE(r.queued().size() == 3);
	CHECK(r.queued()[2]->user_data != first);
	io_uring_prep_nop(r.queued()[1]);	/* the first, which has ended */
	r.queued()[1]->flags = IOSQE_CQE_SKIP_SUCCESS;
	thread other([&] { urctx_cancel_cause(ctx, &why); });
	REQUIRE(r.until_ended(op));
	CHECK(op.cause == &why);
}

TEST_CASE("a ring whose owner nobody can wake looks by itself", "[ring][G11]")
{
	ends p;
	an_op op;

	ring r(8);
	OR_SKIP(r);
	context ctx;
	r.read(p.in(), ctx, op);
	REQUIRE(r.turn() == URCTX_NEVER);
	REQUIRE(end_of_poll(r, -EACCES));
	io_uring_prep_nop(r.queued()[1]);
	r.queued()[1]->flags = IOSQE_CQE_SKIP_SUCCESS;
	CHECK(r.turn() <= SEC / 20);
	CHECK(r.queued().size() == 2);
	thread other([&] { urctx_cancel_cause(ctx, &why); });
	REQUIRE(r.until_ended(op));
	CHECK(op.cause == &why);
}
