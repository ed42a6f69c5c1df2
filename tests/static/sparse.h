/* SPDX-License-Identifier: MIT */
/*
 * sparse.h - before every file that sparse reads: a section is something to count
 *
 * A function leaves as many read-side sections as it enters, on each of its paths.
 * liburcu's own functions say nothing of it to sparse.
 */
#ifndef SPARSE_H
#define SPARSE_H

#define _LGPL_SOURCE
#include <urcu/urcu-bp.h>
#undef _LGPL_SOURCE

/* liburcu has the word for it, and says nothing with it. */
#undef __rcu
#define __rcu __attribute__((noderef, address_space(4)))
#define __force __attribute__((force))

/* The kernel's headers have types for sparse that no function of libc takes. */
#include <linux/types.h>
#undef __bitwise
#define __bitwise

#undef urcu_bp_read_lock
#undef urcu_bp_read_unlock
#define urcu_bp_read_lock()	__context__(1)
#define urcu_bp_read_unlock()	__context__(-1)

#endif
