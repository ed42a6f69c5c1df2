/* SPDX-License-Identifier: MIT */
/*
 * forged.cpp - CQEs that no op of ours made
 *
 * Whatever stands in user_data, only that of an op in flight leads to an op: the
 * rest is foreign (without the tag) or counted as stale, and changes nothing.  ASan
 * and valgrind see whatever is followed.
 */
#include <cerrno>
#include <random>
#include <set>

#include "ring_support.hpp"

namespace {

constexpr size_t MANY = 1000000;
constexpr int OPS = 24;
constexpr uint64_t TAG = URCTX_UDATA_TAG;

/* As in lib/ring.h: tag 16, generation 23, slot 22, kind 3. */
constexpr unsigned UD_SLOT_BITS = 22;
constexpr uint64_t UD_SLOT_MASK = (1U << UD_SLOT_BITS) - 1, UD_GEN_MASK = (1U << 23) - 1;
enum { KIND_OP = 0, KIND_WAKE = 3, KIND_UNWAKE = 5, KIND_ALARM = 6, KIND_OWED = 7 };

/* All of them with ASan, too: that is who sees what is followed. */
size_t many()
{
	return TESTS_VALGRIND || TESTS_TSAN || getenv("URCTX_TEST_SLOW") ? scaled(MANY) : MANY;
}

uint64_t forge(uint64_t slot, uint64_t gen, unsigned kind)
{
	return TAG | (gen & UD_GEN_MASK) << (UD_SLOT_BITS + 3) |
	       (slot & UD_SLOT_MASK) << 3 | (kind & 7);
}

/* Ops that wait at a pipe, of two contexts and of none, and what they are called. */
struct victims {
	explicit victims(unsigned ring_flags = 0, const urctx_ring_params *params = nullptr)
		: r(64, ring_flags, params)
	{
		if (r.error)
			return;
		for (int i = 0; i < OPS; i++)
			uds.insert(r.read(p.in(), i % 3 ? (i % 3 > 1 ? a : b).c : nullptr,
					  op[i]));
		(void)r.turn();
		r.submit();
	}
	int called() const
	{
		int n = 0;

		for (auto &o : op)
			n += o.calls;
		return n;
	}
	/* As if nothing had happened: a cancel by another thread ends all. */
	void still_works()
	{
		static const struct urctx_cause why = { "why", nullptr, nullptr, 0, 5 };

		cancel_elsewhere(a, &why);
		cancel_elsewhere(b, &why);
		for (auto &o : op)
			if ((&o - op) % 3 == 0)
				urctx_op_cancel(&o.op, &why);
		REQUIRE(r.until([&] { return called() == OPS; }));
		for (auto &o : op) {
			CHECK(o.calls == 1);
			CHECK(o.cause == &why);
			CHECK(o.res == -ECANCELED);
		}
		CHECK(r.stats().in_flight == 0);
		CHECK(r.stats().limits == 0);
	}

	ends p;
	context a, b;
	an_op op[OPS];
	ring r;
	std::set<uint64_t> uds;
};

const int RESULTS[] = { 0, 1, -EACCES, -EINVAL, -ECANCELED, -EINTR, -ETIME, -ENOENT,
			-EALREADY, -512, INT32_MAX, INT32_MIN };

} /* namespace */

TEST_CASE("forged: what has not our tag is foreign", "[forged]")
{
	std::mt19937_64 random(1);
	victims v;

	OR_SKIP(v.r);
	size_t claimed = 0;
	for (size_t i = many(); i--;) {
		uint64_t ud = random();

		if ((ud & URCTX_UDATA_MASK) == TAG)
			continue;
		claimed += v.r.feed(ud, (int)random(), (unsigned)random());
	}
	CHECK(claimed == 0);
	CHECK(v.r.stats().stale == 0);
	CHECK(v.called() == 0);
	v.still_works();
}

TEST_CASE("forged: the tag of another bit is foreign as well", "[forged]")
{
	victims v;

	OR_SKIP(v.r);
	for (uint64_t ud : v.uds)
		for (int bit = 48; bit < 64; bit++)
			CHECK_FALSE(v.r.feed(ud ^ UINT64_C(1) << bit, 0));
	CHECK(v.called() == 0);
	v.still_works();
}

