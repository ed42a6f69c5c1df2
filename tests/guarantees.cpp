/* SPDX-License-Identifier: MIT */
/* guarantees.cpp - G1, G3, G4, G7, G8 and G12 of urctx.h; G2 is in cancel.cpp */
#include <catch2/catch.hpp>
#include <urcu-bp.h>
#include "support.hpp"

/* Whoever sees one of done, err and cause sees the others and what is in them. */
static void watch(struct urctx *ctx, int first, struct findings *f)
{
	const struct urctx_cause *why = nullptr;

	switch (first) {
	case 0:
		while (!urctx_done(ctx))
			;
		break;
	case 1:
		while (!urctx_err(ctx))
			;
		break;
	default:
		while (!(why = urctx_cause(ctx)))
			;
	}
	f->expect(urctx_done(ctx), "done is behind");
	f->expect(urctx_err(ctx) == -ECANCELED, "err is behind");
	f->expect(urctx_cause(ctx) && (!why || urctx_cause(ctx) == why),
		  "the cause is behind, or another");
	f->expect(urctx_cause(ctx)->code == -1234, "the cause is not written yet");
}

TEST_CASE("G1: done, err and cause are one word, whoever looks first", "[G1]")
{
	struct findings f;

	for (size_t i = 0, n = scaled(1500); i < n; i++) {
		struct urctx *top = derive(nullptr), *ctx = derive(top);
		auto why = std::make_unique<struct urctx_cause>();

		together({
			[&] { watch(ctx, (int)(i % 3), &f); },
			[&] {
				*why = { "made just now", "a file", "a function", 1, -1234 };
				urctx_cancel_cause(i % 2 ? ctx : top, why.get());
			},
		});
		f.expect(same_word(ctx, why.get()), "not what was said");
		urctx_put(ctx);
		urctx_put(top);
	}
	REQUIRE_NOTHING_IN(f);
}

TEST_CASE("G1: a context that is done stays as it is", "[G1]")
{
	const struct urctx_cause *why = URCTX_CAUSE(-1, "the first");
	struct urctx *top = derive(nullptr), *ctx = derive(top);

	CHECK(urctx_cancel_cause(ctx, why));
	CHECK(same_word(ctx, why));
	CHECK(urctx_err(top) == 0);
	CHECK(urctx_cancel(top));
	urctx_put(derive(ctx));
	CHECK(same_word(ctx, why));
	urctx_put(top);
	CHECK(same_word(ctx, why));
	urctx_put(ctx);
}

TEST_CASE("G3: a child that is born after its parent's end is born done", "[G3]")
{
	const struct urctx_cause *why = URCTX_CAUSE(3, "the parent's");
	struct urctx *top = derive(nullptr), *mid = derive(top);
	counted cb;

	CHECK(urctx_cancel_cause(top, why));
	for (struct urctx *parent : { top, mid }) {
		struct urctx *child = derive(parent), *below = derive(child);

		CHECK(same_word(child, why));
		CHECK(same_word(below, why));
		CHECK_FALSE(urctx_cancel(child));
		REQUIRE(cb.after(below) == 0);
		urctx_put(child);
		urctx_put(below);
	}
	CHECK(cb.ran == 2);
	urctx_put(mid);
	urctx_put(top);
}

/* Children made while their parent is cancelled: done when both are back. */
static void born_in_the_middle(size_t rounds, size_t children, size_t before)
{
	const struct urctx_cause *why = URCTX_CAUSE(-5, "in the middle");
	struct findings f;

	for (size_t i = 0; i < rounds; i++) {
		struct urctx *top = derive(nullptr), *parent = derive(top);
		std::vector<struct urctx *> born[2], old;
		auto make = [&](std::vector<struct urctx *> *list) {
			for (size_t k = 0; k < children; k++)
				list->push_back(derive(k % 3 == 2 ? list->back() : parent));
		};

		for (size_t k = 0; k < before; k++)
			old.push_back(derive(parent));
		together({
			[&] { make(&born[0]); },
			[&] { make(&born[1]); },
			[&] { urctx_cancel_cause(i % 2 ? top : parent, why); },
		});
		for (auto list : { &born[0], &born[1], &old })
			for (struct urctx *ctx : *list) {
				f.expect(same_word(ctx, why), "a child was lost");
				urctx_put(ctx);
			}
		urctx_put(parent);
		urctx_put(top);
	}
	REQUIRE_NOTHING_IN(f);
}

