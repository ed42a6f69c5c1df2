/* SPDX-License-Identifier: MIT */
/* edges_readers.cpp - the readers' table: who is in its last place, and who has gone */
#include "edges_below.hpp"
#include <catch2/catch.hpp>
#include <linux/membarrier.h>
#include <set>
#include <sys/syscall.h>
#include <urcu-bp.h>

#if !TESTS_TSAN
namespace
{
const unsigned BLOCK = 509;	/* readers in the first block, as lib/config.h has them */
const unsigned PUTS = 256;	/* some batches: who puts the last of one looks who reads */

/* Does memory of what was put in here, and had a child, come back in here? */
bool comes_back()
{
	struct urctx *parent = derive(nullptr);
	std::set<struct urctx *> met;
	bool again = false;

	for (unsigned i = 0; i < PUTS; i++) {
		struct urctx *ctx = derive(parent);

		urctx_put(derive(ctx));
		again = again || !met.insert(ctx).second;
		urctx_put(ctx);
	}
	urctx_put(parent);
	return again;
}

/* A thread that is listed, and in a section while it is told to be. */
struct reader {
	gate listed, enters, in, leaves, out, over;
	thread self;

	reader()
		: self([this] {
			urctx_put(derive(nullptr));
			listed.set();
			enters.wait();
			rcu_read_lock();
			in.set();
			leaves.wait();
			rcu_read_unlock();
			out.set();
			over.wait();
		})
	{
		listed.wait();
	}
	void enter()
	{
		enters.set();
		in.wait();
	}
	void leave()
	{
		leaves.set();
		out.wait();
	}
	~reader()
	{
		enters.set();
		leaves.set();
		over.set();
		self.join();
	}
};
}

/* The last places of the first block, and the first of the second. */
TEST_CASE("readers: each of more than a block holds up what it may see", "[edges]")
{
	PASSES([] {
		std::vector<std::unique_ptr<reader>> all;
		pthread_attr_t small;

		/* that many of the usual size are more than 32 bits have room for */
		SHOULD(pthread_attr_init(&small) == 0);
		SHOULD(pthread_attr_setstacksize(&small, 256 << 10) == 0);
		SHOULD(pthread_setattr_default_np(&small) == 0);
		for (unsigned i = 0; i < BLOCK + 4; i++) {
			all.push_back(std::make_unique<reader>());
			if (i < BLOCK - 6)
				continue;
			all.back()->enter();
			SHOULD(!comes_back());
			all.back()->leave();
		}
		return 0;
	});
}

/* With liburcu's mutex taken nobody waits for readers: who puts sees that all are gone. */
TEST_CASE("readers: in a child of fork() no other thread is in a section", "[edges][fork]")
{
	if (!(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0) &
	      MEMBARRIER_CMD_PRIVATE_EXPEDITED))
		return;		/* nobody but the housekeeper looks who reads */
	PASSES([] {
		reader other;

		SHOULD(becomes(comes_back));
		other.enter();
		SHOULD(!comes_back());
		me.waits = 0;
		pid_t pid = forked([] {
			mutex *grace = me.waited[0];

			SHOULD(me.waits > 0);
			pthread_mutex_lock(grace);
			bool at_once = comes_back();
			pthread_mutex_unlock(grace);
			return at_once ? 0 : 2;
		});

		SHOULD(ended(pid) == 0);
		other.leave();
		return 0;
	});
}
#endif
