/* SPDX-License-Identifier: MIT */
/*
 * misuse.c - what could only go on by corrupting memory ends here, with a sentence
 */
#include <stdio.h>
#include <stdlib.h>

#include "context.h"

void urctx_misuse(const char *func, const char *sentence)
{
	(void)fprintf(stderr, "liburctx: %s: %s\n", func, sentence);
	abort();
}
