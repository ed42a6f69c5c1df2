/* SPDX-License-Identifier: MIT */
/* signals.cpp - contexts that end with a signal: which, when, and what is left */
#include <catch2/catch.hpp>
#include "signals.hpp"

namespace
{
/* What libc lets be blocked, and a debugger leaves alone. */
std::vector<int> all_signals()
{
	std::vector<int> all;

	for (int nr = 1; nr <= SIGRTMAX - TESTS_VALGRIND; nr++)
		if (nr != SIGKILL && nr != SIGSTOP && (nr < 32 || nr >= SIGRTMIN))
			all.push_back(nr);
	return all;
}

std::string name_of(int nr)
{
	const char *abbrev = sigabbrev_np(nr);

	if (nr == SIGRTMIN)
		return "SIGRTMIN";
	if (nr > SIGRTMIN)
		return "SIGRTMIN+" + std::to_string(nr - SIGRTMIN);
	return nr == SIGIO ? "SIGIO" : "SIG" + std::string(abbrev ? abbrev : "?");
}
}

TEST_CASE("signals: each ends its context, and the cause names it", "[signals]")
{
	for (int nr : all_signals()) {
		blocked b({ nr });
		struct urctx *ctx = b.context();

		INFO(name_of(nr));
		CHECK(is_live(ctx));
		send(nr);
		CHECK(ended_by(ctx, nr));
		CHECK(urctx_cause(ctx)->reason == name_of(nr));
		CHECK_FALSE(urctx_cancel(ctx));
		CHECK(urctx_cause(ctx)->code == nr);
		urctx_put(ctx);
	}
}

TEST_CASE("signals: the first of a set", "[signals]")
{
	blocked b({ SIGINT, SIGTERM, SIGUSR1, SIGRTMIN + 3 });

	for (int nr : { SIGINT, SIGTERM, SIGUSR1, SIGRTMIN + 3 }) {
		struct urctx *ctx = b.context();

		send(nr);
		CHECK(ended_by(ctx, nr));
		for (int other : { SIGINT, SIGTERM, SIGUSR1, SIGRTMIN + 3 }) {
			send(other);
			until_read(other);
		}
		CHECK(ended_by(ctx, nr));
		urctx_put(ctx);
	}
}

