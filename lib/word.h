/* SPDX-License-Identifier: MIT */
/*
 * word.h - end a context: the one step from live to done (I1)
 */
#ifndef URCTX_WORD_H
#define URCTX_WORD_H

#include "fd.h"

/* The half of the word that holds DONE. */
static inline const uint32_t *state_futex(const struct urctx *n)
{
	return (const uint32_t *)&n->state +
	       (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ && sizeof(uintptr_t) == 8);
}

/*
 * Behind the cas to done, from @was: whoever sleeps on the word is woken, and the
 * fd is readable.  A leaf may be another context by now, and gets a wake-up for
 * nothing; what has an fd had HASCH before.
 */
static inline void word_ended(struct urctx *n, uintptr_t was)
{
	uint32_t watch;

	fence_after_rmw(WAKE_SB);
	watch = load_relaxed(&n->watch);
	if (__builtin_expect(watch & (WAIT | HASFD), 0)) {
		if (watch & WAIT)
			sys_futex_wake(state_futex(n));
		if ((watch & HASFD) && (was & HASCH))
			fd_fire(n);
	}
}

/*
 * End @n, to which the caller holds a reference.  Returns the word found: live,
 * and this call ended it, or done.
 */
static inline uintptr_t word_end(struct urctx *n, uintptr_t word)
{
	uintptr_t w = load(&n->state, MARK_READ);

	while (!(w & DONE))
		if (cas_or_read(&n->state, &w, word | (w & HASCH), STATE_DONE,
				MARK_READ)) {
			word_ended(n, w);
			break;
		}
	return w;
}

#endif
