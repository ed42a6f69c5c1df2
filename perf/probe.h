/* SPDX-License-Identifier: MIT */
/* urctx-bench probe: its table, a line at a time. */
#ifndef URCTX_BENCH_PROBE_H
#define URCTX_BENCH_PROBE_H

struct io_uring;

void probe_line(const char *what, const char *has, const char *use);

/* probe_ops.c */
void probe_opcodes(struct io_uring *ring);
void probe_calls(struct io_uring *ring);
void probe_nowait(void);

#endif
