/* SPDX-License-Identifier: MIT */
/*
 * main.cpp - Catch2's main(), compiled once and without sanitizers
 *
 * A test that hangs has found a bug as well: SIGALRM ends the program, and the
 * name of the test that was running is the last one that --durations printed.
 */
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#include <cstdlib>
#include <unistd.h>

#define LIMIT_SECONDS 600

/* Tests fork while threads run, and the child starts one of the library's. */
extern "C" const char *__tsan_default_options(void);
extern "C" const char *__tsan_default_options(void)
{
	return "die_after_fork=0:history_size=7";
}

int main(int argc, char **argv)
{
	const char *limit = getenv("URCTX_TEST_LIMIT");

	alarm(limit ? (unsigned)atoi(limit) : LIMIT_SECONDS);
	return Catch::Session().run(argc, argv);
}
