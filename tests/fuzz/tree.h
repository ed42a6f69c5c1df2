/* SPDX-License-Identifier: MIT */
/* tree.h - the tree under test, beside its model */
#ifndef URCTX_TESTS_FUZZ_TREE_H
#define URCTX_TESTS_FUZZ_TREE_H

#include <urctx.h>
#include <urctx/clock.h>
#include <urctx/sync.h>

#include "fuzz.h"
#include "model.h"

#define T_CALLS	12
#define T_DEPTH	4		/* callbacks within callbacks that still act */

/* What a callback does beside counting: one operation, drawn when it is armed. */
struct t_call {
	struct urctx_callback cb;	/* first */
	unsigned action, target;
	int on;				/* armed there; -1: the background */
	bool armed;
	unsigned ran;
};

struct tree {
	struct model m;
	struct urctx *ctx[M_NODES];
	struct t_call call[T_CALLS];
	unsigned depth;			/* of callbacks */
	bool advancing;
	struct urctx_sem sem;
	int64_t tokens, size;
};

extern struct tree tree;
extern const struct urctx_cause *const t_cause[M_CAUSES];

/* Whom an operation is about: a node that has references, or NULL. */
struct m_node *t_node(unsigned byte);
struct urctx *t_ctx(const struct m_node *n);

void t_look(struct m_node *n);
struct m_node *t_new(const unsigned *parent, unsigned nr, enum m_kind kind,
		     int64_t grace);
struct urctx **t_place(const struct m_node *n);
void t_cancel(struct m_node *n, unsigned cause);
void t_put(struct m_node *n);
void t_all_told(void);

/* tree_derive.c */
void t_derive(unsigned op, struct bytes *b);
void t_values(const struct m_node *n);
void t_released(void);

/* tree_call.c */
void t_arm(struct t_call *c, struct m_node *n);
void t_stop(struct t_call *c, bool wait);
void t_calls_end(void);

#endif
