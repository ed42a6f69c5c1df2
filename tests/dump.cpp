/* SPDX-License-Identifier: MIT */
/* dump.cpp - urctx_dump(): exactly what it prints, of trees that stand still */
#include "dump.hpp"
#include "held.hpp"
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

constexpr int64_t MS = 1000000;
static const struct urctx_key user = { "user", nullptr };
static const struct urctx_key odd = { "a \"key\"\\\n\xc3\xa9", nullptr };
static const struct urctx_key nameless = {};

TEST_CASE("dump refuses NULL", "[dump]")
{
	owned root;

	CHECK(urctx_dump(nullptr, stdout) == -EINVAL);
	CHECK(urctx_dump(root, nullptr) == -EINVAL);
	CHECK(urctx_dump(nullptr, nullptr) == -EINVAL);
}

TEST_CASE("dump leaves errno alone", "[dump]")
{
	owned root;

	errno = 77;
	dumped d(root);
	CHECK(d.error == 77);
}

TEST_CASE("dump prints a tree, a level two spaces deeper", "[dump]")
{
	owned root, a(root.ctx), b(a.ctx), c(root.ctx);

	urctx_get(b);
	dumped d(root, { { root, "root" }, { a, "a" }, { b, "b" }, { c, "c" } });
	CHECK(d.ret == 4);
	CHECK(d.text == "root live refs=1\n"
			"  a live refs=1\n"
			"    b live refs=2\n"
			"  c live refs=1\n");
	urctx_put(b);
	dumped below(a, { { a, "a" }, { b, "b" } });
	CHECK(below.ret == 2);
	CHECK(below.text == "a live refs=1\n"
			    "  b live refs=1\n");
}

TEST_CASE("dump says how much time is left", "[dump]")
{
	held_clock clock(1000 * MS);
	owned root;
	struct urctx *a = nullptr, *b = nullptr, *c = nullptr;

	REQUIRE(urctx_with_timeout(root, 1204 * MS + 999999, &a) == 0);
	REQUIRE(urctx_with_timeout(a, 7200000 * MS, &b) == 0);
	REQUIRE(urctx_with_deadline(root, 1001 * MS, &c) == 0);
	dumped d(root, { { root, "root" }, { a, "a" }, { b, "b" }, { c, "c" } });
	CHECK(d.text == "root live refs=1\n"
			"  a live refs=1 left=1.204s\n"
			"    b live refs=1 left=1.204s\n"
			"  c live refs=1 left=0.001s\n");
	for (struct urctx *ctx : { c, b, a })
		urctx_put(ctx);
}

TEST_CASE("dump says expired where nobody has looked yet", "[dump]")
{
	owned root;
	struct urctx *a = nullptr;
	int64_t deadline;

	/* one that has passed ends it at once: so it had not when it was made */
	for (int64_t ahead = MS;; ahead *= 2) {
		deadline = urctx_now() + ahead;
		REQUIRE(urctx_with_deadline(root, deadline, &a) == 0);
		if (urctx_now() < deadline)
			break;
		urctx_put(a);
	}
	REQUIRE(urctx_wait(nullptr, deadline + MS) == -ETIME);
	dumped before(root, { { root, "root" }, { a, "a" } });
	CHECK(before.text == "root live refs=1\n"
			     "  a expired refs=1 left=0.000s\n");
	CHECK(urctx_err(a) == -ETIME);
	dumped after(root, { { root, "root" }, { a, "a" } });
	CHECK(after.text == "root live refs=1\n"
			    "  a done -ETIME \"deadline exceeded\" refs=1\n");
	urctx_put(a);
}

TEST_CASE("dump says why and where a context ended", "[dump]")
{
	static const struct urctx_cause full = { "full", "disk.c", "flush", 31, -EIO };
	static const struct urctx_cause mine = { "mine", nullptr, nullptr, 0, 5 };
	static const struct urctx_cause quiet = { nullptr, nullptr, nullptr, 0, 9 };
	static const std::string long_text(200, 'x');
	static const struct urctx_cause wordy = { long_text.c_str(), "a.c", nullptr, 7,
						  -ECANCELED };
	owned root, a(root.ctx), b(a.ctx), c(root.ctx), d(root.ctx), e(root.ctx), f(root.ctx);
	int line;

	urctx_cancel_cause(a, &full);
	urctx_cancel_cause(c, &mine);
	urctx_cancel_cause(d, &quiet);
	urctx_cancel_cause(e, &wordy);
	line = __LINE__ + 1;
	urctx_cancel(f);
	dumped out(root, { { root, "root" }, { a, "a" }, { b, "b" }, { c, "c" },
			   { d, "d" }, { e, "e" }, { f, "f" } });
	CHECK(out.ret == 7);
	CHECK(out.text ==
	      "root live refs=1\n"
	      "  a done -ECANCELED \"full\" code=-5 at=disk.c:31:flush refs=1\n"
	      "    b done -ECANCELED \"full\" code=-5 at=disk.c:31:flush refs=1\n"
	      "  c done -ECANCELED \"mine\" code=5 refs=1\n"
	      "  d done -ECANCELED code=9 refs=1\n"
	      "  e done -ECANCELED \"" + std::string(92, 'x') + "...\" at=a.c:7 refs=1\n"
	      "  f done -ECANCELED \"canceled\" at=" + tail_of(__FILE__) + ":" +
	      std::to_string(line) + ":" + __func__ + " refs=1\n");
}

