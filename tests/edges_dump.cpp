/* SPDX-License-Identifier: MIT */
/* edges_dump.cpp - the very text of a dump: names, places, lines that are full */
#include "dump.hpp"
#include "held.hpp"
#include <algorithm>
#include <dlfcn.h>
#include <map>
#include <sys/mman.h>
#include <unistd.h>

namespace
{
constexpr int64_t MS = 1000000;

/* A page, and behind it another one or one that cannot be read. */
struct pages {
	explicit pages(bool alone)
	{
		void *p = mmap(nullptr, 2 * size, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED || (alone && mprotect((char *)p + size, size, PROT_NONE)))
			abort();
		at = (char *)p;
		bytes = alone ? size : 2 * size;
		memset(at, 'z', bytes);
	}
	pages(const pages &) = delete;
	~pages()
	{
		munmap(at, 2 * size);
	}

	size_t size = (size_t)sysconf(_SC_PAGESIZE), bytes;
	char *at;
};

std::string quoted(const std::string &s)
{
	return "\"" + s + "\"";
}

/* What a dump prints of a key with this name; the value's context is the root. */
std::string named(const char *name)
{
	struct urctx_key key = { name, nullptr };
	struct urctx *ctx = nullptr;

	if (urctx_with_value(nullptr, &key, nullptr, &ctx))
		abort();
	dumped d(ctx, { { ctx, "ctx" }, { &key, "key" } });
	urctx_put(ctx);
	return d.text;
}

std::string line_of(const std::string &value)
{
	return "ctx live refs=1 value=" + value + "\n";
}
}

/* 95 bytes of a string, and what is longer is cut behind 92, wherever a page ends. */
TEST_CASE("a dump reads names across pages, and no further than they are", "[edges]")
{
	for (size_t nr : { 1, 2, 93, 94, 95, 96, 200 }) {
		pages two(false);
		std::string name, wanted;
		size_t wrong = 0;

		for (size_t i = 0; i < nr; i++)
			name += (char)('a' + i % 23);
		wanted = line_of(quoted(nr < 95 ? name : name.substr(0, 92) + "..."));
		for (size_t first = 0; first <= 100; first++) {
			char *from = two.at + two.size - first;

			memset(two.at, 'z', two.bytes);
			memcpy(from, name.c_str(), nr + 1);
			wrong += named(from) != wanted;
		}
		CHECK(wrong == 0);

		/* the last byte is the last that is there */
		pages one(true);
		char *from = one.at + one.size - nr - 1;

		memcpy(from, name.c_str(), nr + 1);
		CHECK(named(from) == wanted);
	}
	pages one(true);
	CHECK(named(one.at + one.size - 5) != line_of(quoted("zzzzz")));
	CHECK(named("") == line_of(quoted("")));
}

TEST_CASE("a dump escapes what does not print, and nothing else", "[edges]")
{
	CHECK(named("\x01\x1f \x7f!~\xff\xc3\xa9") ==
	      line_of("\"\\x01\\x1f \\x7f!~\xff\xc3\xa9\""));
	CHECK(named("\"\\'\t") == line_of("\"\\\"\\\\'\\x09\""));
}

/* 894 bytes and a newline: what is more is left out, at whatever byte it would end. */
TEST_CASE("a dump's line that is too long ends where there is no more room", "[edges]")
{
	static const std::string escaped(95, '\x01');
	static const struct urctx_cause wordy = { escaped.c_str(), escaped.c_str(),
						  escaped.c_str(), INT32_MIN, INT32_MIN };
	std::vector<struct urctx *> chain = { derive(nullptr) };

	while (chain.size() < 40)
		chain.push_back(derive(chain.back()));
	urctx_cancel_cause(chain[0], &wordy);
	for (size_t plain = 0; plain < 90; plain++) {
		std::string name = std::string(94 - plain, '\x02') + std::string(plain, 'n');
		struct urctx_key key = { name.c_str(), nullptr };
		struct urctx *ctx = nullptr;
		std::string all, part;

		REQUIRE(urctx_with_value(chain.back(), &key, nullptr, &ctx) == 0);
		dumped d(chain[0]);
		std::string last = d.text.substr(d.text.rfind('\n', d.text.size() - 2) + 1);
		char address[32];

		snprintf(address, sizeof(address), "%p", (void *)ctx);
		for (int i = 0; i < 92; i++)
			part += "\\x01";
		all = std::string(64, ' ') + "[40] " + address + " done -ECANCELED \"" +
		      part + "...\" code=-2147483648 at=" + std::string(92, '\x01') +
		      "...:-2147483648:" + std::string(92, '\x01') + "... refs=1 value=\"";
		for (size_t i = plain; i < 94; i++)
			all += "\\x02";
		all += std::string(plain, 'n') + "\"";
		all = all.substr(0, 894);
#ifdef URCTX_DEBUG			/* who made it comes behind that, and is cut */
		CHECK(last.size() <= 895);
		CHECK(last.substr(0, all.size()) == all);
#else
		CHECK(last == all + "\n");
#endif
		CHECK(last.find('\0') == std::string::npos);
		urctx_put(ctx);
	}
	for (size_t i = chain.size(); i--;)
		urctx_put(chain[i]);
}

