/* SPDX-License-Identifier: MIT */
/* edges_more.cpp - what is left behind, and who does what is left to do */
#include "clock.hpp"
#include <catch2/catch.hpp>
#include <csignal>
#include <ctime>
#include <fcntl.h>
#include <fstream>
#include <malloc.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <urctx/join.h>
#include <urctx/sync.h>
#include <urctx/join.h>
#include <urctx/sync.h>
#include <urctx/value.h>
#include <urctx/watch.h>

namespace
{
std::atomic<size_t> released{ 0 };
const struct urctx_cause why_else = { "why", __FILE__, "edges", __LINE__, -EPROTO };
const struct urctx_key counts = { "counts", [](void *) { released++; } };

/* Behind a grace period, which comes when it likes: a minute, at most. */
bool all_released(size_t nr)
{
	const struct timespec moment = { 0, 1000000 };

	for (int looks = 0; looks < 60000 && released < nr; looks++)
		nanosleep(&moment, nullptr);
	return released == nr;
}
}

/* A round's contexts have the memory of those before. */
TEST_CASE("G2: contexts that one callback ends all get their turn, and go", "[edges][G2]")
{
	constexpr size_t N = 6;
	size_t rounds = scaled(1000), not_once = 0, refused = 0;

	released = 0;
	for (size_t round = 0; round < rounds; round++) {
		struct urctx *top = derive(nullptr), *ctx[N] = {};
		counted outer, cb[N];

		for (size_t i = 0; i < N; i++) {
			refused += urctx_with_value(nullptr, &counts, top, &ctx[i]) != 0;
			refused += cb[i].after(ctx[i]) != 0;
		}
		outer.also = [&] {
			for (struct urctx *some : ctx) {
				urctx_cancel(some);
				urctx_put(some);
			}
		};
		refused += outer.after(top) != 0;
		urctx_cancel(top);
		for (counted &c : cb)
			not_once += c.ran != 1;
		urctx_put(top);
	}
	CHECK(refused == 0);
	CHECK(not_once == 0);
	CHECK(all_released(rounds * N));
}

/* A callback that stays, on the library's thread; it is told if it is on another. */
struct staying {
	counted cb;
	pthread_t armed_by = pthread_self();
	std::atomic<bool> here{ false };
	gate inside, go_on;

	bool begins(struct urctx *ctx)
	{
		cb.also = [this] {
			bool at_once = pthread_equal(armed_by, pthread_self());

			here = at_once;
			inside.set();
			if (!at_once)
				go_on.wait();
		};
		REQUIRE(cb.after(ctx) == 0);
		inside.wait();
		return !here;
	}
};

/* The library's thread, which would have noticed, is in a callback. */
TEST_CASE("G4: a cancel behind a deadline that has passed ends it all the same", "[edges][G4]")
{
	struct urctx *busy = nullptr, *ctx = nullptr, *child;
	const struct timespec moment = { 0, 1000000 };
	std::unique_ptr<staying> first;
	counted cb;
	int64_t when = 0;

	/* a deadline that passes behind after(); or one that is later, if it does not */
	for (int64_t ns = 10000000;; ns *= 2) {
		REQUIRE(ns < 100 * SEC);
		REQUIRE(urctx_with_timeout(nullptr, ns, &busy) == 0);
		first = std::make_unique<staying>();
		if (first->begins(busy))
			break;
		urctx_put(busy);
	}
	REQUIRE(urctx_with_timeout(nullptr, 50000000, &ctx) == 0);
	child = derive(ctx);
	REQUIRE(cb.after(child) == 0);
	REQUIRE(urctx_deadline(ctx, &when));
	while (urctx_now() < when)
		nanosleep(&moment, nullptr);
	CHECK_FALSE(urctx_cancel(ctx));
	CHECK(cb.ran == 1);
	CHECK(urctx_err(child) == -ETIME);
	first->go_on.set();
	CHECK_FALSE(urctx_stop(&first->cb.cb));
	for (struct urctx *some : { child, ctx, busy })
		urctx_put(some);
}

