/* SPDX-License-Identifier: MIT */
/* ring_idle.cpp - when nothing of a context is left on a ring */
#include "ring_support.hpp"

static const struct urctx_cause why = { "why", nullptr, nullptr, 0, -1 };

struct idle {
	static void fn(struct urctx_callback *cb)
	{
		idle *self = reinterpret_cast<idle *>(cb);

		self->calls++;
		if (self->then)
			self->then();
	}

	struct urctx_callback cb = {};	/* first: fn() gets its address */
	int calls = 0;
	std::function<void()> then;
};

static void arm(ring &r, struct urctx *ctx, idle &i)
{
	REQUIRE(urctx_ring_idle(r.r, ctx, &i.cb, idle::fn) == 0);
}

TEST_CASE("idle: behind the last op, when the context has ended", "[ring][idle]")
{
	for (bool elsewhere : { false, true }) {
		ends p, q;
		context ctx;
		an_op a, b;
		idle i;
		ring r(8);
		OR_SKIP(r);

		arm(r, ctx, i);
		r.read(p.in(), ctx, a);
		r.read(q.in(), ctx, b);
		p.put();
		REQUIRE(r.until_ended(a));
		CHECK(r.turn() != 0);
		CHECK(!i.calls);
		i.then = [&] {
			CHECK(b.ended());
			CHECK(b.cause == &why);
		};
		if (elsewhere)
			cancel_elsewhere(ctx, &why);
		else
			urctx_cancel_cause(ctx, &why);
		REQUIRE(r.until([&] { return i.calls; }));
		CHECK(i.calls == 1);
		CHECK(!urctx_try_stop(&i.cb));
	}
}

TEST_CASE("idle: of a context without ops, live and ended", "[ring][idle]")
{
	ends p;
	context ctx;
	an_op op;
	idle i, late, never;

	ring r(8);
	OR_SKIP(r);
	arm(r, nullptr, never);
	arm(r, ctx, i);
	r.read(p.in(), ctx, op);
	p.put();
	REQUIRE(r.until_ended(op));
	CHECK(!i.calls);
	urctx_cancel(ctx);
	CHECK(r.turn() == 0);
	CHECK(i.calls == 1);
	arm(r, ctx, late);
	CHECK(r.turn() == 0);
	CHECK(late.calls == 1);
	CHECK(!never.calls);
	CHECK(urctx_try_stop(&never.cb));
}

TEST_CASE("idle: what is bound to a context that has ended counts", "[ring][idle]")
{
	for (bool told : { false, true }) {
		ends p;
		context ctx;
		an_op first, again, more;
		idle i, late;
		ring r(8);
		OR_SKIP(r);

		arm(r, ctx, i);
		r.read(p.in(), ctx, first);
		first.then = [&] {
			r.read(p.in(), ctx, again);
		};
		again.then = [&] {
			r.read(p.in(), ctx, more);
			arm(r, ctx, late);
		};
		more.then = [&] {
			CHECK(!i.calls);
			CHECK(!late.calls);
		};
		r.submit();
		urctx_cancel_cause(ctx, &why);
		if (told)
			(void)r.turn();
		REQUIRE(r.until([&] { return i.calls && late.calls; }));
		CHECK(again.res == -ECANCELED);
		CHECK(again.cause == &why);
		CHECK(more.ended());
	}
}

TEST_CASE("idle: stopped, and taken back by detach", "[ring][idle]")
{
	ends p;
	context ctx, live;
	an_op op;
	idle stopped, kept, taken;

	{
		ring r(8);
		OR_SKIP(r);
		r.read(p.in(), ctx, op);
		arm(r, ctx, stopped);
		arm(r, ctx, kept);
		arm(r, live, taken);
		CHECK(urctx_stop(&stopped.cb));
		CHECK(!urctx_stop(&stopped.cb));
		urctx_cancel(ctx);
		REQUIRE(urctx_ring_detach(r.r, urctx_now() + PATIENCE) == 0);
		r.r = nullptr;
	}
	CHECK(op.ended());
	CHECK(!stopped.calls);
	CHECK(kept.calls == 1);
	CHECK(!taken.calls);
	CHECK(!urctx_try_stop(&taken.cb));
}

TEST_CASE("idle: an op of a child does not count", "[ring][idle]")
{
	ends p;
	context ctx, child(static_cast<struct urctx *>(ctx));
	an_op op;
	idle i;

	ring r(8);
	OR_SKIP(r);
	r.read(p.in(), child, op);
	arm(r, ctx, i);
	urctx_cancel(ctx);
	REQUIRE(r.until([&] { return i.calls; }));
	REQUIRE(r.until_ended(op));
}

TEST_CASE("idle: an op that is bound before the turn is waited for", "[ring][idle]")
{
	ends p;
	context ctx;
	an_op first, between, by_call;
	idle after, i, again;
	unsigned left = 99;

	ring r(8);
	OR_SKIP(r);
	arm(r, ctx, i);
	i.then = [&] {
		left = (unsigned)r.stats().in_flight;
		if (!again.calls)
			arm(r, ctx, again);	/* the next time: not for ever */
	};
	REQUIRE(urctx_ring_after(r.r, ctx, &after.cb, idle::fn) == 0);
	after.then = [&] {
		r.read(p.in(), ctx, by_call);
	};
	r.read(p.in(), ctx, first);
	urctx_cancel(ctx);
	REQUIRE(r.until_ended(first));
	r.read(p.in(), ctx, between);
	REQUIRE(r.until([&] { return i.calls; }));
	CHECK(left == 0);
	CHECK(between.ended());
	CHECK(by_call.ended());
	REQUIRE(r.until([&] { return again.calls; }));
	CHECK(i.calls == 1);
}
