/* SPDX-License-Identifier: MIT */
/*
 * go.cpp - what Go's own tests ask of contexts, in C
 *
 * The numbers are those of Go's context tests in the order of its files.
 * Asked differently here: a callback runs on the canceller's thread, not on a
 * new one, so that TestAfterFuncCalledAsynchronously does not apply.
 */
#include <catch2/catch.hpp>
#include <algorithm>
#include <random>
#include <sys/socket.h>
#include <unistd.h>
#include "support.hpp"

TEST_CASE("T-001 ParentFinishesChild", "[go]")
{
	struct urctx *parent = derive(nullptr), *child = derive(parent),
		     *below = derive(child);
	counted cb;

	REQUIRE(cb.after(parent) == 0);
	for (struct urctx *ctx : { parent, child, below })
		CHECK_FALSE(urctx_done(ctx));
	CHECK(urctx_cancel(parent));
	for (struct urctx *ctx : { parent, child, below })
		CHECK(urctx_err(ctx) == -ECANCELED);
	CHECK(cb.ran == 1);
	struct urctx *late = derive(parent);
	CHECK(urctx_err(late) == -ECANCELED);
	for (struct urctx *ctx : { late, below, child, parent })
		urctx_put(ctx);
}

TEST_CASE("T-002 ChildFinishesFirst", "[go]")
{
	struct urctx *cancelable = derive(nullptr);

	for (struct urctx *parent : { (struct urctx *)nullptr, cancelable }) {
		struct urctx *child = derive(parent);

		CHECK(urctx_cancel(child));
		CHECK(urctx_err(child) == -ECANCELED);
		CHECK_FALSE(urctx_done(parent));
		CHECK(urctx_err(parent) == 0);
		urctx_put(child);
		CHECK(urctx_err(parent) == 0);
	}
	urctx_put(cancelable);
}

TEST_CASE("T-013 SimultaneousCancels", "[go]")
{
	std::vector<struct urctx *> all{ derive(nullptr) };
	std::vector<std::function<void()>> cancels;
	std::minstd_rand rnd(13);

	while (all.size() < 100)
		all.push_back(derive(all[(all.size() - 1) / 4]));
	for (struct urctx *ctx : all)
		cancels.push_back([ctx] { urctx_cancel(ctx); });
	std::shuffle(cancels.begin(), cancels.end(), rnd);
	together(cancels);
	for (struct urctx *ctx : all) {
		CHECK(urctx_err(ctx) == -ECANCELED);
		urctx_put(ctx);
	}
}

TEST_CASE("T-014 InterlockedCancels", "[go]")
{
	struct urctx *parent = derive(nullptr), *child = derive(parent);

	together({
		[&] {
			while (!urctx_done(parent))
				;
			urctx_cancel(child);
		},
		[&] { urctx_cancel(parent); },
	});
	CHECK(urctx_err(child) == -ECANCELED);
	urctx_put(child);
	urctx_put(parent);
}

TEST_CASE("T-015 LayersCancel", "[go]")
{
	for (unsigned seed = 1; seed <= 50; seed++) {
		std::vector<struct urctx *> layers{ derive(nullptr) };
		std::minstd_rand rnd(seed);

		while (layers.size() < 30)
			layers.push_back(derive(layers.back()));
		CHECK_FALSE(urctx_done(layers.back()));
		size_t at = rnd() % layers.size();
		CHECK(urctx_cancel(layers[at]));
		INFO("seed " << seed);
		for (size_t i = 0; i < layers.size(); i++) {
			CHECK(urctx_done(layers[i]) == (i >= at));
			urctx_put(layers[i]);
		}
	}
}

TEST_CASE("T-017 WithCancelCanceledParent", "[go]")
{
	const struct urctx_cause *why = URCTX_CAUSE(17, "because!");
	struct urctx *parent = derive(nullptr);

	CHECK(urctx_cancel_cause(parent, why));
	struct urctx *child = derive(parent);
	CHECK(same_word(child, why));
	urctx_put(child);
	urctx_put(parent);
}

