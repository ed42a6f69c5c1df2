/* SPDX-License-Identifier: MIT */
/* edges.cpp - the last value that counts, and the first that does not */
#include "clock.hpp"
#include <catch2/catch.hpp>
#include <urctx/join.h>
#include <urctx/sync.h>
#include <urctx/value.h>
#include <urctx/watch.h>
#include <dirent.h>
#include <fstream>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace
{
const struct urctx_cause why = { "why", __FILE__, "edges", __LINE__, -EPROTO };

struct urctx *grace_of(struct urctx *parent, int64_t grace)
{
	struct urctx *ctx = nullptr;

	REQUIRE(urctx_with_grace(parent, grace, &ctx) == 0);
	return ctx;
}

struct urctx *joined(const std::vector<struct urctx *> &parents)
{
	struct urctx *ctx = nullptr;

	REQUIRE(urctx_with_any(parents.data(), parents.size(), &ctx) == 0);
	return ctx;
}

struct urctx *timeout(struct urctx *parent, int64_t ns)
{
	struct urctx *ctx = nullptr;

	REQUIRE(urctx_with_timeout(parent, ns, &ctx) == 0);
	return ctx;
}
}

TEST_CASE("a grace period that is none, never over, or negative", "[edges]")
{
	held_clock clock(100);
	struct urctx *parent = derive(nullptr);
	struct urctx *never = grace_of(parent, URCTX_NEVER);
	struct urctx *root = grace_of(nullptr, 50);
	struct urctx *most = grace_of(parent, URCTX_NEVER - 100);
	struct urctx *less = grace_of(parent, -7);
	counted on_less;

	REQUIRE(on_less.after(less) == 0);
	urctx_cancel(parent);
	CHECK(urctx_clock_advance(0) == 0);
	CHECK(on_less.ran == 1);
	CHECK(urctx_err(less) == -ECANCELED);
	CHECK(urctx_clock_advance(1000000 * SEC) == 0);
	for (struct urctx *ctx : { never, root, most }) {
		CHECK(urctx_err(ctx) == 0);
		CHECK_FALSE(urctx_deadline(ctx, nullptr));
		CHECK(urctx_remaining(ctx) == URCTX_NEVER);
		urctx_cancel_cause(ctx, &why);
		CHECK(urctx_cause(ctx) == &why);
		urctx_put(ctx);
	}
	urctx_put(less);
	urctx_put(parent);
}

TEST_CASE("a grace period begins at once below what has ended", "[edges]")
{
	held_clock clock(100);
	struct urctx *parent = derive(nullptr), *ctx;
	counted cb;

	urctx_cancel_cause(parent, &why);
	ctx = grace_of(parent, 50);
	REQUIRE(cb.after(ctx) == 0);
	CHECK(urctx_err(ctx) == 0);
	CHECK(urctx_clock_advance(49) == 0);
	CHECK(cb.ran == 0);
	CHECK(urctx_clock_advance(1) == 0);
	CHECK(cb.ran == 1);
	CHECK(urctx_cause(ctx) == &why);
	urctx_put(ctx);
	urctx_put(parent);
}

/* What errno was before is no answer of the kernel's. */
TEST_CASE("a sleep that ends well says so, whatever errno was", "[edges]")
{
	for (int was : { EINTR, EAGAIN, ETIMEDOUT, EINVAL }) {
		struct urctx *ctx = derive(nullptr), *other = derive(nullptr);
		std::atomic<uint32_t> word{ 0 };
		gate begun;
		int waited = 1, futex = 1, after = 0;

		thread waiter([&] {
			errno = was;
			begun.set();
			waited = urctx_wait(ctx, urctx_now() + 3600 * SEC);
			do
				futex = urctx_futex_wait(other, (uint32_t *)&word, 0);
			while (!futex && !word);
			after = errno;
		});
		begun.wait();
		urctx_cancel(ctx);
		word = 1;
		syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1);
		waiter.join();
		CHECK(waited == 0);
		CHECK((futex == 0 || futex == -EAGAIN));
		CHECK(after == was);
		urctx_put(ctx);
		urctx_put(other);
	}
}

TEST_CASE("a join has the cause of the deadline that it has", "[edges]")
{
	for (int before : { 0, 1 }) {
		held_clock clock;
		context late(nullptr, 100), early(nullptr, 50, &why);
		struct urctx *any = before ? joined({ early, late }) :
					     joined({ late, early });
		int64_t when = 0;

		REQUIRE(urctx_deadline(any, &when));
		CHECK(when == 50);
		/* it looks for itself: nobody has told it when the clock is let go */
		urctx_clock_release();
		CHECK(urctx_err(any) == -ETIME);
		CHECK(urctx_cause(any) == &why);
		REQUIRE(urctx_clock_hold(0) == 0);
		urctx_put(any);
	}
}

