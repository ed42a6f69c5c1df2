/* SPDX-License-Identifier: MIT */
/* joins.cpp - many joins below each other, and what goes with the last put (G2, G9) */
#include "support.hpp"
#include <array>
#include <catch2/catch.hpp>
#include <dirent.h>
#include <fstream>
#include <thread>

namespace {

struct urctx *any(const std::vector<struct urctx *> &parents)
{
	struct urctx *ctx = nullptr;

	REQUIRE(urctx_with_any(parents.data(), parents.size(), &ctx) == 0);
	return ctx;
}

std::vector<std::string> released;

void release(void *value)
{
	released.emplace_back((const char *)value);
}

const struct urctx_key key[3] = {
	{ "top", release }, { "middle", release }, { "deep", release }
};

struct urctx *with(struct urctx *parent, int i)
{
	struct urctx *ctx = nullptr;

	REQUIRE(urctx_with_value(parent, &key[i], (void *)key[i].name, &ctx) == 0);
	return ctx;
}

/* Threads of this process that are called so. */
size_t threads_called(const std::string &name)
{
	DIR *dir = opendir("/proc/self/task");
	size_t nr = 0;

	while (struct dirent *d = readdir(dir)) {
		std::ifstream comm(std::string("/proc/self/task/") + d->d_name + "/comm");
		std::string is;

		std::getline(comm, is);
		nr += is == name;
	}
	closedir(dir);
	return nr;
}

}

/* It has a chunk from its birth, and no walk for marks comes by it. */
TEST_CASE("G2: a cancel ends where a join is born done, nine links down", "[G2]")
{
	static struct {
		struct urctx_callback cb;
		struct urctx *x, *last, *late;
	} it;
	std::vector<struct urctx *> all;

	it.x = derive(nullptr);
	all.push_back(derive(nullptr));
	REQUIRE(urctx_after(all[0], &it.cb, [](struct urctx_callback *) {
			struct urctx *both[] = { it.x, it.last };

			if (urctx_with_any(both, 2, &it.late))
				abort();
		}) == 0);
	while (all.size() < 9)
		all.push_back(any({ it.x, all.back() }));
	it.last = all.back();
	CHECK(urctx_cancel(all[0]));
	CHECK(urctx_err(it.late) == -ECANCELED);
	for (struct urctx *ctx : all)
		urctx_put(ctx);
	urctx_put(it.late);
	urctx_put(it.x);
}

/* More paths than there are atoms: each context is walked, not each path. */
TEST_CASE("G2: a cancel of joins that join all joins above", "[G2]")
{
	struct urctx *root = derive(nullptr), *x = derive(nullptr);
	std::vector<struct urctx *> above(10, nullptr), all;

	for (auto &ctx : above)
		all.push_back(ctx = derive(root));
	for (int level = 0; level < 80; level++) {
		std::vector<struct urctx *> here;

		for (size_t i = 0; i < above.size(); i++) {
			auto parents = above;

			parents.insert(parents.begin(), x);
			all.push_back(any(parents));
			here.push_back(all.back());
		}
		above = here;
	}
	CHECK(urctx_cancel(root));
	for (struct urctx *ctx : all) {
		CHECK(urctx_done(ctx));
		urctx_put(ctx);
	}
	CHECK_FALSE(urctx_done(x));
	urctx_put(root);
	urctx_put(x);
}

TEST_CASE("values of one chain are released from the deepest up", "[G9]")
{
	struct urctx *top = with(nullptr, 0), *middle = with(top, 1);

	released.clear();
	SECTION("below a leaf")
	{
		struct urctx *deep = with(middle, 2);

		urctx_put(top);
		urctx_put(middle);
		urctx_put(deep);
	}
	SECTION("below one that had children")
	{
		struct urctx *deep = with(middle, 2);

		urctx_put(derive(deep));
		urctx_put(top);
		urctx_put(middle);
		urctx_put(deep);
	}
	CHECK(released == std::vector<std::string>{ "deep", "middle", "top" });
}

/* Of two who arm one timer the second had counted it, and nobody took it back. */
TEST_CASE("the housekeeper goes when no timer is left", "[G5]")
{
	for (int i = 0; i < 2000; i++) {
		std::array<struct urctx_callback, 2> cb = {};
		struct urctx *ctx = nullptr;
		findings bad;

		REQUIRE(urctx_with_timeout(nullptr, int64_t(3600) * 1000000000, &ctx) == 0);
		auto arm = [&](size_t at) {
			bad.expect(urctx_after(ctx, &cb[at],
					       [](struct urctx_callback *) {}) == 0,
				   "armed");
			bad.expect(urctx_stop(&cb[at]), "stopped");
		};
		std::thread other(arm, 1);
		arm(0);
		other.join();
		CHECK(bad.text() == "");
		urctx_put(ctx);
	}
	for (int i = 0; i < 3000 && threads_called("urctx"); i++)
		REQUIRE(urctx_wait(nullptr, urctx_now() + 10000000) == -ETIME);
	CHECK(threads_called("urctx") == 0);
}
