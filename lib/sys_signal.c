/* SPDX-License-Identifier: MIT */
/*
 * sys_signal.c - the seam's body for Linux: signals; errno is as it was after each
 */
#include <poll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "sys_signal.h"

bool sys_signals_blocked(const sigset_t *set)
{
	sigset_t mask;
	int sig;

	sigemptyset(&mask);
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	for (sig = 1; sig < NSIG; sig++)
		if (sigismember(set, sig) && !sigismember(&mask, sig))
			return false;
	return true;
}

int sys_signalfd(int fd, const sigset_t *set)
{
	int saved = errno;

	fd = signalfd(fd, set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		fd = -errno;
	errno = saved;
	return fd;
}

int sys_signal_read(int fd)
{
	struct signalfd_siginfo info;
	int saved = errno;
	ssize_t got = read(fd, &info, sizeof(info));

	errno = saved;
	return got == sizeof(info) ? (int)info.ssi_signo : 0;
}

int sys_signal_take(const sigset_t *set)
{
	struct timespec now = { 0 };
	int saved = errno;
	int sig = sigtimedwait(set, NULL, &now);

	errno = saved;
	return sig > 0 ? sig : 0;
}

void sys_readable(int a, int b)
{
	struct pollfd fds[2] = {
		{ .fd = a, .events = POLLIN },
		{ .fd = b, .events = POLLIN },
	};
	int saved = errno;

	poll(fds, 2, -1);
	errno = saved;
}