TEST_CASE("T-018 WithCancelSimultaneouslyCanceledParent", "[go]")
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
					 !same_word(child, why);
			},
		});
		urctx_put(child);
		urctx_put(parent);
	}
	CHECK(wrong == 0);
}

TEST_CASE("T-020 InvalidDerivedFail: here a nil parent is the background", "[go]")
{
	struct urctx *ctx = derive(nullptr);

	CHECK(urctx_err(ctx) == 0);
	urctx_end(ctx);
}

TEST_CASE("T-022 Cause", "[go]")
{
	const struct urctx_cause *pc = URCTX_CAUSE(1, "parent"),
				 *cc = URCTX_CAUSE(2, "child");
	const struct urctx_cause *plain = &urctx_canceled;

	/* 22.1 and 22.2 */
	CHECK(urctx_err(nullptr) == 0);
	CHECK(urctx_cause(nullptr) == nullptr);

	struct { const struct urctx_cause *parent, *child; bool child_first;
		 const struct urctx_cause *want; const char *which; } rows[] = {
		{ plain, nullptr, false, plain, "22.3" },
		{ pc, nullptr, false, pc, "22.4" },
		{ nullptr, plain, true, plain, "22.5" },
		{ pc, cc, false, pc, "22.6" },
		{ pc, cc, true, cc, "22.7" },
		{ pc, plain, false, pc, "22.8" },
		{ pc, plain, true, plain, "22.9" },
		{ plain, cc, false, plain, "22.10" },
		{ plain, cc, true, cc, "22.11" },
	};
	for (auto &row : rows) {
		struct urctx *parent = derive(nullptr), *child = derive(parent);

		INFO(row.which);
		if (row.child && row.child_first)
			CHECK(urctx_cancel_cause(child, row.child));
		if (row.parent)
			CHECK(urctx_cancel_cause(parent, row.parent));
		if (row.child && !row.child_first)
			CHECK_FALSE(urctx_cancel_cause(child, row.child));
		CHECK(same_word(child, row.want));
		if (row.parent)
			CHECK(same_word(parent, row.parent));
		else
			CHECK(urctx_err(parent) == 0);
		urctx_put(child);
		urctx_put(parent);
	}
}

TEST_CASE("T-023 CauseRace", "[go]")
{
	const struct urctx_cause *why = URCTX_CAUSE(23, "at once");
	size_t wrong = 0;

	for (size_t i = 0, n = scaled(300); i < n; i++) {
		struct urctx *ctx = derive(nullptr);
		const struct urctx_cause *seen = nullptr;

		together({
			[&] { urctx_cancel_cause(ctx, why); },
			[&] {
				while (!(seen = urctx_cause(ctx)))
					;
			},
		});
		wrong += seen != why;
		urctx_put(ctx);
	}
	CHECK(wrong == 0);
}

TEST_CASE("T-027 AfterFuncCalledAfterCancel", "[go]")
{
	struct urctx *ctx = derive(nullptr);
	counted cb;

	REQUIRE(cb.after(ctx) == 0);
	CHECK(cb.ran == 0);
	urctx_cancel(ctx);
	CHECK(cb.ran == 1);
	CHECK_FALSE(urctx_try_stop(&cb.cb));
	urctx_put(ctx);
}

TEST_CASE("T-029 AfterFuncCalledImmediately", "[go]")
{
	struct urctx *ctx = derive(nullptr);
	counted cb;

	urctx_cancel(ctx);
	REQUIRE(cb.after(ctx) == 0);
	CHECK(cb.ran == 1);
	urctx_put(ctx);
}

