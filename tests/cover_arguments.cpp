/* SPDX-License-Identifier: MIT */
/* cover_arguments.cpp - what the manual says of each argument that is odd */
#include <catch2/catch.hpp>
#include <csignal>
#include <dlfcn.h>
#include <urctx/clock.h>
#include <urctx/sync.h>
#include "clock.hpp"
#include "dump.hpp"

static void nothing(struct urctx_callback *)
{
}

static int no_task(struct urctx *, void *)
{
	return 0;
}

TEST_CASE("arguments: every derivation refuses to have no place for its child", "[arguments]")
{
	owned parent;
	struct urctx *const parents[] = { parent.ctx };
	static const struct urctx_key key = {};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	for (struct urctx *p : { parent.ctx, (struct urctx *)nullptr }) {
		CHECK(urctx_with_cancel(p, nullptr) == -EINVAL);
		CHECK(urctx_with_deadline(p, 1, nullptr) == -EINVAL);
		CHECK(urctx_with_deadline_cause(p, 1, nullptr, nullptr) == -EINVAL);
		CHECK(urctx_with_timeout(p, 1, nullptr) == -EINVAL);
		CHECK(urctx_with_timeout_cause(p, 1, nullptr, nullptr) == -EINVAL);
		CHECK(urctx_without_cancel(p, nullptr) == -EINVAL);
		CHECK(urctx_with_grace(p, 1, nullptr) == -EINVAL);
		CHECK(urctx_with_value(p, &key, nullptr, nullptr) == -EINVAL);
		CHECK(urctx_with_signals(p, &set, nullptr) == -EINVAL);
	}
	CHECK(urctx_with_any(parents, 1, nullptr) == -EINVAL);
	/* nothing was made, and the parent is what it was */
	CHECK(dumped(parent).ret == 1);
	CHECK(urctx_err(parent) == 0);
}

TEST_CASE("arguments: any of none, of nobody, of too many", "[arguments]")
{
	owned a, b;
	static int here;
	static const struct urctx_key key = {};
	struct urctx *with = nullptr, *child = nullptr;

	REQUIRE(urctx_with_value(a, &key, &here, &with) == 0);
	struct urctx *const none[] = { nullptr, nullptr };
	struct urctx *const late[] = { nullptr, with, with };

	CHECK(urctx_with_any(nullptr, 1, &child) == -EINVAL);
	CHECK(urctx_with_any(none, 0, &child) == -EINVAL);
	CHECK(urctx_with_any(none, (1U << 20) + 1, &child) == -EINVAL);
	CHECK(child == nullptr);

	REQUIRE(urctx_with_any(none, 2, &child) == 0);
	CHECK_FALSE(urctx_done(child));
	CHECK(urctx_cancel(child));
	urctx_put(child);

	/* a child of one, with the values of parents[0]: none */
	REQUIRE(urctx_with_any(late, 3, &child) == 0);
	CHECK(urctx_value(child, &key) == nullptr);
	CHECK(urctx_cancel(with));
	CHECK(urctx_err(child) == -ECANCELED);
	urctx_put(child);
	urctx_put(with);

	REQUIRE(urctx_with_value(a, &key, &here, &with) == 0);
	struct urctx *const again[] = { with, b, b, with };

	REQUIRE(urctx_with_any(again, 4, &child) == 0);
	CHECK(urctx_value(child, &key) == &here);
	CHECK_FALSE(urctx_done(child));
	CHECK(urctx_cancel(b));
	CHECK(urctx_done(child));
	CHECK_FALSE(urctx_done(with));
	urctx_put(child);
	urctx_put(with);
}

TEST_CASE("arguments: callbacks without a place or a function", "[arguments]")
{
	owned ctx;
	struct urctx_callback cb = {};

	CHECK(urctx_after(ctx, nullptr, nothing) == -EINVAL);
	CHECK(urctx_after(ctx, &cb, nullptr) == -EINVAL);
	CHECK(urctx_after(nullptr, &cb, nullptr) == -EINVAL);
	CHECK(dumped(ctx).ret == 1);
	CHECK(dumped(ctx).text.find("callback") == std::string::npos);
	CHECK_FALSE(urctx_stop(nullptr));
	CHECK_FALSE(urctx_try_stop(nullptr));
	CHECK_FALSE(urctx_stop(&cb));
	CHECK_FALSE(urctx_try_stop(&cb));
}