TEST_CASE("dump names the keys of values", "[dump]")
{
	owned root;
	struct urctx *a = nullptr, *b = nullptr, *c = nullptr, *d = nullptr;

	REQUIRE(urctx_with_value(root, &user, root, &a) == 0);
	REQUIRE(urctx_with_value(a, &odd, nullptr, &b) == 0);
	REQUIRE(urctx_with_cancel(b, &c) == 0);
	REQUIRE(urctx_with_value(c, &nameless, nullptr, &d) == 0);
	dumped out(root, { { root, "root" }, { a, "a" }, { b, "b" }, { c, "c" },
			   { d, "d" }, { &nameless, "key" } });
	CHECK(out.text ==
	      "root live refs=1\n"
	      "  a live refs=1 value=\"user\"\n"
	      "    b live refs=1 value=\"a \\\"key\\\"\\\\\\x0a\xc3\xa9\"\n"
	      "      c live refs=1\n"
	      "        d live refs=1 value=key\n");
	for (struct urctx *ctx : { d, c, b, a })
		urctx_put(ctx);
}

TEST_CASE("dump shows shields, grace and descriptors", "[dump]")
{
	held_clock clock(1000 * MS);
	owned root, top(root.ctx);
	struct urctx *shield = nullptr, *grace = nullptr;
	int fd;

	REQUIRE(urctx_without_cancel(top, &shield) == 0);
	REQUIRE(urctx_with_grace(top, 5000 * MS, &grace) == 0);
	fd = urctx_fd(shield);
	REQUIRE(fd >= 0);
	const names known = { { root, "root" }, { top, "top" }, { shield, "shield" },
			      { grace, "grace" } };
	dumped before(root, known);
	CHECK(before.text == "root live refs=1\n"
			     "  top live refs=1\n"
			     "    shield live refs=1 shield fd=" + std::to_string(fd) +
			     "\n    grace live refs=1 grace=5.000s\n");
	urctx_cancel_cause(top, nullptr);
	REQUIRE(urctx_clock_advance(1250 * MS) == 0);
	dumped after(root, known);
	CHECK(after.text == "root live refs=1\n"
			    "  top done -ECANCELED \"canceled\" refs=1\n"
			    "    shield live refs=1 shield fd=" + std::to_string(fd) +
			    "\n    grace live refs=1 grace=5.000s left=3.750s\n");
	dumped alone(shield, known);
	CHECK(alone.text == "shield live refs=1 shield fd=" + std::to_string(fd) + "\n");
	urctx_put(shield);
	urctx_put(grace);
}

TEST_CASE("dump prints one of several parents' child once", "[dump]")
{
	owned root, a(root.ctx), b(root.ctx), c(root.ctx);
	struct urctx *parents[] = { a, nullptr, b, a, c }, *any = nullptr;

	REQUIRE(urctx_with_any(parents, 5, &any) == 0);
	{
		owned below(any);
		const names known = { { root, "root" }, { a, "a" }, { b, "b" }, { c, "c" },
				      { any, "any" }, { below, "below" } };
		dumped out(root, known);

		CHECK(out.ret == 6);
		CHECK(out.text == "root live refs=1\n"
				  "  a live refs=1\n"
				  "    any live refs=1 any=3\n"
				  "      below live refs=1\n"
				  "  b live refs=1\n"
				  "    any elsewhere parent=a\n"
				  "  c live refs=1\n"
				  "    any elsewhere parent=a\n");
		dumped second(b, known);
		CHECK(second.ret == 1);
		CHECK(second.text == "b live refs=1\n"
				     "  any elsewhere parent=a\n");
	}
	urctx_put(any);
}

TEST_CASE("dump shows what was put and has children", "[dump]")
{
	owned root;
	struct urctx *a = derive(root), *b = derive(a);

	urctx_put(a);
	dumped out(root, { { root, "root" }, { a, "a" }, { b, "b" } });
	CHECK(out.text == "root live refs=1\n"
			  "  a live put\n"
			  "    b live refs=1\n");
	urctx_put(b);
	dumped gone(root, { { root, "root" } });
	CHECK(gone.text == "root live refs=1\n");
}

extern "C" void dump_called(struct urctx_callback *cb);

struct dumper {
	struct urctx_callback cb;
	struct urctx *root;
	names known;
	std::string text;
};

/* Inside of it: a dump of its own context. */
extern "C" void dump_called(struct urctx_callback *cb)
{
	dumper *self = reinterpret_cast<dumper *>(cb);

	self->text = dumped(self->root, self->known).text;
}

