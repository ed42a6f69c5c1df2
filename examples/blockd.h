/* SPDX-License-Identifier: MIT */
/*
 * blockd.h - what is said to blockd and what it answers, in the order of the host
 *
 * A client may ask many times before it has an answer; they come in any order.
 * Behind a BLOCK_WRITE follow @length bytes; behind the answer to a BLOCK_READ,
 * @res bytes if @res is more than 0.
 */
#ifndef EXAMPLES_BLOCKD_H
#define EXAMPLES_BLOCKD_H

#include <stdint.h>

#define BLOCK_MAX	65536U		/* bytes in one request; more: it hangs up */

enum block_op { BLOCK_READ, BLOCK_WRITE, BLOCK_SYNC };

struct block_ask {
	uint32_t op, id;
	uint64_t offset;
	uint32_t length, timeout_ms;
};

struct block_answer {
	uint32_t id;
	int32_t res;			/* bytes, or -errno; -ETIME: timeout_ms */
};

#endif
