/* SPDX-License-Identifier: MIT */
/* callback_threads.cpp - G6 between threads, and chains of callbacks that cancel */
#include <catch2/catch.hpp>
#include <sched.h>
#include "support.hpp"

TEST_CASE("G6: stop waits for a callback that runs on another thread", "[G6]")
{
	struct findings f;

	for (size_t i = 0, n = scaled(500); i < n; i++) {
		struct urctx *ctx = derive(nullptr);
		gate inside, stopping;
		bool finished = false;	/* plain: stop has to order it */
		counted cb;

		cb.also = [&] {
			inside.set();
			stopping.wait();
			for (size_t k = 0; k < i % 20; k++)
				sched_yield();
			finished = true;
		};
		f.expect(cb.after(ctx) == 0, "after failed");
		together({
			[&] { urctx_cancel(ctx); },
			[&] {
				inside.wait();
				f.expect(!urctx_try_stop(&cb.cb), "try_stop of a running one");
				stopping.set();
				f.expect(!urctx_stop(&cb.cb), "stop of a running one");
				f.expect(finished, "stop came back before its end");
			},
		});
		f.expect(cb.ran == 1, "not once");
		urctx_put(ctx);
	}
	REQUIRE_NOTHING_IN(f);
}

TEST_CASE("G6: many threads may wait for the end of one callback", "[G6]")
{
	struct findings f;

	for (size_t i = 0, n = scaled(200); i < n; i++) {
		struct urctx *ctx = derive(nullptr);
		gate inside, leave;
		std::atomic<int> waiting{ 0 };
		bool finished = false;
		counted cb;
		auto stop = [&] {
			inside.wait();
			if (++waiting == 3)
				leave.set();
			f.expect(!urctx_stop(&cb.cb), "stop of a running one");
			f.expect(finished, "stop came back before its end");
		};

		cb.also = [&] {
			inside.set();
			leave.wait();
			finished = true;
		};
		f.expect(cb.after(ctx) == 0, "after failed");
		together({ [&] { urctx_cancel(ctx); }, stop, stop, stop });
		urctx_put(ctx);
	}
	REQUIRE_NOTHING_IN(f);
}

TEST_CASE("G6: stopped or run, never both and never neither", "[G6]")
{
	size_t stopped = 0, ran = 0, rounds = scaled(3000);
	struct findings f;

	for (size_t i = 0; i < rounds; i++) {
		struct urctx *top = derive(nullptr), *ctx = derive(top);
		auto cb = std::make_unique<counted>();
		bool won = false;

		f.expect(cb->after(ctx) == 0, "after failed");
		together({
			[&] { urctx_cancel(i % 2 ? top : ctx); },
			[&] {
				won = urctx_stop(&cb->cb);
				/* It does not run any more: its memory is ours. */
				f.expect(cb->ran == !won, "both, or neither");
				stopped += won;
				ran += (size_t)cb->ran;
				cb.reset();
			},
		});
		urctx_put(ctx);
		urctx_put(top);
	}
	REQUIRE_NOTHING_IN(f);
	REQUIRE(stopped + ran == rounds);
}

TEST_CASE("G6: of several who stop one callback at most one is told true", "[G6]")
{
	struct findings f;

	for (size_t i = 0, n = scaled(1000); i < n; i++) {
		struct urctx *ctx = derive(nullptr);
		std::atomic<int> won{ 0 };
		counted cb;

		f.expect(cb.after(ctx) == 0, "after failed");
		together({
			[&] { won += urctx_try_stop(&cb.cb); },
			[&] { won += urctx_stop(&cb.cb); },
			[&] {
				if (i % 2)
					urctx_cancel(ctx);
			},
		});
		f.expect(won + cb.ran == 1, "not one of them");
		urctx_put(ctx);
	}
	REQUIRE_NOTHING_IN(f);
}

TEST_CASE("G6: a callback armed while its context ends runs once", "[G6]")
{
	struct findings f;

	for (size_t i = 0, n = scaled(3000); i < n; i++) {
		struct urctx *top = derive(nullptr), *ctx = derive(top);
		std::unique_ptr<counted> cbs[4];

		for (auto &cb : cbs)
			cb = std::make_unique<counted>();
		together({
			[&] { urctx_cancel(i % 2 ? top : ctx); },
			[&] {
				for (auto &cb : cbs)
					f.expect(cb->after(ctx) == 0, "after failed");
			},
		});
		for (auto &cb : cbs)
			f.expect(cb->ran == 1, "not once");
		urctx_put(ctx);
		urctx_put(top);
	}
	REQUIRE_NOTHING_IN(f);
}

/* Frees itself on whichever thread it runs; its counter outlives it. */
struct mayfly {
	struct urctx_callback cb;
	std::atomic<size_t> *ran;

	static void fn(struct urctx_callback *cb)
	{
		mayfly *self = reinterpret_cast<mayfly *>(cb);
		std::atomic<size_t> *ran = self->ran;

		delete self;
		++*ran;
	}
};

