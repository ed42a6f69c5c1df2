/* SPDX-License-Identifier: MIT */
/* go_context.cpp - Go's tests of the tree: roots, children, races of cancels */
#include "go.hpp"
#include <algorithm>
#include <random>

TEST_CASE("T-1 a cancelled parent ends its child, its timer and its callback", "[go]")
{
	static const struct urctx_key key = { "key", nullptr };
	family f;
	struct urctx *parent = f.cancelable(nullptr);
	struct urctx *child = f.cancelable(parent);
	struct urctx *value = f.value(parent, &key, nullptr);
	struct urctx *timer = f.timeout(value, 10000 * HOUR);
	counted cb;

	REQUIRE(cb.after(parent) == 0);
	for (struct urctx *ctx : { parent, child, value, timer })
		CHECK(is_live(ctx));
	CHECK(cb.ran == 0);
	CHECK(count_below(parent) == 3);
	CHECK(cancel_plain(parent));
	for (struct urctx *ctx : { parent, child, value, timer })
		CHECK(is_canceled(ctx));
	CHECK(cb.ran == 1);
	CHECK(is_canceled(f.value(parent, &key, nullptr)));
}

TEST_CASE("T-2 a cancelled child leaves its parent, which lives on", "[go]")
{
	family f;
	struct urctx *cancelable = f.cancelable(nullptr);

	for (struct urctx *parent : { (struct urctx *)nullptr, cancelable }) {
		struct urctx *child = derive(parent);

		if (parent)
			CHECK(count_below(parent) == 1);
		CHECK(cancel_plain(child));
		CHECK(is_canceled(child));
		CHECK(is_live(parent));
		urctx_put(child);
		if (parent)
			CHECK(count_below(parent) == 0);
		CHECK(is_live(parent));
	}
}

/* As urctx_dump() and urctx_wait_idle() both say. */
static bool is_alone(struct urctx *ctx)
{
	return count_below(ctx) == 0 && urctx_wait_idle(ctx, 0) == 0;
}

static bool has_one_child(struct urctx *ctx)
{
	return count_below(ctx) == 1 && urctx_wait_idle(ctx, 0) == -ETIME;
}

TEST_CASE("T-3 what is cancelled and put, or stopped, hangs on no parent", "[go]")
{
	family f;
	struct urctx *parent = f.cancelable(nullptr), *child = nullptr;
	counted cb;

	CHECK(is_alone(parent));
	child = derive(parent);
	CHECK(has_one_child(parent));
	urctx_end(child);
	CHECK(is_alone(parent));
	REQUIRE(urctx_with_timeout(parent, HOUR, &child) == 0);
	CHECK(has_one_child(parent));
	urctx_end(child);
	CHECK(is_alone(parent));
	REQUIRE(cb.after(parent) == 0);
	CHECK(count_below(parent) == 1);
	CHECK(urctx_stop(&cb.cb));
	CHECK(count_below(parent) == 0);
	CHECK(is_live(parent));
}

/* Go: a thread for each child of a parent that it does not know; here: none. */
TEST_CASE("T-4 no derivation costs a thread, whatever its parents", "[go]")
{
	static const struct urctx_key key = { "key", nullptr };
	family f;
	struct urctx *one = f.cancelable(nullptr), *two = f.cancelable(nullptr);
	struct urctx *over = f.cancelable(nullptr);
	size_t before = count_threads();

	cancel_plain(over);
	for (int i = 0; i < 20; i++) {
		struct urctx *merged = f.any({ one, two });

		f.cancelable(merged);
		f.timeout(merged, HOUR);
		f.timeout(f.value(merged, &key, nullptr), HOUR);
		f.cancelable(f.shield(merged));
		f.timeout(f.cancelable(over), HOUR);
	}
	/* one, whatever their number: the housekeeper, which others may need */
	CHECK(count_threads() <= before + 1);
}

TEST_CASE("T-5 the background never ends and carries nothing", "[go]")
{
	static const struct urctx_key key = { "key", nullptr };
	struct urctx *ctx = urctx_background();
	int64_t at = 5;

	CHECK(is_live(ctx));
	CHECK_FALSE(urctx_deadline(ctx, &at));
	CHECK(at == 5);
	CHECK(urctx_remaining(ctx) == URCTX_NEVER);
	CHECK(urctx_value(ctx, &key) == nullptr);
	CHECK_FALSE(urctx_cancel(ctx));
	CHECK(is_live(ctx));
}

TEST_CASE("T-6 NULL, for who knows no context yet, is the background", "[go]")
{
	family f;
	struct urctx *ctx = f.cancelable(nullptr);

	CHECK(urctx_background() == nullptr);
	CHECK(is_live(nullptr));
	CHECK(is_live(ctx));
}

