/* SPDX-License-Identifier: MIT */
/*
 * ring_list.h - circular lists of what one thread owns
 *
 * A node that is on no list is its own list, so that unlinking needs no test.
 */
#ifndef URCTX_RING_LIST_H
#define URCTX_RING_LIST_H

#include <stdbool.h>
#include <stddef.h>

#define container_of(ptr, type, member)                                        \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))

struct ring_node {
	struct ring_node *next, *prev;
} __attribute__((may_alias));

static inline void list_init(struct ring_node *n)
{
	n->next = n->prev = n;
}

static inline bool list_empty(const struct ring_node *head)
{
	return head->next == head;
}

static inline void list_add_between(struct ring_node *n, struct ring_node *prev,
				    struct ring_node *next)
{
	n->next = next;
	n->prev = prev;
	prev->next = n;
	next->prev = n;
}

static inline void list_add(struct ring_node *head, struct ring_node *n)
{
	list_add_between(n, head, head->next);
}

static inline void list_add_tail(struct ring_node *head, struct ring_node *n)
{
	list_add_between(n, head->prev, head);
}

/* @n keeps pointing where it was: for who is going to put it elsewhere. */
static inline void list_del(struct ring_node *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
}

static inline void list_del_init(struct ring_node *n)
{
	list_del(n);
	list_init(n);
}

/* All of @from, in its order, goes behind @at; @from is empty then. */
static inline void list_splice(struct ring_node *at, struct ring_node *from)
{
	if (list_empty(from))
		return;
	from->next->prev = at;
	from->prev->next = at->next;
	at->next->prev = from->prev;
	at->next = from->next;
	list_init(from);
}

#endif
