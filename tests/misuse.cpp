/* SPDX-License-Identifier: MIT */
/*
 * misuse.cpp - what must not go on in silence
 *
 * --enable-debug: a sentence that says what to do, and abort.  ASan, and
 * valgrind with such a build: a report.  Each in a child, which is to die.
 */
#include <catch2/catch.hpp>
#include <csignal>
#ifndef HAVE_VALGRIND
#define VALGRIND_COUNT_ERRORS 0
#endif
#include <urctx/sync.h>
#include "support.hpp"

#ifdef URCTX_DEBUG
#define DEBUG_BUILD true
#else
#define DEBUG_BUILD false
#endif

#define SKIP(why) do { WARN("skipped: " why); return; } while (0)

static void nothing(struct urctx_callback *)
{
}

/* It died of abort() and said a sentence of the function's own. */
static void says(const struct ending &end, const char *func)
{
	INFO("it said: " << end.said);
	CHECK_FALSE(end.late);
	CHECK(end.signal == SIGABRT);
	CHECK(end.said.find("liburctx") != std::string::npos);
	CHECK(end.said.find(func) != std::string::npos);
	CHECK(end.said.size() > 40);		/* a sentence, not a word */
	CHECK(end.said.find('\n') != std::string::npos);
}

TEST_CASE("misuse: a context is put more often than it was got", "[misuse]")
{
	if (!DEBUG_BUILD || TESTS_ASAN || TESTS_VALGRIND)
		SKIP("needs --enable-debug without ASan, which reports it first");
	says(in_child([] {
		struct urctx *ctx = derive(nullptr);

		urctx_put(ctx);
		urctx_put(ctx);
		return 0;
	}), "urctx_put");
	says(in_child([] {
		/* One that had children goes another way. */
		struct urctx *ctx = derive(nullptr), *child = derive(ctx);

		urctx_put(ctx);
		urctx_put(ctx);
		urctx_put(child);
		return 0;
	}), "urctx_put");
}

TEST_CASE("misuse: a child of a context that was put for good", "[misuse]")
{
	if (!DEBUG_BUILD || TESTS_ASAN || TESTS_VALGRIND)
		SKIP("needs --enable-debug without ASan, which reports it first");
	says(in_child([] {
		struct urctx *ctx = derive(nullptr), *child;

		urctx_put(ctx);
		return urctx_with_cancel(ctx, &child);
	}), "urctx_with_cancel");
}

TEST_CASE("misuse: whatever is derived of a context that was put for good", "[misuse]")
{
	using derives = int (*)(struct urctx *parent, struct urctx **child);
	static const struct urctx_key key = {};
	static const std::pair<const char *, derives> all[] = {
		{ "urctx_with_deadline", [](struct urctx *p, struct urctx **c) {
			return urctx_with_deadline(p, 1, c); } },
		{ "urctx_with_deadline_cause", [](struct urctx *p, struct urctx **c) {
			return urctx_with_deadline_cause(p, 1, nullptr, c); } },
		{ "urctx_with_timeout_cause", [](struct urctx *p, struct urctx **c) {
			return urctx_with_timeout_cause(p, 1, nullptr, c); } },
		{ "urctx_without_cancel", [](struct urctx *p, struct urctx **c) {
			return urctx_without_cancel(p, c); } },
		{ "urctx_with_grace", [](struct urctx *p, struct urctx **c) {
			return urctx_with_grace(p, 1, c); } },
		{ "urctx_with_value", [](struct urctx *p, struct urctx **c) {
			return urctx_with_value(p, &key, nullptr, c); } },
		{ "urctx_with_any", [](struct urctx *p, struct urctx **c) {
			return urctx_with_any(&p, 1, c); } },
		{ "urctx_with_signals", [](struct urctx *p, struct urctx **c) {
			sigset_t set;

			sigemptyset(&set);
			sigaddset(&set, SIGUSR2);
			pthread_sigmask(SIG_BLOCK, &set, nullptr);
			return urctx_with_signals(p, &set, c); } },
		{ "urctx_get", [](struct urctx *p, struct urctx **c) {
			return (*c = urctx_get(p)) ? 0 : 1; } },
	};

	if (!DEBUG_BUILD || TESTS_ASAN || TESTS_VALGRIND)
		SKIP("needs --enable-debug without ASan, which reports it first");
	for (const auto &one : all)
		says(in_child([&] {
			struct urctx *ctx = derive(nullptr), *child;

			urctx_put(ctx);
			return one.second(ctx, &child);
		}), one.first);
}

