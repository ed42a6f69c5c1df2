/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "bench.h"

const struct row *const row_groups[] = {
	poll_rows,   deadline_rows, value_rows, tree_rows, stall_rows,
	memory_rows, wake_rows,	    expiry_rows, sync_rows, cancel_rows,
	mass_rows,   bind_rows,	    late_rows,	 io_rows,   NULL,
};

const struct row *row_find(const char *name)
{
	for (unsigned g = 0; row_groups[g]; g++)
		for (const struct row *row = row_groups[g]; row->name; row++)
			if (!strcmp(row->name, name))
				return row;
	return NULL;
}
