/* SPDX-License-Identifier: MIT */
/*
 * A control of the TSan gate: with an argument, two threads write to a variable
 * and nothing orders them, which must be reported; without, urctx_cancel() and
 * urctx_done() order them, which must not.
 */
#include <pthread.h>
#include <stdio.h>
#include <urctx.h>

static struct urctx *ctx;
static int shared;
static bool planted;

static void *writer(void *arg)
{
	(void)arg;
	if (planted)
		urctx_put(urctx_get(ctx));
	else
		while (!urctx_done(ctx))
			;
	shared++;
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	(void)argv;
	planted = argc > 1;
	if (urctx_with_cancel(NULL, &ctx) || pthread_create(&thread, NULL, writer, NULL))
		return 1;
	shared++;
	urctx_cancel(ctx);
	pthread_join(thread, NULL);
	urctx_put(ctx);
	return printf("%d\n", shared) > 0 ? 0 : 1;
}
