/* SPDX-License-Identifier: MIT */
/* callback.cpp - G6, on one thread: after, try_stop, stop, and what fn may do */
#include <catch2/catch.hpp>
#include "support.hpp"

TEST_CASE("G6: a callback runs once, at the end of its context", "[G6]")
{
	struct urctx *top = derive(nullptr), *ctx = derive(top);
	counted own, above;

	REQUIRE(own.after(ctx) == 0);
	REQUIRE(above.after(top) == 0);
	CHECK(own.ran == 0);
	CHECK(urctx_cancel(ctx));
	CHECK(own.ran == 1);
	CHECK(above.ran == 0);
	CHECK_FALSE(urctx_cancel(ctx));
	CHECK(urctx_cancel(top));
	CHECK(own.ran == 1);
	CHECK(above.ran == 1);
	CHECK_FALSE(urctx_try_stop(&own.cb));
	CHECK_FALSE(urctx_stop(&own.cb));
	urctx_put(ctx);
	urctx_put(top);
}

TEST_CASE("G6: an ancestor's end runs the callbacks of all that is below", "[G6]")
{
	struct urctx *path[5] = { derive(nullptr) };
	counted cbs[5][20];

	for (int i = 1; i < 5; i++)
		path[i] = derive(path[i - 1]);
	for (int i = 0; i < 5; i++)
		for (auto &cb : cbs[i])
			REQUIRE(cb.after(path[i]) == 0);
	CHECK(urctx_cancel(path[1]));
	for (int i = 0; i < 5; i++)
		for (auto &cb : cbs[i])
			CHECK(cb.ran == (i >= 1));
	for (auto &cb : cbs[0])
		CHECK(urctx_stop(&cb.cb));
	for (struct urctx *ctx : path)
		urctx_end(ctx);
	for (auto &cb : cbs[0])
		CHECK(cb.ran == 0);
}

TEST_CASE("G6: a callback finds its whole subtree done and the cause in place", "[G6]")
{
	const struct urctx_cause *why = URCTX_CAUSE(-9, "the reason");
	struct urctx *top = derive(nullptr), *mid = derive(top), *leaf = derive(mid);
	int right = 0;
	counted cb;

	cb.also = [&] {
		right += same_word(top, why) + same_word(mid, why) +
			 same_word(leaf, why);
	};
	REQUIRE(cb.after(mid) == 0);
	CHECK(urctx_cancel_cause(top, why));
	CHECK(right == 3);
	for (struct urctx *ctx : { leaf, mid, top })
		urctx_put(ctx);
}

TEST_CASE("G6: on a done context it runs before after is back, on this thread", "[G6]")
{
	struct urctx *ctx = derive(nullptr);
	pthread_t self = pthread_self();
	bool here = false;
	counted cb;

	urctx_cancel(ctx);
	cb.also = [&] { here = pthread_equal(self, pthread_self()); };
	REQUIRE(cb.after(ctx) == 0);
	CHECK(cb.ran == 1);
	CHECK(here);
	CHECK_FALSE(urctx_stop(&cb.cb));
	urctx_put(ctx);
}

TEST_CASE("G6: what was stopped never runs, and can be armed again", "[G6]")
{
	struct urctx *ctx = derive(nullptr);
	counted cb;

	CHECK_FALSE(urctx_stop(&cb.cb));
	CHECK_FALSE(urctx_try_stop(&cb.cb));
	for (int i = 0; i < 100; i++) {
		REQUIRE(cb.after(ctx) == 0);
		CHECK((i % 2 ? urctx_stop(&cb.cb) : urctx_try_stop(&cb.cb)));
		CHECK_FALSE((i % 3 ? urctx_stop(&cb.cb) : urctx_try_stop(&cb.cb)));
	}
	CHECK(urctx_cancel(ctx));
	CHECK(cb.ran == 0);
	REQUIRE(cb.after(ctx) == 0);
	CHECK(cb.ran == 1);
	urctx_put(ctx);
}

TEST_CASE("G6: a callback keeps its context alive until it has run", "[G6]")
{
	struct urctx *top = derive(nullptr), *mid = derive(top), *leaf = derive(mid);
	counted cb;

	/* Nobody holds the two contexts between top and the callback. */
	REQUIRE(cb.after(leaf) == 0);
	urctx_put(mid);
	urctx_put(leaf);
	CHECK(cb.ran == 0);
	CHECK(urctx_cancel(top));
	CHECK(cb.ran == 1);
	urctx_put(top);
}