/*
 * Keys whose hashes begin alike have a longer way to where they part: of so many,
 * some share two and three of the digits by which they are told apart.
 */
TEST_CASE("two values are found, however alike the hashes of their keys", "[edges]")
{
	static struct urctx_key keys[4096];
	struct urctx *one = nullptr;
	size_t wrong = 0;
	char first, second;

	REQUIRE(urctx_with_value(nullptr, &keys[0], &first, &one) == 0);
	for (size_t i = 1; i < 4096; i++) {
		struct urctx *two = nullptr, *three = nullptr;

		wrong += urctx_with_value(one, &keys[i], &second, &two) != 0;
		wrong += urctx_with_value(two, &counts, nullptr, &three) != 0;
		wrong += urctx_value(two, &keys[0]) != &first;
		wrong += urctx_value(three, &keys[0]) != &first;
		wrong += urctx_value(three, &keys[i]) != &second;
		wrong += urctx_value(three, &keys[(i + 1) % 4096 ? i + 1 : 1]) != nullptr;
		urctx_put(three);
		urctx_put(two);
	}
	CHECK(wrong == 0);
	urctx_put(one);
}

/* Sanitizers and valgrind have heaps of their own, which this does not see. */
TEST_CASE("what values and joins allocate is freed again", "[edges][G9]")
{
	size_t before = 0, refused = 0, rounds = scaled(20000);
	struct urctx *parents[3] = { derive(nullptr), derive(nullptr), derive(nullptr) };

	released = 0;
	for (size_t i = 0; i < rounds; i++) {
		struct urctx *with = nullptr, *any = nullptr;

		if (i == rounds / 10) {
			CHECK(all_released(i));
			before = mallinfo2().uordblks;
		}
		refused += urctx_with_value(parents[0], &counts, &before, &with) != 0;
		refused += urctx_with_any(parents, 3, &any) != 0;
		urctx_put(any);
		urctx_put(with);
	}
	CHECK(refused == 0);
	CHECK(all_released(rounds));
	/* a value takes 168 bytes at least */
	CHECK(mallinfo2().uordblks < before + rounds * 64 + 65536);
	for (struct urctx *ctx : parents)
		urctx_put(ctx);
}

/* A value is released when its context has gone: not before it, and not never. */
TEST_CASE("G9: what a join and its children kept goes when they have gone", "[edges][G9]")
{
	constexpr size_t N = 5;
	size_t made = 0, refused = 0, early = 0;

	released = 0;
	for (size_t i = 0, n = scaled(400); i < n; i++) {
		bool first = i & 1, has_kid = i & 2, ends = i & 4;
		struct urctx *parent[N], *any = nullptr, *kid = nullptr;

		if (!(i % 100))
			early += !all_released(made);
		for (struct urctx *&p : parent) {
			refused += urctx_with_value(nullptr, &counts, &made, &p) != 0;
			made++;
		}
		refused += urctx_with_any(parent, N, &any) != 0;
		if (has_kid)
			kid = derive(any);
		if (first)
			for (struct urctx *p : parent)
				urctx_put(p);
		if (ends)
			urctx_cancel(any);
		urctx_put(any);
		early += released + N > made && has_kid;
		urctx_put(kid);
		if (!first)
			for (struct urctx *p : parent)
				urctx_put(p);
	}
	CHECK(refused == 0);
	CHECK(early == 0);
	CHECK(all_released(made));
}