TEST_CASE("misuse: a semaphore of fewer than none", "[misuse]")
{
	if (!DEBUG_BUILD)
		SKIP("needs --enable-debug");
	says(in_child([] {
		struct urctx_sem sem;

		urctx_sem_init(&sem, -1);
		return 0;
	}), "urctx_sem_init");
}

TEST_CASE("misuse: a cause that is not aligned", "[misuse]")
{
	if (!DEBUG_BUILD)
		SKIP("needs --enable-debug");
	says(in_child([] {
		static struct urctx_cause causes[2];
		uintptr_t odd = (uintptr_t)causes + 4;
		struct urctx *ctx = derive(nullptr);

		urctx_cancel_cause(ctx, (const struct urctx_cause *)odd);
		return 0;
	}), "urctx_cancel");
}

TEST_CASE("misuse: a callback is armed while it is armed", "[misuse]")
{
	if (!DEBUG_BUILD)
		SKIP("needs --enable-debug");
	says(in_child([] {
		struct urctx *ctx = derive(nullptr), *other = derive(nullptr);
		struct urctx_callback cb = {};

		if (urctx_after(ctx, &cb, nothing))
			return 1;
		return urctx_after(other, &cb, nothing);
	}), "urctx_after");
}

/* The last words of an ASan or valgrind run of the same program. */
static int uses_after_put(struct urctx *(*make)(), int (*use)(struct urctx *))
{
	struct urctx *ctx = make();
	int ret;

	urctx_put(ctx);
	ret = use(ctx);
	if (TESTS_VALGRIND)
		return VALGRIND_COUNT_ERRORS ? 66 : 0;
	return ret ? 1 : 0;
}

static struct urctx *leaf()
{
	return derive(nullptr);
}

static struct urctx *once_interior()
{
	struct urctx *ctx = derive(nullptr);

	urctx_put(derive(ctx));
	return ctx;
}

static int ask_err(struct urctx *ctx)
{
	return urctx_err(ctx);
}

static int ask_cause(struct urctx *ctx)
{
	return urctx_cause(ctx) != nullptr;
}

static int get_another(struct urctx *ctx)
{
	return urctx_get(ctx) != ctx;
}

static void is_reported(const struct ending &end)
{
	INFO("it said: " << end.said);
	CHECK_FALSE(end.late);
	if (TESTS_ASAN)
		CHECK(end.said.find("use-after-poison") != std::string::npos);
	else
		CHECK((end.code == 66 || end.signal == SIGABRT));
}

TEST_CASE("a use after the last put is reported by ASan and valgrind", "[misuse]")
{
	if (!TESTS_ASAN && !(TESTS_VALGRIND && DEBUG_BUILD))
		SKIP("needs ASan, or valgrind and --enable-debug");
	/*
	 * Not urctx_done(): it reads one word in line, and late looks of the
	 * library's own read that word of free contexts, too.
	 */
	for (auto use : { ask_err, ask_cause, get_another }) {
		struct ending end = in_child([&] { return uses_after_put(leaf, use); });

		is_reported(end);
	}
	/* What had children is free after a grace period, a batch at a time. */
	struct ending end = in_child([&] {
		struct urctx *ctx = once_interior();
		int64_t until = urctx_now() + INT64_C(20000000000);

		urctx_put(ctx);
		while (!VALGRIND_COUNT_ERRORS && urctx_now() < until) {
			struct urctx *root = derive(nullptr);

			urctx_put(derive(root));
			urctx_put(root);
			(void)urctx_err(ctx);
		}
		return VALGRIND_COUNT_ERRORS ? 66 : 0;
	});
	is_reported(end);
}

TEST_CASE("what is not misuse is not reported", "[misuse]")
{
	struct ending end = in_child([] {
		struct urctx *ctx = derive(nullptr), *child = derive(ctx);
		struct urctx_callback cb = {};
		int ret = urctx_after(ctx, &cb, nothing);

		if (ret || !urctx_stop(&cb))
			return 2;
		ret = urctx_after(child, &cb, nothing);
		urctx_put(urctx_get(ctx));
		urctx_put(ctx);
		urctx_cancel_cause(child, urctx_cause_errno(5));
		urctx_put(child);
		return ret;
	});
	INFO("it said: " << end.said);
	CHECK(end.signal == 0);
	CHECK(end.code == 0);
	CHECK(end.said == "");
}
