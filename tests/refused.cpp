/* SPDX-License-Identifier: MIT */
/*
 * refused.cpp - the housekeeper refused, for a whole run: nothing fails
 *
 * This program's pthread_create() takes the place of libc's and has no threads
 * left for anyone but the tests themselves.  A program of its own: the others
 * have a housekeeper.
 */
#include <catch2/catch.hpp>
#include <csignal>
#include <dlfcn.h>
#include <urctx/clock.h>
#include <urcu-bp.h>
#include "support.hpp"

typedef int create_fn(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

static std::atomic<size_t> refusals{ 0 };
static thread_local bool ours;

/* Where a sanitizer has one, that is libc's as far as we are concerned. */
extern "C" int __interceptor_pthread_create(pthread_t *, const pthread_attr_t *,
					    void *(*)(void *), void *)
	__attribute__((weak));

extern "C" int pthread_create(pthread_t *id, const pthread_attr_t *attr,
			      void *(*fn)(void *), void *arg)
{
	static create_fn *real = __interceptor_pthread_create ?
		__interceptor_pthread_create :
		(create_fn *)dlsym(RTLD_NEXT, "pthread_create");

	if (ours)
		return real(id, attr, fn, arg);
	refusals++;
	return EAGAIN;
}

static void with_threads(const std::vector<std::function<void()>> &fns)
{
	std::vector<std::function<void()>> theirs;

	for (auto &fn : fns)
		theirs.push_back([&fn] {
			ours = false;
			fn();
		});
	ours = true;
	together(theirs);
	ours = false;
}

TEST_CASE("no housekeeper: leaves and their parent go on", "[refused]")
{
	struct urctx *parent = derive(nullptr);

	for (size_t i = 0, n = scaled(200000); i < n; i++)
		urctx_put(derive(parent));
	CHECK(urctx_cancel(parent));
	urctx_put(parent);
}

TEST_CASE("no housekeeper: interior contexts, orphans, callbacks", "[refused]")
{
	size_t wrong = 0, n = scaled(20000);
	struct urctx *top = derive(nullptr);

	for (size_t i = 0; i < n; i++) {
		struct urctx *a = derive(top), *b = derive(a), *c = derive(b);
		counted cb;

		wrong += cb.after(c) != 0;
		if (i % 2) {
			urctx_put(a);
			urctx_put(b);
		}
		wrong += urctx_done(c);
		if (i % 4 == 0)
			wrong += !urctx_cancel(a) || cb.ran != 1 || !urctx_done(c);
		else
			wrong += !urctx_stop(&cb.cb);
		urctx_put(c);
		if (i % 2 == 0) {
			urctx_put(b);
			urctx_put(a);
		}
	}
	CHECK(wrong == 0);
	CHECK(refusals > 0);
	urctx_end(top);
}

TEST_CASE("no housekeeper: several threads, a cancel, a wait", "[refused]")
{
	struct urctx *top = derive(nullptr);
	struct findings f;
	auto work = [&] {
		for (size_t i = 0, n = scaled(5000); i < n; i++) {
			struct urctx *a = derive(top), *b = derive(a);

			urctx_put(a);
			urctx_cancel(b);
			f.expect(urctx_done(b), "live");
			urctx_put(b);
		}
		f.expect(urctx_wait(top, URCTX_NEVER) == 0, "not 0");
	};

	with_threads({ work, work, [&] { urctx_cancel(top); } });
	REQUIRE_NOTHING_IN(f);
	urctx_put(top);
}

TEST_CASE("no housekeeper: a reader stays in its section all the while", "[refused]")
{
	size_t n = scaled(20000), wrong = 0, before = refusals;
	struct urctx *top = derive(nullptr);
	gate inside, leave;
	auto churn = [&] {
		for (size_t i = 0; i < n; i++) {
			struct urctx *a = derive(top), *b = derive(a);

			urctx_put(i % 2 ? a : b);
			wrong += i % 5 == 0 && !urctx_cancel(i % 2 ? b : a);
			urctx_put(i % 2 ? b : a);
		}
	};

	/* Nothing that had children can be used again until it leaves. */
	with_threads({
		[&] {
			urctx_put(derive(top));
			urcu_bp_read_lock();
			inside.set();
			leave.wait();
			urcu_bp_read_unlock();
		},
		[&] {
			inside.wait();
			churn();
			leave.set();
		},
	});
	CHECK(refusals > before);
	churn();
	CHECK(wrong == 0);
	CHECK(urctx_cancel(top));
	urctx_put(top);
}

TEST_CASE("no housekeeper: orphans of a deep chain", "[refused]")
{
	struct urctx *top = derive(nullptr), *below = derive(top);

	for (size_t i = 0, n = scaled(50000); i < n; i++) {
		struct urctx *next = derive(below);

		urctx_put(below);
		below = next;
	}
	CHECK(urctx_cancel(top));
	CHECK(urctx_done(below));
	urctx_put(below);
	urctx_put(top);
}

TEST_CASE("no housekeeper: what needs it says -EAGAIN, and makes nothing", "[refused]")
{
	struct urctx *parent = derive(nullptr), *child = nullptr, *later = nullptr;
	struct urctx_callback cb = {};
	sigset_t set, before;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, &before);
	REQUIRE(urctx_with_timeout(nullptr, INT64_C(3600000000000), &later) == 0);
	CHECK(urctx_with_grace(parent, 1, &child) == -EAGAIN);
	CHECK(urctx_with_grace(later, 1, &child) == -EAGAIN);
	CHECK(urctx_with_signals(parent, &set, &child) == -EAGAIN);
	CHECK(child == nullptr);
	CHECK(urctx_after(later, &cb, [](struct urctx_callback *) {}) == -EAGAIN);
	CHECK_FALSE(urctx_stop(&cb));
	CHECK(urctx_wait_idle(parent, 0) == 0);
	pthread_sigmask(SIG_SETMASK, &before, nullptr);
	urctx_put(later);
	urctx_put(parent);
}