/* Sanitizers keep what is freed, and their shadow of it. */
TEST_CASE("G9: after a burst of parents their chunks go back, too", "[edges][G9]")
{
	constexpr size_t N = 60000;
	std::vector<struct urctx *> parent(N), child(N);
	size_t before, most, now;

	if (TESTS_ASAN || TESTS_TSAN || TESTS_VALGRIND)
		return;
	for (size_t i = 0; i < N; i++)
		parent[i] = child[i] = nullptr;
	before = resident_bytes();
	for (size_t i = 0; i < N; i++) {
		parent[i] = derive(nullptr);
		child[i] = derive(parent[i]);
	}
	most = resident_bytes() - before;
	for (size_t i = 0; i < N; i++) {
		urctx_put(child[i]);
		urctx_put(parent[i]);
	}
	/* when the library's thread likes: a minute, at most */
	for (int looks = 0; looks < 6000; looks++) {
		const struct timespec moment = { 0, 10000000 };

		now = resident_bytes();
		if (now < before + most / 4)
			break;
		nanosleep(&moment, nullptr);
	}
	INFO(before << " " << most << " " << now);
	CHECK(now < before + most / 4);
}

TEST_CASE("a dump names a module without the way there", "[edges]")
{
	struct urctx *ctx = derive(nullptr);
	std::string text;
	char line[512];
	counted cb;

	REQUIRE(cb.after(ctx) == 0);
	FILE *out = tmpfile();
	REQUIRE(out);
	REQUIRE(urctx_dump(ctx, out) == 1);
	rewind(out);
	while (fgets(line, sizeof(line), out))
		text += line;
	fclose(out);
	INFO(text);
	CHECK(text.find("check-edges(") != text.npos);
	CHECK(text.find('/') == text.npos);
	REQUIRE(urctx_stop(&cb.cb));
	urctx_put(ctx);
}

/* It is closed behind a grace period: a minute, at most. */
TEST_CASE("a context's descriptor may be 0", "[edges]")
{
	int spare = fcntl(0, F_DUPFD_CLOEXEC, 100), fd;
	const struct timespec moment = { 0, 1000000 };
	struct urctx *ctx = nullptr;

	REQUIRE(spare >= 0);
	REQUIRE(urctx_with_timeout(nullptr, 3600 * SEC, &ctx) == 0);
	close(0);
	errno = EPROTO;
	fd = urctx_fd(ctx);
	CHECK(errno == EPROTO);
	CHECK(fd == 0);
	CHECK(urctx_fd(ctx) == fd);
	/* a child has one of its own, in the same place */
	struct ending end = in_child([&] {
		errno = EPROTO;
		return urctx_fd(ctx) == 0 && errno == EPROTO ? 0 : 1;
	});
	CHECK(end.code == 0);
	CHECK(end.signal == 0);
	urctx_put(ctx);
	for (int looks = 0; looks < 60000 && fcntl(0, F_GETFD) >= 0; looks++)
		nanosleep(&moment, nullptr);
	CHECK(fcntl(0, F_GETFD) < 0);
	dup2(spare, 0);
	close(spare);
}

TEST_CASE("G2: what a callback ends that runs at once has run when after is back", "[edges][G2]")
{
	struct urctx *over = derive(nullptr), *one = derive(nullptr), *two = derive(one);
	counted first, cb, below;

	urctx_cancel(over);
	REQUIRE(cb.after(one) == 0);
	REQUIRE(below.after(two) == 0);
	first.also = [&] { urctx_cancel(one); };
	REQUIRE(first.after(over) == 0);
	CHECK(first.ran == 1);
	CHECK(cb.ran == 1);
	CHECK(below.ran == 1);
	for (struct urctx *ctx : { two, one, over })
		urctx_put(ctx);
}

/* Its memory was another's, whose words were others. */
TEST_CASE("a shield that is a root is as any root", "[edges]")
{
	size_t wrong = 0, rounds = scaled(2000);

	for (size_t i = 0; i < rounds; i++) {
		struct urctx *used = derive(nullptr), *kid = derive(used), *root = nullptr;

		urctx_cancel_cause(used, &why_else);
		urctx_put(kid);
		urctx_put(used);
		wrong += urctx_without_cancel(nullptr, &root) != 0;
		wrong += urctx_err(root) != 0 || urctx_done(root);
		kid = derive(root);
		wrong += urctx_err(kid) != 0;
		urctx_cancel(root);
		wrong += urctx_err(kid) != -ECANCELED || urctx_err(root) != -ECANCELED;
		urctx_put(kid);
		urctx_put(root);
	}
	CHECK(wrong == 0);
}

