/* SPDX-License-Identifier: MIT */
/* api.cpp - what holds of every function: NULL, errno, twins, causes, scopes */
#include <catch2/catch.hpp>
#include <climits>
#include <cstring>
#include <ctime>
#include <dlfcn.h>
#include <map>
#include "support.hpp"

static void nothing(struct urctx_callback *)
{
}

TEST_CASE("NULL is the background in every function", "[api]")
{
	struct urctx_callback cb = {};
	counted never;

	CHECK(urctx_background() == nullptr);
	CHECK(urctx_get(nullptr) == nullptr);
	urctx_put(nullptr);
	urctx_end(nullptr);
	CHECK_FALSE(urctx_done(nullptr));
	CHECK(urctx_err(nullptr) == 0);
	CHECK(urctx_cause(nullptr) == nullptr);
	CHECK_FALSE(urctx_cancel(nullptr));
	CHECK_FALSE((urctx_cancel)(nullptr));
	CHECK_FALSE(urctx_cancel_cause(nullptr, URCTX_CAUSE(-1, "no")));
	CHECK(urctx_err(nullptr) == 0);
	CHECK(urctx_wait(nullptr, urctx_now()) == -ETIME);
	CHECK(urctx_wait(nullptr, urctx_now() + 1000000) == -ETIME);
	REQUIRE(urctx_after(nullptr, &never.cb, counted::fn) == 0);
	CHECK_FALSE(urctx_cancel(nullptr));
	CHECK(urctx_stop(&never.cb));
	CHECK_FALSE(urctx_stop(&never.cb));
	REQUIRE(urctx_after(nullptr, &cb, nothing) == 0);
	CHECK(urctx_try_stop(&cb));
	CHECK_FALSE(urctx_try_stop(&cb));
	CHECK(never.ran == 0);
}

TEST_CASE("a context derived from NULL is a root that nobody else ends", "[api]")
{
	struct urctx *a = derive(nullptr), *b = derive(urctx_background());

	CHECK(a != b);
	CHECK(urctx_cancel(a));
	CHECK(urctx_err(b) == 0);
	urctx_put(a);
	urctx_end(b);
}

TEST_CASE("a NULL out-pointer is -EINVAL, and nothing was made", "[api]")
{
	struct urctx *parent = derive(nullptr);

	CHECK(urctx_with_cancel(parent, nullptr) == -EINVAL);
	CHECK(urctx_with_cancel(nullptr, nullptr) == -EINVAL);
	CHECK(urctx_cancel(parent));
	CHECK(urctx_with_cancel(parent, nullptr) == -EINVAL);
	urctx_put(parent);
}

