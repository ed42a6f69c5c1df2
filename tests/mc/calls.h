/* SPDX-License-Identifier: MIT */
/*
 * calls.h - a scenario says which calls it makes: each execution's history is checked
 *
 * Around each call of the library mc_invoke() and mc_returned(), in a callback
 * mc_claimed() and mc_over(); in init() too, and in fini(), whose calls come after all.
 * Contexts, callbacks and causes are numbers, see ../spec/spec.h.
 */
#ifndef MC_CALLS_H
#define MC_CALLS_H

#include "../spec/spec.h"

int mc_invoke(const struct spec_call *what);
void mc_returned(int call, int result, int cause);
void mc_claimed(int cb);
void mc_over(int cb);

#endif
