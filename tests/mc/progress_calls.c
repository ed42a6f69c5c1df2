/* SPDX-License-Identifier: MIT */
/*
 * progress_calls.c - the calls of the library, seen from outside: ld's --wrap
 *
 * The script `run` asks the linker to wrap each function that is called __wrap_ here.
 * urctx_done() is one load in the header; what is seen of it is the rest.
 */
#include "progress.h"

#include <urctx.h>
#undef urctx_cancel

#define CALL(kind, type, name, args, ...)                                          \
type __real_##name args;                                                           \
type __wrap_##name args;                                                           \
type __wrap_##name args                                                            \
{                                                                                  \
	type ret;                                                                  \
									           \
	progress_enter(PROGRESS_##kind);                                           \
	ret = __real_##name(__VA_ARGS__);                                          \
	progress_leave();                                                          \
	return ret;                                                                \
}

CALL(poll, bool, urctx_done_slow_, (const struct urctx *c), c)
CALL(err, int, urctx_err, (const struct urctx *c), c)
CALL(cause, const struct urctx_cause *, urctx_cause, (const struct urctx *c), c)
CALL(value, void *, urctx_value, (const struct urctx *c, const struct urctx_key *k), c, k)
CALL(derive, int, urctx_with_cancel, (struct urctx *p, struct urctx **c), p, c)
CALL(derive, int, urctx_without_cancel, (struct urctx *p, struct urctx **c), p, c)
CALL(derive, int, urctx_with_any, (struct urctx *const *p, size_t n, struct urctx **c),
     p, n, c)
CALL(derive, int, urctx_with_deadline_cause, (struct urctx *p, int64_t when,
     const struct urctx_cause *why, struct urctx **c), p, when, why, c)
CALL(derive, int, urctx_with_value, (struct urctx *p, const struct urctx_key *k, void *v,
     struct urctx **c), p, k, v, c)
CALL(cancel, bool, urctx_cancel_cause, (struct urctx *c, const struct urctx_cause *why),
     c, why)
CALL(after, int, urctx_after, (struct urctx *c, struct urctx_callback *cb,
     void (*fn)(struct urctx_callback *)), c, cb, fn)
CALL(try_stop, bool, urctx_try_stop, (struct urctx_callback *cb), cb)

void __real_urctx_put(struct urctx *c);
void __wrap_urctx_put(struct urctx *c);
void __wrap_urctx_put(struct urctx *c)
{
	progress_enter(PROGRESS_put);
	__real_urctx_put(c);
	progress_leave();
}

#define MAY_WAIT(type, name, args, ...)                                             \
type __real_##name args;                                                           \
type __wrap_##name args;                                                           \
type __wrap_##name args                                                            \
{                                                                                  \
	type ret;                                                                  \
									           \
	progress_may_wait();                                                       \
	ret = __real_##name(__VA_ARGS__);                                          \
	progress_back();                                                           \
	return ret;                                                                \
}

MAY_WAIT(bool, urctx_stop, (struct urctx_callback *cb), cb)
MAY_WAIT(int, urctx_wait, (struct urctx *c, int64_t deadline), c, deadline)
MAY_WAIT(int, urctx_wait_idle, (struct urctx *c, int64_t deadline), c, deadline)