TEST_CASE("a join of one parent, twice the same, too many", "[edges]")
{
	static const struct urctx_key key = { "key", nullptr };
	constexpr size_t MOST = 1048576;
	struct urctx *parent = derive(nullptr), *other = derive(nullptr);
	struct urctx *with = nullptr, *any = nullptr;
	char here;

	REQUIRE(urctx_with_value(parent, &key, &here, &with) == 0);
	std::vector<struct urctx *> same(MOST + 1, with);
	CHECK(urctx_with_any(same.data(), MOST + 1, &any) == -EINVAL);
	CHECK(urctx_with_any(same.data(), 0, &any) == -EINVAL);
	CHECK(urctx_with_any(nullptr, 2, &any) == -EINVAL);
	CHECK(urctx_with_any(same.data(), 2, nullptr) == -EINVAL);
	CHECK(any == nullptr);
	REQUIRE(urctx_with_any(same.data(), MOST, &any) == 0);
	CHECK(urctx_value(any, &key) == &here);
	urctx_put(any);

	/* values are the first's, and NULL has none */
	any = joined({ with, other });
	CHECK(urctx_value(any, &key) == &here);
	urctx_put(any);
	for (const auto &parents : { std::vector<struct urctx *>{ other, with, with },
				     { nullptr, with, other }, { nullptr, with } }) {
		any = joined(parents);
		CHECK(urctx_value(any, &key) == nullptr);
		CHECK(urctx_err(any) == 0);
		urctx_put(any);
	}
	any = joined({ nullptr, nullptr });
	CHECK(urctx_err(any) == 0);
	urctx_cancel(any);
	CHECK(urctx_err(any) == -ECANCELED);
	urctx_put(any);
	any = joined({ nullptr, with });
	urctx_cancel_cause(parent, &why);
	CHECK(urctx_cause(any) == &why);
	urctx_put(any);
	for (struct urctx *ctx : { with, other, parent })
		urctx_put(ctx);
}

TEST_CASE("a join of many ends with any of them, however far they are apart", "[edges]")
{
	constexpr size_t MANY = 70;

	for (size_t which : { (size_t)0, (size_t)1, (size_t)31, (size_t)32, (size_t)33,
			       MANY - 1 }) {
		std::vector<struct urctx *> parents;
		struct urctx *any;

		for (size_t i = 0; i < MANY; i++)
			parents.push_back(derive(nullptr));
		std::vector<struct urctx *> twice(parents);
		twice.insert(twice.end(), parents.begin(), parents.end());
		any = joined(twice);
		CHECK(urctx_err(any) == 0);
		urctx_cancel_cause(parents[which], &why);
		CHECK(same_word(any, &why));
		urctx_put(any);
		/* none of them is kept by it: what is derived now is its own */
		for (struct urctx *ctx : parents)
			urctx_put(ctx);
	}
}

TEST_CASE("timeouts at the ends of what a number can say", "[edges]")
{
	held_clock clock(100);
	struct urctx *last = timeout(nullptr, URCTX_NEVER - 101);
	struct urctx *beyond = timeout(nullptr, URCTX_NEVER - 100);
	struct urctx *one = timeout(nullptr, 1);
	int64_t when = 0;

	REQUIRE(urctx_deadline(last, &when));
	CHECK(when == URCTX_NEVER - 1);
	CHECK(urctx_remaining(last) == URCTX_NEVER - 101);
	CHECK_FALSE(urctx_deadline(beyond, &when));
	CHECK(urctx_remaining(beyond) == URCTX_NEVER);
	CHECK(urctx_remaining(one) == 1);
	CHECK(urctx_err(one) == 0);
	for (int64_t ns : { (int64_t)0, (int64_t)-1, INT64_MIN }) {
		struct urctx *none = timeout(nullptr, ns);

		CHECK(urctx_err(none) == -ETIME);
		CHECK(urctx_remaining(none) == 0);
		REQUIRE(urctx_deadline(none, &when));
		CHECK(when == 100);
		urctx_put(none);
	}
	CHECK(urctx_clock_advance(1) == 0);
	CHECK(urctx_remaining(one) == 0);
	CHECK(urctx_err(one) == -ETIME);
	for (struct urctx *ctx : { last, beyond, one })
		urctx_put(ctx);
}

TEST_CASE("of two equal deadlines the one above is what ends it", "[edges]")
{
	static const struct urctx_cause below = { "below", __FILE__, __func__,
						  __LINE__, -EPROTO };
	held_clock clock;
	context top(nullptr, 50, &why), same(top, 50, &below), later(top, 51, &below),
		sooner(top, 49, &below);
	int64_t when = 0;

	REQUIRE(urctx_deadline(later, &when));
	CHECK(when == 50);
	REQUIRE(urctx_deadline(sooner, &when));
	CHECK(when == 49);
	CHECK(urctx_clock_advance(50) == 0);
	CHECK(urctx_cause(same) == &why);
	CHECK(urctx_cause(later) == &why);
	CHECK(urctx_cause(sooner) == &below);
	CHECK(urctx_cause(top) == &why);
}

