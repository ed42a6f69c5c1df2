/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdatomic.h>
#include "busy.h"

static struct spinner {
	pthread_t thread;
	int cpu;
} spinner[2];
static unsigned started;
static atomic_bool stop;

static void *spin(void *arg)
{
	struct spinner *s = arg;

	pin_to(s->cpu);
	while (!atomic_load_explicit(&stop, memory_order_relaxed))
		;
	return NULL;
}

bool busy_start(const struct bench *b, struct result *r)
{
	unsigned nr = b->nr_cpus < 2 ? 1 : 2;

	atomic_store(&stop, false);
	for (; started < nr; started++) {
		spinner[started].cpu = b->cpu[started];
		if (pthread_create(&spinner[started].thread, NULL, spin,
				   &spinner[started])) {
			result_fail(r, "no thread");
			return false;
		}
	}
	return true;
}

void busy_stop(void)
{
	atomic_store(&stop, true);
	while (started)
		pthread_join(spinner[--started].thread, NULL);
}
