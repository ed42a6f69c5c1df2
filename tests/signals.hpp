/* SPDX-License-Identifier: MIT */
/*
 * signals.hpp - what the tests of signals share
 *
 * The signals of a test are blocked while it runs, in its threads too, and sent to
 * the process.  What is left of them at the end is taken away.
 */
#ifndef URCTX_TESTS_SIGNALS_HPP
#define URCTX_TESTS_SIGNALS_HPP

#include <csignal>
#include <cstring>
#include <ctime>
#include <sched.h>
#include <unistd.h>
#include "support.hpp"

class blocked
{
public:
	explicit blocked(std::initializer_list<int> signals)
	{
		sigemptyset(&set);
		for (int nr : signals)
			sigaddset(&set, nr);
		pthread_sigmask(SIG_BLOCK, &set, &before);
	}
	blocked(const blocked &) = delete;
	~blocked()
	{
		while (take())
			;
		pthread_sigmask(SIG_SETMASK, &before, nullptr);
	}
	/* One that is pending, which it is no more, or 0. */
	int take()
	{
		struct timespec none = {};
		int nr = sigtimedwait(&set, nullptr, &none);

		return nr > 0 ? nr : 0;
	}
	struct urctx *context(struct urctx *parent = nullptr)
	{
		return context_of(parent, set);
	}
	static struct urctx *context_of(struct urctx *parent, const sigset_t &set)
	{
		struct urctx *ctx = nullptr;
		int ret = urctx_with_signals(parent, &set, &ctx);

		if (ret) {
			fprintf(stderr, "tests: urctx_with_signals: %d\n", ret);
			abort();
		}
		return ctx;
	}

	sigset_t set;

private:
	sigset_t before;
};

inline sigset_t set_of(std::initializer_list<int> signals)
{
	sigset_t set;

	sigemptyset(&set);
	for (int nr : signals)
		sigaddset(&set, nr);
	return set;
}

inline struct urctx *context_of(int nr, struct urctx *parent = nullptr)
{
	return blocked::context_of(parent, set_of({ nr }));
}

inline void send(int nr)
{
	kill(getpid(), nr);
}

inline bool is_pending(int nr)
{
	sigset_t pending;

	sigpending(&pending);
	return sigismember(&pending, nr) == 1;
}

/* Until somebody has read it: for what no context shows. */
inline void until_read(int nr)
{
	while (is_pending(nr))
		sched_yield();
}

/* Waits for the end of @ctx: by signal @nr? */
inline bool ended_by(struct urctx *ctx, int nr)
{
	return urctx_wait(ctx, URCTX_NEVER) == 0 && urctx_done(ctx) &&
	       urctx_err(ctx) == -ECANCELED && urctx_cause(ctx)->code == nr;
}

inline bool is_live(struct urctx *ctx)
{
	return !urctx_done(ctx) && urctx_err(ctx) == 0 && !urctx_cause(ctx);
}

/* Open descriptors of this process, now and before the first test. */
size_t descriptors();
extern const size_t fds_at_first;
/* Threads that are the library's. */
size_t housekeepers();

/* The housekeeper has opened his two, beside the @fds of others. */
inline void until_open(size_t fds = fds_at_first)
{
	while (descriptors() < fds + 2)
		sched_yield();
}

/* He had, and has closed them: no context of signals is left. */
inline void until_closed(size_t fds = fds_at_first)
{
	while (descriptors() > fds)
		sched_yield();
}

/* The same where he may not have come to open them. */
inline void until_released(blocked &b)
{
	struct urctx *last = b.context();

	until_open();
	urctx_put(last);
	until_closed();
}

#endif
