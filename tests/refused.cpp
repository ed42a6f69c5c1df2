/* SPDX-License-Identifier: MIT */
/*
 * refused.cpp - the housekeeper refused, for a whole run: nothing fails
 *
 * This program's pthread_create() takes the place of libc's and has no threads
 * left for anyone but the tests themselves.  A program of its own: the others
 * have a housekeeper.
 */
#include <catch2/catch.hpp>
#include <dlfcn.h>
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
	ours = false;
	/* Leaked, that would be some 250 MiB; it shrinks with the rounds. */
	if (!TESTS_TSAN && !TESTS_VALGRIND)
		CHECK(resident_bytes() < base + scaled(400000) * 320);
	urctx_end(top);
}
