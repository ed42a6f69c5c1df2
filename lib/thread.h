/* SPDX-License-Identifier: MIT */
/*
 * thread.h - what a thread keeps for itself: free memory, hints, callbacks it runs
 *
 * A signal handler may call urctx_cancel() in the middle of anything here: a
 * cancel touches `frame` and `queue` only.  A poll touches a cache that is not
 * `busy`.
 */
#ifndef URCTX_THREAD_H
#define URCTX_THREAD_H

#include "context.h"

/* Free objects of one kind; `room` for so many more. */
struct cache {
	void *head;
	uint32_t room;
};

/* A callback that this thread is inside of, innermost first. */
struct frame {
	struct frame *outer;
	struct slot *slot;
	const struct urctx *root;	/* whose cancel runs it */
};

struct thread {
	struct cache contexts, chunks, extras;
	struct slot *hint[HINTS];	/* indexed by parent; valid by its chunk's owner */
	uint32_t id;			/* 0: not registered yet */
	uint32_t retired;		/* since it last looked after them */
	void *reader;			/* its liburcu state, as readers.c has it */
	bool unlisted;			/* readers.c has no room for it */
	bool keeps_house;		/* is the housekeeper */
	bool leaving;			/* runs leftovers: more of them queue up */
	uint32_t busy;			/* inside a cache: a handler keeps out of it */
	const struct urctx *polled;	/* by the slow urctx_done(), */
	uint32_t polls;			/* so many times in a row */
#ifdef URCTX_MC
	unsigned long mc_ctr;		/* stands for liburcu's */
#endif
	struct frame *frame;
	struct urctx *queue;		/* roots whose callbacks wait for the outermost */
	struct leftover *left;		/* what the last puts left, first and last */
	struct leftover *left_last;
};

extern const struct thread thread_new __attribute__((visibility("hidden")));

#ifdef URCTX_MC
static inline struct thread *this_thread(void)
{
	return (struct thread *)mc_tls(sizeof(struct thread), &thread_new);
}
#else
extern __thread struct thread urctx_thread
	__attribute__((visibility("hidden")));

static inline struct thread *this_thread(void)
{
	struct thread *t = &urctx_thread;

	/* once a function: gcc would ask the descriptor again for every use */
	__asm__("" : "+r"(t));
	return t;
}
#endif

/* First use by this thread: its exit gives the caches back. */
void thread_register(struct thread *t);

/*
 * Before a section of a thread whose sections are not looked for yet.  By whatever
 * call it comes: a fork finds the thread in liburcu's list and in ours, or in neither
 * (but where the application had made it known to liburcu, or ours has no room).
 */
void section_first(struct thread *t);

static inline struct slot **thread_hint(struct thread *t, const struct urctx *p)
{
	return &t->hint[((uintptr_t)p >> 6) % HINTS];
}

#endif
