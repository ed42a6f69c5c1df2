/* SPDX-License-Identifier: MIT */
/* tree.cpp - trees of every shape: deep, wide, orphaned, put in any order */
#include <catch2/catch.hpp>
#include <algorithm>
#include <random>
#include "support.hpp"

TEST_CASE("a parent that was put is cancelled through", "[tree][F5]")
{
	const struct urctx_cause *why = URCTX_CAUSE(-1, "from the top");
	struct urctx *top = derive(nullptr), *mid = derive(top), *low = derive(mid),
		     *leaf = derive(low), *sibling = derive(mid);

	urctx_put(mid);
	urctx_put(low);
	CHECK_FALSE(urctx_done(leaf));
	CHECK(urctx_cancel_cause(top, why));
	CHECK(same_word(leaf, why));
	CHECK(same_word(sibling, why));
	urctx_put(leaf);
	urctx_put(sibling);
	urctx_put(top);
}

TEST_CASE("a root that was put lives on in its children", "[tree][F5]")
{
	struct urctx *top = derive(nullptr), *a = derive(top), *b = derive(top);

	urctx_put(top);
	CHECK(urctx_cancel(a));
	CHECK(urctx_err(b) == 0);
	urctx_put(a);
	CHECK(urctx_err(b) == 0);
	struct urctx *below = derive(b);
	CHECK(urctx_cancel(b));
	CHECK(urctx_done(below));
	urctx_put(b);
	urctx_put(below);
}

TEST_CASE("an ended parent that was put says so to what is left", "[tree][F5]")
{
	struct urctx *top = derive(nullptr), *leaf = derive(top), *late;
	struct urctx *below = derive(leaf);

	urctx_end(top);
	CHECK(same_word(leaf, &urctx_canceled));
	CHECK(same_word(below, &urctx_canceled));
	late = derive(below);
	CHECK(same_word(late, &urctx_canceled));
	for (struct urctx *ctx : { leaf, late, below })
		urctx_put(ctx);
}

TEST_CASE("trees may be put in any order, and cancelled at any point of it",
	  "[tree][F5]")
{
	struct findings f;

	for (unsigned seed = 1, n = (unsigned)scaled(400); seed <= n; seed++) {
		std::vector<struct urctx *> all{ derive(nullptr) };
		std::vector<size_t> order{ 0 };
		std::minstd_rand rnd(seed);
		struct urctx *top = urctx_get(all[0]);
		size_t cut;

		while (all.size() < 200) {
			order.push_back(all.size());
			all.push_back(derive(all[rnd() % all.size()]));
		}
		std::shuffle(order.begin(), order.end(), rnd);
		cut = rnd() % order.size();
		for (size_t i = 0; i < order.size(); i++) {
			if (i == cut)
				urctx_cancel(top);
			if (i >= cut)
				f.expect(urctx_done(all[order[i]]), "live below a done top");
			else
				f.expect(!urctx_done(all[order[i]]), "done, and nobody said so");
			urctx_put(all[order[i]]);
		}
		urctx_put(top);
	}
	REQUIRE_NOTHING_IN(f);
}

TEST_CASE("siblings that leave together take an orphaned parent with them",
	  "[tree][F5][G9]")
{
	struct findings f;

	for (size_t i = 0, n = scaled(1500); i < n; i++) {
		struct urctx *top = derive(nullptr), *mid = derive(top),
			     *low = derive(mid);
		struct urctx *kids[3] = { derive(low), derive(low), derive(mid) };

		together({
			[&] { urctx_put(kids[0]); },
			[&] { urctx_put(kids[1]); },
			[&] { urctx_put(kids[2]); },
			[&] {
				urctx_put(low);
				urctx_put(mid);
			},
		});
		/* Whatever is left of them does not take part any more. */
		struct urctx *fresh = derive(top);
		f.expect(!urctx_done(fresh), "done, and nobody said so");
		f.expect(urctx_cancel(top), "it was done already");
		f.expect(urctx_done(fresh), "live below a done top");
		urctx_put(fresh);
		urctx_put(top);
	}
	REQUIRE_NOTHING_IN(f);
}

TEST_CASE("an orphaned parent is left by its children while a cancel walks it",
	  "[tree][F5][F8]")
{
	struct findings f;

	for (size_t i = 0, n = scaled(1000); i < n; i++) {
		struct urctx *top = derive(nullptr), *mid = derive(top),
			     *low = derive(mid), *kept = derive(low);
		std::vector<struct urctx *> kids;

		for (size_t k = 0; k < 1 + i % 80; k++)
			kids.push_back(derive(k % 2 ? mid : low));
		urctx_put(mid);
		urctx_put(low);
		together({
			[&] {
				for (struct urctx *kid : kids)
					urctx_put(kid);
				urctx_put(kept);
			},
			[&] { urctx_cancel(top); },
		});
		f.expect(urctx_done(top), "live");
		urctx_put(top);
	}
	REQUIRE_NOTHING_IN(f);
}

