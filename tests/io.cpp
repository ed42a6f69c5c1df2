/* SPDX-License-Identifier: MIT */
/* io.cpp - what the tests of <urctx/io.h> share */
#include "io.hpp"

#include <fstream>
#include <liburing.h>
#include <time.h>

bool has_uring()
{
	static const bool has = [] {
		const char *no = getenv("URCTX_NO_URING");
		struct io_uring ring;

		if ((no && !strcmp(no, "1")) || io_uring_queue_init(2, &ring, 0))
			return false;
		io_uring_queue_exit(&ring);
		return true;
	}();

	return has;
}

caller::caller(std::function<long()> call)
{
	t = std::make_unique<thread>([this, call] {
		tid = (int)syscall(SYS_gettid);
		ret = quietly(call);
		done = true;
	});
}

/* "running", or the system call, its arguments and where it was called from */
static std::string where(int tid)
{
	char name[64], text[256] = "";

	snprintf(name, sizeof(name), "/proc/self/task/%d/syscall", tid);
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	return std::string(text, n > 0 ? (size_t)n : 0);
}

/*
 * Seen in the same call twice it sleeps there, most probably: what is asserted must
 * be true if it does not yet.
 */
void until_asleep(int tid, const std::function<bool()> &over)
{
	std::string before, now;

	for (int i = 0; i < 20000 && !over(); i++) {
		now = where(tid);
		if (!now.empty() && now[0] != 'r' && now == before)
			return;
		before = now;
		sched_yield();
	}
}

/* How long it has been on a processor; "": it is, or will be as soon as it may. */
static std::string ran(int tid)
{
	const std::string of = "/proc/self/task/" + std::to_string(tid);
	std::string state, ns;

	std::getline(std::ifstream(of + "/stat"), state);
	std::ifstream(of + "/schedstat") >> ns;
	return state.find(") S ") == state.npos ? "" : ns;
}

bool caller::stands_still()
{
	const struct timespec moment = { 0, 20000000 };

	while (!tid)
		sched_yield();
	for (int i = 0; i < 100 && !over(); i++) {
		std::string call = where(tid), before = ran(tid);

		nanosleep(&moment, nullptr);
		if (!before.empty() && ran(tid) == before && where(tid) == call)
			return true;
	}
	return false;
}

void caller::asleep()
{
	while (!tid)
		sched_yield();
	until_asleep(tid, [this] { return done.load(); });
}
