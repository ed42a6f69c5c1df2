/* SPDX-License-Identifier: MIT */
/* edges_back.cpp - memory that comes back: to others, and to the system */
#include "support.hpp"
#include <catch2/catch.hpp>
#include <ctime>
#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <urctx/watch.h>

namespace
{
bool no_measure()
{
	/* their own shadow of what was freed stays */
	return TESTS_ASAN || TESTS_TSAN || TESTS_VALGRIND;
}

size_t at_random(size_t below)
{
	static uint64_t seed = 1;

	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (size_t)(seed >> 33) % below;
}

void put_all(std::vector<struct urctx *> &some)
{
	for (struct urctx *&ctx : some) {
		urctx_put(ctx);
		ctx = nullptr;
	}
}

/* In a process of its own, whose memory comes and goes by the page. */
struct ending alone(const std::function<int()> &fn)
{
	return in_child([&] {
		prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
		return fn();
	});
}

/* What a burst took goes back, and then the library's thread goes. */
int all_back(size_t base, size_t most, int code)
{
	if (!becomes([=] { return resident_bytes() < base + (most - base) / 4; }))
		return code;
	return becomes([] { return threads_now() == 1; }) ? 0 : code + 1;
}

int bursts()
{
	constexpr size_t N = 200000;
	std::vector<struct urctx *> some(N, nullptr);
	size_t base = resident_bytes(), most;
	int ret;

	for (int i = 0; i < 200; i++)
		thread([] { urctx_put(derive(nullptr)); }).join();
	for (struct urctx *&ctx : some)
		ctx = derive(nullptr);
	most = resident_bytes();
	put_all(some);
	ret = all_back(base, most, 1);
	if (ret)
		return ret;
	/* all but one of each page: it stays, and that is no reason to stay awake */
	for (struct urctx *&ctx : some)
		ctx = derive(nullptr);
	most = resident_bytes();
	for (size_t i = 0; i < N; i++)
		if (i % 32) {
			urctx_put(some[i]);
			some[i] = nullptr;
		}
	if (!becomes([] { return threads_now() == 1; }))
		return 3;
	for (struct urctx *&ctx : some)
		if (!ctx)
			ctx = derive(nullptr);
	put_all(some);
	ret = all_back(base, most, 4);
	if (ret)
		return ret;
	/* each with an extra */
	some.resize(20000);
	base = resident_bytes();
	for (struct urctx *&ctx : some) {
		ctx = derive(nullptr);
		urctx_put(derive(ctx));
		if (urctx_wait_idle(ctx, 1))
			return 6;
	}
	most = resident_bytes();
	put_all(some);
	return all_back(base, most, 7);
}
}

/* In a process of its own, which has no library's thread at first. */
TEST_CASE("G9: after bursts the memory goes back, and the library's thread goes",
	  "[edges][G9]")
{
	if (no_measure())
		return;
	struct ending end = alone(bursts);

	INFO(end.said);
	CHECK(end.code == 0);
	CHECK(end.signal == 0);
}

TEST_CASE("G9: a parent whose children change at random does not grow", "[edges][G9]")
{
	if (no_measure())
		return;
	struct ending end = alone([] {
		constexpr size_t LIVE = 600;
		struct urctx *parent = derive(nullptr);
		std::vector<struct urctx *> kids(LIVE);
		size_t base = 0;

		for (struct urctx *&kid : kids)
			kid = derive(parent);
		for (size_t round = 0; round < 40000; round++) {
			size_t which[4];

			if (round == 2000)
				base = resident_bytes();
			for (size_t &at : which) {
				at = at_random(LIVE);
				urctx_put(kids[at]);
				kids[at] = nullptr;
			}
			for (size_t at : which)
				if (!kids[at])
					kids[at] = derive(parent);
			/* another thread's turn */
			if (round % 500 == 0)
				thread([&] {
					put_all(kids);
					for (struct urctx *&kid : kids)
						kid = derive(parent);
				}).join();
		}
		/* what is on its way back comes back */
		return !becomes([=] { return resident_bytes() <= base + (1U << 20); });
	});
	INFO(end.said);
	CHECK(end.code == 0);
	CHECK(end.signal == 0);
}

/* A cache that counts wrongly by one is empty, or full, when it does not know. */
TEST_CASE("G9: what one thread made, and another put, is counted", "[edges][G9]")
{
	std::vector<struct urctx *> some(scaled(150000));
	size_t same = 0;

	for (struct urctx *&ctx : some)
		ctx = derive(nullptr);
	thread([&] { put_all(some); }).join();
	for (struct urctx *&ctx : some) {
		struct urctx *first = derive(nullptr);

		urctx_put(first);
		ctx = derive(nullptr);
		same += ctx == first;
	}
	/* what was put last is found first */
	CHECK(same == some.size());
	thread([&] { put_all(some); }).join();
}

static pthread_key_t last_key;

/* The library's own destructor has run: this is a first use of it again. */
TEST_CASE("G9: what a thread puts with its last breath is found", "[edges][G9]")
{
	struct urctx *last = derive(nullptr);
	std::vector<struct urctx *> some;
	bool found = false;

	if (TESTS_TSAN) {	/* it gives a thread up before */
		urctx_put(last);
		return;
	}
	REQUIRE(pthread_key_create(&last_key, [](void *ctx) {
		urctx_put((struct urctx *)ctx);
	}) == 0);
	thread([&] {
		urctx_put(derive(nullptr));
		pthread_setspecific(last_key, last);
	}).join();
	pthread_key_delete(last_key);
	/* behind what others have left, which is less than this */
	while (!found && some.size() < 2000000) {
		some.push_back(derive(nullptr));
		found = some.back() == last;
	}
	CHECK(found);
	put_all(some);
}

/* Its memory was another's, who had one. */
TEST_CASE("G9: a descriptor is of one context", "[edges][G9]")
{
	size_t bad = 0;

	for (size_t i = 0; i < scaled(20000) && !bad; i++) {
		struct urctx *ctx = derive(nullptr);
		int fd = urctx_fd(ctx);
		struct pollfd pfd = { .fd = fd, .events = POLLIN, .revents = 0 };

		bad += fd < 0 || poll(&pfd, 1, 0) != 0;
		urctx_cancel(ctx);
		/* a timerfd's interrupt may be late */
		bad += poll(&pfd, 1, 60000) != 1 || pfd.revents != POLLIN;
		urctx_put(ctx);
	}
	CHECK(bad == 0);
}
