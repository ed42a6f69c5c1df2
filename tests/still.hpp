/* SPDX-License-Identifier: MIT */
/*
 * still.hpp - a call on a thread of its own, of which it can be said that it sleeps
 *
 * Who looks again and again is never seen to stand still.  Nothing is awaited by the
 * moment between two looks: it is what he has to stand still for.
 */
#ifndef URCTX_TESTS_STILL_HPP
#define URCTX_TESTS_STILL_HPP

#include "support.hpp"
#include <fstream>
#include <sched.h>
#include <string>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

class one_thread
{
public:
	explicit one_thread(std::function<int()> call)
		: t([this, call] {
			  tid = (int)syscall(SYS_gettid);
			  ret = call();
			  done = true;
		  })
	{
	}
	int join()
	{
		t.join();
		return ret;
	}
	/* One minute at most. */
	bool stands_still()
	{
		for (int looks = 0; looks < 3000 && !done; looks++) {
			const struct timespec moment = { 0, 20000000 };
			uint64_t before = ran();

			nanosleep(&moment, nullptr);
			if (asleep() && ran() == before)
				return !done;
		}
		return false;
	}

private:
	std::string of(const char *what) const
	{
		return "/proc/self/task/" + std::to_string(tid) + "/" + what;
	}
	/* ns on a processor */
	uint64_t ran() const
	{
		uint64_t ns = 0;

		std::ifstream(of("schedstat")) >> ns;
		return ns;
	}
	bool asleep() const
	{
		std::string state;

		std::getline(std::ifstream(of("stat")), state);
		return tid && state.find(") S ") != state.npos;
	}

	int ret = 0;
	std::atomic<int> tid{ 0 };
	std::atomic<bool> done{ false };
	thread t;		/* last: it uses the others */
};

#endif
