/* SPDX-License-Identifier: MIT */
/*
 * go.hpp - what the tests of Go's semantics share
 *
 * Their numbers are those of tests/go.table, which says what Go calls each, and
 * where we differ on purpose.  Where Go asks a custom implementation of its
 * interface, which we do not have, a context that was given a value stands in
 * for a wrapper, and a root of its own for a stranger.
 */
#ifndef URCTX_TESTS_GO_HPP
#define URCTX_TESTS_GO_HPP

#include <catch2/catch.hpp>
#include <string>
#include <vector>
#include "support.hpp"

constexpr int64_t MS = 1000000, HOUR = 3600 * 1000 * MS;

/* Contexts, put at the end of their scope, the youngest first. */
class family
{
public:
	family() = default;
	family(const family &) = delete;
	~family()
	{
		while (!all.empty()) {
			urctx_put(all.back());
			all.pop_back();
		}
	}

	struct urctx *cancelable(struct urctx *parent)
	{
		return keep(urctx_with_cancel(parent, &child));
	}
	struct urctx *deadline(struct urctx *parent, int64_t at,
			       const struct urctx_cause *why = nullptr)
	{
		if (!why)
			return keep(urctx_with_deadline(parent, at, &child));
		return keep(urctx_with_deadline_cause(parent, at, why, &child));
	}
	struct urctx *timeout(struct urctx *parent, int64_t ns,
			      const struct urctx_cause *why = nullptr)
	{
		if (!why)
			return keep(urctx_with_timeout(parent, ns, &child));
		return keep(urctx_with_timeout_cause(parent, ns, why, &child));
	}
	struct urctx *value(struct urctx *parent, const struct urctx_key *key,
			    void *value)
	{
		return keep(urctx_with_value(parent, key, value, &child));
	}
	struct urctx *shield(struct urctx *parent)
	{
		return keep(urctx_without_cancel(parent, &child));
	}
	struct urctx *any(const std::vector<struct urctx *> &parents)
	{
		return keep(urctx_with_any(parents.data(), parents.size(), &child));
	}
	/* Not put at the end: the caller has done it. */
	void forget(struct urctx *ctx)
	{
		for (auto &one : all)
			if (one == ctx)
				one = nullptr;
	}

private:
	struct urctx *keep(int ret)
	{
		if (ret) {
			fprintf(stderr, "tests: no context: %d\n", ret);
			abort();
		}
		all.push_back(child);
		return child;
	}

	std::vector<struct urctx *> all;
	struct urctx *child = nullptr;
};

inline bool is_live(const struct urctx *ctx)
{
	return !urctx_done(ctx) && urctx_err(ctx) == 0 && !urctx_cause(ctx);
}

/* err first: it looks at the clock, and a poll sees what it has seen. */
inline bool is_ended(const struct urctx *ctx, int err,
		     const struct urctx_cause *cause)
{
	return urctx_err(ctx) == err && urctx_cause(ctx) == cause &&
	       urctx_done(ctx);
}

/* Slept until it ended by its deadline, and not before that. */
inline bool expires(struct urctx *ctx, const struct urctx_cause *cause)
{
	int64_t at = INT64_MIN;

	return urctx_wait(ctx, URCTX_NEVER) == 0 && urctx_deadline(ctx, &at) &&
	       urctx_now() >= at && urctx_err(ctx) == -ETIME &&
	       urctx_cause(ctx) == cause && urctx_done(ctx);
}

/* Cancelled, with the cause that says nothing more. */
inline bool is_canceled(const struct urctx *ctx)
{
	return is_ended(ctx, -ECANCELED, &urctx_canceled);
}

inline bool cancel_plain(struct urctx *ctx)
{
	return urctx_cancel_cause(ctx, nullptr);
}

/* What urctx_dump() says of @root, one string a line. */
std::vector<std::string> dump_of(struct urctx *root);
/* Those that hang on @root itself, callbacks among them. */
size_t count_below(struct urctx *root);
/* Threads of this process. */
size_t count_threads();

#endif
