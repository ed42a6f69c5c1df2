/* SPDX-License-Identifier: MIT */
/*
 * io_scenes.hpp - each call of <urctx/io.h> that waits, in a place where it does
 */
#ifndef URCTX_TESTS_IO_SCENES_HPP
#define URCTX_TESTS_IO_SCENES_HPP

#include "io.hpp"

struct scene {
	std::string name;
	std::function<long(struct urctx *)> go;	/* waits, until */
	std::function<void()> feed;		/* this has been done */
	std::function<bool(long)> good;		/* what it says then */
	bool aborted = true;			/* it can be, in this process */
	long wrong = -EBADF;			/* what go_wrong() says */
	std::function<long(struct urctx *)> go_wrong;
};

using scene_maker = std::function<scene()>;

const std::vector<scene_maker> &scenes();

template <typename F> static void for_each_scene(F test)
{
	for (auto &make : scenes()) {
		scene s = make();

		INFO(s.name);
		test(s);
	}
}

#endif
