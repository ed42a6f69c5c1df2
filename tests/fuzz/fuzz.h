/* SPDX-License-Identifier: MIT */
/*
 * fuzz.h - what the fuzz targets share
 *
 * A target is one source with fuzz_name and LLVMFuzzerTestOneInput(): libFuzzer
 * links its own main() to it, AFL++ its driver, and replay.c the one that reads the
 * corpus in `make check`.  Bytes are a program: each operation takes the bytes it
 * needs, and behind the end there are zeros, so that every input means something.
 */
#ifndef URCTX_TESTS_FUZZ_H
#define URCTX_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

extern const char fuzz_name[];
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Weak, replay.c has it: false, and why on stdout, where this target can not run. */
bool fuzz_can(void) __attribute__((weak));

struct bytes {
	const uint8_t *at, *end;
};

static inline bool more(const struct bytes *b)
{
	return b->at != b->end;
}

static inline unsigned take(struct bytes *b)
{
	return more(b) ? *b->at++ : 0;
}

/* The input is wrong or, more likely, the library. */
#define expect(met, ...)                                                       \
	do {                                                                   \
		if (!(met)) {                                                  \
			fprintf(stderr, "%s: %s:%d: %s: ", fuzz_name,          \
				__FILE__, __LINE__, #met);                     \
			fprintf(stderr, __VA_ARGS__);                          \
			fputc('\n', stderr);                                   \
			abort();                                               \
		}                                                              \
	} while (0)

#endif
