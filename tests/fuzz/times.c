/* SPDX-License-Identifier: MIT */
/*
 * times.c - the ring's deadlines (lib/times.c, lib/heap.c) against a table
 *
 * Every operation is followed by a look at the earliest and at each place; the end
 * takes them out one by one, which has to come in order.
 */
#include <string.h>

#include "fuzz.h"
#include "times.h"

#define MEMBERS	32
#define ROOMS	3		/* of 8, 16 and 32 members */

const char fuzz_name[] = "times";

struct table {
	struct times times;
	struct heap_entry heap[ROOMS][MEMBERS], queue[ROOMS][2 * MEMBERS];
	unsigned room, nr;
	int64_t key[MEMBERS];
	bool in[MEMBERS];
	uint32_t place[MEMBERS];
};

/* Close to each other and equal, far apart, and at the ends of what there is. */
static int64_t key_of(struct bytes *b)
{
	unsigned kind = take(b);

	if (kind < 0xf0)
		return (int64_t)kind;
	if (kind < 0xfc)
		return (int64_t)(((uint64_t)take(b) << 56 | take(b)) ^ kind);
	return kind & 1 ? INT64_MIN + (kind >> 1 & 1) : INT64_MAX - (kind >> 1 & 1);
}

static int64_t first_key(const struct table *t)
{
	int64_t first = TIMES_NEVER;
	unsigned i;

	for (i = 0; i < MEMBERS; i++)
		if (t->in[i] && t->key[i] < first)
			first = t->key[i];
	return first;
}

static void look(const struct table *t)
{
	int64_t first = first_key(t);
	unsigned i;

	expect(times_any(&t->times) == (t->nr != 0), "%u are in", t->nr);
	expect(times_first(&t->times) == first, "%lld, not %lld",
	       (long long)times_first(&t->times), (long long)first);
	for (i = 0; i < MEMBERS; i++) {
		uint32_t place = t->place[i];
		const struct heap_entry *e;

		expect(!!place == t->in[i], "member %u", i);
		if (!place)
			continue;
		e = place & TIMES_QUEUED ? &t->times.queue[place & ~TIMES_QUEUED] :
					   &t->times.heap.v[place - 1];
		expect(e->place == &t->place[i] && e->key == t->key[i], "member %u", i);
	}
	if (t->nr) {
		i = (unsigned)(times_first_place(&t->times) - t->place);
		expect(i < MEMBERS && t->in[i] && t->key[i] == first, "member %u", i);
	}
}

static void room(struct table *t)
{
	times_room(&t->times, t->heap[t->room], t->queue[t->room], 16U << t->room);
}

static void drop(struct table *t, unsigned i)
{
	times_del(&t->times, &t->place[i]);
	t->nr -= t->in[i];
	t->in[i] = false;
}

static void step(struct table *t, struct bytes *b)
{
	unsigned op = take(b), i = take(b) % MEMBERS;
	int64_t key;

	switch (op % 8) {
	case 0:
	case 1:
	case 2:
		if (t->in[i] || t->nr == 8U << t->room)
			return;
		key = key_of(b);
		times_add(&t->times, key, &t->place[i]);
		break;
	case 3:
	case 4:
		drop(t, i);
		return;
	case 5:
		/* what is not in is added by a move */
		if (!t->in[i] && t->nr == 8U << t->room)
			return;
		key = key_of(b);
		times_move(&t->times, key, &t->place[i]);
		break;
	case 6:
		if (t->nr)
			drop(t, (unsigned)(times_first_place(&t->times) - t->place));
		return;
	default:
		if (t->room + 1 == ROOMS)
			return;
		t->room++;
		room(t);
		return;
	}
	t->nr += !t->in[i];
	t->in[i] = true;
	t->key[i] = key;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes b = { data, data + size };
	static struct table t;
	int64_t before = INT64_MIN;

	memset(&t, 0, sizeof(t));
	room(&t);
	while (more(&b)) {
		step(&t, &b);
		look(&t);
	}
	while (t.nr) {
		expect(times_first(&t.times) >= before, "out of order");
		before = times_first(&t.times);
		drop(&t, (unsigned)(times_first_place(&t.times) - t.place));
	}
	look(&t);
	return 0;
}
