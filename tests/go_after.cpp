/* SPDX-License-Identifier: MIT */
/*
 * go_after.cpp - Go's tests of AfterFunc, and of parents that bring their own
 *
 * Go calls the function on a goroutine of its own.  Here it is called by the
 * canceller, or by the housekeeper for a deadline.
 */
#include "go.hpp"

TEST_CASE("T-27 a callback runs with the cancel, not before", "[go]")
{
	family f;
	struct urctx *ctx = f.cancelable(nullptr);
	counted cb;

	REQUIRE(cb.after(ctx) == 0);
	CHECK(cb.ran == 0);
	CHECK(cancel_plain(ctx));
	CHECK(cb.ran == 1);
	CHECK_FALSE(urctx_stop(&cb.cb));
}

TEST_CASE("T-28 a callback runs after a timeout", "[go]")
{
	family f;
	struct urctx *ctx = f.timeout(nullptr, MS);
	counted cb;
	int err = 0;
	gate ran;

	cb.also = [&] {
		err = urctx_err(ctx);
		ran.set();
	};
	REQUIRE(cb.after(ctx) == 0);
	ran.wait();
	CHECK(err == -ETIME);
	CHECK_FALSE(urctx_stop(&cb.cb));
	CHECK(cb.ran == 1);
}

TEST_CASE("T-29 a callback on a cancelled context runs at once", "[go]")
{
	family f;
	struct urctx *ctx = f.cancelable(nullptr);
	counted cb;

	cancel_plain(ctx);
	REQUIRE(cb.after(ctx) == 0);
	CHECK(cb.ran == 1);
}

TEST_CASE("T-30 a callback that was stopped does not run", "[go]")
{
	family f;
	struct urctx *ctx = f.cancelable(nullptr);
	counted cb;

	REQUIRE(cb.after(ctx) == 0);
	CHECK(urctx_stop(&cb.cb));
	CHECK(cancel_plain(ctx));
	CHECK(cb.ran == 0);
	CHECK_FALSE(urctx_stop(&cb.cb));
	CHECK_FALSE(urctx_try_stop(&cb.cb));
}

/*
 * Go: cancel() returns while the function blocks.  Here that is so for all but
 * the thread that runs it, and urctx_ring_after() takes it off that one.
 */
TEST_CASE("T-31 a callback that blocks keeps no other canceller", "[go]")
{
	family f;
	struct urctx *parent = f.cancelable(nullptr), *ctx = f.cancelable(parent);
	gate entered, proceed;
	counted cb;

	cb.also = [&] {
		entered.set();
		proceed.wait();
	};
	REQUIRE(cb.after(ctx) == 0);
	thread winner([&] { cancel_plain(ctx); });
	entered.wait();
	CHECK_FALSE(cancel_plain(ctx));
	CHECK(cancel_plain(parent));
	CHECK_FALSE(urctx_try_stop(&cb.cb));
	proceed.set();
	winner.join();
	CHECK(cb.ran == 1);
}

/*
 * Go: a custom parent that implements AfterFunc, to which derivations leave
 * their hooks.  Here a stranger's end reaches a context by a callback of the
 * user's, and the hooks of a joint context are the library's own.
 */
namespace
{
struct hook : counted {
	hook(struct urctx *stranger, struct urctx *ctx)
	{
		also = [=] { urctx_cancel_cause(ctx, urctx_cause(stranger)); };
		armed = after(stranger);
	}
	int armed;
};
}

TEST_CASE("T-33 a stranger's end reaches a context by a callback", "[go]")
{
	family f;
	struct urctx *stranger = f.cancelable(nullptr),
		     *ctx = f.cancelable(nullptr);
	struct hook hook(stranger, ctx);

	REQUIRE(hook.armed == 0);
	CHECK(is_live(ctx));
	CHECK(cancel_plain(stranger));
	CHECK(is_canceled(ctx));
}

TEST_CASE("T-34 a stranger's end reaches one with a timeout", "[go]")
{
	family f;
	struct urctx *stranger = f.cancelable(nullptr),
		     *ctx = f.timeout(nullptr, 1000 * HOUR);
	struct hook hook(stranger, ctx);

	REQUIRE(hook.armed == 0);
	CHECK(is_live(ctx));
	CHECK(cancel_plain(stranger));
	CHECK(is_canceled(ctx));
}

TEST_CASE("T-35 a callback on a joint context runs by a stranger's end", "[go]")
{
	family f;
	struct urctx *mine = f.cancelable(nullptr),
		     *stranger = f.cancelable(nullptr);
	struct urctx *joint = f.any({ mine, stranger });
	counted cb;

	REQUIRE(cb.after(joint) == 0);
	CHECK(cb.ran == 0);
	CHECK(cancel_plain(stranger));
	CHECK(cb.ran == 1);
	CHECK(is_live(mine));
}

static void leaves_both(struct urctx *one, struct urctx *two, int64_t timeout)
{
	family f;
	std::vector<struct urctx *> joints;

	for (size_t i = 0; i < 2; i++) {
		struct urctx *joint = f.any({ one, two });

		joints.push_back(timeout ? f.timeout(joint, timeout) :
					   f.cancelable(joint));
		CHECK(count_below(two) == i + 1);
	}
	for (struct urctx *ctx : joints)
		CHECK(cancel_plain(ctx));
}

TEST_CASE("T-36 two joint contexts leave two hooks, and take them back", "[go]")
{
	family f;
	struct urctx *one = f.cancelable(nullptr), *two = f.cancelable(nullptr);

	leaves_both(one, two, 0);
	CHECK(count_below(one) == 0);
	CHECK(count_below(two) == 0);
}

TEST_CASE("T-37 a joint context with a timeout takes its hook back", "[go]")
{
	family f;
	struct urctx *one = f.cancelable(nullptr), *two = f.cancelable(nullptr);

	leaves_both(one, two, HOUR);
	CHECK(count_below(one) == 0);
	CHECK(count_below(two) == 0);
}

TEST_CASE("T-38 a callback that is stopped leaves nothing behind", "[go]")
{
	family f;
	struct urctx *one = f.cancelable(nullptr), *two = f.cancelable(nullptr);
	struct urctx *joint = f.any({ one, two });
	counted cb;

	REQUIRE(cb.after(joint) == 0);
	CHECK(count_below(joint) == 1);
	CHECK(urctx_stop(&cb.cb));
	CHECK(count_below(joint) == 0);
}
