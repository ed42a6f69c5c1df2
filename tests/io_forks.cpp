/* SPDX-License-Identifier: MIT */
/* io_forks.cpp - a handler forks while its thread waits: two come out of the call */
#include "io_scenes.hpp"

#include <fstream>
#include <set>
#include <sys/wait.h>

#if !TESTS_TSAN
enum cancels { NOBODY, PARENT, CHILD };

static cancels who;
static struct urctx *ctx;
static std::atomic<bool> is_child;
static std::atomic<int> status;

/* One that does not end is killed. */
static int status_of(pid_t pid)
{
	int how = -1;

	if (becomes([&] { return waitpid(pid, &how, WNOHANG) == pid; }))
		return how;
	kill(pid, SIGKILL);
	return waitpid(pid, &how, 0) == pid ? how : -1;
}

/* The child is out of the call before its parent goes on. */
static void leaves_a_child(int)
{
	int saved = errno;

	if (who == PARENT)
		urctx_cancel(ctx);
	pid_t pid = fork();
	if (pid) {
		status = status_of(pid);
	} else {
		is_child = true;
		if (who == CHILD)
			urctx_cancel(ctx);
	}
	errno = saved;
}

static bool is_right(long ret, cancels by)
{
	return ret == -EINTR || (who != NOBODY && who != by && ret == -ECANCELED);
}

static long as_the_child(scene &s, long ret)
{
	context late(2 * MSEC);

	if (!is_right(ret, NOBODY))
		return 1;
	/* a child's child is not its own */
	if (s.name.find("waitid") != 0 && s.go(late) != -ETIME)
		return 2;
	return 0;
}

/* Of this process: a wake-up that nobody has taken, and each wait is woken by. */
static unsigned long eventfds()
{
	DIR *dir = opendir("/proc/self/fdinfo");
	unsigned long sum = 0, n;

	while (const struct dirent *d = readdir(dir)) {
		std::ifstream info(std::string("/proc/self/fdinfo/") + d->d_name);

		for (std::string line; std::getline(info, line);)
			if (sscanf(line.c_str(), "eventfd-count: %lx", &n) == 1)
				sum += n;
	}
	closedir(dir);
	return sum;
}

static bool forks_in(scene &s)
{
	context c;

	ctx = c;
	status = -1;
	caller t([&] {
		long ret = s.go(c);

		if (is_child)
			_exit((int)as_the_child(s, ret));
		int saved = errno;

		/* of a cancel that came here, a ring may hear later */
		CHECK((who == PARENT || status == -1 || eventfds() == 0));
		errno = saved;
		/* and what it waits with is as it was */
		context late(2 * MSEC);

		CHECK(s.go(late) == -ETIME);
		return ret;
	});
	for (int i = 0; i < 3; i++)
		if (!t.stands_still()) {
			urctx_cancel(c);
			return false;
		}
	pthread_kill(t.handle(), SIGUSR1);
	if (!becomes([&] { return t.over(); }))
		urctx_cancel(c);
	CHECK(is_right(t.join(), CHILD));
	CHECK(status == 0);
	return true;
}

TEST_CASE("a handler forks: two come out of the call", "[io]")
{
	struct sigaction sa = {}, before;
	std::set<std::string> nap;	/* now and then they look, and a handler ends nothing */
	unsigned nr = 0;

	sa.sa_handler = leaves_a_child;
	sa.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &sa, &before);
	for (cancels by : { NOBODY, PARENT, CHILD })
		for_each_scene([&](scene &s) {
			INFO(by);
			who = by;
			if (!s.aborted || nap.count(s.name))
				return;
			if (!forks_in(s)) {
				nap.insert(s.name);
				return;
			}
			nr++;
			context c;
			s.feed();
			CHECK(s.good(s.go(c)));
		});
	sigaction(SIGUSR1, &before, nullptr);
	CHECK(nr > 24);
}
#endif
