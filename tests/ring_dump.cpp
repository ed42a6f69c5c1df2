/* SPDX-License-Identifier: MIT */
/* ring_dump.cpp - urctx_dump() says how many ops of a ring hang on a context */
#include "dump.hpp"
#include "ring_support.hpp"

TEST_CASE("dump counts the ops that are bound", "[ring][dump]")
{
	ends p, silent;
	an_op op[3], other;

	ring r(16), second(16);
	OR_SKIP(r);
	OR_SKIP(second);
	owned root, a(root.ctx);
	const names known = { { root, "root" }, { a, "a" } };
	auto look = [&] {
		return std::regex_replace(dumped(root, known).text,
					  std::regex("0x[0-9a-f]+ ring"), "ring");
	};

	for (an_op &o : op)
		r.read(p.in(), a, o);
	second.read(silent.in(), root, other);
	CHECK(look() == "root live refs=2\n"
			"  a live refs=2\n"
			"    ring armed ops=3\n"
			"  ring armed ops=1\n");
	r.submit();
	second.submit();
	p.put();
	REQUIRE(r.until([&] { return op[0].ended() || op[1].ended() || op[2].ended(); }));
	CHECK(look() == "root live refs=2\n"
			"  a live refs=2\n"
			"    ring armed ops=2\n"
			"  ring armed ops=1\n");
	urctx_cancel_cause(root, nullptr);
	for (an_op &o : op)
		REQUIRE(r.until_ended(o));
	REQUIRE(second.until_ended(other));
	CHECK(look() == "root done -ECANCELED \"canceled\" refs=1\n"
			"  a done -ECANCELED \"canceled\" refs=1\n");
}

TEST_CASE("dump while a ring is busy, and goes", "[ring][dump]")
{
	std::atomic<bool> over{ false };
	findings seen;
	ring probe(8);

	OR_SKIP(probe);
	owned root;
	together({ [&] {
		for (size_t i = 0; i < scaled(200); i++) {
			dumped d(root, {}, true);
			std::istringstream in(d.text);

			seen.expect(d.ret >= 1, "urctx_dump");
			for (std::string one; std::getline(in, one);)
				seen.expect(line(one).ok, one.c_str());
		}
		over = true;
	}, [&] {
		while (!over) {
			ends p;
			an_op op[4];
			ring r(16);
			owned a(root.ctx);

			if (r.error) {
				seen.expect(false, "io_uring_setup");
				break;
			}
			for (an_op &o : op) {
				struct io_uring_sqe *s = urctx_ring_sqe(r.r);

				io_uring_prep_read(s, p.in(), o.buf, sizeof(o.buf), 0);
				seen.expect(!urctx_ring_bind(r.r, s, a, &o.op), "bind");
			}
			urctx_cancel_cause(a, nullptr);
			seen.expect(!urctx_ring_drain(r.r, a, urctx_now() + PATIENCE), "drain");
			seen.expect(!urctx_ring_detach(r.r, urctx_now() + PATIENCE), "detach");
			r.r = nullptr;
		}
	} });
	REQUIRE_NOTHING_IN(seen);
}