TEST_CASE("G6: callbacks that free themselves, and two who cancel", "[G6][F10]")
{
	size_t rounds = scaled(1000);
	std::atomic<size_t> ran{ 0 };
	struct findings f;

	for (size_t i = 0; i < rounds; i++) {
		struct urctx *top = derive(nullptr), *ctx = derive(top);

		together({
			[&] { urctx_cancel(top); },
			[&] { urctx_cancel(ctx); },
			[&] {
				for (int k = 0; k < 5; k++) {
					auto *fly = new mayfly{ {}, &ran };

					f.expect(!urctx_after(ctx, &fly->cb, mayfly::fn),
						 "after failed");
				}
			},
		});
		urctx_put(ctx);
		urctx_put(top);
	}
	REQUIRE_NOTHING_IN(f);
	REQUIRE(ran == 5 * rounds);
}

TEST_CASE("G6: a callback puts the tree while another thread cancels it too",
	  "[G6][F8]")
{
	size_t rounds = scaled(1500);
	struct findings f;

	for (size_t i = 0; i < rounds; i++) {
		struct urctx *top = derive(nullptr), *mid = derive(top),
			     *leaf = derive(mid);
		struct urctx *kept = urctx_get(top);
		counted cbs[2];

		cbs[0].also = [&] {
			urctx_put(leaf);
			urctx_put(mid);
		};
		cbs[1].also = [&] { urctx_put(top); };
		f.expect(cbs[0].after(leaf) == 0 && cbs[1].after(leaf) == 0,
			 "after failed");
		together({
			[&] { urctx_cancel(kept); },
			[&] { urctx_cancel(kept); },
		});
		/* The one that lost came back while the other's fn ran, perhaps. */
		urctx_stop(&cbs[0].cb);
		urctx_stop(&cbs[1].cb);
		f.expect(cbs[0].ran == 1 && cbs[1].ran == 1, "not once");
		urctx_put(kept);
	}
	REQUIRE_NOTHING_IN(f);
}

TEST_CASE("a chain of 100,000 callbacks that cancel fits a small stack", "[G6][F11]")
{
	size_t n = scaled(100000), wrong = 0;
	std::vector<struct urctx *> roots(n);
	std::vector<counted> cbs(n);

	for (auto &root : roots)
		root = derive(nullptr);
	for (size_t i = 0; i < n; i++) {
		cbs[i].also = [&roots, &wrong, i, n] {
			wrong += i + 1 < n && !urctx_cancel(roots[i + 1]);
			wrong += i + 1 < n && !urctx_done(roots[i + 1]);
		};
		REQUIRE(cbs[i].after(roots[i]) == 0);
	}
	on_small_stack([&] { wrong += !urctx_cancel(roots[0]); });
	for (size_t i = 0; i < n; i++) {
		wrong += !urctx_done(roots[i]) || cbs[i].ran != 1;
		urctx_put(roots[i]);
	}
	CHECK(wrong == 0);
}

TEST_CASE("10,000 callbacks that cancel their group fit a small stack", "[G6][F11]")
{
	size_t n = scaled(10000), wrong = 0;
	struct urctx *group = derive(nullptr);
	std::vector<struct urctx *> members(n);
	std::vector<counted> cbs(n);

	for (size_t i = 0; i < n; i++) {
		members[i] = derive(i % 2 ? members[i - 1] : group);
		cbs[i].also = [&wrong, &members, group, i] {
			wrong += urctx_cancel(group);
			wrong += urctx_cancel(members[i]);
		};
		REQUIRE(cbs[i].after(members[i]) == 0);
	}
	on_small_stack([&] { wrong += !urctx_cancel(group); });
	for (size_t i = 0; i < n; i++) {
		wrong += !urctx_done(members[i]) || cbs[i].ran != 1;
		urctx_put(members[i]);
	}
	CHECK(wrong == 0);
	urctx_put(group);
}

TEST_CASE("a callback at every level of a deep tree cancels the level below",
	  "[G6][F11]")
{
	size_t n = scaled(50000), wrong = 0;
	std::vector<struct urctx *> chain{ derive(nullptr) };
	std::vector<counted> cbs(n);

	while (chain.size() < n)
		chain.push_back(derive(chain.back()));
	for (size_t i = 0; i < n; i++) {
		cbs[i].also = [&, i] {
			wrong += urctx_cancel(chain[i ? i - 1 : i]);
			wrong += urctx_cancel(chain[i + 1 < n ? i + 1 : i]);
		};
		REQUIRE(cbs[i].after(chain[i]) == 0);
	}
	on_small_stack([&] { wrong += !urctx_cancel(chain[0]); });
	for (size_t i = 0; i < n; i++) {
		wrong += cbs[i].ran != 1;
		urctx_put(chain[i]);
	}
	CHECK(wrong == 0);
}

TEST_CASE("what a nested cancel owes is paid before the outermost is back",
	  "[G2][G6][F11]")
{
	struct urctx *a = derive(nullptr), *b = derive(nullptr), *below = derive(b);
	counted outer, inner[50];
	bool marked = false;

	for (auto &cb : inner)
		REQUIRE(cb.after(below) == 0);
	outer.also = [&] {
		urctx_cancel(b);
		marked = urctx_done(b) && urctx_done(below);
		/* The last references go; what is owed keeps what it needs. */
		urctx_put(below);
		urctx_put(b);
	};
	REQUIRE(outer.after(a) == 0);
	CHECK(urctx_cancel(a));
	CHECK(marked);
	for (auto &cb : inner)
		CHECK(cb.ran == 1);
	urctx_put(a);
}