TEST_CASE("G6: a callback whose context is gone can still be stopped", "[G6]")
{
	struct urctx *ctx = derive(nullptr);
	counted cb;

	REQUIRE(cb.after(ctx) == 0);
	urctx_put(ctx);
	CHECK(urctx_stop(&cb.cb));
	CHECK_FALSE(urctx_stop(&cb.cb));
	CHECK(cb.ran == 0);
}

TEST_CASE("a late stop of a callback that ran harms nobody who came after",
	  "[G6][F10]")
{
	std::vector<std::unique_ptr<counted>> old;
	struct urctx *top = derive(nullptr);
	size_t n = scaled(20000), wrong = 0;

	/* The contexts die, their slots are others' by the time of the stop. */
	for (size_t i = 0; i < n; i++) {
		struct urctx *ctx = derive(top);
		counted now;

		old.push_back(std::make_unique<counted>());
		wrong += old.back()->after(ctx) != 0;
		urctx_end(ctx);
		wrong += now.after(top) != 0;
		wrong += urctx_stop(&old[i / 2]->cb);
		wrong += urctx_try_stop(&old[i]->cb);
		wrong += !urctx_stop(&now.cb) || now.ran;
	}
	for (auto &cb : old)
		wrong += cb->ran != 1;
	CHECK(wrong == 0);
	urctx_put(top);
}

TEST_CASE("G6: inside its own fn a callback's stop is false and comes back", "[G6][F10]")
{
	struct urctx *ctx = derive(nullptr), *done = derive(nullptr);
	bool stopped = true, tried = true;
	counted cb;

	cb.also = [&] {
		tried = urctx_try_stop(&cb.cb);
		stopped = urctx_stop(&cb.cb);
	};
	REQUIRE(cb.after(ctx) == 0);
	CHECK(urctx_cancel(ctx));
	CHECK(cb.ran == 1);
	CHECK_FALSE(stopped);
	CHECK_FALSE(tried);

	stopped = tried = true;
	urctx_cancel(done);
	REQUIRE(cb.after(done) == 0);
	CHECK(cb.ran == 2);
	CHECK_FALSE(stopped);
	CHECK_FALSE(tried);
	urctx_put(done);
	urctx_put(ctx);
}

TEST_CASE("G6: stop of an outer callback from one that is nested comes back", "[G6][F10]")
{
	struct urctx *a = derive(nullptr), *b = derive(nullptr);
	bool outer_stopped = true;
	counted outer, inner;

	outer.also = [&] { urctx_cancel(b); };
	inner.also = [&] { outer_stopped = urctx_stop(&outer.cb); };
	REQUIRE(outer.after(a) == 0);
	REQUIRE(inner.after(b) == 0);
	CHECK(urctx_cancel(a));
	CHECK(outer.ran == 1);
	CHECK(inner.ran == 1);
	CHECK_FALSE(outer_stopped);
	urctx_put(a);
	urctx_put(b);
}

TEST_CASE("G6: one callback may stop another of the same context", "[G6][F10]")
{
	for (size_t i = 0; i < 100; i++) {
		struct urctx *ctx = derive(nullptr);
		std::vector<counted> cbs(40);
		size_t stopped = 0, ran = 0;

		/* Whichever comes first stops all the others, or finds them run. */
		for (size_t k = 0; k < cbs.size(); k++) {
			cbs[k].also = [&, k] {
				for (size_t j = 0; j < cbs.size(); j += 1 + i % 3)
					stopped += j != k && urctx_stop(&cbs[j].cb);
			};
			REQUIRE(cbs[k].after(ctx) == 0);
		}
		CHECK(urctx_cancel(ctx));
		for (auto &cb : cbs) {
			CHECK(cb.ran <= 1);
			ran += (size_t)cb.ran;
		}
		CHECK(ran + stopped == cbs.size());
		urctx_put(ctx);
	}
}

/* A callback that frees the memory it is in, before it returns. */
struct unborn {
	struct urctx_callback cb;
	int *ran;
	struct urctx *drops;

	static void fn(struct urctx_callback *cb)
	{
		unborn *self = reinterpret_cast<unborn *>(cb);
		struct urctx *drops = self->drops;

		++*self->ran;
		delete self;
		urctx_put(drops);
	}
};