static bool sleeps(int tid)
{
	std::string state;

	std::getline(std::ifstream("/proc/self/task/" + std::to_string(tid) + "/stat"), state);
	return state.find(") S ") != state.npos;
}

/* Where it has looked already: the one it sleeps for goes, another has come before. */
TEST_CASE("who waits for idle looks again at what was idle", "[edges]")
{
	size_t early = 0, failed = 0;

	for (int round = 0; round < 20; round++) {
		struct urctx *parent = derive(nullptr), *first = derive(parent);
		struct urctx *last = derive(parent), *late;
		std::atomic<bool> over{ false }, back{ false };
		std::atomic<int> tid{ 0 };

		urctx_put(first);
		thread waiter([&] {
			tid = (int)syscall(SYS_gettid);
			failed += urctx_wait_idle(parent, URCTX_NEVER) != 0;
			early += !over;
			back = true;
		});
		while (!tid || (!sleeps(tid) && !back))
			sched_yield();
		late = derive(parent);
		urctx_put(last);
		/* it has gone to sleep again, or it should have */
		for (int looks = 0; looks < 50 && !back; looks++)
			sched_yield();
		over = true;
		urctx_put(late);
		waiter.join();
		urctx_put(parent);
	}
	CHECK(failed == 0);
	CHECK(early == 0);
}

/* A descriptor 0 reads them as any other; in a process of its own, which has none. */
TEST_CASE("signals may be read by descriptor 0", "[edges]")
{
	struct ending end = in_child([] {
		const struct timespec moment = { 0, 1000000 };
		struct urctx *one = nullptr, *two = nullptr;
		sigset_t first, second, both;

		sigemptyset(&first);
		sigaddset(&first, SIGUSR1);
		sigemptyset(&second);
		sigaddset(&second, SIGUSR2);
		sigorset(&both, &first, &second);
		sigprocmask(SIG_BLOCK, &both, nullptr);
		close(0);
		if (urctx_with_signals(nullptr, &first, &one))
			return 1;
		for (int looks = 0; looks < 10000 && fcntl(0, F_GETFD) < 0; looks++)
			nanosleep(&moment, nullptr);
		if (fcntl(0, F_GETFD) < 0)
			return 2;
		if (urctx_with_signals(nullptr, &second, &two))
			return 3;
		kill(getpid(), SIGUSR2);
		if (urctx_wait(two, urctx_now() + 20 * SEC))
			return 4;
		if (urctx_err(one))
			return 5;
		kill(getpid(), SIGUSR1);
		if (urctx_wait(one, urctx_now() + 20 * SEC))
			return 6;
		urctx_put(one);
		urctx_put(two);
		return 0;
	});
	INFO(end.said);
	CHECK(end.code == 0);
	CHECK(end.signal == 0);
}

/* Never more of them inside than there are tokens, however they come about them. */
TEST_CASE("a token that another thread was faster to take is not had", "[edges]")
{
	for (int64_t size : { 1, 2 }) {
		const size_t rounds = scaled(20000);
		std::atomic<int64_t> inside{ 0 };
		std::atomic<size_t> too_many{ 0 }, had{ 0 };
		struct urctx_sem sem;

		urctx_sem_init(&sem, size);
		auto taker = [&] {
			for (size_t i = 0; i < rounds; i++) {
				bool has = i % 2 ? urctx_sem_try_acquire(&sem, 1) :
					   !urctx_sem_acquire(&sem, nullptr, 1);

				if (!has)
					continue;
				too_many += ++inside > size;
				had++;
				inside--;
				urctx_sem_release(&sem, 1);
			}
		};
		together({ taker, taker, taker, taker });
		CHECK(too_many == 0);
		CHECK(had > 0);
		CHECK(urctx_sem_try_acquire(&sem, size));
		CHECK_FALSE(urctx_sem_try_acquire(&sem, 1));
		urctx_sem_release(&sem, size);
	}
}