TEST_CASE("arguments: what has no meaning for the background", "[arguments]")
{
	CHECK(urctx_fd(nullptr) == -EINVAL);
	CHECK(urctx_wait_idle(nullptr, URCTX_NEVER) == -EINVAL);
	CHECK(urctx_remaining(nullptr) == URCTX_NEVER);
	CHECK_FALSE(urctx_deadline(nullptr, nullptr));
	CHECK(urctx_wait(nullptr, 0) == -ETIME);
	CHECK_FALSE(urctx_group_try_go(nullptr, no_task, nullptr));
}

TEST_CASE("arguments: a timeout below zero is over", "[arguments]")
{
	static const struct urctx_cause late = { "late", nullptr, nullptr, 0, 0 };
	struct urctx *ctx = nullptr;
	int64_t when = 0, before = urctx_now();

	for (int64_t timeout : { INT64_C(0), INT64_C(-1), INT64_MIN }) {
		REQUIRE(urctx_with_timeout_cause(nullptr, timeout, &late, &ctx) == 0);
		CHECK(urctx_err(ctx) == -ETIME);
		CHECK(urctx_cause(ctx) == &late);
		CHECK(urctx_remaining(ctx) == 0);
		CHECK(urctx_deadline(ctx, nullptr));
		REQUIRE(urctx_deadline(ctx, &when));
		CHECK(when >= before);
		CHECK(when <= urctx_now());
		urctx_put(ctx);
	}
	/* so far that it never comes */
	REQUIRE(urctx_with_timeout(nullptr, URCTX_NEVER - 1, &ctx) == 0);
	CHECK_FALSE(urctx_deadline(ctx, &when));
	CHECK(urctx_remaining(ctx) == URCTX_NEVER);
	urctx_put(ctx);
	REQUIRE(urctx_with_deadline_cause(nullptr, before, nullptr, &ctx) == 0);
	CHECK(urctx_cause(ctx) == &urctx_deadline_exceeded);
	urctx_put(ctx);
}

TEST_CASE("arguments: who asks what is left notices that nothing is", "[arguments]")
{
	int64_t when = urctx_now() + 1000000;
	context ctx(nullptr, when);

	while (urctx_now() < when)
		;
	CHECK(urctx_remaining(ctx) == 0);
	CHECK(urctx_err(ctx) == -ETIME);
	CHECK(urctx_remaining(ctx) == 0);
}

TEST_CASE("arguments: grace of nobody, and for ever, are shields", "[arguments]")
{
	owned parent;
	struct urctx *root = nullptr, *shield = nullptr;

	REQUIRE(urctx_with_grace(nullptr, 1, &root) == 0);
	REQUIRE(urctx_with_grace(parent, URCTX_NEVER, &shield) == 0);
	CHECK(urctx_cancel(parent));
	CHECK_FALSE(urctx_done(root));
	CHECK_FALSE(urctx_done(shield));
	CHECK(urctx_wait(shield, 0) == -ETIME);
	CHECK(urctx_cancel(shield));
	CHECK(urctx_cancel(root));
	urctx_put(shield);
	urctx_put(root);
}

TEST_CASE("arguments: the exported done() says what the inline one does", "[arguments]")
{
	auto *done = (bool (*)(const struct urctx *))dlsym(RTLD_DEFAULT, "urctx_done");
	owned live, ended;
	context later(nullptr, urctx_now() + 3600 * SEC), past(nullptr, 1);

	REQUIRE(done);
	CHECK(urctx_cancel(ended));
	CHECK_FALSE(done(nullptr));
	CHECK_FALSE(done(live));
	CHECK_FALSE(done(later));
	CHECK(done(ended));
	CHECK(done(past));
	CHECK(urctx_cancel(later));
	CHECK(done(later));
	int64_t when = urctx_now() + 1000000;
	context near(nullptr, when);

	while (urctx_now() < when)
		;
	CHECK(done(near));		/* its first poll reads the clock */
	CHECK(urctx_err(near) == -ETIME);
	held_clock clock(SEC);
	context soon(nullptr, 2 * SEC);

	CHECK_FALSE(done(soon));
	CHECK(urctx_clock_advance(SEC) == 0);
	CHECK(done(soon));
}