TEST_CASE("G3: no first child is lost in a race with the cancel", "[G3]")
{
	born_in_the_middle(scaled(2000), 1, 0);
}

TEST_CASE("G3: no later child is lost in a race with the cancel", "[G3]")
{
	born_in_the_middle(scaled(1000), 50, 20);
}

TEST_CASE("G3: no child is lost where the parent grows by whole chunks", "[G3]")
{
	born_in_the_middle(scaled(100), 3000, 500);
}

TEST_CASE("G4: of many cancels one wins, and its cause stays", "[G4]")
{
	constexpr int N = 4;
	struct findings f;

	for (size_t i = 0, n = scaled(1500); i < n; i++) {
		struct urctx *ctx = derive(nullptr), *child = derive(ctx);
		struct urctx_cause why[N];
		std::atomic<int> winner{ -1 }, winners{ 0 };
		std::vector<std::function<void()>> all;

		for (int k = 0; k < N; k++)
			all.push_back([&, k] {
				why[k] = { "mine", nullptr, nullptr, 0, k + 1 };
				if (urctx_cancel_cause(ctx, &why[k])) {
					winner = k;
					winners++;
				}
				f.expect(urctx_done(child), "a loser came back too early");
			});
		together(all);
		f.expect(winners == 1, "not one winner");
		f.expect(winner >= 0 && same_word(ctx, &why[winner]), "another's cause");
		f.expect(winner >= 0 && same_word(child, &why[winner]),
			 "another's cause below");
		urctx_put(child);
		urctx_put(ctx);
	}
	REQUIRE_NOTHING_IN(f);
}

TEST_CASE("G4: an ancestor that comes later changes nothing", "[G4]")
{
	const struct urctx_cause *mine = URCTX_CAUSE(1, "mine"),
				 *theirs = URCTX_CAUSE(2, "theirs");
	struct urctx *top = derive(nullptr), *mid = derive(top), *leaf = derive(mid);
	struct urctx *other = derive(top);

	CHECK(urctx_cancel_cause(mid, mine));
	CHECK(urctx_cancel_cause(top, theirs));
	CHECK(same_word(mid, mine));
	CHECK(same_word(leaf, mine));
	CHECK(same_word(other, theirs));
	for (struct urctx *ctx : { other, leaf, mid, top })
		urctx_put(ctx);
}

TEST_CASE("G7: a poll goes on while a callback holds up the cancel", "[G7]")
{
	struct urctx *ctx = derive(nullptr), *child = derive(ctx);
	gate inside, polled;
	counted cb;

	cb.also = [&] {
		inside.set();
		polled.wait();
	};
	REQUIRE(cb.after(child) == 0);
	thread canceller([&] { urctx_cancel(ctx); });
	inside.wait();
	CHECK(urctx_done(ctx));
	CHECK(urctx_done(child));
	CHECK(urctx_err(child) == -ECANCELED);
	CHECK(urctx_cause(child));
	polled.set();
	canceller.join();
	urctx_put(child);
	urctx_put(ctx);
}

