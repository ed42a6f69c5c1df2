/* SPDX-License-Identifier: MIT */
/* go_cause.cpp - Go's tests of which cause a context ends with */
#include "go.hpp"

static const struct urctx_cause *pc()
{
	return URCTX_CAUSE(1, "parent's cause");
}

static const struct urctx_cause *cc()
{
	return URCTX_CAUSE(2, "child's cause");
}

static const struct urctx_cause *too_slow()
{
	return URCTX_CAUSE(3, "too slow");
}

static const struct urctx_cause *finished_early()
{
	return URCTX_CAUSE(4, "finished early");
}

namespace
{
struct pair {
	family f;
	struct urctx *parent = f.cancelable(nullptr),
		     *child = f.cancelable(parent);
};

/*
 * Go: a custom context over a standard one, each with an end of its own; here
 * one that ends with either of two.
 */
struct custom {
	family f;
	struct urctx *std = f.cancelable(nullptr), *own = f.cancelable(nullptr),
		     *ctx = f.any({ own, std });
};
}

TEST_CASE("T-22.1 Cause: the background", "[go]")
{
	CHECK(urctx_err(urctx_background()) == 0);
	CHECK(urctx_cause(urctx_background()) == nullptr);
}

TEST_CASE("T-22.2 Cause: NULL", "[go]")
{
	CHECK(urctx_err(nullptr) == 0);
	CHECK(urctx_cause(nullptr) == nullptr);
}

TEST_CASE("T-22.3 Cause: a plain cancel", "[go]")
{
	family f;
	struct urctx *ctx = f.cancelable(nullptr);

	CHECK(cancel_plain(ctx));
	CHECK(is_canceled(ctx));
}

TEST_CASE("T-22.4 Cause: a cancel with a cause", "[go]")
{
	family f;
	struct urctx *ctx = f.cancelable(nullptr);

	CHECK(urctx_cancel_cause(ctx, pc()));
	CHECK(is_ended(ctx, -ECANCELED, pc()));
}

TEST_CASE("T-22.5 Cause: a cancel with NULL for a cause", "[go]")
{
	family f;
	struct urctx *ctx = f.cancelable(nullptr);

	CHECK(urctx_cancel_cause(ctx, nullptr));
	CHECK(is_ended(ctx, -ECANCELED, &urctx_canceled));
}

TEST_CASE("T-22.6 Cause: the parent with a cause, then the child with its own", "[go]")
{
	struct pair p;

	CHECK(urctx_cancel_cause(p.parent, pc()));
	CHECK_FALSE(urctx_cancel_cause(p.child, cc()));
	CHECK(is_ended(p.parent, -ECANCELED, pc()));
	CHECK(is_ended(p.child, -ECANCELED, pc()));
}

TEST_CASE("T-22.7 Cause: the child with a cause, then the parent with its own", "[go]")
{
	struct pair p;

	CHECK(urctx_cancel_cause(p.child, cc()));
	CHECK(urctx_cancel_cause(p.parent, pc()));
	CHECK(is_ended(p.parent, -ECANCELED, pc()));
	CHECK(is_ended(p.child, -ECANCELED, cc()));
}

TEST_CASE("T-22.8 Cause: the parent with a cause, then the child plainly", "[go]")
{
	struct pair p;

	CHECK(urctx_cancel_cause(p.parent, pc()));
	CHECK_FALSE(cancel_plain(p.child));
	CHECK(is_ended(p.parent, -ECANCELED, pc()));
	CHECK(is_ended(p.child, -ECANCELED, pc()));
}

TEST_CASE("T-22.9 Cause: the child plainly, then the parent with a cause", "[go]")
{
	struct pair p;

	CHECK(cancel_plain(p.child));
	CHECK(urctx_cancel_cause(p.parent, pc()));
	CHECK(is_ended(p.parent, -ECANCELED, pc()));
	CHECK(is_canceled(p.child));
}

TEST_CASE("T-22.10 Cause: the parent plainly, then the child with a cause", "[go]")
{
	struct pair p;

	CHECK(cancel_plain(p.parent));
	CHECK_FALSE(urctx_cancel_cause(p.child, cc()));
	CHECK(is_canceled(p.parent));
	CHECK(is_canceled(p.child));
}

TEST_CASE("T-22.11 Cause: the child with a cause, then the parent plainly", "[go]")
{
	struct pair p;

	CHECK(urctx_cancel_cause(p.child, cc()));
	CHECK(cancel_plain(p.parent));
	CHECK(is_canceled(p.parent));
	CHECK(is_ended(p.child, -ECANCELED, cc()));
}

TEST_CASE("T-22.12 Cause: a timeout of 0, then a cancel", "[go]")
{
	family f;
	struct urctx *ctx = f.timeout(nullptr, 0);

	CHECK_FALSE(cancel_plain(ctx));
	CHECK(is_ended(ctx, -ETIME, &urctx_deadline_exceeded));
}

TEST_CASE("T-22.13 Cause: a timeout far away, and a cancel", "[go]")
{
	family f;
	struct urctx *ctx = f.timeout(nullptr, HOUR);

	CHECK(cancel_plain(ctx));
	CHECK(is_canceled(ctx));
}

TEST_CASE("T-22.14 Cause: a timeout of 0 with a cause, then a cancel", "[go]")
{
	family f;
	struct urctx *ctx = f.timeout(nullptr, 0, too_slow());

	CHECK_FALSE(cancel_plain(ctx));
	CHECK(is_ended(ctx, -ETIME, too_slow()));
}

