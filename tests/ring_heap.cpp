/* SPDX-License-Identifier: MIT */
/* ring_heap.cpp - the heap of deadlines against a sorted map */
#include "ring_support.hpp"
#include <map>
#include <random>

extern "C" {
#include "heap.h"
}

namespace
{
struct entry {
	int64_t key;
	uint32_t place;
};

class checked_heap
{
public:
	explicit checked_heap(size_t room) : memory(room), entries(room)
	{
		h.v = memory.data();
	}
	void add(size_t i, int64_t key)
	{
		entries[i].key = key;
		heap_add(&h, key, &entries[i].place);
		keys.emplace(key, i);
	}
	void del(size_t i)
	{
		forget(i);
		heap_del(&h, &entries[i].place);
	}
	void move(size_t i, int64_t key)
	{
		forget(i);
		entries[i].key = key;
		heap_move(&h, key, &entries[i].place);
		keys.emplace(key, i);
	}
	bool right() const
	{
		if (h.nr != keys.size())
			return false;
		for (uint32_t at = 0; at < h.nr; at++)
			if (*h.v[at].place != at + 1 ||
			    (at && h.v[(at - 1) / 4].key > h.v[at].key))
				return false;
		return !h.nr || h.v[0].key == keys.begin()->first;
	}
	bool in(size_t i) const
	{
		return entries[i].place != 0;
	}

	struct heap h = {};

private:
	void forget(size_t i)
	{
		auto range = keys.equal_range(entries[i].key);

		for (auto it = range.first; it != range.second; ++it)
			if (it->second == i) {
				keys.erase(it);
				return;
			}
	}

	std::vector<struct heap_entry> memory;
	std::vector<entry> entries;
	std::multimap<int64_t, size_t> keys;
};
}

TEST_CASE("the heap against a sorted map", "[ring][heap]")
{
	const size_t room = 200;
	checked_heap h(room);
	std::mt19937 random(1);
	bool right = true;

	for (size_t n = scaled(40000); n-- && right;) {
		size_t i = random() % room;
		int64_t key = random() % 97;

		if (!h.in(i))
			h.add(i, key);
		else if (random() % 3)
			h.del(i);
		else
			h.move(i, key);
		right = h.right();
	}
	CHECK(right);
}

TEST_CASE("what is not in the heap is not taken out", "[ring][heap]")
{
	checked_heap h(2);
	uint32_t none = 0;

	h.add(0, 5);
	heap_del(&h.h, &none);
	CHECK(h.right());
	h.del(0);
	CHECK(h.h.nr == 0);
}
