/* SPDX-License-Identifier: MIT */
/* cancel.cpp - G2: when a cancel is back, everything below is done, whoever won */
#include <catch2/catch.hpp>
#include <random>
#include "support.hpp"

/* A tree of depth levels with width children each, parents first. */
struct tree {
	tree(int depth, int width, struct urctx *parent = nullptr)
	{
		size_t begin = 0, end = 1;

		all.push_back(derive(parent));
		for (int level = 0; level < depth; level++) {
			for (size_t i = begin; i < end; i++)
				for (int k = 0; k < width; k++)
					all.push_back(derive(all[i]));
			begin = end;
			end = all.size();
		}
		this->width = (size_t)width;
	}
	~tree()
	{
		for (struct urctx *ctx : all)
			urctx_put(ctx);
	}
	bool whole(size_t i) const		/* i and all that is below it */
	{
		if (i >= all.size())
			return true;
		if (!urctx_done(all[i]))
			return false;
		for (size_t k = 1; k <= width; k++)
			if (!whole(i * width + k))
				return false;
		return true;
	}

	std::vector<struct urctx *> all;
	size_t width;
};

TEST_CASE("G2: a cancel reaches everything below, and nothing beside", "[G2]")
{
	const struct urctx_cause *why = URCTX_CAUSE(-1, "from above");
	struct urctx *top = derive(nullptr);
	struct findings f;
	tree t(4, 7, top), beside(3, 3, top);

	CHECK(urctx_cancel_cause(t.all[1], why));
	CHECK(urctx_err(t.all[0]) == 0);
	for (size_t i = 0; i < t.all.size(); i++) {
		size_t up = i;

		while (up > 1)
			up = (up - 1) / 7;
		if (up == 1 && i)
			f.expect(same_word(t.all[i], why), "one below is not done");
	}
	f.expect(!urctx_done(t.all[2]), "a sibling is done");
	f.expect(!urctx_done(beside.all[0]), "a stranger is done");
	CHECK(urctx_cancel(top));
	f.expect(t.whole(0) && beside.whole(0), "not all is done");
	REQUIRE_NOTHING_IN(f);
	urctx_put(top);
}

TEST_CASE("G2: two cancels of one tree, and each finds it whole", "[G2]")
{
	struct findings f;

	for (size_t i = 0, n = scaled(400); i < n; i++) {
		tree t(3, 6);
		std::atomic<int> won{ 0 };
		auto cancel = [&] {
			won += urctx_cancel(t.all[0]);
			f.expect(t.whole(0), "back, and something is live");
		};

		together({ cancel, cancel });
		f.expect(won == 1, "not one winner");
	}
	REQUIRE_NOTHING_IN(f);
}

TEST_CASE("G2: cancels of overlapping subtrees, and each finds its own whole", "[G2]")
{
	struct findings f;

	for (size_t i = 0, n = scaled(400); i < n; i++) {
		tree t(4, 4);
		auto cancel = [&](size_t at) {
			return [&, at] {
				urctx_cancel(t.all[at]);
				f.expect(t.whole(at), "back, and something is live");
			};
		};

		together({ cancel(0), cancel(1 + i % 4), cancel(5 + i % 16) });
	}
	REQUIRE_NOTHING_IN(f);
}

TEST_CASE("G2: a winner goes into children that others have ended", "[G2][F4]")
{
	struct findings f;

	/* The other cancel is anywhere in its walk when the upper one comes. */
	for (size_t i = 0, n = scaled(300); i < n; i++) {
		tree t(2, 1 + (int)(i % 40));

		together({
			[&] {
				urctx_cancel(t.all[0]);
				f.expect(t.whole(0), "a winner skipped a done child");
			},
			[&] {
				for (size_t k = 1; k <= t.width; k++) {
					urctx_cancel(t.all[k]);
					f.expect(t.whole(k), "a cancel left early");
				}
			},
		});
	}
	REQUIRE_NOTHING_IN(f);
}

TEST_CASE("G2: every callback has run once when both cancels are back", "[G2][G6]")
{
	struct findings f;

	for (size_t i = 0, n = scaled(300); i < n; i++) {
		tree t(3, 5);
		std::vector<counted> cbs(t.all.size());

		for (size_t k = 0; k < cbs.size(); k++)
			f.expect(cbs[k].after(t.all[k]) == 0, "after failed");
		together({
			[&] { urctx_cancel(t.all[0]); },
			[&] { urctx_cancel(t.all[1 + i % 5]); },
		});
		for (auto &cb : cbs)
			f.expect(cb.ran == 1, "not once");
	}
	REQUIRE_NOTHING_IN(f);
}

