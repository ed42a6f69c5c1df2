/* SPDX-License-Identifier: MIT */
/*
 * progress.h - which call of the library a thread is in, and how far from its end
 */
#ifndef MC_PROGRESS_H
#define MC_PROGRESS_H

#define PROGRESS(X) \
	X(poll) X(err) X(cause) X(value) X(derive) X(cancel) X(put) X(after) X(try_stop)

enum progress_kind {
#define X(name)	PROGRESS_##name,
	PROGRESS(X)
#undef X
	PROGRESS_KINDS
};

/* Of the running thread; they nest, and the outermost counts. */
void progress_enter(enum progress_kind kind);
void progress_leave(void);
/* What may wait: then nothing is promised until it is back. */
void progress_may_wait(void);
void progress_back(void);

#endif
