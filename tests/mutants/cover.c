/* SPDX-License-Identifier: MIT */
/*
 * cover.c - which basic blocks of a library ran: one byte each, in a mapped file
 *
 * Linked into a library that is compiled with -fsanitize-coverage=trace-pc. The
 * file outlives whatever ends the process, and children share it. Called from
 * anywhere, signal handlers among it: it stores a byte and does no more.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define ROOM	(1u << 20)	/* a library's text is smaller */

extern const char __ehdr_start[] __attribute__((visibility("hidden")));
static char *seen;

void __sanitizer_cov_trace_pc(void);

__attribute__((constructor(101))) static void cover_begin(void)
{
	const char *dir = getenv("URCTX_COVER");
	char name[4096];
	void *at;
	int fd;

	if (!dir)
		return;
	snprintf(name, sizeof(name), "%s/" COVER_NAME, dir);
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0)
		return;
	if (!ftruncate(fd, ROOM)) {
		at = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (at != MAP_FAILED)
			seen = at;
	}
	close(fd);
}

void __sanitizer_cov_trace_pc(void)
{
	uintptr_t at = (uintptr_t)__builtin_return_address(0) - (uintptr_t)__ehdr_start;

	if (seen && at < ROOM)
		seen[at] = 1;
}
