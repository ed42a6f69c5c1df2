/* SPDX-License-Identifier: MIT */
/* group.hpp - tasks that are any function, and a group that is waited for */
#ifndef URCTX_TESTS_GROUP_HPP
#define URCTX_TESTS_GROUP_HPP

#include "sync.hpp"

/* A task that is any function. */
using task = std::function<int(struct urctx *)>;

inline int call_task(struct urctx *ctx, void *arg)
{
	return (*static_cast<task *>(arg))(ctx);
}

inline int go(struct urctx_group *g, task &t)
{
	return urctx_group_go(g, call_task, &t);
}

inline bool try_go(struct urctx_group *g, task &t)
{
	return urctx_group_try_go(g, call_task, &t);
}

/* An initialised group; ctx is kept beyond its end, to be looked at. */
struct grouped {
	explicit grouped(unsigned limit = 0, struct urctx *parent = nullptr)
	{
		if (urctx_group_init(&g, parent, limit, &ctx))
			abort();
		urctx_get(ctx);
	}
	grouped(const grouped &) = delete;
	~grouped()
	{
		urctx_group_wait(&g);
		urctx_put(ctx);
	}
	int wait()
	{
		return urctx_group_wait(&g);
	}

	struct urctx_group g;
	struct urctx *ctx = nullptr;
};

inline task returns(int err)
{
	return [err](struct urctx *) { return err; };
}

#endif
