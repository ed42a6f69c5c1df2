/* SPDX-License-Identifier: MIT */
/*
 * io_launch.cpp - all of these tests again in a process that has no io_uring
 *
 * Forbidden by the environment, or by a seccomp filter as container run-times set it:
 * io_uring_setup() says EPERM, or ENOSYS as if the kernel were older.
 */
#include "io.hpp"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* From now on @nr says @err in this process. */
static bool forbid(unsigned nr, int err)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(*code), code };

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

/* Those that start no process of this kind again. */
static int all_again(const std::function<bool()> &prepare)
{
	pid_t pid = fork();
	int status = -1;

	if (!pid) {
		if (!prepare())
			_exit(99);
		execl("/proc/self/exe", "check-io", "~[launch]", nullptr);
		_exit(98);
	}
	waitpid(pid, &status, 0);
	return status;
}

TEST_CASE("all of these without io_uring: URCTX_NO_URING=1", "[io][launch]")
{
	if (TESTS_VALGRIND)
		return;
	CHECK(all_again([] { return !setenv("URCTX_NO_URING", "1", 1); }) == 0);
}

TEST_CASE("all of these without io_uring: a filter says EPERM, or ENOSYS", "[io][launch]")
{
	if (TESTS_VALGRIND)
		return;
	CHECK(all_again([] { return forbid(SYS_io_uring_setup, EPERM); }) == 0);
	CHECK(all_again([] { return forbid(SYS_io_uring_setup, ENOSYS); }) == 0);
}

TEST_CASE("all of these on a kernel that cannot try files", "[io][launch]")
{
	if (TESTS_VALGRIND)
		return;
	CHECK(all_again([] {
		      return forbid(SYS_preadv2, EOPNOTSUPP) &&
			     forbid(SYS_pwritev2, EOPNOTSUPP);
	      }) == 0);
	CHECK(all_again([] {
		      return forbid(SYS_preadv2, ENOSYS) &&
			     forbid(SYS_pwritev2, EOPNOTSUPP) &&
			     forbid(SYS_io_uring_setup, ENOSYS);
	      }) == 0);
}

TEST_CASE("a filter that comes when there is a ring already", "[io]")
{
	struct ending e = in_child([]() -> int {
		listener l;
		context a(MSEC), b(MSEC), c(MSEC), d;

		if (urctx_accept(a, l.fd, nullptr, nullptr, 0) != -ETIME)
			return 1;
		if (!forbid(SYS_io_uring_enter, EPERM))
			return 2;
		if (urctx_accept(b, l.fd, nullptr, nullptr, 0) != -ETIME ||
		    urctx_accept(c, l.fd, nullptr, nullptr, 0) != -ETIME)
			return 3;
		close(l.connects());
		return urctx_accept(d, l.fd, nullptr, nullptr, 0) >= 0 ? 0 : 4;
	});
	CHECK(e.code == 0);
	CHECK(e.signal == 0);
}
