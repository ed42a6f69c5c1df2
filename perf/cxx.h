/* SPDX-License-Identifier: MIT */
/*
 * The baselines in C++20: what std::stop_source makes of the same work, written
 * as its experts would.  A child is a stop_source of its own and a
 * stop_callback on the parent that requests its stop, both where the caller has
 * them: the only allocation is the one the stop_source makes itself.  On the heap
 * (_heap) it can be handed on, as a context can; that is one more.
 */
#ifndef URCTX_BENCH_CXX_H
#define URCTX_BENCH_CXX_H

#ifdef __cplusplus
extern "C" {
#endif

struct cxx_parent;
struct cxx_parent *cxx_parent_new(void);
void cxx_parent_free(struct cxx_parent *p);
void cxx_derive_put(struct cxx_parent *p, unsigned long n);
void cxx_derive_put_heap(struct cxx_parent *p, unsigned long n);
void cxx_derive_cancel_put(struct cxx_parent *p, unsigned long n);
void cxx_interior(struct cxx_parent *p, unsigned long n);
void cxx_after_stop(struct cxx_parent *p, unsigned long n);
void cxx_cancel_again(struct cxx_parent *p, unsigned long n);

struct cxx_fan;		/* one parent, n children */
struct cxx_fan *cxx_fan_new(unsigned long n);
void cxx_fan_cancel(struct cxx_fan *f);
unsigned long cxx_fan_done(struct cxx_fan *f);
void cxx_fan_free(struct cxx_fan *f);

struct cxx_chain;	/* each the child of the one before */
struct cxx_chain *cxx_chain_new(unsigned long n);
void cxx_chain_cancel(struct cxx_chain *c);
int cxx_chain_done(struct cxx_chain *c);
void cxx_chain_free(struct cxx_chain *c);

#ifdef __cplusplus
}
#endif
#endif