TEST_CASE("arguments: dump of what has no name", "[arguments]")
{
	static const struct urctx_cause odd = { "a\x7f\"b", nullptr, nullptr, 0, 0 };
	owned root;
	struct urctx_callback cb = {};
	std::vector<char> nowhere(16);
	struct urctx *child = derive(root);

	CHECK(urctx_cancel_cause(child, &odd));
	REQUIRE(urctx_after(root, &cb,
			    reinterpret_cast<void (*)(struct urctx_callback *)>(
				    nowhere.data())) == 0);
	dumped d(root);

	CHECK(d.ret == 2);
	CHECK(d.text.find("\"a\\x7f\\\"b\"") != std::string::npos);
	char want[64];

	snprintf(want, sizeof(want), "callback armed fn=%p", (void *)nowhere.data());
	CHECK(d.text.find(want) != std::string::npos);
	CHECK(urctx_stop(&cb));
	urctx_put(child);
}

#define TEN(x) x x x x x x x x x x

/* The linker exports it (-rdynamic): a name longer than any line of a dump. */
extern "C" void long_name(struct urctx_callback *cb) __asm__(TEN(TEN("abcdefghij")));
extern "C" void long_name(struct urctx_callback *)
{
}

TEST_CASE("arguments: a line of a dump that would be too long is cut", "[arguments]")
{
	owned root;
	struct urctx_callback cb = {};

	REQUIRE(urctx_after(root, &cb, long_name) == 0);
	dumped d(root);
	std::string last = d.text.substr(d.text.find('\n') + 1);

	CHECK(d.ret == 1);
	CHECK(last.find("callback armed fn=") != std::string::npos);
	CHECK(last.find("(abcdefghijabcdefghij") != std::string::npos);
	CHECK(last.find("j+0x0)") == std::string::npos);
	CHECK(last.size() < 1000);
	CHECK(last.find('\n') == last.size() - 1);
	CHECK(urctx_stop(&cb));
}

TEST_CASE("arguments: dump of a grace that has begun, and of one that is over", "[arguments]")
{
	owned parent;
	struct urctx *ends = nullptr, *never = nullptr;

	REQUIRE(urctx_with_grace(parent, 3600 * SEC, &ends) == 0);
	REQUIRE(urctx_with_grace(parent, URCTX_NEVER - 1, &never) == 0);
	CHECK(dumped(parent).text.find("left=") == std::string::npos);
	CHECK(urctx_cancel(parent));
	CHECK(dumped(ends).text.find("grace=3600.000s left=") != std::string::npos);
	CHECK(dumped(parent).text.find(" left=35") != std::string::npos);
	/* so long that it never ends: nothing is left to say */
	CHECK(urctx_wait(never, 0) == -ETIME);
	CHECK(urctx_cancel(ends));
	CHECK(urctx_cancel(never));
	CHECK(dumped(parent).text.find("left=") == std::string::npos);
	urctx_put(ends);
	urctx_put(never);
}

TEST_CASE("arguments: a key that is not there, next to those that are", "[arguments]")
{
	static struct urctx_key key[64], other[4096];
	struct urctx *at = nullptr;
	size_t wrong = 0;

	for (auto &k : key) {
		struct urctx *next = nullptr;

		REQUIRE(urctx_with_value(at, &k, &k, &next) == 0);
		urctx_put(at);
		at = next;
	}
	for (auto &k : key)
		wrong += urctx_value(at, &k) != &k;
	for (auto &k : other)
		wrong += urctx_value(at, &k) != nullptr;
	CHECK(wrong == 0);
	urctx_put(at);
}