TEST_CASE("every call leaves errno as it was", "[api]")
{
	constexpr int MINE = 12345;
	std::map<std::string, int> changed;
	struct urctx *ctx, *child, *other = derive(nullptr);
	counted cb, late;

	/* Each result is used, so that no call here is one that did nothing. */
#define KEEPS(call, ok) do {						\
		errno = MINE;						\
		call;							\
		if (errno != MINE)					\
			changed[#call] = errno;				\
		INFO(#call);						\
		CHECK((ok));						\
	} while (0)
	int ret = 0;
	bool won = false;
	const struct urctx_cause *why = nullptr;
	int64_t now = 0;

	KEEPS(ret = urctx_with_cancel(nullptr, &ctx), !ret);
	KEEPS(ret = urctx_with_cancel(ctx, &child), !ret);
	KEEPS(ret = urctx_with_cancel(ctx, nullptr), ret == -EINVAL);
	KEEPS(urctx_get(ctx), true);
	KEEPS(urctx_put(ctx), true);
	KEEPS(won = urctx_done(ctx), !won);
	KEEPS(ret = urctx_err(ctx), !ret);
	KEEPS(why = urctx_cause(ctx), !why);
	KEEPS(now = urctx_now(), now > 0);
	KEEPS(ret = urctx_wait(ctx, now), ret == -ETIME);
	KEEPS(ret = urctx_wait(ctx, urctx_now() + 100000), ret == -ETIME);
	KEEPS(ret = urctx_wait(nullptr, urctx_now() + 100000), ret == -ETIME);
	KEEPS(ret = cb.after(child), !ret);
	KEEPS(won = urctx_try_stop(&cb.cb), won);
	KEEPS(won = urctx_try_stop(&cb.cb), !won);
	KEEPS(ret = cb.after(child), !ret);
	KEEPS(won = urctx_stop(&cb.cb), won);
	KEEPS(won = urctx_stop(&cb.cb), !won);
	KEEPS(ret = cb.after(child), !ret);
	KEEPS(won = urctx_cancel(ctx), won);
	KEEPS(won = urctx_cancel(ctx), !won);
	KEEPS(won = (urctx_cancel)(ctx), !won);
	KEEPS(won = urctx_cancel_cause(child, nullptr), !won);
	KEEPS(won = urctx_stop(&cb.cb), !won);
	KEEPS(ret = urctx_wait(ctx, URCTX_NEVER), !ret);
	KEEPS(ret = late.after(ctx), !ret);
	KEEPS(ret = urctx_err(child), ret == -ECANCELED);
	KEEPS(why = urctx_cause(child), why);
	KEEPS(why = urctx_cause_errno(EIO), why->code == -EIO);
	KEEPS(why = urctx_cause_errno(INT_MIN), why);
	KEEPS(urctx_put(child), true);
	KEEPS(urctx_put(ctx), true);
	KEEPS(urctx_end(other), true);
	KEEPS(urctx_background(), true);
	KEEPS(urctx_put(nullptr), true);
#undef KEEPS
	for (auto &call : changed)
		FAIL_CHECK(call.first << " left errno " << call.second);
}

TEST_CASE("errno stays also where memory has to be had first", "[api]")
{
	std::vector<struct urctx *> many;
	size_t changed = 0, n = scaled(100000);

	/* Slabs and chunks come from the kernel along the way. */
	for (size_t i = 0; i < n; i++) {
		errno = 54321;
		many.push_back(derive(many.empty() ? nullptr : many[i / 2]));
		changed += errno != 54321;
	}
	for (struct urctx *ctx : many) {
		errno = 54321;
		urctx_end(ctx);
		changed += errno != 54321;
	}
	CHECK(changed == 0);
}

TEST_CASE("every macro and inline has an exported function of its name", "[api]")
{
	for (const char *name : { "urctx_background", "urctx_get", "urctx_put",
		"urctx_end", "urctx_end_scoped_", "urctx_with_cancel",
		"urctx_cancel", "urctx_cancel_cause", "urctx_cause_errno",
		"urctx_canceled", "urctx_deadline_exceeded", "urctx_done",
		"urctx_done_slow_", "urctx_err", "urctx_cause", "urctx_now",
		"urctx_wait", "urctx_after", "urctx_try_stop", "urctx_stop" }) {
		INFO(name);
		CHECK(dlsym(RTLD_DEFAULT, name));
	}
}

TEST_CASE("the exported twins do what the macros and inlines do", "[api]")
{
	auto done = (bool (*)(const struct urctx *))dlsym(RTLD_DEFAULT, "urctx_done");
	auto end = (void (*)(struct urctx **))dlsym(RTLD_DEFAULT, "urctx_end_scoped_");
	bool (*cancel)(struct urctx *) = urctx_cancel;
	struct urctx *ctx = derive(nullptr), *child = derive(ctx);

	REQUIRE(done);
	REQUIRE(end);
	CHECK_FALSE(done(nullptr));
	CHECK_FALSE(done(ctx));
	CHECK_FALSE(cancel(nullptr));
	CHECK(cancel(ctx));
	CHECK_FALSE(cancel(ctx));
	CHECK(done(ctx));
	CHECK(urctx_cause(ctx) == &urctx_canceled);
	end(&child);
	child = derive(nullptr);
	urctx_put(ctx);
	ctx = urctx_get(child);
	end(&child);
	CHECK(done(ctx));
	CHECK(urctx_cause(ctx) == &urctx_canceled);
	urctx_put(ctx);
}

TEST_CASE("URCTX_CAUSE knows its file, its line and its function", "[api]")
{
	const struct urctx_cause *why = URCTX_CAUSE(7, "why not"); int line = __LINE__;
	const struct urctx_cause *again[2];

	CHECK(std::string(why->reason) == "why not");
	CHECK(why->code == 7);
	CHECK(why->line == line);
	CHECK(std::string(why->file).find("api.cpp") != std::string::npos);
	CHECK(std::string(why->func) == __func__);
	for (auto &one : again)
		one = URCTX_CAUSE(8, "one place, one cause");
	CHECK(again[0] == again[1]);
	CHECK(again[0] != why);
}

TEST_CASE("urctx_cancel leaves a cause that says where it was called", "[api]")
{
	struct urctx *ctx = derive(nullptr);
	int line = __LINE__ + 1;
	CHECK(urctx_cancel(ctx));

	const struct urctx_cause *why = urctx_cause(ctx);
	REQUIRE(why);
	CHECK(std::string(why->reason) == "canceled");
	CHECK(why->code == -ECANCELED);
	CHECK(why->line == line);
	CHECK(std::string(why->func) == __func__);
	CHECK(std::string(why->file).find("api.cpp") != std::string::npos);
	urctx_put(ctx);
}

TEST_CASE("the library's own causes have a code and a reason", "[api]")
{
	CHECK(urctx_canceled.code == -ECANCELED);
	CHECK(urctx_deadline_exceeded.code == -ETIME);
	CHECK(urctx_canceled.reason);
	CHECK(urctx_deadline_exceeded.reason);
	CHECK((uintptr_t)&urctx_canceled % 8 == 0);
	CHECK((uintptr_t)&urctx_deadline_exceeded % 8 == 0);

	struct urctx *ctx = derive(nullptr);
	CHECK(urctx_cancel_cause(ctx, nullptr));
	CHECK(urctx_cause(ctx) == &urctx_canceled);
	urctx_put(ctx);

	ctx = derive(nullptr);
	struct urctx *kept = urctx_get(ctx);
	urctx_end(ctx);
	CHECK(same_word(kept, &urctx_canceled));
	urctx_put(kept);
}

TEST_CASE("urctx_cause_errno has a static cause for every number", "[api]")
{
	size_t wrong = 0;

	for (int err = 1; err <= 133; err++) {
		const struct urctx_cause *why = urctx_cause_errno(err);

		if (!strerrorname_np(err))	/* 41 and 58 are nobody's */
			continue;
		wrong += !why || why->code != -err || !why->reason ||
			 urctx_cause_errno(-err) != why ||
			 urctx_cause_errno(err) != why || (uintptr_t)why % 8;
	}
	CHECK(wrong == 0);
	for (int err : { 0, 134, 4095, 4096, INT_MAX, INT_MIN, -INT_MAX }) {
		const struct urctx_cause *why = urctx_cause_errno(err);

		INFO(err);
		REQUIRE(why);
		CHECK(why->code != 0);
		CHECK(why->reason);
	}
	struct urctx *ctx = derive(nullptr);
	CHECK(urctx_cancel_cause(ctx, urctx_cause_errno(EPIPE)));
	CHECK(urctx_err(ctx) == -ECANCELED);
	CHECK(urctx_cause(ctx)->code == -EPIPE);
	urctx_put(ctx);
}

TEST_CASE("urctx_scoped ends its context where the scope ends", "[api]")
{
	struct urctx *kept;

	{
		urctx_scoped struct urctx *nobody = nullptr;
		urctx_scoped struct urctx *ctx = nullptr;

		REQUIRE(urctx_with_cancel(nullptr, &ctx) == 0);
		kept = urctx_get(ctx);
		CHECK(urctx_err(kept) == 0);
		CHECK_FALSE(nobody);
	}
	CHECK(same_word(kept, &urctx_canceled));
	urctx_put(kept);
}

TEST_CASE("urctx_now is CLOCK_MONOTONIC in nanoseconds", "[api]")
{
	struct timespec t[2];

	clock_gettime(CLOCK_MONOTONIC, &t[0]);
	int64_t now = urctx_now();
	clock_gettime(CLOCK_MONOTONIC, &t[1]);
	CHECK(now >= t[0].tv_sec * INT64_C(1000000000) + t[0].tv_nsec);
	CHECK(now <= t[1].tv_sec * INT64_C(1000000000) + t[1].tv_nsec);
}
