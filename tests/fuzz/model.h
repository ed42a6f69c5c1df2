/* SPDX-License-Identifier: MIT */
/*
 * model.h - what a tree of contexts is, one call after the other
 *
 * No lock, no slot, no word: every context knows its parents and whether it is
 * over, and the end of one visits all behind it (parents come before children in
 * the table).  Where the manual leaves it open which of two ends was the first (a
 * deadline and what else happens in the same nanosecond) a context has several, of
 * which the one that is seen first becomes the truth.
 */
#ifndef URCTX_TESTS_FUZZ_MODEL_H
#define URCTX_TESTS_FUZZ_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#define M_NODES		40
#define M_PARENTS	4
#define M_KEYS		4
#define M_CAUSES	8
#define M_NEVER		INT64_MAX

enum m_kind { M_PLAIN, M_SHIELD, M_GRACE };

/* Bits of an end: the cause, by its number; the upper ones are of deadlines. */
#define M_END(cause, late)	(1U << ((cause) + ((late) ? M_CAUSES : 0)))

struct m_node {
	enum m_kind kind;
	unsigned nr_parents;
	unsigned parent[M_PARENTS];

	bool over;
	bool fixed;		/* nothing that comes in this nanosecond was earlier */
	bool loose;		/* over, or about to: a grace ends in this nanosecond */
	uint32_t ends;

	int64_t deadline;
	uint32_t deadline_ends;
	int64_t grace;		/* M_GRACE: how long */
	int64_t until;		/* and until when, once a parent has ended */
	uint32_t until_ends;

	unsigned refs;
	unsigned calls;		/* armed or running */
	int value[M_KEYS];	/* the context that brings it; -1: none */
	int key;		/* what this one brings; -1: nothing */
	bool hides;		/* with NULL */
	bool released;
};

struct model {
	int64_t now;
	unsigned nr;
	struct m_node node[M_NODES];
};

void m_init(struct model *m, int64_t now);

/* A child of all these, live or not; the caller fills in what is special. */
struct m_node *m_derive(struct model *m, const unsigned *parent, unsigned nr_parents,
			enum m_kind kind, int64_t grace);
void m_deadline(struct model *m, struct m_node *n, int64_t deadline, unsigned cause);

/* True: it was live. */
bool m_cancel(struct model *m, struct m_node *n, unsigned cause);

/* Everything up to @now has come; m_settle(): and has been seen to. */
void m_time(struct model *m, int64_t now);
void m_settle(struct model *m);

/* Is this the end that it came to?  From now on it is. */
bool m_seen(struct m_node *n, unsigned cause, bool late);

/* Somebody has, or may get, something from it. */
bool m_held(const struct model *m, const struct m_node *n);
/* Nothing is left of what was derived from it. */
bool m_idle(const struct model *m, const struct m_node *n);

#endif
