/* SPDX-License-Identifier: MIT */
/*
 * go_alloc.cpp - Go's ceilings of allocations per operation
 *
 * malloc() and its like are this program's own, and count what the thread
 * at hand asks of them; so does mmap(), from which contexts come.
 */
#include "go.hpp"
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#if TESTS_ASAN || TESTS_TSAN
#define SKIPPED(number)                                                        \
	TEST_CASE("T-12." number " allocations", "[go]")                       \
	{                                                                      \
		WARN("skipped: a sanitizer has an allocator of its own");      \
	}
SKIPPED("1")
SKIPPED("2")
SKIPPED("3")
SKIPPED("4")
SKIPPED("5")
#else
static __thread size_t asked;

extern "C" {
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t align, size_t size);

void *malloc(size_t size)
{
	asked++;
	return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	asked++;
	return __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
	asked++;
	return __libc_realloc(old, size);
}

void *aligned_alloc(size_t align, size_t size)
{
	asked++;
	return __libc_memalign(align, size);
}

void *mmap(void *at, size_t size, int prot, int flags, int fd,
	   off_t off) noexcept
{
	asked++;
	return (void *)syscall(SYS_mmap, at, size, prot, flags, fd, off);
}
}

static const struct urctx_key key = { "key", nullptr };

static void background()
{
	(void)urctx_background();
}

static void value()
{
	struct urctx *ctx = nullptr;

	if (urctx_with_value(nullptr, &key, &asked, &ctx) ||
	    urctx_value(ctx, &key) != &asked)
		abort();
	urctx_put(ctx);
}

static void expire()
{
	struct urctx *ctx = nullptr;

	if (urctx_with_timeout(nullptr, 1, &ctx) || urctx_wait(ctx, URCTX_NEVER))
		abort();
	urctx_end(ctx);
}

static void cancel_and_put(struct urctx *ctx)
{
	cancel_plain(ctx);
	if (!urctx_done(ctx))
		abort();
	urctx_put(ctx);
}

static void cancel()
{
	struct urctx *ctx = nullptr;

	if (urctx_with_cancel(nullptr, &ctx))
		abort();
	cancel_and_put(ctx);
}

static void cancel_timeout()
{
	struct urctx *ctx = nullptr;

	if (urctx_with_timeout(nullptr, 5 * MS, &ctx))
		abort();
	cancel_and_put(ctx);
}

/* What a hundred calls of @fn ask for, after one that fills the caches. */
static size_t asked_by(void (*fn)())
{
	size_t before;

	fn();
	before = asked;
	for (int i = 0; i < 100; i++)
		fn();
	return asked - before;
}

TEST_CASE("T-12.1 allocations: the background", "[go]")
{
	CHECK(asked_by(background) == 0);
}

TEST_CASE("T-12.2 allocations: a value, and its lookup", "[go]")
{
	CHECK(asked_by(value) <= 100);
}

TEST_CASE("T-12.3 allocations: a timeout of 1 ns, and the wait for it", "[go]")
{
	CHECK(asked_by(expire) == 0);
}

TEST_CASE("T-12.4 allocations: derive, cancel, and see it done", "[go]")
{
	CHECK(asked_by(cancel) == 0);
}

TEST_CASE("T-12.5 allocations: a timeout of 5 ms, cancelled", "[go]")
{
	CHECK(asked_by(cancel_timeout) == 0);
}
#endif
