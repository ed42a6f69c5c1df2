/* SPDX-License-Identifier: MIT */
/* dump_threads.cpp - urctx_dump() of trees that do not stand still, or are huge */
#include "dump.hpp"
#include <random>
#include <urcu/urcu-bp.h>

static const struct urctx_key key = { "key", nullptr };

/* Its write function is the test's. */
struct stream {
	explicit stream(std::function<bool(const char *, size_t)> fn) : on(std::move(fn))
	{
		cookie_io_functions_t io = {};

		io.write = write;
		file = fopencookie(this, "w", io);
		if (!file || setvbuf(file, nullptr, _IONBF, 0)) {
			perror("tests: no stream");
			abort();
		}
	}
	stream(const stream &) = delete;
	~stream()
	{
		fclose(file);
	}
	static ssize_t write(void *self, const char *text, size_t n)
	{
		return static_cast<stream *>(self)->on(text, n) ? (ssize_t)n : 0;
	}

	std::function<bool(const char *, size_t)> on;
	FILE *file;
};

/* Nothing is held: the stream may wait for a grace period, and change the tree. */
TEST_CASE("dump holds nothing while it prints", "[dump]")
{
	struct urctx *root = derive(nullptr);
	std::vector<struct urctx *> below;
	size_t lines = 0;

	for (size_t i = 0; i < 40; i++)
		below.push_back(derive(i % 4 ? below.back() : root));
	stream s([&](const char *, size_t) {
		if (!lines++)
			urctx_cancel_cause(root, nullptr);
		else if (!below.empty()) {
			urctx_put(below.front());
			below.erase(below.begin());
		}
		urcu_bp_synchronize_rcu();
		return true;
	});
	CHECK(urctx_dump(root, s.file) > 0);
	while (!below.empty()) {
		urctx_put(below.back());
		below.pop_back();
	}
	dumped d(root, { { root, "root" } });
	CHECK(d.text == "root done -ECANCELED \"canceled\" refs=1\n");
	urctx_put(root);
}

/* Where it stopped nothing stays pinned: all of it goes. */
TEST_CASE("dump that fails in the middle leaves no trace", "[dump]")
{
	for (size_t after = 0; after < 60; after++) {
		struct urctx *root = derive(nullptr), *a = derive(root);
		std::vector<struct urctx *> leaves;
		size_t lines = 0;

		while (leaves.size() < 50)
			leaves.push_back(derive(a));
		stream s([&](const char *, size_t) { return lines++ != after; });
		CHECK(urctx_dump(root, s.file) == (after < 52 ? -EIO : 52));
		urctx_put(a);
		for (struct urctx *leaf : leaves)
			urctx_put(leaf);
		dumped d(root, { { root, "root" } });
		CHECK(d.text == "root live refs=1\n");
		urctx_put(root);
	}
}

TEST_CASE("dump of a million levels on a small stack", "[dump]")
{
	size_t depth = scaled(1000000), lines = 0, last = 0;
	std::vector<struct urctx *> chain = { derive(nullptr) };
	int ret = 0;

	while (chain.size() < depth)
		chain.push_back(derive(chain.back()));
	on_small_stack([&] {
		stream s([&](const char *text, size_t) {
			const char *level = strchr(text, '[');

			if (level)
				last = strtoul(level + 1, nullptr, 10);
			lines++;
			return true;
		});
		ret = urctx_dump(chain[0], s.file);
	});
	CHECK(ret == (int)depth);
	CHECK(lines == depth);
	CHECK(last == depth - 1);
	while (!chain.empty()) {
		urctx_put(chain.back());
		chain.pop_back();
	}
}

