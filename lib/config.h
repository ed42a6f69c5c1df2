/* SPDX-License-Identifier: MIT */
/*
 * config.h - the sizes of the core
 *
 * The model checker and out-of-memory builds define URCTX_SMALL: the smallest sizes
 * reach every slow path within a few operations.  These numbers, and what is behind
 * URCTX_MC, are the only difference between what is checked and what is shipped.
 */
#ifndef URCTX_CONFIG_H
#define URCTX_CONFIG_H

#ifndef URCTX_SMALL

#define CHUNK_BYTES	512	/* header and slots; a power of two, its alignment */
#define CHUNK_SLOTS	56
#define SLOT_STEP	8	/* slots a cache line: the unit of chunk.used */
#define SLAB_OBJECTS	1024	/* contexts or chunks in the first slab; doubles */
#define CARVE_OBJECTS	64	/* taken from a slab at a time */
#define CACHE_CONTEXTS	512	/* free contexts that a thread keeps */
#define CACHE_CHUNKS	64
#define RETIRE_BATCH	64	/* contexts a thread retires before it wakes anyone */
#define RETIRE_SHARDS	16
#define TRIM_BYTES	(1 << 20)	/* free memory beyond that may go back */
#define WALK_BREATH	128	/* chunks read in one read-side section */
#define HINTS		64	/* slots a thread remembers, by parent */
#define POLLS		8	/* of a context with a deadline, then it is watched */
#define HEAP_FIRST	256	/* timers in the timekeeper's first heap */
#define TIMERS_SWEEP	64	/* dropped ones that may lie about, at least */
#define VIA		8	/* links under each other that a walk goes down */
#define READERS		509	/* threads in a block of the readers' table */
#define DUMP_ROWS	16	/* slots that a dump copies in one section */

#else

#define CHUNK_BYTES	128
#ifndef CHUNK_SLOTS
#define CHUNK_SLOTS	2
#endif
#define SLOT_STEP	1
#define SLAB_OBJECTS	2
#define CARVE_OBJECTS	1
#define CACHE_CONTEXTS	1
#define CACHE_CHUNKS	1
#ifndef RETIRE_BATCH
#define RETIRE_BATCH	1
#endif
#define RETIRE_SHARDS	1
#define TRIM_BYTES	(1 << 30)
#ifndef WALK_BREATH
#define WALK_BREATH	2
#endif
#define HINTS		1
#define POLLS		1
#define HEAP_FIRST	1
#define TIMERS_SWEEP	1
#define VIA		1
#ifndef DUMP_ROWS
#define DUMP_ROWS	2
#endif
#ifndef READERS
#define READERS		3
#endif

#endif

#define STOCK_SLABS	22	/* the last is SLAB_OBJECTS << 21: 2^31 objects */
#define HOUSE_NAP	(5LL * 1000 * 1000)	/* ns: a partial batch may wait so long */
#define GRACE_LOOKS	2000	/* at the readers, one a nap, before it waits for them */
#ifndef HOUSE_IDLE
#define HOUSE_IDLE	(1000LL * 1000 * 1000)	/* ns: then the housekeeper goes */
#endif

/* Until when to sleep for a thread that is not there in the child of a handler. */
#ifdef URCTX_MC
#define SLICE_END	URCTX_NEVER
#else
#define SLICE_END	(sys_now_real() + 100LL * 1000 * 1000)
#endif

#endif
