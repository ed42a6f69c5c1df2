/* SPDX-License-Identifier: MIT */
/* go_values.cpp - Go's tests of values, and of contexts that only carry them */
#include "go.hpp"

/*
 * Go tells keys apart by type and value, which is why its test has two types
 * with equal numbers; here two keys are two objects, however alike.
 */
static const struct urctx_key k1 = { "key", nullptr }, k2 = { "key", nullptr },
			      k3 = { "key3", nullptr };

static std::string at(const struct urctx *ctx, const struct urctx_key *key)
{
	const char *found = (const char *)urctx_value(ctx, key);

	return found ? found : "-";
}

static std::string all_of(const struct urctx *ctx)
{
	return at(ctx, &k1) + " " + at(ctx, &k2) + " " + at(ctx, &k3);
}

static bool says(struct urctx *ctx, const char *what)
{
	return dump_of(ctx)[0].find(what) != std::string::npos;
}

static void *text(const char *s)
{
	return const_cast<char *>(s);
}

TEST_CASE("T-11 keys do not collide, and the innermost value is found", "[go]")
{
	family f;
	struct urctx *c0 = f.cancelable(nullptr);
	struct urctx *c1 = f.value(nullptr, &k1, text("c1k1"));
	struct urctx *c2 = f.value(c1, &k2, text("c2k2"));
	struct urctx *c3 = f.value(c2, &k3, text("c3k3"));
	struct urctx *c4 = f.value(c3, &k1, nullptr);
	struct urctx *o1 = f.cancelable(c1), *o2 = f.timeout(o1, HOUR);
	struct urctx *o3 = f.value(o2, &k2, text("o3k2"));
	struct urctx *o4 = f.value(f.shield(o3), &k3, text("o4k3"));

	CHECK(all_of(nullptr) == "- - -");
	CHECK(all_of(c0) == "- - -");
	CHECK(all_of(c1) == "c1k1 - -");
	CHECK(all_of(c2) == "c1k1 c2k2 -");
	CHECK(all_of(c3) == "c1k1 c2k2 c3k3");
	CHECK(all_of(c4) == "- c2k2 c3k3");
	CHECK(all_of(o1) == "c1k1 - -");
	CHECK(all_of(o2) == "c1k1 - -");
	CHECK(all_of(o3) == "c1k1 o3k2 -");
	CHECK(all_of(o4) == "c1k1 o3k2 o4k3");
	/* Go prints keys by their types' names; these have names of their own */
	CHECK(says(c1, "value=\"key\""));
	CHECK(says(c3, "value=\"key3\""));
	/* the others still see theirs */
	CHECK(all_of(c3) == "c1k1 c2k2 c3k3");
	CHECK(all_of(c1) == "c1k1 - -");
}

/* Go panics; its keys that do not compare do not exist: an address does. */
TEST_CASE("T-19 a value needs a key", "[go]")
{
	struct urctx *ctx = nullptr;
	family f;

	CHECK(urctx_with_value(nullptr, nullptr, &f, &ctx) == -EINVAL);
	CHECK(ctx == nullptr);
	CHECK(urctx_value(f.value(nullptr, &k1, &f), nullptr) == nullptr);
}

TEST_CASE("T-24 without_cancel: no end, no deadline, the values stay", "[go]")
{
	family f;
	struct urctx *value = f.value(nullptr, &k1, text("value"));
	struct urctx *parent = f.timeout(value, HOUR);
	struct urctx *ctx = f.shield(parent);
	int64_t deadline = 24;

	CHECK_FALSE(urctx_deadline(ctx, &deadline));
	CHECK(deadline == 24);
	CHECK(urctx_remaining(ctx) == URCTX_NEVER);
	CHECK(is_live(ctx));
	CHECK(at(ctx, &k1) == "value");
	CHECK(cancel_plain(parent));
	CHECK(is_live(ctx));
	CHECK(is_live(f.cancelable(ctx)));
	CHECK(at(ctx, &k1) == "value");
}

TEST_CASE("T-43 example: a key of a file's own, and one that nobody gave", "[go]")
{
	static const struct urctx_key language = { "language", nullptr },
				      color = { "color", nullptr };
	family f;
	struct urctx *ctx = f.value(nullptr, &language, text("Go"));

	CHECK(at(ctx, &language) == "Go");
	CHECK(at(ctx, &color) == "-");
}
