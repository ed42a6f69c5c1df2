/* SPDX-License-Identifier: MIT */
/*
 * group_go.cpp - what Go asks of its errgroup (golang.org/x/sync/errgroup)
 *
 * The numbers are those of tests/go.table.  A limit of 0 is none here, and a limit
 * is not changed: groups are made anew.
 */
#include <catch2/catch.hpp>
#include "group.hpp"

TEST_CASE("T-56 ZeroGroup", "[go][sync]")
{
	const std::vector<std::vector<int>> lists = {
		{}, { 0 }, { -EIO }, { -EIO, 0 }, { -EIO, 0, -EPERM },
	};

	for (auto &errs : lists) {
		struct urctx_group g = {};
		int first = 0;

		for (int err : errs) {
			task t = [err](struct urctx *ctx) { return ctx ? 1 : err; };

			CHECK(go(&g, t) == 0);
			if (!first)
				first = err;
			CHECK(urctx_group_wait(&g) == first);
		}
		CHECK(urctx_group_wait(&g) == first);
	}
}

TEST_CASE("T-57 WithContext", "[go][sync]")
{
	const std::vector<std::vector<int>> lists = {
		{}, { 0 }, { -EIO }, { -EIO, 0 },
	};

	for (auto &errs : lists) {
		std::vector<task> tasks;
		grouped group(URCTX_GROUP_START_ANYWAY);
		int first = 0;

		for (int err : errs)
			tasks.push_back(returns(err));
		for (size_t i = 0; i < errs.size(); i++) {
			CHECK(go(&group.g, tasks[i]) == 0);
			if (!first)
				first = errs[i];
		}
		CHECK(group.wait() == first);
		CHECK(urctx_err(group.ctx) == -ECANCELED);
	}
}

/* So many are started, and no more until they are back. */
static void fill(unsigned limit)
{
	grouped group(limit);
	gate over;
	task t = [&](struct urctx *) {
		over.wait();
		return 0;
	};
	size_t started = 0;

	for (unsigned i = 0; i < limit; i++)
		started += try_go(&group.g, t);
	CHECK(started == limit);
	CHECK_FALSE(try_go(&group.g, t));
	over.set();
	while (!try_go(&group.g, t))
		sched_yield();
	CHECK(group.wait() == 0);
	for (unsigned i = 0; i < 1024; i++)
		started += try_go(&group.g, t);
	CHECK(started == limit);
}

TEST_CASE("T-58 TryGo", "[go][sync]")
{
	fill(42);
	fill(1);
}

TEST_CASE("T-59 GoLimit", "[go][sync]")
{
	const int limit = 10;
	std::atomic<int> active{ 0 }, ran{ 0 }, most{ 0 };
	grouped group(limit);
	task t = [&](struct urctx *) {
		int now = ++active, seen = most;

		while (now > seen && !most.compare_exchange_weak(seen, now))
			;
		sched_yield();
		active--;
		ran++;
		return 0;
	};
	int n = (int)scaled(1025), failed = 0;

	for (int i = 0; i < n; i++)
		failed += go(&group.g, t) != 0;
	CHECK(failed == 0);
	CHECK(group.wait() == 0);
	CHECK(ran == n);
	CHECK(most <= limit);
}

TEST_CASE("T-60 CancelCause", "[go][sync]")
{
	const std::vector<std::vector<int>> lists = {
		{}, { 0 }, { -EIO }, { -EIO, 0 },
	};

	for (auto &errs : lists) {
		std::vector<task> tasks;
		grouped group(URCTX_GROUP_START_ANYWAY);
		int first = 0;

		for (int err : errs)
			tasks.push_back(returns(err));
		for (size_t i = 0; i < errs.size(); i++) {
			CHECK(try_go(&group.g, tasks[i]));
			if (!first)
				first = errs[i];
		}
		CHECK(group.wait() == first);
		CHECK(urctx_cause(group.ctx) ==
		      (first ? urctx_cause_errno(first) : &urctx_canceled));
	}
}

TEST_CASE("T-62 ExampleGroup parallel, justErrors, pipeline", "[go][sync]")
{
	const char *searches[] = { "web", "image", "video" };
	std::string results[3];
	std::vector<task> tasks;

	{
		grouped group;

		for (size_t i = 0; i < 3; i++)
			tasks.push_back([&, i](struct urctx *) {
				results[i] = std::string(searches[i]) + " result";
				return 0;
			});
		for (auto &t : tasks)
			CHECK(go(&group.g, t) == 0);
		CHECK(group.wait() == 0);
	}
	for (size_t i = 0; i < 3; i++)
		CHECK(results[i] == std::string(searches[i]) + " result");

	/* a stage that fails ends those that wait for it, by the group's context */
	grouped group;
	uint32_t never = 0;
	task reads = [&](struct urctx *ctx) {
		return urctx_futex_wait(ctx, &never, 0);
	}, walks = returns(-ENOENT);

	CHECK(go(&group.g, reads) == 0);
	CHECK(go(&group.g, reads) == 0);
	CHECK(go(&group.g, walks) == 0);
	CHECK(group.wait() == -ENOENT);
	CHECK(urctx_cause(group.ctx)->code == -ENOENT);
}
