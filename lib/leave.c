/* SPDX-License-Identifier: MIT */
/*
 * leave.c - give back what a context owned
 */
#include "fd.h"
#include "house.h"
#include "leave.h"
#include "slab.h"
#include "slot.h"
#include "timer.h"
#include "value.h"

static void links_leave(const struct extra *e)
{
	uint32_t i;

	for (i = 0; i < e->nr_links; i++)
		slot_clear(e->links[i].slot);
}

void own_leave(struct urctx *n, struct leaving *l)
{
	struct extra *e = extra_of(n);

	if (load_relaxed(&n->watch) & OWNS)
		leaving_add(l, value_leave(n));
	if (!e)
		return;
	links_leave(e);
	timer_drop(e);
	fd_leave(e);
	if (e->left)
		leaving_add(l, e->left);
}

void extra_leave(struct thread *t, struct extra *e)
{
	if (timer_leave(e))
		extra_free(t, e);
}

bool leftovers_hold(struct leftover *first, struct leftover *last)
{
	struct thread *t = this_thread();
	bool outermost = !t->leaving;

	if (t->left_last)
		t->left_last->next = first;
	else
		t->left = first;
	t->left_last = last;
	t->leaving = true;
	return outermost;
}

void leftovers_drain(void)
{
	struct thread *t = this_thread();
	struct leftover *left;

	while ((left = t->left)) {
		t->left = left->next;
		if (!t->left)
			t->left_last = NULL;
		left->run(left);
	}
	t->leaving = false;
}

void leftovers_run(struct leftover *first, struct leftover *last)
{
	if (leftovers_hold(first, last))
		leftovers_drain();
}

struct leftover *leftovers;

void leftovers_later(struct leftover *first, struct leftover *last)
{
	struct leftover *head = load_relaxed(&leftovers);

	do
		last->next = head;
	while (!cas(&leftovers, &head, first, LEFT_PUSH));	/* seldom: two at once */
	house_pushed();
}

void leftovers_take(void)
{
	struct leftover *first = xchg(&leftovers, NULL, LEFT_TAKE), *last = first;

	if (!first)
		return;
	while (last->next)
		last = last->next;
	leftovers_run(first, last);
}