TEST_CASE("dump shows callbacks that wait, and that run", "[dump]")
{
	owned root, a(root.ctx);
	dumper run = {}, wait = {};

	run.root = root;
	run.known = { { root, "root" }, { a, "a" }, { &run, "run" }, { &wait, "wait" } };
	REQUIRE(urctx_after(a, &run.cb, dump_called) == 0);
	REQUIRE(urctx_after(root, &wait.cb, dump_called) == 0);
	dumped out(root, run.known);
	CHECK(out.ret == 2);
	CHECK(std::regex_match(out.text, std::regex(
		"root live refs=1\n"
		"  a live refs=1\n"
		"    run callback armed fn=\\S+\\(\\S*\\+0x[0-9a-f]+\\)\n"
		"  wait callback armed fn=\\S+\\(\\S*\\+0x[0-9a-f]+\\)\n")));
	urctx_cancel_cause(a, nullptr);
	CHECK(std::regex_match(run.text, std::regex(
		"root live refs=1\n"
		"  a done -ECANCELED \"canceled\" refs=1\n"
		"    run callback running fn=\\S+\\(\\S*\\+0x[0-9a-f]+\\)\n"
		"  wait callback armed fn=\\S+\\(\\S*\\+0x[0-9a-f]+\\)\n")));
	CHECK(urctx_stop(&wait.cb));
	dumped after(root, run.known);
	CHECK(after.text == "root live refs=1\n"
			    "  a done -ECANCELED \"canceled\" refs=1\n");
}

TEST_CASE("dump does without a cause whose memory is gone", "[dump]")
{
	long page = sysconf(_SC_PAGESIZE);
	void *p = mmap(nullptr, 2 * (size_t)page, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	owned root;
	struct urctx_cause *cause = (struct urctx_cause *)p;

	REQUIRE(p != MAP_FAILED);
	REQUIRE(munmap((char *)p + page, (size_t)page) == 0);
	*cause = { "there", nullptr, nullptr, 0, 1 };
	urctx_cancel_cause(root, cause);
	dumped before(root, { { root, "root" } });
	CHECK(before.text == "root done -ECANCELED \"there\" code=1 refs=1\n");
	cause->reason = (const char *)p + page - 3;	/* up to the end, and no end */
	memcpy((char *)p + page - 3, "abc", 3);
	dumped open(root, { { root, "root" } });
	CHECK(open.text == "root done -ECANCELED code=1 refs=1\n");
	munmap(p, (size_t)page);
	dumped after(root, { { root, "root" }, { p, "cause" } });
	CHECK(after.text == "root done -ECANCELED cause=cause refs=1\n");
}

TEST_CASE("dump says how deep it is where that does not show", "[dump]")
{
	std::vector<struct urctx *> chain = { derive(nullptr) };
	std::string line;
	unsigned level = 0;

	while (chain.size() < 40)
		chain.push_back(derive(chain.back()));
	dumped d(chain[0]);
	std::istringstream in(d.text);
	for (; std::getline(in, line); level++) {
		struct line l(line);

		CHECK(l.ok);
		CHECK(l.level == level);
		CHECK(line.find_first_not_of(' ') == (level < 32 ? 2 * level : 64));
	}
	CHECK(level == 40);
	for (size_t i = chain.size(); i--;)
		urctx_put(chain[i]);
}

TEST_CASE("dump says that the stream failed", "[dump]")
{
	owned root, a(root.ctx), b(root.ctx);
	FILE *full = fopen("/dev/full", "w");

	REQUIRE(full);
	setvbuf(full, nullptr, _IONBF, 0);
	CHECK(urctx_dump(root, full) == -EIO);
	fclose(full);
	dumped d(root);
	CHECK(d.ret == 3);
}

#ifdef URCTX_DEBUG
TEST_CASE("dump says who made a context, and how long ago, in debug builds", "[dump]")
{
	held_clock clock(1000 * MS);
	owned root;
	struct urctx *made[6] = {};
	struct urctx *two[] = { root, root };
	size_t n = 0;

	REQUIRE(urctx_with_timeout(root, 9000 * MS, &made[0]) == 0);
	REQUIRE(urctx_with_deadline(root, 9000 * MS, &made[1]) == 0);
	REQUIRE(urctx_with_value(root, &user, nullptr, &made[2]) == 0);
	REQUIRE(urctx_without_cancel(root, &made[3]) == 0);
	REQUIRE(urctx_with_any(two, 2, &made[4]) == 0);
	REQUIRE(urctx_with_grace(root, MS, &made[5]) == 0);
	REQUIRE(urctx_clock_advance(2500 * MS) == 0);
	dumped d(root, {}, true);
	std::istringstream in(d.text);
	/* the library itself made none of them */
	for (std::string line; std::getline(in, line); n++) {
		INFO(line);
		CHECK(std::regex_search(line, std::regex(
			" made=(?!liburctx)\\S+\\(\\S*\\+0x[0-9a-f]+\\) age=2\\.500s$")));
	}
	CHECK(n == 7);
	for (struct urctx *ctx : made)
		urctx_put(ctx);
}
#endif
