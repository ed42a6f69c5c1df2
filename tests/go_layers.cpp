/* SPDX-License-Identifier: MIT */
/* go_layers.cpp - Go's tests of long chains of unlike contexts */
#include "go.hpp"
#include <random>

namespace
{
constexpr size_t LAYERS = 30;

struct chain {
	chain(unsigned seed, int64_t timeout) : rnd(seed), keys(LAYERS)
	{
		/* a first one of each kind, then as it comes */
		for (size_t i = 0; i < LAYERS; i++)
			add(i, i < 3 ? i : rnd() % 3, timeout);
	}

	void add(size_t i, size_t kind, int64_t timeout)
	{
		struct urctx *parent = layers.empty() ? nullptr : layers.back();

		switch (kind) {
		case 0:
			layers.push_back(all.value(parent, &keys[i], &keys[i]));
			given.push_back(i);
			return;
		case 1:
			layers.push_back(all.cancelable(parent));
			return;
		default:
			layers.push_back(all.timeout(parent, timeout));
		}
	}

	bool values_reachable() const
	{
		for (size_t i : given)
			if (urctx_value(layers.back(), &keys[i]) != &keys[i])
				return false;
		return true;
	}

	std::minstd_rand rnd;
	std::vector<struct urctx_key> keys;
	std::vector<size_t> given;
	std::vector<struct urctx *> layers;
	family all;
};
}

TEST_CASE("T-15 one layer's cancel ends the leaf at once, and no value goes", "[go]")
{
	for (unsigned seed = 1; seed <= 50; seed++) {
		struct chain c(seed, 1000 * HOUR);
		size_t at = c.rnd() % LAYERS;

		INFO("seed " << seed);
		CHECK(is_live(c.layers.back()));
		CHECK(c.values_reachable());
		CHECK(dump_of(c.layers[0]).size() == LAYERS);
		CHECK(cancel_plain(c.layers[at]));
		for (size_t i = 0; i < LAYERS; i++)
			CHECK(urctx_done(c.layers[i]) == (i >= at));
		CHECK(is_canceled(c.layers.back()));
		CHECK(c.values_reachable());
	}
}

TEST_CASE("T-16 one layer's timeout ends the leaf, and no value goes", "[go]")
{
	for (unsigned seed = 1; seed <= 20; seed++) {
		struct chain c(seed, MS);

		INFO("seed " << seed);
		CHECK(c.values_reachable());
		CHECK(expires(c.layers.back(), &urctx_deadline_exceeded));
		CHECK(c.values_reachable());
	}
}
