/* SPDX-License-Identifier: MIT */
/*
 * ending.c - counters of a process that ends without exit()
 *
 * Linked into each library that is measured (-DIN_LIBRARY), and preloaded: a child
 * that calls _exit(), becomes another program or aborts writes its profile first.
 * What SIGKILL ends says nothing, which can only make the figure worse.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

typedef int write_fn(void);
void cover_register(write_fn *fn);

#ifdef IN_LIBRARY

extern void cover_register(write_fn *) __attribute__((weak));
int __llvm_profile_write_file(void);

__attribute__((constructor)) static void tell(void)
{
	if (cover_register)
		cover_register(__llvm_profile_write_file);
}

#else

static write_fn *libraries[8];
static unsigned nr;

void cover_register(write_fn *fn)
{
	if (nr < sizeof(libraries) / sizeof(*libraries))
		libraries[nr++] = fn;
}

static void write_all(void)
{
	for (unsigned i = 0; i < nr; i++)
		libraries[i]();
}

/* For who is going to be told that it took too long. */
static void terminated(int sig)
{
	_exit(128 + sig);
}

__attribute__((constructor)) static void listen_to_term(void)
{
	if (getenv("COVER_ON_TERM"))
		signal(SIGTERM, terminated);
}

static void *next(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

void _exit(int code)
{
	write_all();
	((void (*)(int))next("_exit"))(code);
	__builtin_unreachable();
}

void abort(void)
{
	write_all();
	((void (*)(void))next("abort"))();
	__builtin_unreachable();
}

int execve(const char *path, char *const argv[], char *const envp[])
{
	write_all();
	return ((int (*)(const char *, char *const[], char *const[]))next("execve"))(
		path, argv, envp);
}

int execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

int execl(const char *path, const char *arg, ...)
{
	char *argv[64] = { (char *)arg };
	va_list more;

	va_start(more, arg);
	for (unsigned i = 1; i < 63 && argv[i - 1]; i++)
		argv[i] = va_arg(more, char *);
	va_end(more);
	return execve(path, argv, environ);
}

#endif
