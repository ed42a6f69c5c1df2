/* SPDX-License-Identifier: MIT */
/*
 * trim.c - after a burst: pages that hold nothing but free objects go back
 *
 * A late look at a context whose page is gone reads zeroes, which is a free one:
 * the address space stays contexts, only the memory behind it goes (I5).  Who
 * allocates from such a page links its objects anew.
 */
#include "stock.h"
#include "trace.h"

#define PAGE	4096U
#define LOOKS	32		/* naps that a burst may go on undisturbed */

/* All lists of the stock as one, and how many free objects each page has. */
static void *take_all(struct stock *st, uint8_t *in_page, uint32_t carved)
{
	uint32_t a_page = PAGE / st->size, nr;
	void *all = NULL, *list, *next;

	while ((list = stock_pop(st, &st->top, &nr))) {
		fetch_sub_relaxed(&st->spare, nr);
		for (; list; list = next) {
			uint32_t i = index_of(st, list);

			next = link_get(st, list);
			link_set(st, list, all);
			all = list;
			if (i < carved)	/* seldom: it was carved a moment ago */
				in_page[i / a_page]++;
		}
	}
	return all;
}

/* Back on the stock, in magazines, what is not on a page that goes. */
static void keep_rest(struct stock *st, void *all, const uint8_t *in_page,
		      uint32_t carved)
{
	uint32_t a_page = PAGE / st->size, nr = 0, left = 0;
	void *list = NULL, *next;

	for (; all; all = next) {
		uint32_t i = index_of(st, all);

		next = link_get(st, all);
		if (i >= carved ||	/* seldom: carved meanwhile */
		    in_page[i / a_page] != a_page) {
			link_set(st, all, list);
			list = all;
			nr++;
			left++;
		}
		if (nr && (nr == (st->keep + 1) / 2 || !next)) {
			stock_push(st, &st->top, list, nr);
			list = NULL;
			nr = 0;
		}
	}
	fetch_add_relaxed(&st->spare, left);
	/* in the middle of a burst that says little about its end */
	store_relaxed(&st->left, st->looks ? left / 2 : left);
}

/* What was noted of contexts, a page of it, goes when all of them do. */
static void trim_trace(const uint8_t *in_page, uint32_t pages)
{
	uint32_t a_page = PAGE / sizeof(struct urctx), run = 0, i;

	for (i = 0; i < pages; i++) {
		run = in_page[i] == a_page ? run + 1 : 0;
		if (i % TRACE_PAGES == TRACE_PAGES - 1 && run >= TRACE_PAGES)
			trace_trim((i + 1 - TRACE_PAGES) * a_page,
				   TRACE_PAGES * a_page);
	}
}

static void give_pages(struct stock *st, const uint8_t *in_page, uint32_t pages)
{
	uint32_t a_page = PAGE / st->size, i;

	if (st == &stock_contexts)
		trim_trace(in_page, pages);

	for (i = 0; i < pages; i++)
		if (in_page[i] == a_page) {
			void *page = object(st, i * a_page);

			sys_pages_clear(page, PAGE);
			stock_push(st, &st->raw, page, a_page);
		}
}

/* While a burst goes on, what is free now is wanted soon, or has neighbours. */
static bool goes_on(struct stock *st)
{
	uint32_t spare = load_relaxed(&st->spare);
	bool moved = spare != st->seen;

	st->seen = spare;
	st->looks = moved ? st->looks + 1 : 0;
	return st->looks % LOOKS;
}

static void trim(struct stock *st)
{
	uint32_t carved = load_relaxed(&st->carved);
	uint32_t pages = carved / (PAGE / st->size);
	uint8_t *in_page;
	void *all;

	if (!stock_fat(st) || goes_on(st))
		return;
	in_page = (uint8_t *)sys_pages(pages);
	if (!in_page)
		return;
	all = take_all(st, in_page, carved);
	keep_rest(st, all, in_page, carved);
	give_pages(st, in_page, pages);
	sys_pages_free(in_page, pages);
}

void stocks_trim(void)
{
	trim(&stock_contexts);
	trim(&stock_chunks);
	trim(&stock_extras);
}
