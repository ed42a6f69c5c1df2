/* SPDX-License-Identifier: MIT */
/*
 * quiet.c - the bits of MC/DC are no memory of the library's
 *
 * Linked into the checker's programs with --wrap: clang's thread sanitizer reports
 * accesses to them as it does any other, and threads do race for them.  Tail calls:
 * the checker asks where it was called from.  Its searches end by _exit(), as do the
 * processes of tests/faults, which need nothing else of this (-DONLY_EXIT).
 */
#ifndef ONLY_EXIT
extern char __start___llvm_prf_bits[] __attribute__((weak));
extern char __stop___llvm_prf_bits[] __attribute__((weak));

void __real___tsan_read1(void *p);
void __real___tsan_write1(void *p);
void __wrap___tsan_read1(void *p);
void __wrap___tsan_write1(void *p);

static int bits(const char *p)
{
	return p >= __start___llvm_prf_bits && p < __stop___llvm_prf_bits;
}

void __wrap___tsan_read1(void *p)
{
	if (!bits(p))
		__real___tsan_read1(p);
}

void __wrap___tsan_write1(void *p)
{
	if (!bits(p))
		__real___tsan_write1(p);
}

#endif

int __llvm_profile_write_file(void);
void __real__exit(int code);
void __wrap__exit(int code);

void __wrap__exit(int code)
{
	__llvm_profile_write_file();
	__real__exit(code);
}
