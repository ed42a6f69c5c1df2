/* SPDX-License-Identifier: MIT */
/* support.cpp - memory of this process, and children that may die */
#include "support.hpp"
#include <ctime>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_SECONDS 300	/* late is who hangs, not who is slow */

/* Not what the kernel thinks up: 2 MiB where a page is used, where it always does so. */
static bool no_huge_pages()
{
	return !prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
}

size_t resident_bytes()
{
	static const bool asked = no_huge_pages();
	unsigned long size = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	(void)asked;
	if (!f || fscanf(f, "%lu %lu", &size, &resident) != 2) {
		perror("tests: /proc/self/statm");
		abort();
	}
	fclose(f);
	return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static size_t entries(const char *directory)
{
	DIR *dir = opendir(directory);
	size_t nr = 0;

	while (const struct dirent *entry = readdir(dir))
		nr += entry->d_name[0] != '.';
	closedir(dir);
	return nr;
}

size_t open_fds()
{
	return entries("/proc/self/fd");
}

size_t threads_now()
{
	return entries("/proc/self/task");
}

bool becomes(const std::function<bool()> &is)
{
	const struct timespec moment = { 0, 1000000 };

	for (int looks = 0; looks < 60000; looks++) {
		if (is())
			return true;
		nanosleep(&moment, nullptr);
	}
	return false;
}

/* What the child says, until it ends or its time is up: false, it is late. */
static bool listen_to(int fd, std::string *said)
{
	int64_t end = urctx_now() + CHILD_SECONDS * INT64_C(1000000000);
	struct pollfd pfd = { fd, POLLIN, 0 };
	char buf[4096];

	for (;;) {
		int64_t left = (end - urctx_now()) / 1000000;
		ssize_t got;
		int ready;

		if (left <= 0)
			return false;
		ready = poll(&pfd, 1, (int)left);
		if (ready <= 0)
			continue;
		got = read(fd, buf, sizeof(buf));
		if (got > 0)
			said->append(buf, (size_t)got);
		else if (got == 0)
			return true;
	}
}

struct ending in_child(const std::function<int()> &fn)
{
	struct ending end = {};
	int pipefd[2], status;
	pid_t pid;

	fflush(nullptr);
	if (pipe2(pipefd, O_CLOEXEC)) {
		perror("tests: pipe");
		abort();
	}
	pid = fork();
	if (pid < 0) {
		perror("tests: fork");
		abort();
	}
	if (!pid) {
		/* Catch2's handlers would report the child's death as ours. */
		for (int sig : { SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTERM })
			signal(sig, SIG_DFL);
		dup2(pipefd[1], STDERR_FILENO);
		close(pipefd[1]);
		_exit(fn());
	}
	close(pipefd[1]);
	end.late = !listen_to(pipefd[0], &end.said);
	close(pipefd[0]);
	if (end.late)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	end.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	end.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	return end;
}