TEST_CASE("signals: one of every number, in one set", "[signals]")
{
	struct urctx *ctx, *more;
	sigset_t set, before;

	sigemptyset(&set);
	for (int nr : all_signals())
		if (nr != SIGALRM)
			sigaddset(&set, nr);
	pthread_sigmask(SIG_BLOCK, &set, &before);
	ctx = blocked::context_of(nullptr, set);
	send(SIGRTMAX - TESTS_VALGRIND);
	CHECK(ended_by(ctx, SIGRTMAX - TESTS_VALGRIND));
	more = blocked::context_of(ctx, set);
	CHECK(ended_by(more, SIGRTMAX - TESTS_VALGRIND));
	urctx_put(ctx);
	urctx_put(more);
	pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST_CASE("signals: one ends all that named it, and no other", "[signals]")
{
	blocked b({ SIGUSR1, SIGUSR2 });
	struct urctx *one = context_of(SIGUSR1), *two = context_of(SIGUSR1);
	struct urctx *both = b.context(), *other = context_of(SIGUSR2);
	struct urctx *below = derive(two);

	send(SIGUSR1);
	for (struct urctx *ctx : { one, two, both, below })
		CHECK(ended_by(ctx, SIGUSR1));
	CHECK(is_live(other));
	send(SIGUSR2);
	CHECK(ended_by(other, SIGUSR2));
	CHECK(ended_by(both, SIGUSR1));
	for (struct urctx *ctx : { one, two, both, other, below })
		urctx_put(ctx);
}

TEST_CASE("signals: a context made after the end of another is live", "[signals]")
{
	blocked b({ SIGINT });
	struct urctx *before = b.context(), *after;

	for (int i = 0; i < 50; i++) {
		send(SIGINT);
		REQUIRE(ended_by(before, SIGINT));
		after = b.context();
		REQUIRE(is_live(after));
		urctx_put(before);
		before = after;
	}
	CHECK(is_live(before));
	urctx_put(before);
}

TEST_CASE("signals: what came since it was blocked ends the first context",
	  "[signals]")
{
	blocked b({ SIGTERM });
	struct urctx *ctx;

	send(SIGTERM);
	CHECK(is_pending(SIGTERM));
	ctx = b.context();
	CHECK(ended_by(ctx, SIGTERM));
	CHECK_FALSE(is_pending(SIGTERM));
	urctx_put(ctx);
}

TEST_CASE("signals: below a parent, whichever ends first", "[signals]")
{
	const struct urctx_cause *why = URCTX_CAUSE(-1, "parent");
	blocked b({ SIGINT });
	struct urctx *parent = derive(nullptr), *first = b.context(parent);
	struct urctx *below = b.context(first), *late;

	SECTION("the parent")
	{
		CHECK(urctx_cancel_cause(parent, why));
		CHECK(same_word(first, why));
		CHECK(same_word(below, why));
		late = b.context(parent);
		CHECK(same_word(late, why));
		send(SIGINT);
		until_read(SIGINT);
		CHECK(same_word(first, why));
		urctx_put(late);
	}
	SECTION("the signal")
	{
		send(SIGINT);
		CHECK(ended_by(first, SIGINT));
		CHECK(ended_by(below, SIGINT));
		CHECK(is_live(parent));
		CHECK(urctx_cancel_cause(parent, why));
		CHECK(ended_by(first, SIGINT));
	}
	SECTION("neither, but a cancel")
	{
		CHECK(urctx_cancel_cause(first, why));
		CHECK(same_word(below, why));
		CHECK(is_live(parent));
		late = b.context(parent);
		CHECK(is_live(late));
		urctx_put(late);
	}
	urctx_put(below);
	urctx_put(first);
	urctx_put(parent);
}

TEST_CASE("signals: a deadline above is the context's, too", "[signals]")
{
	blocked b({ SIGINT });
	struct urctx *parent = nullptr, *ctx;
	int64_t soon = urctx_now() + 2000000, when = 0;

	REQUIRE(urctx_with_deadline(nullptr, soon, &parent) == 0);
	ctx = b.context(parent);
	CHECK(urctx_deadline(ctx, &when));
	CHECK(when == soon);
	CHECK(urctx_wait(ctx, URCTX_NEVER) == 0);
	CHECK(urctx_err(ctx) == -ETIME);
	send(SIGINT);
	until_read(SIGINT);
	CHECK(urctx_err(ctx) == -ETIME);
	urctx_put(ctx);
	urctx_put(parent);
}

static const struct urctx_key signals_key = {};

TEST_CASE("signals: values come from the parent", "[signals]")
{
	blocked b({ SIGINT });
	struct urctx *parent = nullptr, *ctx;
	int x;

	REQUIRE(urctx_with_value(nullptr, &signals_key, &x, &parent) == 0);
	ctx = b.context(parent);
	CHECK(urctx_value(ctx, &signals_key) == &x);
	urctx_put(parent);
	CHECK(urctx_value(ctx, &signals_key) == &x);
	urctx_put(ctx);
}

TEST_CASE("signals: swallowed until the last context is put", "[signals]")
{
	blocked b({ SIGINT, SIGTERM });
	struct urctx *one = b.context(), *two = context_of(SIGINT);

	send(SIGINT);
	CHECK(ended_by(one, SIGINT));
	CHECK(ended_by(two, SIGINT));
	for (int i = 0; i < 20; i++) {
		send(SIGINT);
		until_read(SIGINT);
	}
	urctx_put(one);
	/* nobody names that one any more; the other is still named */
	send(SIGTERM);
	CHECK(is_pending(SIGTERM));
	send(SIGINT);
	until_read(SIGINT);
	urctx_put(two);
	send(SIGINT);
	CHECK(is_pending(SIGINT));
	CHECK(b.take() != 0);
	CHECK(b.take() != 0);
	CHECK(b.take() == 0);
}

TEST_CASE("signals: what came before the last put is not left", "[signals]")
{
	blocked b({ SIGINT, SIGRTMIN });

	for (size_t i = 0, n = scaled(2000); i < n; i++) {
		struct urctx *ctx = b.context();

		send(SIGINT);
		send(SIGRTMIN);
		send(SIGRTMIN);
		urctx_put(ctx);
		REQUIRE(b.take() == 0);
	}
}

TEST_CASE("signals: an ignored one counts, while it is blocked", "[signals]")
{
	for (int nr : { SIGHUP, SIGCHLD, SIGWINCH }) {
		blocked b({ nr });
		void (*before)(int) = signal(nr, nr == SIGHUP ? SIG_IGN : SIG_DFL);
		struct urctx *ctx = b.context();

		send(nr);
		CHECK(ended_by(ctx, nr));
		urctx_put(ctx);
		signal(nr, before);
	}
}

TEST_CASE("signals: those that queue end one context each time", "[signals]")
{
	const int nr = SIGRTMIN + 3;
	blocked b({ nr });
	struct urctx *ctx = b.context(), *next;

	for (int i = 0; i < 10; i++) {
		union sigval v = {};

		CHECK(sigqueue(getpid(), nr, v) == 0);
	}
	CHECK(ended_by(ctx, nr));
	CHECK(urctx_cause(ctx)->reason == std::string("SIGRTMIN+3"));
	until_read(nr);
	next = b.context();
	CHECK(is_live(next));
	urctx_put(ctx);
	urctx_put(next);
	CHECK(b.take() == 0);
}

TEST_CASE("signals: a shield is not ended, a join of two is", "[signals]")
{
	blocked b({ SIGINT, SIGTERM });
	struct urctx *ends[2] = { context_of(SIGINT), context_of(SIGTERM) };
	struct urctx *shield = nullptr, *join = nullptr;

	REQUIRE(urctx_without_cancel(ends[0], &shield) == 0);
	REQUIRE(urctx_with_any(ends, 2, &join) == 0);
	send(SIGTERM);
	CHECK(ended_by(join, SIGTERM));
	send(SIGINT);
	CHECK(ended_by(ends[0], SIGINT));
	CHECK(ended_by(join, SIGTERM));
	CHECK(is_live(shield));
	for (struct urctx *ctx : { ends[0], ends[1], shield, join })
		urctx_put(ctx);
	/* the shield kept the first one */
	until_released(b);
	send(SIGINT);
	CHECK(is_pending(SIGINT));
}

TEST_CASE("signals: sets that are refused", "[signals]")
{
	blocked b({ SIGINT, SIGTERM });
	struct urctx *none = reinterpret_cast<struct urctx *>(&b), *ctx = none;
	struct urctx *root = derive(nullptr);
	sigset_t full;

	errno = 4711;
	sigfillset(&full);
	CHECK(urctx_with_signals(nullptr, nullptr, &ctx) == -EINVAL);
	CHECK(urctx_with_signals(nullptr, &b.set, nullptr) == -EINVAL);
	CHECK(urctx_with_signals(nullptr, &full, &ctx) == -EINVAL);
	for (auto set : { set_of({}), set_of({ SIGKILL }), set_of({ SIGSTOP }),
			  set_of({ SIGINT, SIGSTOP }),
			  /* not blocked here */
			  set_of({ SIGHUP }), set_of({ SIGINT, SIGHUP }) }) {
		CHECK(urctx_with_signals(nullptr, &set, &ctx) == -EINVAL);
		CHECK(urctx_with_signals(root, &set, &ctx) == -EINVAL);
	}
	CHECK(ctx == none);
	CHECK(errno == 4711);
	send(SIGINT);
	CHECK(b.take() == SIGINT);
	urctx_put(root);
}