/* Their levels are said from 33 on. */
TEST_CASE("a dump says a level that is not to be seen, and no other", "[edges]")
{
	std::vector<struct urctx *> chain = { derive(nullptr) };
	std::string wanted;
	names known;

	while (chain.size() < 35)
		chain.push_back(derive(chain.back()));
	for (size_t i = 0; i < chain.size(); i++) {
		known.emplace_back(chain[i], "ctx" + std::to_string(i) + ".");
		wanted += std::string(2 * std::min<size_t>(i, 32), ' ') +
			  (i > 32 ? "[" + std::to_string(i) + "] " : "") + "ctx" +
			  std::to_string(i) + ". live refs=1\n";
	}
	CHECK(dumped(chain[0], known).text == wanted);
	for (size_t i = chain.size(); i--;)
		urctx_put(chain[i]);
}

static void nothing(struct urctx_callback *)
{
}

/* None of these runs: it is their places that are looked at. */
TEST_CASE("a dump says where a callback's function is", "[edges]")
{
	std::vector<std::pair<uintptr_t, std::string>> places;
	uintptr_t of_libc = (uintptr_t)dlsym(RTLD_DEFAULT, "getpid");
	pages nowhere(true);
	char text[64];
	Dl_info self;

	REQUIRE(of_libc);
	places.emplace_back(of_libc, "libc\\.so\\.6\\(_*getpid\\+0x0\\)");
	places.emplace_back(of_libc + 3, "libc\\.so\\.6\\(_*getpid\\+0x3\\)");
	/* in no module */
	snprintf(text, sizeof(text), "%p", (void *)nowhere.at);
	places.emplace_back((uintptr_t)nowhere.at, text);
	REQUIRE(dladdr((void *)nothing, &self));
	if (!self.dli_sname) {	/* the program's own names may be told, or not */
		std::string file = self.dli_fname;

		snprintf(text, sizeof(text), "\\(\\+0x%lx\\)",
			 (unsigned long)((uintptr_t)nothing - (uintptr_t)self.dli_fbase));
		places.emplace_back((uintptr_t)nothing,
				    file.substr(file.rfind('/') + 1) + text);
	}
	for (const auto &place : places) {
		auto fn = (void (*)(struct urctx_callback *))place.first;
		struct urctx_callback cb = {};
		owned root;

		REQUIRE(urctx_after(root, &cb, fn) == 0);
		dumped d(root, { { root, "root" }, { &cb, "cb" } });
		INFO(d.text);
		CHECK(std::regex_match(d.text, std::regex("root live refs=1\n  cb callback "
			"armed fn=" + place.second + "\n")));
		CHECK(urctx_stop(&cb));
	}
}

/* Nobody has looked when the clock is held: a deadline that is now has passed. */
TEST_CASE("a dump says expired from the deadline on", "[edges]")
{
	int64_t when = urctx_now() + 3600000 * MS;
	struct urctx *ctx = nullptr;

	REQUIRE(urctx_with_deadline(nullptr, when, &ctx) == 0);
	{
		held_clock clock(when - 1);
		CHECK(dumped(ctx, { { ctx, "ctx" } }).text ==
		      "ctx live refs=1 left=0.000s\n");
	}
	{
		held_clock clock(when);
		CHECK(dumped(ctx, { { ctx, "ctx" } }).text ==
		      "ctx expired refs=1 left=0.000s\n");
	}
	urctx_put(ctx);
}