TEST_CASE("no housekeeper: a deadline passes all the same", "[refused]")
{
	int64_t when = urctx_now() + 2000000;
	struct urctx *ctx = nullptr;

	REQUIRE(urctx_with_deadline(nullptr, when, &ctx) == 0);
	while (!urctx_done(ctx))	/* each poll reads the clock */
		;
	CHECK(urctx_now() >= when);
	CHECK(urctx_err(ctx) == -ETIME);
	urctx_put(ctx);
}

TEST_CASE("no housekeeper: nobody moves the clock", "[refused]")
{
	REQUIRE(urctx_clock_hold(5) == 0);
	CHECK(urctx_clock_advance(7) == -EAGAIN);
	CHECK(urctx_clock_advance(7) == -EAGAIN);	/* the first is taken back */
	CHECK(urctx_now() == 5);
	urctx_clock_release();
}

TEST_CASE("no housekeeper: it is asked for again, and comes when it may", "[refused]")
{
	size_t before = refusals, base;
	struct urctx *top = derive(nullptr);
	auto churn = [&](size_t n) {
		for (size_t i = 0; i < n; i++) {
			struct urctx *a = derive(top);

			urctx_put(derive(a));
			urctx_put(a);
		}
	};

	churn(scaled(20000));
	CHECK(refusals > before);
	ours = true;			/* now there are threads to be had */
	churn(scaled(100000));
	base = resident_bytes();
	churn(scaled(400000));
	/* the housekeeper gives it back in its own time: a minute, at most */
	for (int i = 0; i < 6000 && resident_bytes() >= base + scaled(400000) * 320; i++)
		CHECK(urctx_wait(nullptr, urctx_now() + 10000000) == -ETIME);
	ours = false;
	/* Leaked, that would be some 250 MiB; it shrinks with the rounds. */
	if (!TESTS_TSAN && !TESTS_VALGRIND)
		CHECK(resident_bytes() < base + scaled(400000) * 320);
	urctx_end(top);
}
