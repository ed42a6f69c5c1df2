/* SPDX-License-Identifier: MIT */
/* kinds_limits.cpp - rings that can abort nothing: the books are kept all the same */
#include "kinds.hpp"

static const struct urctx_cause why = { "why", nullptr, nullptr, 0, -1 };

struct limited {
	explicit limited(const kind &k, unsigned flags)
	{
		struct urctx_ring_params params = {};

		params.flags = k.traits & DRAINS ? URCTX_RING_DRAIN : 0;
		error = io_uring_queue_init(16, &u, flags);
		if (error)
			return;
		REQUIRE(urctx_ring_attach(&u, &params, &r) == 0);
		s = std::make_unique<stage>(u, r, k);
		REQUIRE(urctx_with_cancel(nullptr, &s->ctx) == 0);
	}
	limited(const limited &) = delete;
	~limited()
	{
		if (!error)
			io_uring_queue_exit(&u);
	}
	void end()
	{
		struct urctx_ring_stats stats = {};

		urctx_ring_stats(r, &stats, sizeof(stats));
		s->expect(!stats.in_flight && !stats.stale, "the figures");
		urctx_put(s->ctx);
		s->expect(urctx_ring_detach(r, urctx_now() + PATIENCE) == 0, "detach");
		CHECK(s->wrong == "");
		s.reset();
	}

	struct io_uring u = {};
	struct urctx_ring *r = nullptr;
	std::unique_ptr<stage> s;
	int error;
};

/* All opcodes and flags, but for cancels, or polls; and nothing may be registered. */
static int restrict(struct io_uring &u, bool polls)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(&u);
	const unsigned last = probe ? probe->last_op : IORING_OP_LAST - 1;
	std::vector<struct io_uring_restriction> allowed;
	struct io_uring_restriction one = {};

	io_uring_free_probe(probe);
	one.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	one.sqe_flags = 0xff;
	allowed.push_back(one);
	one = {};
	one.opcode = IORING_RESTRICTION_REGISTER_OP;
	one.register_op = IORING_REGISTER_ENABLE_RINGS;
	allowed.push_back(one);
	one = {};
	one.opcode = IORING_RESTRICTION_SQE_OP;
	for (unsigned op = 0; op <= OP_FUTEX_WAIT && op <= last; op++)
		if (op != IORING_OP_ASYNC_CANCEL && (polls || op != IORING_OP_POLL_ADD)) {
			one.sqe_op = (__u8)op;
			allowed.push_back(one);
		}
	return io_uring_register((unsigned)u.ring_fd, IORING_REGISTER_RESTRICTIONS,
				 allowed.data(), (unsigned)allowed.size());
}

/* Told, they end when what they wait for comes, and say that they were told. */
static void run_restricted(const kind &k, bool polls)
{
	limited l(k, IORING_SETUP_R_DISABLED);
	REQUIRE(l.error == 0);
	REQUIRE(restrict(l.u, polls) == 0);
	stage &s = *l.s;

	k.start(s);
	REQUIRE(io_uring_register((unsigned)l.u.ring_fd, IORING_REGISTER_ENABLE_RINGS,
				  nullptr, 0) == 0);
	CHECK(urctx_ring_wait(l.r, 0) >= 0);
	urctx_cancel_cause(s.ctx, &why);
	if (!(k.traits & READY)) {
		CHECK(urctx_ring_drain(l.r, nullptr, urctx_now() + SEC / 1000) > 0);
		CHECK(s.op[0].cqes.empty());
		k.finish(s);
	}
	CHECK(s.until([&] { return s.all_ended(); }));
	for (auto &cqe : s.op[0].cqes)
		if (!(cqe.second & IORING_CQE_F_MORE) && !(k.traits & ZEROCOPY))
			CHECK(cqe.first == k.good);
	if (!(k.traits & READY))
		CHECK(s.op[0].cause == &why);
	s.count_left();
	l.end();
}

TEST_CASE("every kind of op on a ring that refuses cancels", "[kinds][limits][G10]")
{
	for (bool polls : { false, true })
		for (const kind &k : every_kind()) {
			INFO(k.name << " " << polls);
			/* nothing else than a cancel would end those */
			if (!k.finish && !(k.traits & READY))
				continue;
			if (k.opcode != IORING_OP_POLL_ADD || polls)
				run_restricted(k, polls);
		}
}

/* Nothing but polled I/O runs there: it says so, once for each op. */
TEST_CASE("every kind of op on an IOPOLL ring", "[kinds][limits][G10]")
{
	for (const kind &k : every_kind())
		for (bool told : { false, true }) {
			INFO(k.name << " " << told);
			limited l(k, IORING_SETUP_IOPOLL);

			if (l.error) {
				WARN("skipped: IOPOLL: " << strerror(-l.error));
				return;
			}
			stage &s = *l.s;
			k.start(s);
			if (told)
				urctx_cancel_cause(s.ctx, &why);
			CHECK(s.until([&] { return s.all_ended(); }));
			for (unsigned i = 0; i < s.ops; i++) {
				const bound &b = s.op[i];

				CHECK(b.cqes.size() == 1);
				CHECK((b.cqes[0].first <= 0 || b.cqes[0].first == k.good));
				if (!told)
					CHECK(!b.cause);
			}
			s.count_left();
			l.end();
		}
}