static void __attribute__((noinline)) used_stack()
{
	volatile char used[16384];

	for (volatile char &c : used)
		c = -1;
}

TEST_CASE("a dump of many lists each of them once, and holds none", "[edges]")
{
	for (size_t nr : { 1, 2, 3, 15, 16, 17, 31, 32, 33, 100, 600 }) {
		owned root;
		struct urctx *inner = derive(root), *single = derive(inner);
		std::vector<struct urctx_callback> cbs(nr);
		std::vector<struct urctx *> all = { inner, single };
		std::map<std::string, int> met;
		std::string one_line;
		char address[32];

		for (size_t i = 0; i < nr; i++) {
			all.push_back(derive(inner));
			REQUIRE(urctx_after(inner, &cbs[i], nothing) == 0);
		}
		dumped d(root);
		CHECK(d.ret == (int)nr + 3);
		for (std::istringstream in(d.text); std::getline(in, one_line);)
			met[line(one_line).what]++;
		CHECK(met.size() == 2 * nr + 3);
		for (const auto &one : met)
			CHECK(one.second == 1);
		for (struct urctx *ctx : all) {
			snprintf(address, sizeof(address), "%p", (void *)ctx);
			CHECK(met.count(address) == 1);
		}
		/* whatever was in its frame before */
		FILE *null = fopen("/dev/null", "w");
		REQUIRE(null);
		used_stack();
		CHECK(urctx_dump(root, null) == (int)nr + 3);
		fclose(null);
		/* of one that could not be printed to its end nothing is held, either */
		FILE *full = fopen("/dev/full", "w");
		REQUIRE(full);
		setvbuf(full, nullptr, _IONBF, 0);
		errno = 77;
		CHECK(urctx_dump(root, full) == -EIO);
		CHECK(errno == 77);
		fclose(full);
		for (auto &cb : cbs)
			REQUIRE(urctx_stop(&cb));
		for (size_t i = all.size(); i--;)
			urctx_put(all[i]);
		dumped after(root, { { root, "root" } });
		CHECK(after.text == "root live refs=1\n");
		CHECK(after.ret == 1);
	}
}

/* A dump prints behind its look at some: those that have left meanwhile are not there. */
struct leaves_meanwhile {
	std::function<void()> meanwhile;
	std::string text;

	static ssize_t write(void *self, const char *from, size_t nr)
	{
		auto *of = (leaves_meanwhile *)self;

		of->text.append(from, nr);
		if (of->meanwhile)
			of->meanwhile();
		of->meanwhile = nullptr;
		return (ssize_t)nr;
	}
	int dump(struct urctx *root)
	{
		FILE *out = fopencookie(this, "w", { nullptr, write, nullptr, nullptr });
		int ret;

		if (!out)
			abort();
		setvbuf(out, nullptr, _IONBF, 0);
		ret = urctx_dump(root, out);
		fclose(out);
		return ret;
	}
};

TEST_CASE("a dump does not print what has left, but for who has children", "[edges]")
{
	struct urctx *root = derive(nullptr), *leaf = derive(root), *left = derive(root);
	struct urctx *inner = derive(root), *below = derive(inner);
	struct urctx_callback cb = {};
	leaves_meanwhile d;
	std::string inners;
	char address[32];

	REQUIRE(urctx_after(root, &cb, nothing) == 0);
	d.meanwhile = [&] {
		urctx_put(left);
		urctx_put(below);
		urctx_put(inner);
		if (!urctx_stop(&cb))
			abort();
	};
	snprintf(address, sizeof(address), "%p live ", (void *)inner);
	inners = address;
	int ret = d.dump(root);
	std::string rest = d.text;
	replace_all(rest, "\n", ".");
	INFO(rest);
	/* where fewer are looked at in one go it has left before that */
	CHECK(std::count(d.text.begin(), d.text.end(), '\n') == ret);
	CHECK((ret == 3 || ret == 2));
	if (ret == 3)
		CHECK(d.text.find(inners) != std::string::npos);
	CHECK(dumped(root, { { root, "root" }, { leaf, "leaf" } }).text ==
	      "root live refs=1\n  leaf live refs=1\n");
	urctx_put(leaf);
	urctx_put(root);
}