/* What one thread of the storm does, until it is told that it is enough. */
struct weather {
	weather(struct urctx *root, unsigned seed, std::atomic<bool> &over)
		: root(root), over(over), random(seed)
	{
	}
	struct urctx *somewhere()
	{
		return mine.empty() ? root : mine[random() % mine.size()];
	}
	void more()
	{
		struct urctx *at = somewhere(), *child = nullptr, *two[] = { at, somewhere() };
		int ret;

		switch (random() % 8) {
		case 0:
			ret = urctx_with_value(at, &key, nullptr, &child);
			break;
		case 1:
			ret = urctx_with_any(two, 2, &child);
			break;
		case 2:
			ret = urctx_without_cancel(at, &child);
			break;
		case 3:
			ret = urctx_with_timeout(at, 1000000, &child);
			break;
		default:
			ret = urctx_with_cancel(at, &child);
		}
		seen.expect(ret == 0, "derive");
		if (ret == 0)
			mine.push_back(child);
	}
	void less()
	{
		size_t i = random() % mine.size();

		if (random() % 2)
			urctx_cancel(mine[i]);
		urctx_put(mine[i]);
		mine[i] = mine.back();
		mine.pop_back();
	}
	/* Its memory is the next round's stack: a dump may look at it any time. */
	void call()
	{
		counted cb;

		seen.expect(cb.after(somewhere()) == 0, "after");
		urctx_stop(&cb.cb);
	}
	void operator()()
	{
		while (!over) {
			if (mine.size() < 20 && (mine.empty() || random() % 2))
				more();
			else
				less();
			if (random() % 4 == 0)
				call();
			changes++;
		}
		while (!mine.empty())
			less();
	}

	struct urctx *root;
	std::atomic<bool> &over;
	std::mt19937 random;
	std::atomic<size_t> changes{ 0 };
	std::vector<struct urctx *> mine;
	findings seen;
};

/* Each line has its shape, and is at most one level deeper than the one above. */
static int check_shape(const std::string &text, findings &seen)
{
	std::istringstream in(text);
	unsigned level = 0;
	int contexts = 0;

	for (std::string one; std::getline(in, one);) {
		struct line l(one);

		seen.expect(l.ok, one.c_str());
		seen.expect(l.level <= level + 1, "a level was left out");
		level = l.level;
		contexts += l.context;
	}
	return contexts;
}

TEST_CASE("dump in a storm", "[dump]")
{
	std::atomic<bool> over{ false };
	owned root;
	weather a(root, 1, over), b(root, 2, over), c(root, 3, over);
	findings seen;

	auto enough = [&](size_t dumps) {
		return dumps >= scaled(1000) && a.changes + b.changes + c.changes >=
						scaled(30000);
	};
	together({ std::ref(a), std::ref(b), std::ref(c), [&] {
		for (size_t i = 0; !enough(i); i++) {
			dumped d(root, {}, true);

			seen.expect(d.ret >= 1, "urctx_dump");
			/* taking it apart takes longer than the dump */
			if (i % 16 == 0)
				seen.expect(check_shape(d.text, seen) == d.ret,
					    "its result is not its lines");
		}
		over = true;
	} });
	REQUIRE_NOTHING_IN(seen);
	for (weather *w : { &a, &b, &c })
		REQUIRE_NOTHING_IN(w->seen);
	/* the timekeeper may still be at the last that it ended */
	CHECK(becomes([&] {
		return dumped(root, { { root, "root" } }).text == "root live refs=1\n";
	}));
}

TEST_CASE("dumps side by side, of parts of one tree", "[dump]")
{
	std::atomic<bool> over{ false };
	owned root, below(root.ctx);
	weather a(below, 4, over);
	findings seen;
	std::atomic<int> left{ 2 };
	auto look = [&](struct urctx *at) {
		for (size_t i = 0; i < scaled(300) || a.changes < scaled(10000); i++)
			seen.expect(dumped(at, {}, true).ret >= 1, "urctx_dump");
		if (!--left)
			over = true;
	};

	together({ std::ref(a), [&] { look(root); }, [&] { look(below); } });
	REQUIRE_NOTHING_IN(seen);
	REQUIRE_NOTHING_IN(a.seen);
}