TEST_CASE("forged: the tag and a wrong generation are stale", "[forged]")
{
	std::mt19937_64 random(2);
	victims v;

	OR_SKIP(v.r);
	std::vector<uint64_t> uds(v.uds.begin(), v.uds.end());
	size_t fed = many(), ours = 0;
	for (size_t i = fed; i--;) {
		/* the slot of an op in flight, one generation off or any */
		uint64_t ud = uds[random() % uds.size()];
		uint64_t gen = (ud >> (UD_SLOT_BITS + 3)) & UD_GEN_MASK;
		uint64_t by = i & 1 ? 1 + random() % (UD_GEN_MASK - 1) :
				      i & 2 ? 1 : UD_GEN_MASK;

		ours += v.r.feed(forge(ud >> 3, gen + by, KIND_OP),
				 RESULTS[random() % 12], (unsigned)random() & 0xf);
	}
	CHECK(ours == fed);
	CHECK(v.r.stats().stale == fed);
	CHECK(v.called() == 0);
	v.still_works();
}

TEST_CASE("forged: the tag and a slot that is not there are stale", "[forged]")
{
	std::mt19937_64 random(3);
	victims v;

	OR_SKIP(v.r);
	size_t fed = scaled(MANY / 10);
	for (size_t i = fed; i--;)
		CHECK_FALSE(!v.r.feed(forge(1024 + random() % (UD_SLOT_MASK - 1024), random(),
					    KIND_OP), (int)random()));
	CHECK(v.r.stats().stale == fed);
	CHECK(v.called() == 0);
	v.still_works();
}

TEST_CASE("forged: the tag and anything else changes nothing", "[forged]")
{
	urctx_ring_params timer = {};

	timer.flags = URCTX_RING_TIMER;
	for (auto params : { (urctx_ring_params *)nullptr, &timer })
		for (unsigned flags : { 0U, DEFER }) {
			std::mt19937_64 random(4);
			victims v(flags, params);

			OR_SKIP(v.r);
			for (size_t i = scaled(MANY / 4); i--;) {
				uint64_t ud = TAG | (random() & ~URCTX_UDATA_MASK);
				int res = RESULTS[random() % 12];

				/* small numbers, as ours have */
				if (i & 1)
					ud = forge(random() % 4, random() % 4,
						   (unsigned)random());
				/* what is right is no forgery: an op's, and the wake's */
				if ((ud & 7) == KIND_WAKE || (ud & 7) == KIND_ALARM)
					ud |= UINT64_C(1) << (UD_SLOT_BITS + 20);
				if (v.uds.count(ud & ~UINT64_C(7)))
					continue;
				REQUIRE(v.r.feed(ud, res, (unsigned)random() & 0xf));
			}
			CHECK(v.called() == 0);
			v.still_works();
		}
}

TEST_CASE("forged: an op's CQE that is fed again is stale", "[forged]")
{
	ring r;
	context c;
	ends p;

	OR_SKIP(r);
	an_op op;
	std::set<uint64_t> old;
	size_t rounds = scaled(20000) + 10;
	for (size_t i = 0; i < rounds; i++) {
		uint64_t ud = r.read(p.in(), i & 1 ? c.c : nullptr, op);

		/* generations of a slot come back after 2^23 ops only */
		CHECK(old.insert(ud).second);
		CHECK(r.feed(ud, 7));
		CHECK(op.calls == (int)i + 1);
		CHECK(r.feed(ud, 8));
		CHECK(op.calls == (int)i + 1);
		CHECK(op.res == 7);
		/* no kernel has seen it: take the SQE back */
		r.u.sq.sqe_tail = r.u.sq.sqe_head;
	}
	CHECK(r.stats().stale == rounds);
	CHECK(r.stats().in_flight == 0);
}

TEST_CASE("forged: answers that only detach asks for", "[forged]")
{
	ring r;
	context c;
	ends p;
	an_op op;

	OR_SKIP(r);
	r.read(p.in(), c, op);
	(void)r.turn();
	r.submit();
	for (int res : RESULTS) {
		CHECK(r.feed(forge(0, 1, KIND_UNWAKE), res));
		CHECK(r.feed(forge(0, 0, KIND_UNWAKE), res));
		CHECK(r.feed(forge(0, 0, KIND_OWED), res));
		CHECK(r.feed(forge(2, 1, KIND_ALARM), res));
	}
	CHECK(r.stats().stale == 4 * sizeof(RESULTS) / sizeof(RESULTS[0]));
	urctx_cancel(c);
	REQUIRE(r.until_ended(op));
	/* and detach still waits for its own: nothing of ours is left behind it */
	REQUIRE(urctx_ring_detach(r.r, urctx_now() + PATIENCE) == 0);
	r.r = nullptr;
	struct io_uring_cqe *cqe = nullptr;
	CHECK(io_uring_peek_cqe(&r.u, &cqe) == -EAGAIN);
}
