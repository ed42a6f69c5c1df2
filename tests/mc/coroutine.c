/* SPDX-License-Identifier: MIT */
/*
 * coroutine.c - the threads of a scenario, on stacks of their own
 *
 * They run one at a time, up to their next operation that others may notice.
 * A thread changes no stack but its own between two stops, so that the used
 * part of that is all the search has to keep.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "model.h"

#ifndef __x86_64__
#error "the switch between coroutines is written for x86-64 only"
#endif

char *arena, *stacks;
extern char __data_start[], _end[];

static void *main_sp;
static void (*entry_fn[NT])(void);
static sigjmp_buf crash;
static volatile sig_atomic_t inside;

void mc_switch(void **save, void *load);
__asm__(".text\n.globl mc_switch\n.type mc_switch, @function\nmc_switch:\n"
	"push %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\n"
	"mov %rsp,(%rdi)\nmov %rsi,%rsp\n"
	"pop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\nret\n");

static void on_crash(int sig, siginfo_t *info, void *ctx)
{
	(void)ctx;
	if (!inside)
		_exit(128 + sig);
	inside = 0;
	die("crash: signal %d at address %p", sig, info->si_addr);
	siglongjmp(crash, 1);
}

void co_init(void)
{
	static char alt[1 << 16];
	stack_t ss = { .ss_sp = alt, .ss_size = sizeof(alt) };
	struct sigaction sa = { .sa_sigaction = on_crash,
				.sa_flags = SA_SIGINFO | SA_ONSTACK };
	size_t size = NT * (ARENA + STACK);

	arena = mmap((void *)ARENA_BASE, size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE,
		     -1, 0);
	if (arena == MAP_FAILED) {
		perror("mc: arena");
		exit(2);
	}
	stacks = arena + NT * ARENA;
	sigaltstack(&ss, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGILL, &sa, NULL);
	sigaction(SIGFPE, &sa, NULL);
	sigaction(SIGABRT, &sa, NULL);
}

static void entry(void)
{
	entry_fn[me]();
	T[me].done = 1;
	co_yield();
	__builtin_trap();
}

void co_start(int t, void (*fn)(void))
{
	void **sp = (void **)(stacks + (size_t)(t + 1) * STACK - 64);

	*--sp = NULL;
	*--sp = (void *)entry;
	sp -= 6;
	memset(sp, 0, 6 * sizeof(*sp));
	T[t].sp = sp;
	entry_fn[t] = fn;
}

bool co_run(int t)
{
	bool ok = true;

	me = t;
	if (sigsetjmp(crash, 0) == 0) {
		inside = 1;
		mc_switch(&main_sp, T[t].sp);
	} else {
		ok = false;
		sigset_t set;

		sigemptyset(&set);
		sigprocmask(SIG_SETMASK, &set, NULL);
	}
	inside = 0;
	me = -1;
	return ok;
}

void co_yield(void)
{
	mc_switch(&T[me].sp, main_sp);
}

bool co_inside(void)
{
	return inside;
}

void co_save(int t)
{
	char *top = stacks + (size_t)(t + 1) * STACK;

	jlog(T[t].sp, (size_t)(top - (char *)T[t].sp));
}

bool on_own_stack(uintptr_t a)
{
	return a - ((uintptr_t)stacks + (size_t)me * STACK) < STACK;
}

/* Globals, memory from the arena, other threads' stacks. */
bool tracked(uintptr_t a)
{
	return a - (uintptr_t)arena < NT * (ARENA + STACK) ||
	       (a >= (uintptr_t)__data_start && a < (uintptr_t)_end);
}
