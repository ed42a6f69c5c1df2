/* SPDX-License-Identifier: MIT */
/* clock.hpp - what the tests of the test clock share */
#ifndef URCTX_TESTS_CLOCK_HPP
#define URCTX_TESTS_CLOCK_HPP

#include <poll.h>
#include "held.hpp"
#include "support.hpp"

constexpr int64_t SEC = 1000000000;

/* A context with a deadline, put at the end of its scope. */
class context
{
public:
	context(struct urctx *parent, int64_t deadline,
		const struct urctx_cause *cause = nullptr)
	{
		if (urctx_with_deadline_cause(parent, deadline, cause, &ctx)) {
			fprintf(stderr, "tests: no context\n");
			abort();
		}
	}
	context(const context &) = delete;
	~context()
	{
		urctx_put(ctx);
	}
	operator struct urctx *() const
	{
		return ctx;
	}

private:
	struct urctx *ctx = nullptr;
};

inline bool readable(int fd, int ms = 0)
{
	struct pollfd pfd = { fd, POLLIN, 0 };

	return poll(&pfd, 1, ms) == 1;
}

/* The kernel's timer fires in an interrupt, and that may be a moment later. */
inline bool will_be_readable(int fd)
{
	return readable(fd, 10000);
}

#endif
