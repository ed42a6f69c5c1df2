/* SPDX-License-Identifier: MIT */
/**
 * DOC: the library, as a model of some hundred lines
 *
 * What contexts are, without threads and without memory: a state, and for each
 * call what it may answer in that state and what it leaves behind.  histories
 * (history.h), the model checker's executions and the fuzzer of call sequences are
 * held against it.
 *
 * A call has two points.  At the first it takes effect, in one instant: a cancel
 * on its own context, the others altogether.  The second is its return, and what
 * has to be so by then (spec_return): the descendants of a cancelled context have
 * ended, each at an instant of its own, parents no later than children.
 *
 * When between the two a descendant ends is left open, and is not searched for
 * either: it ends when the first call needs it to have ended, or when the cancel
 * returns.  That loses nothing (eager.c tries it): what a context's end allows (a child
 * born done, a callback that runs) is allowed just after, and what it forbids (0 from
 * err, true from cancel) is forbidden for a shorter time.  One thing alone cannot wait:
 * a child of several parents of which one is done says at its birth which ended it.
 *
 * Of several ends that a context may come to (two parents, a deadline of its own)
 * each is a way on: that is why a call gives an array of states.
 *
 * Not modelled: grace, values, signals.
 */
#ifndef TESTS_SPEC_H
#define TESTS_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Numbers of contexts and callbacks are the caller's, parents below children. */
#ifndef SPEC_CONTEXTS
#define SPEC_CONTEXTS	32
#endif
#ifndef SPEC_CALLBACKS
#define SPEC_CALLBACKS	16
#endif
#define SPEC_PARENTS	3
#define SPEC_NONE	255		/* NULL, the background */
#define SPEC_NEVER	INT64_MAX
#define SPEC_WAYS	16

/* Zeroed: no contexts, at time 0. */
struct spec {
	int64_t now;
	struct spec_context {
		int64_t deadline;
		uint8_t parent[SPEC_PARENTS], nr_parents;	/* 0: a root, a shield */
		uint8_t refs;
		uint8_t deadline_cause;
		uint8_t cause;		/* what it ended with; 0: live */
		uint8_t expired;	/* and whether that was a deadline */
	} ctx[SPEC_CONTEXTS];
	struct spec_callback {
		uint8_t state, ctx;
	} cb[SPEC_CALLBACKS];
};

enum spec_kind {
	SPEC_DERIVE,	/* made from parent[]; deadline @when and @cause, or SPEC_NEVER */
	SPEC_SHIELD,	/* urctx_without_cancel(): made */
	SPEC_CANCEL,	/* @cause; result: the call's */
	SPEC_ERR,	/* result */
	SPEC_CAUSE,	/* @cause is the answer, 0: NULL */
	SPEC_DONE,	/* result */
	SPEC_GET,
	SPEC_PUT,
	SPEC_AFTER,	/* @cb, on ctx; each registration has a number of its own */
	SPEC_STOP,	/* @cb; result; @own: in the function of @cb itself */
	SPEC_TRY_STOP,	/* @cb; result */
	SPEC_CLAIM,	/* @cb is about to run: before its function is entered */
	SPEC_OVER,	/* @cb has run: after its function has returned */
	SPEC_TIME,	/* it is @when */
};

struct spec_call {
	uint8_t kind;
	uint8_t ctx;		/* asked, or made */
	uint8_t cb;
	uint8_t cause;		/* 1 and more: whatever the caller numbers so */
	uint8_t parent[SPEC_PARENTS], nr_parents;
	bool own;
	bool nested;		/* in a callback: other callbacks may come later */
	int result;		/* bool, 0, -errno; a call that failed did nothing */
	int64_t when;
};

/*
 * The call takes effect: the states after it.  0: it cannot answer that here;
 * -1: more than SPEC_WAYS.
 */
int spec_step(const struct spec *s, const struct spec_call *c, struct spec *out);

/* It returns: the same.  spec_returns() says whether there is anything to that. */
int spec_return(const struct spec *s, const struct spec_call *c, struct spec *out);
bool spec_returns(const struct spec_call *c);

/* At and below @ctx no callback is left to run: for nested cancels, in the end. */
bool spec_quiet(const struct spec *s, unsigned ctx);

#ifdef __cplusplus
}
#endif
#endif
