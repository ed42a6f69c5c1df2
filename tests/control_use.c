/* SPDX-License-Identifier: MIT */
/*
 * A control of the ASan and valgrind gates: slabs keep the memory of a context
 * that is put, and tell the tools. With an argument, a context is asked after
 * its last put, which must be reported; without, nothing must.
 */
#include <urctx.h>

int main(int argc, char **argv)
{
	struct urctx *ctx;
	int err;

	(void)argv;
	if (urctx_with_cancel(NULL, &ctx))
		return 1;
	err = urctx_err(ctx);
	urctx_put(ctx);
	if (argc > 1)
		err |= urctx_err(ctx);
	return err ? 2 : 0;
}