TEST_CASE("G2: a cancel that lost is back only when the walk is over", "[G2][F4]")
{
	size_t n = scaled(200000);
	struct urctx *ctx = derive(nullptr);
	std::vector<struct urctx *> children;
	struct findings f;
	auto cancel = [&] {
		urctx_cancel(ctx);
		f.expect(urctx_done(children.front()) && urctx_done(children.back()),
			 "back too early");
	};

	for (size_t i = 0; i < n; i++)
		children.push_back(derive(ctx));
	together({ cancel, cancel, cancel });
	for (struct urctx *child : children) {
		f.expect(urctx_done(child), "live");
		urctx_put(child);
	}
	REQUIRE_NOTHING_IN(f);
	urctx_put(ctx);
}

TEST_CASE("a stranger is never ended by a cancel that raced with its birth",
	  "[G2][F1][F3][F12]")
{
	const struct urctx_cause *why = URCTX_CAUSE(-1, "the other tree's");
	struct urctx *live = derive(nullptr);
	std::atomic<bool> over{ false };
	std::atomic<struct urctx *> shared{ nullptr };
	struct findings f;

	/*
	 * One thread cancels trees whose contexts another is putting, and their
	 * memory comes back below a live root: leaves that get children.
	 */
	thread reuser([&] {
		while (!over) {
			struct urctx *given = shared.exchange(nullptr);
			struct urctx *k, *y, *z;

			urctx_put(given);
			k = derive(live);
			y = derive(k);
			z = derive(y);
			f.expect(!urctx_done(k) && !urctx_done(y) && !urctx_done(z),
				 "a stranger was ended");
			urctx_put(z);
			urctx_put(y);
			f.expect(!urctx_done(k), "a stranger was ended");
			urctx_put(k);
		}
	});
	for (size_t i = 0, n = scaled(40000); i < n; i++) {
		struct urctx *top = derive(nullptr), *given = derive(top);

		for (int k = 0; k < 3; k++)
			urctx_put(derive(i % 2 ? top : given));
		urctx_put(shared.exchange(given));
		urctx_cancel_cause(top, why);
		urctx_put(top);
	}
	over = true;
	reuser.join();
	urctx_put(shared.exchange(nullptr));
	REQUIRE_NOTHING_IN(f);
	CHECK(urctx_err(live) == 0);
	urctx_put(live);
}

TEST_CASE("a child is its own parent's, however often memory has changed hands",
	  "[G3][F3]")
{
	struct findings f;

	/* Both threads hold hints into chunks of parents that come and go. */
	auto churn = [&](unsigned seed) {
		std::minstd_rand mine(seed);
		std::vector<struct urctx *> tops(8);

		for (auto &top : tops)
			top = derive(nullptr);
		for (size_t i = 0, n = scaled(100000); i < n; i++) {
			auto &top = tops[mine() % tops.size()];
			struct urctx *a = derive(top), *b = derive(top);

			if (mine() % 4 == 0) {
				struct urctx *other = tops[mine() % tops.size()];
				bool same = other == top;

				urctx_cancel(other);
				f.expect(urctx_done(a) == same && urctx_done(b) == same,
					 "another parent's child");
				for (auto &t : tops)
					if (t == other) {
						urctx_put(t);
						t = derive(nullptr);
					}
			}
			urctx_put(a);
			urctx_put(b);
		}
		for (auto &top : tops)
			urctx_end(top);
	};

	together({ [&] { churn(1); }, [&] { churn(2); } });
	REQUIRE_NOTHING_IN(f);
}

TEST_CASE("a chain that is ended once a level from below is walked once",
	  "[G2][F4]")
{
	/* Quadratic, this would outlast the program's alarm. */
	size_t n = scaled(200000);
	std::vector<struct urctx *> chain{ derive(nullptr) };
	struct findings f;

	while (chain.size() < n)
		chain.push_back(derive(chain.back()));
	for (size_t i = n; i-- > 0;)
		f.expect(urctx_cancel(chain[i]), "it was done already");
	for (struct urctx *ctx : chain)
		urctx_end(ctx);
	REQUIRE_NOTHING_IN(f);
}

TEST_CASE("ending a tree that is done again and again walks nothing", "[F4]")
{
	size_t n = scaled(100000);
	struct urctx *ctx = derive(nullptr);
	std::vector<struct urctx *> children;
	size_t won = urctx_err(ctx) == 0;

	for (size_t i = 0; i < n; i++)
		children.push_back(derive(ctx));
	for (size_t i = 0; i < n; i++)
		won += urctx_cancel(ctx);
	for (struct urctx *child : children) {
		won += urctx_cancel(child);
		urctx_put(child);
	}
	CHECK(won == 2);
	urctx_put(ctx);
}
