/* SPDX-License-Identifier: MIT */
/*
 * layout: what a program has of the library when it is compiled: where the
 * members of each public structure are, the constants, and the word and the bits
 * that the inline poll reads.  The table goes to stdout, and is held against
 * tests/abi/layout.lp64 or .ilp32.
 *
 * Not linked to the library: urctx_done_slow_() is one of its own.
 */
#include <stdio.h>
#include <urctx.h>
#include <urctx/io.h>
#include <urctx/ring.h>
#include <urctx/sync.h>

#define SIZE(s)	   printf("%s: %zu bytes\n", #s, sizeof(struct s))
#define AT(s, m)                                                               \
	printf("%s.%s: at %zu, %zu bytes\n", #s, #m, offsetof(struct s, m),    \
	       sizeof(((struct s *)0)->m))
#define VALUE(name) printf("%s: 0x%llx\n", #name, (unsigned long long)(name))

static unsigned asked;

bool urctx_done_slow_(const struct urctx *ctx)
{
	(void)ctx;
	return asked++;
}

/* What the header's inline makes of a word: no, yes, or ask. */
static const char *poll_says(uintptr_t bits)
{
	static uintptr_t word[8] __attribute__((aligned(64)));
	const struct urctx *ctx = (const void *)word;
	unsigned before;

	/* all that is behind it says the opposite */
	for (unsigned i = 1; i < 8; i++)
		word[i] = ~bits;
	word[0] = bits;
	before = asked;
	if (urctx_done(ctx))
		return asked == before ? "done" : "asks";
	return asked == before ? "live" : "asks";
}

static void polls(void)
{
	uintptr_t high = ~(uintptr_t)7;

	for (uintptr_t bits = 0; bits < 8; bits++)
		printf("poll of a word with low bits %u: %s\n", (unsigned)bits,
		       poll_says(bits));
	printf("poll of a word with all but the low bits: %s\n", poll_says(high));
	printf("poll of NULL: %s\n", urctx_done(NULL) ? "done" : "live");
}

static void core(void)
{
	SIZE(urctx_cause);
	AT(urctx_cause, reason);
	AT(urctx_cause, file);
	AT(urctx_cause, func);
	AT(urctx_cause, line);
	AT(urctx_cause, code);
	SIZE(urctx_callback);
	AT(urctx_callback, private_);
	SIZE(urctx_key);
	AT(urctx_key, name);
	AT(urctx_key, release);
	SIZE(urctx_sem);
	AT(urctx_sem, private_);
	SIZE(urctx_group);
	AT(urctx_group, private_);
	VALUE(URCTX_NEVER);
	VALUE(URCTX_GROUP_START_ANYWAY);
}

static void ring(void)
{
	SIZE(urctx_ring_params);
	AT(urctx_ring_params, ops);
	AT(urctx_ring_params, flags);
	AT(urctx_ring_params, foreign);
	AT(urctx_ring_params, arg);
	AT(urctx_ring_params, reserved);
	SIZE(urctx_op);
	AT(urctx_op, complete);
	AT(urctx_op, cause);
	AT(urctx_op, res);
	AT(urctx_op, cqe_flags);
	AT(urctx_op, private_);
	SIZE(urctx_ring_stats);
	AT(urctx_ring_stats, in_flight);
	AT(urctx_ring_stats, stuck);
	AT(urctx_ring_stats, told);
	AT(urctx_ring_stats, cancels);
	AT(urctx_ring_stats, retries);
	AT(urctx_ring_stats, stale);
	AT(urctx_ring_stats, late_max);
	AT(urctx_ring_stats, late_sum);
	AT(urctx_ring_stats, turn_gap_max);
	AT(urctx_ring_stats, limits);
	AT(urctx_ring_stats, late);
	VALUE(URCTX_RING_DRAIN);
	VALUE(URCTX_RING_LINK_TIMEOUT);
	VALUE(URCTX_RING_TIMER);
	VALUE(URCTX_OP_LINK_TIMEOUT);
	VALUE(URCTX_OP_NO_ABORT);
	VALUE(URCTX_UDATA_MASK);
	VALUE(URCTX_UDATA_TAG);
	VALUE(URCTX_RING_NO_ABORT);
	VALUE(URCTX_RING_NO_WAKE);
	VALUE(URCTX_RING_NO_TIMEOUT);
}

int main(void)
{
	core();
	ring();
	polls();
	return 0;
}
