/* SPDX-License-Identifier: MIT */
/*
 * frozen: a program that was compiled with the first release, as it were.  It
 * has the inline poll of then, word by word, and asks the library of now.
 */
#include <errno.h>
#include <stdio.h>
#include <urctx.h>
#include <urctx/clock.h>
#undef urctx_cancel

enum { DONE = 1, ASK = 2 };

static int passed, failed;

static void check(bool good, const char *what)
{
	printf("%s: %s\n", good ? "ok" : "FAILED", what);
	good ? passed++ : failed++;
}

static uintptr_t word_of(const struct urctx *ctx)
{
	return __atomic_load_n((const uintptr_t *)(const void *)ctx, __ATOMIC_ACQUIRE);
}

/* Not to be changed when the header is: programs that have it inside do not. */
static bool frozen_done(const struct urctx *ctx)
{
	uintptr_t state = ctx ? word_of(ctx) : 0;

	return state & (DONE | ASK) ? (state & DONE) || urctx_done_slow_(ctx) : false;
}

static void cancelled(void)
{
	struct urctx *parent = NULL, *child = NULL, *born = NULL;

	check(!urctx_with_cancel(NULL, &parent) && !urctx_with_cancel(parent, &child),
	      "derived");
	check(!(word_of(parent) & (DONE | ASK)), "a live root: neither bit of word 0");
	check(!(word_of(child) & (DONE | ASK)), "a live child: neither bit of word 0");
	check(!frozen_done(parent) && !frozen_done(child), "the old poll says live");
	check(urctx_cancel(parent), "cancelled");
	check(word_of(parent) & DONE, "a cancelled context: bit 0 of word 0");
	check(word_of(child) & DONE, "and its child");
	check(frozen_done(parent) && frozen_done(child), "the old poll says done");
	check(!urctx_with_cancel(parent, &born) && word_of(born) & DONE, "born done");
	urctx_put(born);
	urctx_put(child);
	urctx_put(parent);
}

static void unwatched(void)
{
	struct urctx *ctx = NULL, *below = NULL;

	check(!urctx_with_timeout(NULL, INT64_C(3600000000000), &ctx) &&
	      !urctx_with_cancel(ctx, &below), "with a deadline");
	check((word_of(ctx) & (DONE | ASK)) == ASK, "nobody watches it: bit 1 alone");
	check((word_of(below) & (DONE | ASK)) == ASK, "nor what inherits it");
	check(!frozen_done(ctx), "the old poll asks, and is told no");
	check(urctx_cancel(ctx), "cancelled");
	check(frozen_done(ctx) && frozen_done(below), "the old poll says done");
	urctx_put(below);
	urctx_put(ctx);
}

static void expired(void)
{
	struct urctx *ctx = NULL, *below = NULL;

	check(!urctx_clock_hold(1000) && !urctx_with_deadline(NULL, 2000, &ctx) &&
	      !urctx_with_cancel(ctx, &below), "with a deadline, by the test's clock");
	check(!frozen_done(ctx), "it is to come");
	check(!urctx_clock_advance(1000), "it passes");
	check(urctx_err(below) == -ETIME, "-ETIME");
	check(word_of(below) & DONE && frozen_done(below), "and bit 0");
	urctx_put(below);
	urctx_put(ctx);
	urctx_clock_release();
}

int main(void)
{
	check(!frozen_done(NULL), "the background is never done");
	cancelled();
	unwatched();
	expired();
	printf("%d passed, %d failed\n", passed, failed);
	return failed > 0;
}