/*
 * Of two callbacks the first, whichever that is, holds up the one who cancels; who
 * cancels as well runs the other before it is back.
 */
static void second_one_runs(struct urctx *ctx, const std::function<void()> &first,
			    const std::function<void()> &second)
{
	std::atomic<int> begun{ 0 };
	gate inside, go_on;
	counted cb[2];

	for (counted &c : cb) {
		c.also = [&] {
			if (begun++)
				return;
			inside.set();
			go_on.wait();
		};
		REQUIRE(c.after(ctx) == 0);
	}
	thread canceller(first);
	inside.wait();
	second();
	CHECK(begun == 2);
	CHECK(cb[0].ran == 1);
	CHECK(cb[1].ran == 1);
	go_on.set();
	canceller.join();
	CHECK(begun == 2);
}

TEST_CASE("G2: who loses a cancel runs the callbacks that are left", "[edges][G2]")
{
	struct urctx *ctx = derive(nullptr);

	second_one_runs(ctx, [&] { urctx_cancel(ctx); }, [&] { urctx_cancel(ctx); });
	urctx_put(ctx);
}

TEST_CASE("G2: so does who ends the other parent of a join", "[edges][G2]")
{
	for (int which : { 0, 1 }) {
		struct urctx *p[] = { derive(nullptr), derive(nullptr) };
		struct urctx *any = joined({ p[0], p[1] });

		second_one_runs(any, [&] { urctx_cancel(p[which]); },
				[&] { urctx_cancel(p[!which]); });
		urctx_put(any);
		urctx_put(p[0]);
		urctx_put(p[1]);
	}
}

TEST_CASE("G2: and who ends a context above one that has ended", "[edges][G2]")
{
	struct urctx *top = derive(nullptr), *ctx = derive(top);

	second_one_runs(ctx, [&] { urctx_cancel(ctx); }, [&] { urctx_cancel(top); });
	urctx_put(ctx);
	urctx_put(top);
}

/* ns on a processor, of each thread but the caller; none, if one does not sleep. */
static std::vector<std::pair<std::string, uint64_t>> others_ran()
{
	std::vector<std::pair<std::string, uint64_t>> found;
	DIR *dir = opendir("/proc/self/task");
	bool sleeping = true;

	while (struct dirent *d = readdir(dir)) {
		std::string of = std::string("/proc/self/task/") + d->d_name, state;
		uint64_t ns = 0;

		if (d->d_name[0] == '.' || atol(d->d_name) == syscall(SYS_gettid))
			continue;
		std::getline(std::ifstream(of + "/stat"), state);
		std::ifstream(of + "/schedstat") >> ns;
		sleeping = sleeping && state.find(") S ") != state.npos;
		found.emplace_back(d->d_name, ns);
	}
	closedir(dir);
	if (!sleeping)
		found.clear();
	return found;
}

/*
 * One that never sleeps is never seen to stand still, however often one looks.  Nothing
 * is awaited by the moment between two looks: it is what it has to stand still for.
 */
TEST_CASE("the library's thread sleeps while there is nothing to do", "[edges][G5]")
{
	struct urctx *ctx = timeout(nullptr, 3600 * SEC);
	bool still = false;
	counted cb;

	if (TESTS_TSAN) {	/* it has a thread of its own, which never stands still */
		urctx_put(ctx);
		return;
	}
	REQUIRE(cb.after(ctx) == 0);
	for (int looks = 0; looks < 3000 && !still; looks++) {
		auto before = others_ran();
		const struct timespec moment = { 0, 20000000 };

		nanosleep(&moment, nullptr);
		still = !before.empty() && others_ran() == before;
	}
	CHECK(still);
	REQUIRE(urctx_stop(&cb.cb));
	urctx_put(ctx);
}

/* Behind a grace period, which comes when it likes: a minute, at most. */
TEST_CASE("a context's descriptor is closed when the context has gone", "[edges]")
{
	size_t before = open_fds(), now = 0;

	for (int i = 0; i < 64; i++) {
		struct urctx *ctx = derive(nullptr), *timed = timeout(ctx, 3600 * SEC);

		REQUIRE(urctx_fd(ctx) >= 0);
		REQUIRE(urctx_fd(timed) >= 0);
		REQUIRE(urctx_fd(ctx) == urctx_fd(ctx));
		if (i % 2)
			urctx_cancel(ctx);
		urctx_put(timed);
		urctx_put(ctx);
	}
	for (int looks = 0; looks < 60000; looks++) {
		const struct timespec moment = { 0, 1000000 };

		now = open_fds();
		/* one of them is the library's thread's */
		if (now <= before + 2)
			break;
		nanosleep(&moment, nullptr);
	}
	CHECK(now <= before + 2);
}
