/* SPDX-License-Identifier: MIT */
/* ages.h - a histogram of what walkers saw, where the library is built to tell */
#ifndef URCTX_TORTURE_AGES_H
#define URCTX_TORTURE_AGES_H

#include <stdio.h>

#define AGES	11

#ifdef TORTURE_AGED
void ages_print(FILE *out);
#else
static inline void ages_print(FILE *out)
{
	fprintf(out, "ages that walkers saw: not looked at in this build\n");
}
#endif

#endif