TEST_CASE("G7: polls run no callback, and never go back", "[G7]")
{
	size_t n = scaled(100000);
	struct urctx *ctx = derive(nullptr);
	std::vector<struct urctx *> children;
	std::vector<std::unique_ptr<counted>> cbs;
	std::atomic<bool> poller_ran{ false };
	pthread_t poller;
	struct findings f;

	for (size_t i = 0; i < n; i++) {
		children.push_back(derive(ctx));
		if (i % 100)
			continue;
		cbs.push_back(std::make_unique<counted>());
		cbs.back()->also = [&] {
			poller_ran = poller_ran || pthread_equal(poller, pthread_self());
		};
		REQUIRE(cbs.back()->after(children.back()) == 0);
	}
	poller = pthread_self();
	thread canceller([&] { urctx_cancel(ctx); });
	while (!urctx_done(children[n / 2]))
		;
	f.expect(urctx_done(ctx), "the parent is behind");
	while (!urctx_done(children[n - 1]))
		f.expect(urctx_done(children[n / 2]), "it went back");
	canceller.join();
	for (struct urctx *child : children) {
		f.expect(urctx_done(child), "not done");
		urctx_put(child);
	}
	for (auto &cb : cbs)
		f.expect(cb->ran == 1, "a callback did not run once");
	f.expect(!poller_ran, "a poll ran a callback");
	REQUIRE_NOTHING_IN(f);
	urctx_put(ctx);
}

TEST_CASE("G8: a callback may wait for a grace period of the library's RCU", "[G8]")
{
	struct urctx *ctx = derive(nullptr), *mid = derive(ctx), *leaf = derive(mid);
	counted cbs[3];
	int i = 0;

	for (struct urctx *at : { ctx, mid, leaf }) {
		cbs[i].also = [] { urcu_bp_synchronize_rcu(); };
		REQUIRE(cbs[i++].after(at) == 0);
	}
	CHECK(urctx_cancel(ctx));
	for (auto &cb : cbs)
		CHECK(cb.ran == 1);
	for (struct urctx *at : { leaf, mid, ctx })
		urctx_put(at);
}

TEST_CASE("G8: a callback that sleeps holds up its own canceller alone", "[G8]")
{
	struct urctx *ctx = derive(nullptr), *child = derive(ctx), *late;
	gate inside, leave;
	counted cb, second;

	cb.also = [&] {
		inside.set();
		leave.wait();
	};
	REQUIRE(cb.after(child) == 0);
	thread canceller([&] { urctx_cancel(ctx); });
	inside.wait();

	/* Everything goes on, on the very tree, and grace periods end. */
	late = derive(ctx);
	CHECK(urctx_done(late));
	CHECK_FALSE(urctx_cancel(ctx));
	CHECK_FALSE(urctx_cancel(child));
	REQUIRE(second.after(child) == 0);
	CHECK(second.ran == 1);
	CHECK_FALSE(urctx_try_stop(&cb.cb));
	for (size_t i = 0, n = scaled(20000); i < n; i++) {
		struct urctx *top = derive(nullptr), *below = derive(top);

		urctx_put(below);
		urctx_end(top);
	}
	urcu_bp_synchronize_rcu();
	urctx_put(late);
	urctx_put(child);
	leave.set();
	canceller.join();
	CHECK(cb.ran == 1);
	urctx_put(ctx);
}

TEST_CASE("G12: who sees a child done sees its ancestors done", "[G12]")
{
	struct findings f;

	for (size_t i = 0, n = scaled(1500); i < n; i++) {
		struct urctx *path[4] = { derive(nullptr) };
		std::vector<struct urctx *> crowd;

		for (int k = 1; k < 4; k++) {
			for (size_t sibling = 0; sibling < i % 70; sibling++)
				crowd.push_back(derive(path[k - 1]));
			path[k] = derive(path[k - 1]);
		}
		together({
			[&] {
				for (int k = 3; k > 0; k--) {
					while (!urctx_done(path[k]))
						;
					for (int up = k - 1; up >= 0; up--)
						f.expect(urctx_err(path[up]) != 0,
							 "the ancestor is live");
				}
			},
			[&] { urctx_cancel(path[0]); },
		});
		for (struct urctx *ctx : crowd)
			urctx_put(ctx);
		for (struct urctx *ctx : path)
			urctx_put(ctx);
	}
	REQUIRE_NOTHING_IN(f);
}
