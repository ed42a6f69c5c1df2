/* SPDX-License-Identifier: MIT */
/* What this machine can do, and what that means for the figures. */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <urctx/ring.h>
#include "bench.h"
#include "latency.h"
#include "target.h"

static void probe_ring(const char *name, unsigned flags)
{
	struct bench b = { .ring_flags = flags };
	struct urctx_ring *r;
	struct io_uring ring;
	int e = ring_open(&b, &ring, 8, 0);

	printf("ring %-8s ", name);
	if (e < 0) {
		printf("no: %s\n", ring_why(e));
		return;
	}
	e = urctx_ring_attach(&ring, NULL, &r);
	if (e < 0) {
		printf("the kernel has it, attach: %s\n", ring_why(e));
	} else {
		printf("yes\n");
		e = urctx_ring_detach(r, URCTX_NEVER);
	}
	io_uring_queue_exit(&ring);
}

static void probe_opcodes(void)
{
	static const struct {
		const char *name;
		int op;
	} op[] = {
		{ "ASYNC_CANCEL", IORING_OP_ASYNC_CANCEL },
		{ "LINK_TIMEOUT", IORING_OP_LINK_TIMEOUT },
		{ "POLL_ADD", IORING_OP_POLL_ADD },
		{ "MSG_RING", IORING_OP_MSG_RING },
	};
	struct io_uring_probe *p = io_uring_get_probe();

	if (!p)
		return;
	printf("opcodes      ");
	for (unsigned i = 0; i < ARRAY_SIZE(op); i++)
		printf(" %s %s;", op[i].name,
		       io_uring_opcode_supported(p, op[i].op) ? "yes" : "no");
	printf(" the last is %d\n", p->last_op);
	io_uring_free_probe(p);
}

static void probe_clock(void)
{
	enum { READS = 1000000 };
	int64_t t0 = now_ns();

	for (int i = 0; i < READS; i++)
		now_ns();
	printf("clock read    %.1f ns\n",
	       (double)(now_ns() - t0) / READS);
}

static void probe_membarrier(void)
{
	long all = syscall(SYS_membarrier, 0 /* QUERY */, 0, 0);

	if (all < 0)
		printf("membarrier    no: %s\n", strerror(errno));
	else
		printf("membarrier    %s\n", all & 8 ?
		       "private expedited" : "without private expedited");
}

int probe(const struct bench *b)
{
	struct machine m;

	machine_read(&m);
	machine_print(stdout, &m, b);
	putchar('\n');
	probe_ring("default", 0);
	probe_ring("coop", IORING_SETUP_COOP_TASKRUN);
	probe_ring("defer", IORING_SETUP_SINGLE_ISSUER |
			    IORING_SETUP_DEFER_TASKRUN);
	probe_opcodes();
	probe_membarrier();
	probe_clock();
	if (b->nr_cpus < 2)
		printf("one CPU       rows that need two threads are skipped\n");
	return fflush(stdout) ? 1 : 0;
}
