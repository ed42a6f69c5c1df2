/* SPDX-License-Identifier: MIT */
/*
 * trace.h - who made a context, and when: debug builds only
 */
#ifndef URCTX_TRACE_H
#define URCTX_TRACE_H

#include "context.h"

struct trace {
	const void *site;	/* where the call returned to; NULL: not known yet */
	int64_t birth;
};

#if defined(URCTX_DEBUG) && !defined(URCTX_MC)

void trace_born(const struct urctx *n);
int trace_made(int ret, struct urctx *const *child, const void *site);
/* False: nothing is known. */
bool trace_of(const struct urctx *n, struct trace *out);

/* Of @nr contexts from index @first on, all free: a page of records, or several. */
void trace_trim(uint32_t first, uint32_t nr);
#define TRACE_PAGES	4U	/* pages of contexts to a page of records */
_Static_assert(sizeof(struct trace) * TRACE_PAGES <= sizeof(struct urctx), "");

/* The result of a function that derives, said by itself. */
#define derived(ret, child)                                                    \
	trace_made(ret, child, __builtin_return_address(0))

#else

#define trace_born(n)		((void)0)
#define trace_of(n, out)	((void)(n), (void)(out), false)
#define trace_trim(first, nr)	((void)(first), (void)(nr))
#define TRACE_PAGES		4U
#define derived(ret, child)	(ret)

#endif

#endif