TEST_CASE("T-22.15 Cause: the timeout's is not a cancel's", "[go]")
{
	family f;
	struct urctx *ctx = f.timeout(nullptr, HOUR, too_slow());

	CHECK(cancel_plain(ctx));
	CHECK(is_canceled(ctx));
}

TEST_CASE("T-22.16 Cause: a child that expired, then its parent's cancel", "[go]")
{
	family f;
	struct urctx *parent = f.cancelable(nullptr);
	struct urctx *child = f.timeout(parent, 0, too_slow());

	CHECK(urctx_cancel_cause(parent, finished_early()));
	CHECK(is_ended(child, -ETIME, too_slow()));
	CHECK(is_ended(parent, -ECANCELED, finished_early()));
}

TEST_CASE("T-22.17 Cause: a child with time left, and its parent's cancel", "[go]")
{
	family f;
	struct urctx *parent = f.cancelable(nullptr);
	struct urctx *child = f.timeout(parent, HOUR, too_slow());

	CHECK(urctx_cancel_cause(parent, finished_early()));
	CHECK(is_ended(child, -ECANCELED, finished_early()));
}

TEST_CASE("T-22.18 Cause: a shield of the background", "[go]")
{
	family f;

	CHECK(is_live(f.shield(nullptr)));
}

TEST_CASE("T-22.19 Cause: a shield of one that was cancelled with a cause", "[go]")
{
	family f;
	struct urctx *ctx = f.cancelable(nullptr);

	CHECK(urctx_cancel_cause(ctx, pc()));
	CHECK(is_live(f.shield(ctx)));
}

TEST_CASE("T-22.20 Cause: a shield of one that expired with a cause", "[go]")
{
	family f;
	struct urctx *ctx = f.timeout(nullptr, 0, too_slow());

	CHECK(is_live(f.shield(ctx)));
	CHECK(is_ended(ctx, -ETIME, too_slow()));
}

TEST_CASE("T-22.21 Cause: a joint context, its own end alone", "[go]")
{
	struct custom c;

	CHECK(cancel_plain(c.own));
	CHECK(is_canceled(c.ctx));
	CHECK(is_live(c.std));
}

TEST_CASE("T-22.22 Cause: a joint context, the other's end first", "[go]")
{
	struct custom c;

	CHECK(urctx_cancel_cause(c.std, pc()));
	CHECK(cancel_plain(c.own));
	CHECK(is_ended(c.ctx, -ECANCELED, pc()));
}

/* Go has pc here, and calls it "not really right": it came second. */
TEST_CASE("T-22.23 Cause: a joint context, its own end first", "[go]")
{
	struct custom c;

	CHECK(cancel_plain(c.own));
	CHECK(urctx_cancel_cause(c.std, pc()));
	CHECK(is_canceled(c.ctx));
}

TEST_CASE("T-23 the first cause that a poller sees is the last", "[go]")
{
	const struct urctx_cause *why = URCTX_CAUSE(23, "at once");
	size_t wrong = 0;

	for (size_t i = 0, n = scaled(300); i < n; i++) {
		struct urctx *ctx = derive(nullptr);
		const struct urctx_cause *seen = nullptr;

		together({
			[&] { urctx_cancel_cause(ctx, why); },
			[&] {
				while (!(seen = urctx_cause(ctx)))
					;
			},
		});
		wrong += seen != why || urctx_cause(ctx) != why;
		urctx_put(ctx);
	}
	CHECK(wrong == 0);
}

/* Between ancestor and descendant stands one that ends when it wants. */
TEST_CASE("T-25 an ancestor's cause passes by one that ends later", "[go]")
{
	family f;
	struct urctx *ancestor = f.cancelable(nullptr);
	struct urctx *between = f.shield(ancestor);
	struct urctx *descendant = f.cancelable(between);

	CHECK(urctx_cancel_cause(ancestor, pc()));
	CHECK(is_live(descendant));
	CHECK(urctx_cancel_cause(between, urctx_cause(ancestor)));
	CHECK(is_ended(descendant, -ECANCELED, pc()));
}

TEST_CASE("T-26.1 a parent of another make, cancelled", "[go]")
{
	struct pair p;

	CHECK(cancel_plain(p.parent));
	CHECK(is_canceled(p.parent));
	CHECK(is_canceled(p.child));
}

TEST_CASE("T-26.2 a parent of another make does not feel its child's end", "[go]")
{
	struct pair p;

	CHECK(urctx_cancel_cause(p.child, cc()));
	CHECK(is_ended(p.child, -ECANCELED, cc()));
	CHECK(is_live(p.parent));
}

TEST_CASE("T-26.3 a parent's later end changes no child's cause", "[go]")
{
	struct pair p;

	CHECK(urctx_cancel_cause(p.child, cc()));
	CHECK(cancel_plain(p.parent));
	CHECK(is_ended(p.child, -ECANCELED, cc()));
	CHECK(is_canceled(p.parent));
}

TEST_CASE("T-26.4 a stranger that ends a context in its own callback", "[go]")
{
	family f;
	struct urctx *stranger = f.cancelable(nullptr),
		     *child = f.cancelable(nullptr);
	counted hook;

	hook.also = [&] { cancel_plain(child); };
	REQUIRE(hook.after(stranger) == 0);
	CHECK(is_live(child));
	CHECK(urctx_cancel_cause(stranger, pc()));
	CHECK(is_canceled(child));
	CHECK(is_ended(stranger, -ECANCELED, pc()));
}
