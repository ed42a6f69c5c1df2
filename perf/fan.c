/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <urctx.h>
#include "fan.h"

bool fan_derive(struct fan *f)
{
	for (unsigned long i = 0; i < f->n; i++)
		if (urctx_with_cancel(f->root, &f->child[i]))
			return false;
	return true;
}

bool fan_new(struct fan *f, unsigned long n)
{
	f->n = n;
	f->child = calloc(n, sizeof(*f->child));
	return f->child && !urctx_with_cancel(NULL, &f->root) && fan_derive(f);
}

bool fan_all_done(const struct fan *f)
{
	for (unsigned long i = 0; i < f->n; i++)
		if (!urctx_done(f->child[i]))
			return false;
	return true;
}

void fan_put_children(struct fan *f)
{
	for (unsigned long i = 0; i < f->n; i++) {
		urctx_put(f->child[i]);
		f->child[i] = NULL;
	}
}

void fan_free(struct fan *f)
{
	fan_put_children(f);
	urctx_put(f->root);
	free(f->child);
}