TEST_CASE("T-030 AfterFuncNotCalledAfterStop", "[go]")
{
	struct urctx *ctx = derive(nullptr);
	counted cb;

	REQUIRE(cb.after(ctx) == 0);
	CHECK(urctx_try_stop(&cb.cb));
	urctx_cancel(ctx);
	CHECK(cb.ran == 0);
	CHECK_FALSE(urctx_try_stop(&cb.cb));
	urctx_put(ctx);
}

TEST_CASE("T-032 ContextErrDoneRace", "[go]")
{
	size_t wrong = 0;

	for (size_t i = 0, n = scaled(300); i < n; i++) {
		struct urctx *ctx = derive(nullptr);

		together({
			[&] { urctx_cancel(ctx); },
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

TEST_CASE("T-040 WithCancel example: a generator stops at its consumer's word", "[go]")
{
	struct urctx *ctx = derive(nullptr);
	int fds[2], got = 0, sum = 0;

	REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds) == 0);
	thread generator([&] {
		for (int n = 1; !urctx_done(ctx); n++)
			if (send(fds[0], &n, sizeof(n), MSG_NOSIGNAL) < 0)
				break;
	});
	while (got < 5 && recv(fds[1], &got, sizeof(got), 0) == sizeof(got))
		sum += got;
	CHECK(sum == 15);
	CHECK(urctx_cancel(ctx));
	while (recv(fds[1], &got, sizeof(got), MSG_DONTWAIT) > 0)
		;
	shutdown(fds[1], SHUT_RDWR);
	generator.join();
	close(fds[0]);
	close(fds[1]);
	urctx_put(ctx);
}

TEST_CASE("T-044 AfterFunc example: waiters on a condition variable", "[go]")
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
	struct urctx *top = derive(nullptr);
	std::atomic<int> ended{ 0 };
	auto waiter = [&] {
		struct urctx *ctx = derive(top);
		counted wake;

		wake.also = [&] {
			pthread_mutex_lock(&lock);
			pthread_cond_broadcast(&cond);
			pthread_mutex_unlock(&lock);
		};
		/* Not under the lock: on a done context fn runs here and now. */
		if (wake.after(ctx) == 0) {
			pthread_mutex_lock(&lock);
			while (!urctx_err(ctx))
				pthread_cond_wait(&cond, &lock);
			pthread_mutex_unlock(&lock);
			ended++;
			urctx_stop(&wake.cb);
		}
		urctx_put(ctx);
	};

	together({ waiter, waiter, waiter, waiter, [&] { urctx_cancel(top); } });
	CHECK(ended == 4);
	urctx_put(top);
}

TEST_CASE("T-045 AfterFunc example: a blocked read of a connection", "[go]")
{
	struct urctx *ctx = derive(nullptr);
	char byte;
	int fds[2];
	counted cb;

	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	cb.also = [&] { shutdown(fds[0], SHUT_RD); };
	REQUIRE(cb.after(ctx) == 0);
	thread canceller([&] { urctx_cancel(ctx); });
	CHECK(recv(fds[0], &byte, 1, 0) == 0);
	CHECK_FALSE(urctx_stop(&cb.cb));
	CHECK(urctx_err(ctx) == -ECANCELED);
	canceller.join();
	close(fds[0]);
	close(fds[1]);
	urctx_put(ctx);
}

TEST_CASE("T-046 AfterFunc example: two contexts merged into one", "[go]")
{
	const struct urctx_cause *why = URCTX_CAUSE(46, "ctx2 canceled");
	struct urctx *one = derive(nullptr), *two = derive(nullptr),
		     *merged = derive(one);
	counted cb;

	cb.also = [&] { urctx_cancel_cause(merged, urctx_cause(two)); };
	REQUIRE(cb.after(two) == 0);
	CHECK(urctx_cancel_cause(two, why));
	CHECK(same_word(merged, why));
	CHECK(urctx_err(one) == 0);
	CHECK_FALSE(urctx_stop(&cb.cb));
	for (struct urctx *ctx : { merged, two, one })
		urctx_put(ctx);
}
