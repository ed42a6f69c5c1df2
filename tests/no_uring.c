/* SPDX-License-Identifier: MIT */
/*
 * no_uring.c - run a program that may not use io_uring
 *
 *   no_uring EPERM|ENOSYS PROGRAM [ARGUMENT...]
 *
 * The way containers forbid it: a seccomp filter under which io_uring_setup(),
 * enter() and register() fail, with EPERM as those of Docker and systemd do, or
 * with ENOSYS as a kernel that has none.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* They have one number each on every architecture: which it is need not be asked. */
static int forbid(int error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_enter, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_register, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { sizeof(code) / sizeof(code[0]), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

int main(int argc, char **argv)
{
	int error = argc < 3			    ? 0 :
		    strcmp(argv[1], "EPERM") == 0  ? EPERM :
		    strcmp(argv[1], "ENOSYS") == 0 ? ENOSYS :
						     0;

	if (!error) {
		fprintf(stderr, "usage: no_uring EPERM|ENOSYS PROGRAM [ARGUMENT...]\n");
		return 2;
	}
	if (forbid(error)) {
		perror("no_uring: seccomp");
		return 77;
	}
	errno = 0;
	if (syscall(SYS_io_uring_setup, 0, NULL) != -1 || errno != error) {
		fprintf(stderr, "no_uring: io_uring is not forbidden\n");
		return 77;
	}
	execv(argv[2], argv + 2);
	perror(argv[2]);
	return 127;
}
