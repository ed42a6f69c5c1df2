/* SPDX-License-Identifier: MIT */
/* ring_wake.c - the list on which cancellers leave links, and the eventfd */
#include "ring_wake.h"
#include "ring_rules.h"

int wake_open(struct wake *w)
{
	int fd = ring_eventfd();

	if (fd < 0)
		return fd;
	*w = (struct wake){ .fd = fd, .process = ring_process() };
	return 0;
}

void wake_push(struct wake *w, struct wake_node *n, bool quiet)
{
	struct wake_node *head = load_relaxed(&w->head);
	int fd = w->fd;

	quiet |= w->process != ring_process();
	n->quiet = quiet;
	do
		n->next = head;
	while (!cas(&w->head, &head, n, RING_PUSH));

	/* n and w may be gone. */
	if ((!head || !URCTX_RULE_36) && !quiet)
		ring_eventfd_write(fd);
}

struct wake_node *wake_take(struct wake *w)
{
	return wake_any(w) ? xchg(&w->head, NULL, RING_TAKE) : NULL;
}

void wake_close(struct wake *w)
{
	/* Who has not written yet is between his push and his write. */
	while (w->owed) {
		uint64_t written = ring_eventfd_read(w->fd);

		w->owed -= written < w->owed ? written : w->owed;
	}
	ring_eventfd_close(w->fd);
}
