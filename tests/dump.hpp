/* SPDX-License-Identifier: MIT */
/*
 * dump.hpp - what urctx_dump() has printed, with names in place of addresses, and
 * its lines taken apart
 */
#ifndef URCTX_TESTS_DUMP_HPP
#define URCTX_TESTS_DUMP_HPP

#include "support.hpp"
#include <catch2/catch.hpp>
#include <cstring>
#include <regex>
#include <sstream>

using names = std::vector<std::pair<const void *, std::string>>;

/* A context of the test's own. */
struct owned {
	explicit owned(struct urctx *parent = nullptr) : ctx(derive(parent))
	{
	}
	owned(const owned &) = delete;
	~owned()
	{
		urctx_put(ctx);
	}
	operator struct urctx *() const
	{
		return ctx;
	}

	struct urctx *ctx;
};

inline void replace_all(std::string &text, const std::string &from, const std::string &to)
{
	for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
		text.replace(at, from.size(), to);
}

/* @traced: with what debug builds add to each line. */
struct dumped {
	explicit dumped(struct urctx *root, const names &known = {}, bool traced = false)
	{
		char *buf = nullptr;
		size_t size = 0;
		FILE *out = open_memstream(&buf, &size);
		int saved = errno;

		if (!out) {
			perror("tests: no stream");
			abort();
		}
		errno = saved;
		ret = urctx_dump(root, out);
		error = errno;
		fclose(out);
		text = buf;
		free(buf);
		if (!traced)
			text = std::regex_replace(text,
				std::regex("( made=[^ \n]*)? age=[0-9.]+s\n"), "\n");
		for (const auto &name : known) {
			char address[32];

			snprintf(address, sizeof(address), "%p", name.first);
			replace_all(text, address, name.second);
		}
	}

	int ret, error;
	std::string text;
};

/* The library cuts a path that is too long for a line behind its beginning. */
inline std::string tail_of(const std::string &path)
{
	return path.size() < 96 ? path : path.substr(0, 92) + "...";
}

/* One line, with the addresses as they were. */
struct line {
	explicit line(const std::string &text)
	{
		static const std::regex shape(
			"( *)(\\[(\\d+)\\] )?(0x[0-9a-f]+) "
			"((live|expired|done -(ECANCELED|ETIME)"
			"( \"(\\\\.|[^\"\\\\])*\"| cause=\\S+)?"
			"( code=-?\\d+)?( at=\\S+)?) (refs=\\d+|put)( left=\\d+\\.\\d{3}s)?"
			"( grace=\\d+\\.\\d{3}s)?( left=\\d+\\.\\d{3}s)?( shield)?( any=\\d+)?"
			"( value=(\"(\\\\.|[^\"\\\\])*\"|0x[0-9a-f]+))?( fd=\\d+)?"
			"( made=\\S+)?( age=\\d+\\.\\d{3}s)?"
			"|elsewhere parent=\\S+|callback (armed|running)( fn=\\S+)?"
			"|ring (armed|running) ops=\\d+)");
		std::smatch m;

		ok = std::regex_match(text, m, shape);
		if (!ok)
			return;
		level = m[3].matched ? (unsigned)std::stoul(m[3]) :
				       (unsigned)m[1].length() / 2;
		what = m[4];
		rest = m[5];
		context = m[6].matched;
	}

	bool ok, context = false;
	unsigned level = 0;
	std::string what, rest;
};

#endif
