/* SPDX-License-Identifier: MIT */
/* A measurement in a process of its own. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench.h"

static bool write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return false;
		p += w;
		n -= (size_t)w;
	}
	return true;
}

/* Up to n bytes until the writer is gone or time is up; how many came. */
static size_t read_until(int fd, char *p, size_t n, int64_t deadline)
{
	size_t got = 0;

	while (got < n) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		int64_t left = (deadline - now_ns()) / 1000000;
		ssize_t r;

		if (left <= 0 || !poll(&pfd, 1, (int)left))
			break;
		r = read(fd, p + got, n - got);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			break;
		got += (size_t)r;
	}
	return got;
}

bool in_child(void (*fn)(void *arg, void *out), void *arg, void *out,
	      size_t size, unsigned seconds, struct result *r)
{
	int64_t deadline = now_ns() + seconds * INT64_C(1000000000);
	int pipefd[2], status = 0;
	size_t got;
	pid_t pid;

	if (pipe(pipefd)) {
		result_fail(r, "pipe: %s", strerror(errno));
		return false;
	}
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		result_fail(r, "fork: %s", strerror(errno));
		close(pipefd[0]);
		close(pipefd[1]);
		return false;
	}
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(pipefd[0]);
		fn(arg, out);
		_exit(write_all(pipefd[1], out, size) ? 0 : 1);
	}
	close(pipefd[1]);
	got = read_until(pipefd[0], out, size, deadline);
	close(pipefd[0]);
	if (got < size && now_ns() >= deadline)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (got == size)
		return true;
	if (now_ns() >= deadline)
		result_fail(r, "no result within %u s", seconds);
	else if (WIFSIGNALED(status))
		result_fail(r, "killed by SIG%s",
			    sigabbrev_np(WTERMSIG(status)));
	else
		result_fail(r, "exited with status %d", WEXITSTATUS(status));
	return false;
}