/* depth contexts, each below the one before; [0] is the root */
static std::vector<struct urctx *> chain_of(size_t depth)
{
	std::vector<struct urctx *> chain{ derive(nullptr) };

	chain.reserve(depth);
	while (chain.size() < depth)
		chain.push_back(derive(chain.back()));
	return chain;
}

TEST_CASE("a million levels on a small stack, put from below", "[tree][deep]")
{
	size_t live = 0;

	on_small_stack([&] {
		std::vector<struct urctx *> chain = chain_of(scaled(1000000));

		urctx_cancel(chain[0]);
		for (size_t i = chain.size(); i-- > 0;) {
			live += !urctx_done(chain[i]);
			urctx_put(chain[i]);
		}
	});
	CHECK(live == 0);
}

TEST_CASE("a million levels on a small stack, put from above", "[tree][deep][F5]")
{
	size_t live = 0;

	on_small_stack([&] {
		std::vector<struct urctx *> chain = chain_of(scaled(1000000));

		urctx_cancel(chain[chain.size() / 2]);
		live += urctx_done(chain[0]);
		urctx_cancel(chain[0]);
		for (struct urctx *ctx : chain) {
			live += !urctx_done(ctx);
			urctx_put(ctx);
		}
	});
	CHECK(live == 0);
}

TEST_CASE("a million times derive and put the parent, on a small stack",
	  "[tree][deep][F5][F6]")
{
	struct urctx *top = derive(nullptr), *below = nullptr;
	bool before = true, after = false;

	/* All between top and below are links that nobody holds. */
	on_small_stack([&] {
		below = derive(top);
		for (size_t i = 0, n = scaled(1000000); i < n; i++) {
			struct urctx *next = derive(below);

			urctx_put(below);
			below = next;
		}
		before = urctx_done(below);
		urctx_cancel(top);
		after = urctx_done(below);
		urctx_put(below);
	});
	CHECK_FALSE(before);
	CHECK(after);
	urctx_put(top);
}

TEST_CASE("two threads cancel a deep chain at both its ends", "[tree][deep][G2]")
{
	std::vector<struct urctx *> chain = chain_of(scaled(200000));
	struct findings f;
	auto below = [&](size_t at) {
		urctx_cancel(chain[at]);
		for (size_t i = at; i < chain.size(); i += 97)
			f.expect(urctx_done(chain[i]), "live below");
		f.expect(urctx_done(chain.back()), "the last is live");
	};

	together({ [&] { below(0); }, [&] { below(chain.size() / 2); },
		   [&] { below(chain.size() - 5); } });
	for (struct urctx *ctx : chain)
		urctx_put(ctx);
	REQUIRE_NOTHING_IN(f);
}

TEST_CASE("a million children, all of them done", "[tree][wide]")
{
	const struct urctx_cause *why = URCTX_CAUSE(-1, "all");
	std::vector<struct urctx *> children(scaled(1000000));
	struct urctx *top = derive(nullptr);
	size_t wrong = 0;

	for (auto &child : children)
		child = derive(top);
	CHECK(urctx_cancel_cause(top, why));
	for (struct urctx *child : children) {
		wrong += !same_word(child, why);
		urctx_put(child);
	}
	CHECK(wrong == 0);
	urctx_put(top);
}

TEST_CASE("an orphaned parent loses a million children one by one", "[tree][wide][F7]")
{
	/* Quadratic, this would outlast the program's alarm. */
	for (int order = 0; order < 3; order++) {
		std::vector<struct urctx *> children(scaled(400000));
		struct urctx *top = derive(nullptr), *mid = derive(top);
		std::minstd_rand rnd(7);

		for (auto &child : children)
			child = derive(mid);
		if (order == 1)
			std::reverse(children.begin(), children.end());
		else if (order == 2)
			std::shuffle(children.begin(), children.end(), rnd);
		urctx_put(mid);
		for (struct urctx *child : children)
			urctx_put(child);
		CHECK(urctx_err(top) == 0);
		urctx_put(top);
	}
}

TEST_CASE("a cancel of many while their interior neighbours come and go",
	  "[tree][wide][F8]")
{
	std::vector<struct urctx *> children(scaled(300000));
	struct urctx *top = derive(nullptr), *live = derive(nullptr);
	std::atomic<bool> over{ false };
	struct findings f;

	for (size_t i = 0; i < children.size(); i++)
		children[i] = derive(i % 10 ? children[i - i % 10] : top);
	thread churner([&] {
		while (!over) {
			struct urctx *a = derive(live), *b = derive(a);

			f.expect(!urctx_done(b), "a stranger was ended");
			urctx_put(a);
			urctx_put(b);
			b = derive(top);
			urctx_put(derive(b));
			urctx_put(b);
		}
	});
	urctx_cancel(top);
	over = true;
	churner.join();
	for (struct urctx *child : children) {
		f.expect(urctx_done(child), "live");
		urctx_put(child);
	}
	REQUIRE_NOTHING_IN(f);
	CHECK(urctx_err(live) == 0);
	urctx_put(live);
	urctx_put(top);
}
