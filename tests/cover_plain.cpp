/* SPDX-License-Identifier: MIT */
/*
 * cover_plain.cpp - a kernel without membarrier(2): nothing is lost, nothing waits
 * for ever
 *
 * A seccomp filter plays that kernel, in a process of its own.  One that loses it
 * while the program runs is none of ours: liburcu ends the process then.
 */
#include <catch2/catch.hpp>
#include <cstddef>
#include <linux/filter.h>
#include <linux/membarrier.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <urctx/watch.h>
#include "clock.hpp"
#include "dump.hpp"

/* False: the kernel does not let us. */
static bool refuse_membarrier(uint32_t err)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(*code), code };

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) &&
	       syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0) < 0;
}

static std::atomic<size_t> released;

static void count(void *)
{
	released++;
}

/* Until the library's thread has done it as well; false: not in a minute. */
static bool all_released(size_t nr)
{
	int64_t end = urctx_now() + 60 * SEC;

	while (released != nr && urctx_now() < end)
		sched_yield();
	return released == nr;
}

/* Parents that are put before their children, which leave from two threads. */
static bool zombies(struct urctx *root, size_t rounds)
{
	static const struct urctx_key key = { .name = "counted", .release = count };

	released = 0;
	for (size_t i = 0; i < rounds; i++) {
		struct urctx *p = nullptr, *a, *b;

		if (urctx_with_value(root, &key, nullptr, &p))
			return false;
		a = derive(p);
		b = derive(p);
		together({ [&] { urctx_put(a); }, [&] { urctx_put(p); }, [&] { urctx_put(b); } });
	}
	return !urctx_wait_idle(root, urctx_now() + 60 * SEC) && all_released(rounds);
}

/* A derivation and a cancel that race; a cancel and a wait. */
static bool races(size_t rounds)
{
	for (size_t i = 0; i < rounds; i++) {
		struct urctx *p = derive(nullptr), *c[2] = {};
		int waited = 1;

		together({ [&] { c[0] = derive(p); }, [&] { c[1] = derive(p); },
			   [&] { urctx_cancel(p); },
			   [&] { waited = urctx_wait(p, URCTX_NEVER); } });
		bool good = urctx_done(c[0]) && urctx_done(c[1]) && !waited;

		urctx_put(c[0]);
		urctx_put(c[1]);
		urctx_put(p);
		if (!good)
			return false;
	}
	return true;
}

static int everything()
{
	struct urctx *root = derive(nullptr);
	size_t rounds = scaled(400);

	if (!zombies(root, rounds))
		return 1;
	if (!races(rounds))
		return 2;
	if (dumped(root).ret != 1)	/* nothing is left below it */
		return 3;
	urctx_put(root);
	return 0;
}

/* argv[0] has no directory: that is how a dump names the program then. */
static void in_program(struct urctx_callback *)
{
}

TEST_CASE("without membarrier", "[.plain-again]")
{
	owned root;
	struct urctx_callback cb = {};

	CHECK(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0) < 0);
	CHECK(everything() == 0);
	REQUIRE(urctx_after(root, &cb, in_program) == 0);
	CHECK(dumped(root).text.find("callback armed fn=check-cover(") != std::string::npos);
	CHECK(urctx_stop(&cb));
}

TEST_CASE("plain: a kernel that never had membarrier", "[plain]")
{
	struct ending end;

	if (TESTS_VALGRIND)
		return;
	end = in_child([] {
		if (!refuse_membarrier(ENOSYS))
			return 77;
		execl("/proc/self/exe", "check-cover", "[.plain-again]", nullptr);
		return 98;
	});
	CHECK_FALSE(end.late);
	if (end.code == 77)
		WARN("no seccomp filters here");
	else
		CHECK(end.code == 0);
}
