/* SPDX-License-Identifier: MIT */
/* ring_times.cpp - a ring's deadlines, a heap behind a queue, against a sorted map */
#include "ring_support.hpp"
#include <map>
#include <random>

extern "C" {
#include "times.h"
}

namespace
{
/* How deadlines come: mostly one timeout ahead, or anyhow. */
struct weather {
	const char *name;
	int64_t ahead, spread;
	unsigned moves;
};

class checked_times
{
public:
	explicit checked_times(uint32_t room) : key(room), place(room)
	{
		make_room(8);
	}
	void make_room(uint32_t queue)
	{
		heap.emplace_back(place.size());
		this->queue.emplace_back(queue);
		times_room(&t, heap.back().data(), this->queue.back().data(), queue);
	}
	void add(size_t i, int64_t k)
	{
		times_add(&t, key[i] = k, &place[i]);
		keys.emplace(k, i);
	}
	void del(size_t i)
	{
		forget(i);
		times_del(&t, &place[i]);
	}
	void move(size_t i, int64_t k)
	{
		forget(i);
		times_move(&t, key[i] = k, &place[i]);
		keys.emplace(k, i);
	}
	bool in(size_t i) const
	{
		return place[i] != 0;
	}
	bool right() const
	{
		if (keys.empty())
			return !times_any(&t) && times_first(&t) == TIMES_NEVER;
		const uint32_t *first = times_first_place(&t);

		return times_any(&t) && times_first(&t) == keys.begin()->first &&
		       key[first - place.data()] == keys.begin()->first;
	}
	size_t first() const
	{
		return times_first_place(&t) - place.data();
	}

	struct times t = {};

private:
	void forget(size_t i)
	{
		auto range = keys.equal_range(key[i]);
		auto it = range.first;

		while (it->second != i)
			++it;
		keys.erase(it);
	}

	std::vector<int64_t> key;
	std::vector<uint32_t> place;
	std::vector<std::vector<struct heap_entry>> heap, queue;
	std::multimap<int64_t, size_t> keys;
};

bool storm(const struct weather &w, uint32_t room)
{
	checked_times t(room);
	std::mt19937 random(1);
	bool right = true;
	int64_t now = 0;

	for (size_t n = scaled(40000); n-- && right; now += random() % 3) {
		size_t i = random() % room;
		int64_t key = now + w.ahead + (w.spread ? random() % w.spread : 0);

		if (!t.in(i))
			t.add(i, key);
		else if (random() % 8 < w.moves)
			t.move(i, key);
		else
			t.del(random() % 2 || !times_any(&t.t) ? i : t.first());
		right = t.right();
		if (n % 16384 == 0 && n)
			t.make_room(2 * (t.t.mask + 1));
	}
	while (right && times_any(&t.t)) {
		t.del(t.first());
		right = t.right();
	}
	return right;
}
}

TEST_CASE("deadlines that come in order, nearly, or anyhow", "[ring][heap]")
{
	for (uint32_t room : { 3U, 60U, 500U })
		for (const struct weather &w : std::initializer_list<struct weather>{
			     { "in order", 1000, 0, 0 },
			     { "moved", 1000, 0, 6 },
			     { "nearly", 1000, 40, 2 },
			     { "anyhow", 0, 100000, 2 },
			     { "one time", 1 << 30, 1, 1 } }) {
			INFO(room << ", " << w.name);
			CHECK(storm(w, room));
		}
}

TEST_CASE("a queue that is full of gaps leaves it to the heap", "[ring][heap]")
{
	checked_times t(100);
	uint32_t heap = 0;

	t.add(0, 0);
	for (size_t i = 1; i < 100; i++) {
		t.add(i, (int64_t)i);
		heap += t.t.heap.nr;
		if (i > 1)
			t.del(i - 1);
		REQUIRE(t.right());
	}
	CHECK(heap > 0);
	CHECK(heap < 50);
	t.del(0);
	CHECK(t.right());
	CHECK(t.first() == 99);
	uint32_t none = 0;
	times_del(&t.t, &none);
	CHECK(t.right());
}
