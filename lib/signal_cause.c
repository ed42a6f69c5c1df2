/* SPDX-License-Identifier: MIT */
/*
 * signal_cause.c - causes that name a signal: its number is their code
 *
 * Those that are missing cannot be read: SIGKILL, SIGSTOP, and what libc keeps.
 */
#include "signals.h"

/* SIGRTMIN is a call; what it says is fixed for each libc. */
#ifdef __GLIBC__
#define RT	34
#else
#define RT	35
#endif

/* clang-format off */
#define ROW(sig)	[sig] = { .reason = #sig, .code = (sig) }
#define RT_ROW(n)	[RT + (n)] = { .reason = "SIGRTMIN+" #n, .code = RT + (n) }

static const struct urctx_cause by_signal[NSIG] = {
	ROW(SIGHUP), ROW(SIGINT), ROW(SIGQUIT), ROW(SIGILL), ROW(SIGTRAP),
	ROW(SIGABRT), ROW(SIGBUS), ROW(SIGFPE), ROW(SIGUSR1), ROW(SIGSEGV),
	ROW(SIGUSR2), ROW(SIGPIPE), ROW(SIGALRM), ROW(SIGTERM), ROW(SIGCHLD),
	ROW(SIGCONT), ROW(SIGTSTP), ROW(SIGTTIN), ROW(SIGTTOU), ROW(SIGURG),
	ROW(SIGXCPU), ROW(SIGXFSZ), ROW(SIGVTALRM), ROW(SIGPROF), ROW(SIGWINCH),
	ROW(SIGIO), ROW(SIGSYS),
#ifdef SIGSTKFLT
	ROW(SIGSTKFLT),
#endif
#ifdef SIGPWR
	ROW(SIGPWR),
#endif
	[RT] = { .reason = "SIGRTMIN", .code = RT },
	RT_ROW(1), RT_ROW(2), RT_ROW(3), RT_ROW(4), RT_ROW(5), RT_ROW(6),
	RT_ROW(7), RT_ROW(8), RT_ROW(9), RT_ROW(10), RT_ROW(11), RT_ROW(12),
	RT_ROW(13), RT_ROW(14), RT_ROW(15), RT_ROW(16), RT_ROW(17), RT_ROW(18),
	RT_ROW(19), RT_ROW(20), RT_ROW(21), RT_ROW(22), RT_ROW(23), RT_ROW(24),
	RT_ROW(25), RT_ROW(26), RT_ROW(27), RT_ROW(28), RT_ROW(29),
#if RT + 30 < NSIG
	RT_ROW(30),
#endif
};
/* clang-format on */

const struct urctx_cause *signal_cause(int sig)
{
	return by_signal[sig].reason ? &by_signal[sig] : NULL;
}
