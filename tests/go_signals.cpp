/* SPDX-License-Identifier: MIT */
/*
 * go_signals.cpp - os/signal's tests of NotifyContext
 *
 * Go's runtime catches the signals; here they are blocked, and the library
 * reads them.  "stop" is the last put.
 */
#include "go.hpp"
#include <csignal>
#include <ctime>
#include <sched.h>
#include <unistd.h>

namespace
{
/* Blocked in this thread, and in those that it makes; afterwards as before. */
class blocked
{
public:
	explicit blocked(std::initializer_list<int> signals)
	{
		sigemptyset(&set);
		for (int nr : signals)
			sigaddset(&set, nr);
		pthread_sigmask(SIG_BLOCK, &set, &before);
	}
	~blocked()
	{
		take_pending();
		pthread_sigmask(SIG_SETMASK, &before, nullptr);
	}
	/* One that nobody had read, or 0. */
	int take_pending()
	{
		struct timespec none = {};
		int nr = sigtimedwait(&set, nullptr, &none);

		return nr > 0 ? nr : 0;
	}
	struct urctx *context(struct urctx *parent)
	{
		struct urctx *ctx = nullptr;
		int ret = urctx_with_signals(parent, &set, &ctx);

		if (ret) {
			fprintf(stderr, "tests: no context of signals: %d\n", ret);
			abort();
		}
		return ctx;
	}

	sigset_t set;

private:
	sigset_t before;
};

void raise_here(int nr)
{
	kill(getpid(), nr);
}

bool is_pending(int nr)
{
	sigset_t pending;

	sigpending(&pending);
	return sigismember(&pending, nr) == 1;
}

/* Ended by signal @nr, which its cause names. */
bool ended_by(struct urctx *ctx, int nr, const char *name)
{
	return urctx_wait(ctx, URCTX_NEVER) == 0 &&
	       urctx_err(ctx) == -ECANCELED && urctx_cause(ctx)->code == nr &&
	       std::string(urctx_cause(ctx)->reason).find(name) !=
		       std::string::npos;
}

void notified_once()
{
	blocked b({ SIGINT });
	struct urctx *ctx = b.context(nullptr), *again;

	CHECK(is_live(ctx));
	raise_here(SIGINT);
	CHECK(ended_by(ctx, SIGINT, "SIGINT"));
	/* the next ones end nothing more of it, nor the process */
	again = b.context(nullptr);
	CHECK(is_live(again));
	raise_here(SIGINT);
	CHECK(ended_by(again, SIGINT, "SIGINT"));
	urctx_put(again);
	raise_here(SIGINT);
	while (is_pending(SIGINT))
		sched_yield();
	CHECK(ended_by(ctx, SIGINT, "SIGINT"));
	urctx_put(ctx);
	/* from now on they are the program's */
	raise_here(SIGINT);
	CHECK(b.take_pending() == SIGINT);
}
}

TEST_CASE("T-83.1 a signal ends the context, and later ones are swallowed", "[go]")
{
	notified_once();
}

TEST_CASE("T-83.2 and again, ten times", "[go]")
{
	for (int i = 0; i < 10; i++)
		notified_once();
}

TEST_CASE("T-84 a signal that was ignored counts, until the context is put", "[go]")
{
	blocked b({ SIGHUP });
	void (*before)(int) = signal(SIGHUP, SIG_IGN);
	struct urctx *ctx = b.context(nullptr), *stopped = b.context(nullptr);

	CHECK(cancel_plain(stopped));
	CHECK(is_canceled(stopped));
	CHECK(is_live(ctx));
	raise_here(SIGHUP);
	CHECK(ended_by(ctx, SIGHUP, "SIGHUP"));
	CHECK(is_canceled(stopped));
	urctx_put(ctx);
	urctx_put(stopped);
	b.take_pending();
	signal(SIGHUP, before);
}

TEST_CASE("T-85 the parent's cancel ends a context of signals", "[go]")
{
	const struct urctx_cause *why = URCTX_CAUSE(85, "parent");
	blocked b({ SIGINT });
	struct urctx *parent = derive(nullptr), *ctx = b.context(parent);

	CHECK(is_live(ctx));
	CHECK(urctx_cancel_cause(parent, why));
	CHECK(is_ended(ctx, -ECANCELED, why));
	urctx_put(ctx);
	urctx_put(parent);
}

TEST_CASE("T-86 a context of signals of a parent that is done is done", "[go]")
{
	const struct urctx_cause *why = URCTX_CAUSE(86, "parent");
	blocked b({ SIGINT });
	struct urctx *parent = derive(nullptr), *ctx;

	CHECK(urctx_cancel_cause(parent, why));
	ctx = b.context(parent);
	CHECK(is_ended(ctx, -ECANCELED, why));
	urctx_put(ctx);
	urctx_put(parent);
}

TEST_CASE("T-87 ten threads stop one context of signals", "[go]")
{
	blocked b({ SIGINT });
	std::vector<std::function<void()>> stops;
	struct urctx *ctx = b.context(nullptr);
	std::atomic<int> won{ 0 }, live{ 0 };

	for (int i = 0; i < 10; i++) {
		urctx_get(ctx);
		stops.push_back([&] {
			won += cancel_plain(ctx);
			live += !is_canceled(ctx);
			urctx_put(ctx);
		});
	}
	urctx_put(ctx);
	together(stops);
	CHECK(won == 1);
	CHECK(live == 0);
	raise_here(SIGINT);
	CHECK(b.take_pending() == SIGINT);
}

/* Go prints the set; here the cause prints which of the set it was. */
TEST_CASE("T-88 each signal of the set is named by the cause", "[go]")
{
	static const struct {
		int nr;
		const char *name;
	} rows[] = { { SIGINT, "SIGINT" }, { SIGHUP, "SIGHUP" },
		     { SIGTERM, "SIGTERM" }, { SIGUSR1, "SIGUSR1" } };
	blocked b({ SIGINT, SIGHUP, SIGTERM, SIGUSR1 });

	for (auto &row : rows) {
		struct urctx *one = b.context(nullptr), *two = b.context(nullptr);

		raise_here(row.nr);
		INFO(row.name);
		CHECK(ended_by(one, row.nr, row.name));
		CHECK(ended_by(two, row.nr, row.name));
		urctx_put(one);
		urctx_put(two);
	}
}
