/* SPDX-License-Identifier: MIT */
/*
 * One library's answers to the same questions.  A peer fills in what it has;
 * peer.c does the work and the timing, the same for all that speak C.  The ones in
 * Go and Rust have the same loops in their own words.
 *
 * A program of a peer is called with the names of rows, each of which it prints as
 * "row value unit"; a row that it prints nothing for it does not have.
 */
#ifndef URCTX_PEER_H
#define URCTX_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A loop of n operations on one live parent; NULL: the library has no such thing. */
typedef void (*peer_loop)(unsigned long n);

struct peer {
	const char *(*version)(void);
	void (*open)(void);		/* makes what the loops below work on */
	peer_loop poll, derive_put, derive_cancel_put, after_stop;
	peer_loop with_timeout_put, with_deadline_put, value_hit, value_miss;
	/* A root and n children of it, or n levels below it. Never freed. */
	void *(*fan)(unsigned long n);
	void *(*chain)(unsigned long n);
	void (*cancel)(void *tree);
	bool (*all_done)(void *tree);
	/* Something to cancel, and how a thread blocks until it is. */
	void *(*waitable)(void);
	void (*wait)(void *waitable);
	void (*wake)(void *waitable);
	/* How late a thing with this deadline says that it has passed, ns. */
	int64_t (*late)(int64_t deadline);
};

extern const struct peer peer;

int64_t peer_now(void);

/* The value is needed and unknown: the loop around it stays what it says. */
#define PEER_KEEP(p) __asm__ volatile("" : : "r"(p) : "memory")

/* At a third of a ns an iteration the place of a jump would be all one sees. */
#define PEER_LOOP __attribute__((noinline, aligned(64)))

#ifdef __cplusplus
}
#endif
#endif