TEST_CASE("T-7 one cancel ends a context, its wrapper and its child at once", "[go]")
{
	static const struct urctx_key key = { "wrapper", nullptr };
	family f;
	struct urctx *c1 = f.cancelable(nullptr), *o = f.value(c1, &key, &f),
		     *c2 = f.cancelable(o);

	for (struct urctx *ctx : { c1, o, c2 })
		CHECK(is_live(ctx));
	CHECK(cancel_plain(c1));
	for (struct urctx *ctx : { c1, o, c2 })
		CHECK(is_canceled(ctx));
}

TEST_CASE("T-13 a tree whose contexts are all cancelled at once", "[go]")
{
	std::vector<struct urctx *> all;
	std::vector<std::function<void()>> cancels;
	std::minstd_rand rnd(13);
	family f;

	all.push_back(f.cancelable(nullptr));
	while (all.size() < 100)
		all.push_back(f.cancelable(all[(all.size() - 1) / 4]));
	for (struct urctx *ctx : all)
		cancels.push_back([ctx] { cancel_plain(ctx); });
	std::shuffle(cancels.begin(), cancels.end(), rnd);
	together(cancels);
	for (struct urctx *ctx : all)
		CHECK(is_canceled(ctx));
}

TEST_CASE("T-14 a child's cancel meets its parent's on the way", "[go]")
{
	size_t wrong = 0;

	for (size_t i = 0, n = scaled(300); i < n; i++) {
		family f;
		struct urctx *parent = f.cancelable(nullptr),
			     *child = f.cancelable(parent);

		together({
			[&] {
				wrong += urctx_wait(parent, URCTX_NEVER) != 0;
				cancel_plain(child);
				wrong += !urctx_done(child);
			},
			[&] { cancel_plain(parent); },
		});
		wrong += !is_canceled(child);
	}
	CHECK(wrong == 0);
}

TEST_CASE("T-17 a child of a cancelled parent is born done, with its cause", "[go]")
{
	const struct urctx_cause *why = URCTX_CAUSE(17, "because!");
	family f;
	struct urctx *parent = f.cancelable(nullptr);

	CHECK(urctx_cancel_cause(parent, why));
	CHECK(is_ended(f.cancelable(parent), -ECANCELED, why));
	CHECK(is_ended(parent, -ECANCELED, why));
}

TEST_CASE("T-18 a child born while its parent ends gets the parent's cause", "[go]")
{
	const struct urctx_cause *why = URCTX_CAUSE(18, "because!");
	size_t wrong = 0;

	for (size_t i = 0, n = scaled(1000); i < n; i++) {
		struct urctx *parent = derive(nullptr), *child = nullptr;

		together({
			[&] { urctx_cancel_cause(parent, why); },
			[&] {
				child = derive(parent);
				wrong += urctx_wait(child, URCTX_NEVER) ||
					 !is_ended(child, -ECANCELED, why);
			},
		});
		urctx_put(child);
		urctx_put(parent);
	}
	CHECK(wrong == 0);
}

/* Go panics at a nil parent; here it is the background. */
TEST_CASE("T-20 derived from NULL is derived from the background", "[go]")
{
	static const struct urctx_key key = { "key", nullptr };
	struct urctx *none = nullptr;
	int64_t at;
	family f;

	CHECK(is_live(f.cancelable(nullptr)));
	CHECK(urctx_deadline(f.deadline(nullptr, urctx_now() + HOUR), &at));
	CHECK(urctx_value(f.value(nullptr, &key, &f), &key) == &f);
	CHECK(is_live(f.shield(nullptr)));
	CHECK(urctx_with_cancel(nullptr, nullptr) == -EINVAL);
	CHECK(urctx_with_deadline(nullptr, 0, nullptr) == -EINVAL);
	CHECK(urctx_with_value(nullptr, &key, &f, nullptr) == -EINVAL);
	CHECK(urctx_with_any(&none, 0, &none) == -EINVAL);
	CHECK(none == nullptr);
}

TEST_CASE("T-32 who sees an error sees it done", "[go]")
{
	size_t wrong = 0;

	for (size_t i = 0, n = scaled(300); i < n; i++) {
		struct urctx *ctx = derive(nullptr);

		together({
			[&] { cancel_plain(ctx); },
			[&] {
				while (!urctx_err(ctx))
					;
				wrong += !urctx_done(ctx);
			},
		});
		urctx_put(ctx);
	}
	CHECK(wrong == 0);
}