TEST_CASE("G6: a callback may free itself", "[G6][F10]")
{
	struct urctx *ctx = derive(nullptr), *child = derive(ctx);
	int ran = 0;

	for (int i = 0; i < 100; i++) {
		auto *self = new unborn{ {}, &ran, nullptr };

		REQUIRE(urctx_after(i % 2 ? ctx : child, &self->cb, unborn::fn) == 0);
	}
	CHECK(urctx_cancel(ctx));
	CHECK(ran == 100);
	auto *late = new unborn{ {}, &ran, nullptr };
	REQUIRE(urctx_after(child, &late->cb, unborn::fn) == 0);
	CHECK(ran == 101);
	urctx_put(child);
	urctx_put(ctx);
}

TEST_CASE("G6: a callback may drop the last reference of its own context", "[G6][F8]")
{
	struct urctx *top = derive(nullptr);
	int ran = 0;

	for (int i = 0; i < 200; i++) {
		struct urctx *ctx = derive(top);
		auto *self = new unborn{ {}, &ran, ctx };

		REQUIRE(urctx_after(ctx, &self->cb, unborn::fn) == 0);
	}
	CHECK(urctx_cancel(top));
	CHECK(ran == 200);
	urctx_put(top);
}

TEST_CASE("G6: a callback may drop the last reference of the root", "[G6][F8]")
{
	for (int i = 0; i < 1000; i++) {
		struct urctx *top = derive(nullptr), *mid = derive(top),
			     *leaf = derive(mid);
		int ran = 0;

		for (struct urctx *drops : { leaf, mid, top }) {
			auto *self = new unborn{ {}, &ran, drops };

			REQUIRE(urctx_after(i % 2 ? leaf : drops, &self->cb,
					    unborn::fn) == 0);
		}
		/* The reference that the canceller came with is one of them. */
		CHECK(urctx_cancel(top));
		CHECK(ran == 3);
	}
}

TEST_CASE("G6: inside fn the callback is the caller's again", "[G6][F23]")
{
	struct urctx *ctx = derive(nullptr), *next = derive(nullptr);
	int armed = -1;
	counted cb;

	cb.also = [&] {
		if (cb.ran == 1)
			armed = urctx_after(next, &cb.cb, counted::fn);
	};
	REQUIRE(cb.after(ctx) == 0);
	CHECK(urctx_cancel(ctx));
	CHECK(armed == 0);
	CHECK(cb.ran == 1);
	CHECK(urctx_cancel(next));
	CHECK(cb.ran == 2);
	CHECK_FALSE(urctx_stop(&cb.cb));

	/* And stop speaks of the newest registration. */
	struct urctx *third = derive(nullptr), *fourth = derive(nullptr);
	cb.also = [&] { armed = urctx_after(fourth, &cb.cb, counted::fn); };
	REQUIRE(cb.after(third) == 0);
	CHECK(urctx_cancel(third));
	CHECK(urctx_stop(&cb.cb));
	CHECK(urctx_cancel(fourth));
	CHECK(cb.ran == 3);
	for (struct urctx *one : { ctx, next, third, fourth })
		urctx_put(one);
}

TEST_CASE("G6: any call of the library may be made from inside a callback", "[G6]")
{
	struct urctx *top = derive(nullptr), *ctx = derive(top);
	size_t wrong = 0;
	counted cb;

	cb.also = [&] {
		struct urctx *root = derive(nullptr), *late = derive(ctx);
		counted below, born_done;

		wrong += urctx_err(late) != -ECANCELED;
		wrong += urctx_err(root) != 0 || urctx_cause(root);
		wrong += below.after(root) != 0 || born_done.after(late) != 0;
		wrong += born_done.ran != 1;
		wrong += urctx_wait(ctx, URCTX_NEVER) != 0;
		wrong += urctx_wait(root, urctx_now()) != -ETIME;
		wrong += !urctx_stop(&below.cb);
		wrong += urctx_cancel(top) || urctx_cancel(ctx);
		urctx_put(urctx_get(ctx));
		urctx_put(late);
		urctx_end(root);
	};
	REQUIRE(cb.after(ctx) == 0);
	CHECK(urctx_cancel(top));
	CHECK(cb.ran == 1);
	CHECK(wrong == 0);
	urctx_put(ctx);
	urctx_put(top);
}
