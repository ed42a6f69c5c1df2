/* SPDX-License-Identifier: MIT */
/*
 * cover_memory.cpp - a process whose address space is at its limit
 *
 * Each in a child of its own, in which only what a signal handler may do, and malloc,
 * is used of the C library.
 */
#include <catch2/catch.hpp>
#include <sys/resource.h>
#include <unistd.h>
#include "signals.hpp"

#define MOST	(1U << 17)	/* contexts: more than fits below any limit set here */

/* What this process has of addresses, in bytes. */
static rlim_t address_space()
{
	unsigned long pages = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (!file || fscanf(file, "%lu", &pages) != 1)
		abort();
	fclose(file);
	return static_cast<rlim_t>(pages) * static_cast<rlim_t>(sysconf(_SC_PAGESIZE));
}

/* What it was. */
static rlim_t limit(rlim_t bytes)
{
	struct rlimit lim;
	rlim_t was;

	getrlimit(RLIMIT_AS, &lim);
	was = lim.rlim_cur;
	lim.rlim_cur = bytes;
	if (setrlimit(RLIMIT_AS, &lim))
		abort();
	return was;
}

/* Children until there is no memory; a root needs less of it. */
static int fill(struct urctx *parent, std::vector<struct urctx *> *made)
{
	struct urctx *child = nullptr;
	int ret = 0;

	while (!ret && made->size() < MOST) {
		ret = made->size() % 2 || !parent ? urctx_with_cancel(parent, &child) :
						    urctx_without_cancel(parent, &child);
		if (!ret)
			made->push_back(child);
	}
	return ret;
}

static void put_all(std::vector<struct urctx *> *made)
{
	for (auto *ctx : *made)
		urctx_put(ctx);
	made->clear();
}

/* Room for what malloc() is asked for here, whatever the limit is. */
static void some_heap()
{
	void *some[64];

	for (auto &p : some)
		p = malloc(500);
	for (auto &p : some)
		free(p);
}

/* 0, or the line where it is wrong. */
static int at_its_limit(rlim_t room)
{
	std::vector<struct urctx *> made, roots;
	struct urctx *root = derive(nullptr), *other = nullptr;
	struct urctx *both[] = { derive(nullptr), root };
	sigset_t two;
	rlim_t was;
	int ret;

	sigemptyset(&two);
	sigaddset(&two, SIGUSR1);
	sigaddset(&two, SIGUSR2);
	/* what a join needs beside them is there, and the first has a slot */
	if (urctx_with_any(both, 2, &other))
		return __LINE__;
	urctx_put(other);
	other = nullptr;
	both[1] = derive(nullptr);
	made.reserve(MOST);
	roots.reserve(MOST);
	some_heap();
	was = limit(address_space() + room);
	if (fill(root, &made) != -ENOMEM || fill(nullptr, &roots) != -ENOMEM)
		return __LINE__;
	if (urctx_without_cancel(root, &other) != -ENOMEM || other)
		return __LINE__;
	ret = urctx_with_signals(root, &two, &other);
	if (ret != -ENOMEM || other)
		return __LINE__;
	if (!roots.empty()) {	/* room for a context, and for no slot of the second */
		urctx_put(roots.back());
		roots.pop_back();
	}
	ret = urctx_with_any(both, 2, &other);
	if (!ret)
		urctx_put(other);
	else if (ret != -ENOMEM || other)
		return __LINE__;
	other = nullptr;
	urctx_cancel(root);		/* asks for none */
	for (size_t i = 0; i < made.size(); i++)
		if (urctx_done(made[i]) != (i % 2 == 1))
			return __LINE__;
	limit(was);
	if (urctx_with_signals(nullptr, &two, &other))
		return __LINE__;
	urctx_put(other);
	put_all(&made);
	put_all(&roots);
	urctx_put(both[0]);
	urctx_put(both[1]);
	urctx_put(root);
	return 0;
}

TEST_CASE("memory: none left is said by each derivation, and what is there works",
	  "[memory]")
{
	blocked some{ SIGUSR1, SIGUSR2 };

	if (TESTS_ASAN || TESTS_TSAN || TESTS_VALGRIND) {
		WARN("skipped: its addresses are the tool's");
		return;
	}
	/* it runs out at other places: a slab of contexts, of chunks, a debug table */
	for (rlim_t room = 0; room < 40 * 16384; room += 16384) {
		struct ending end = in_child([room] { return at_its_limit(room); });

		INFO("room " << room << ", line " << end.code << ": " << end.said);
		CHECK(!end.late);
		CHECK(end.signal == 0);
		CHECK(end.code == 0);
	}
}

TEST_CASE("memory: a callback that found none is not armed", "[memory]")
{
	if (TESTS_ASAN || TESTS_TSAN || TESTS_VALGRIND) {
		WARN("skipped: its addresses are the tool's");
		return;
	}
	struct ending end = in_child([] {
		std::vector<struct urctx_callback> some(MOST);
		struct urctx *ctx = derive(nullptr), *other = derive(nullptr);
		auto nothing = [](struct urctx_callback *) {};
		struct urctx_callback last = {};
		rlim_t was = limit(address_space());
		size_t nr = 0;
		int ret = 0;

		while (nr < MOST && !(ret = urctx_after(ctx, &some[nr], nothing)))
			nr++;
		if (ret != -ENOMEM || urctx_after(other, &last, nothing) != -ENOMEM)
			return 1;
		limit(was);
		if (urctx_stop(&last) || urctx_try_stop(&last))
			return 2;
		while (nr)
			if (!urctx_stop(&some[--nr]))
				return 3;
		urctx_put(other);
		urctx_put(ctx);
		return 0;
	});
	INFO(end.said);
	CHECK_FALSE(end.late);
	CHECK(end.signal == 0);
	CHECK(end.code == 0);
}
