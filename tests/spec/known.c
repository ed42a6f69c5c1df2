/* SPDX-License-Identifier: MIT */
/*
 * known.c - histories of which it is known whether they are right
 *
 *	cc -I. known.c spec.c history.c && ./a.out
 */
#include "history.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct history h;
static struct history_room room;
static int passed, failed;

/* Call of @thread in [from, to]; its number. */
static int call(int thread, uint64_t from, uint64_t to, struct spec_call what)
{
	h.call[h.nr] = (struct history_call){
		.what = what, .thread = (uint8_t)thread, .outer = HISTORY_OUTER,
		.invoked = from, .returned = to,
	};
	return h.nr++;
}

static void first(struct spec_call what)
{
	struct spec out[SPEC_WAYS];

	if (spec_step(&h.start, &what, out) == 1)
		h.start = out[0];
}

#define ROOT(x)		{ .kind = SPEC_DERIVE, .ctx = x, .when = SPEC_NEVER }
#define CHILD(x, p)	{ .kind = SPEC_DERIVE, .ctx = x, .when = SPEC_NEVER, \
			  .parent = { p }, .nr_parents = 1 }
#define UNTIL(x, p, t)	{ .kind = SPEC_DERIVE, .ctx = x, .when = t, .cause = 9, \
			  .parent = { p }, .nr_parents = 1 }
#define ANY(x, p, q)	{ .kind = SPEC_DERIVE, .ctx = x, .when = SPEC_NEVER, \
			  .parent = { p, q }, .nr_parents = 2 }
#define SHIELD(x, p)	{ .kind = SPEC_SHIELD, .ctx = x, .parent = { p }, .nr_parents = 1 }
#define CANCEL(x, why, r) { .kind = SPEC_CANCEL, .ctx = x, .cause = why, .result = r }
#define ERR(x, r)	{ .kind = SPEC_ERR, .ctx = x, .result = r }
#define CAUSE(x, why)	{ .kind = SPEC_CAUSE, .ctx = x, .cause = why }
#define DONE(x, r)	{ .kind = SPEC_DONE, .ctx = x, .result = r }
#define AFTER(x, b)	{ .kind = SPEC_AFTER, .ctx = x, .cb = b }
#define STOP(b, r)	{ .kind = SPEC_STOP, .cb = b, .result = r }
#define TRY(b, r)	{ .kind = SPEC_TRY_STOP, .cb = b, .result = r }
#define CLAIM(b)	{ .kind = SPEC_CLAIM, .cb = b }
#define OVER(b)		{ .kind = SPEC_OVER, .cb = b }
#define TIME(t)		{ .kind = SPEC_TIME, .when = t }
#define FIRST(...)	first((struct spec_call)__VA_ARGS__)
#define CALL(t, a, b, ...) call(t, a, b, (struct spec_call)__VA_ARGS__)
#define BUT		(-ECANCELED)

static void is(int want, const char *what)
{
	char text[120];
	int i, got;

	history_order(&h);
	got = history_check(&h, &room);
	passed += got == want;
	failed += got != want;
	printf("%s %-5s %s\n", got == want ? "ok  " : "FAIL", got ? "right" : "wrong", what);
	for (i = 0; got != want && i < h.nr; i++) {
		history_text(&h, i, text, sizeof(text));
		printf("     %s\n", text);
	}
	memset(&h, 0, sizeof(h));
	FIRST(ROOT(0));
	FIRST(CHILD(1, 0));
	FIRST(CHILD(2, 1));
}

static void ends(void)
{
	CALL(1, 1, 9, CANCEL(0, 1, 1));
	CALL(2, 2, 3, ERR(2, 0));
	CALL(2, 4, 5, ERR(2, BUT));
	is(1, "a grandchild ends during the call");
	CALL(1, 1, 2, CANCEL(0, 1, 1));
	CALL(2, 3, 4, ERR(2, 0));
	is(0, "a grandchild is live when the cancel has returned");
	CALL(1, 1, 9, CANCEL(0, 1, 1));
	CALL(2, 2, 3, ERR(2, BUT));
	CALL(2, 4, 5, ERR(1, 0));
	is(0, "a child ends before its parent");
	CALL(1, 1, 9, CANCEL(0, 1, 1));
	CALL(2, 2, 3, DONE(1, 1));
	CALL(2, 4, 5, DONE(2, 0));
	CALL(2, 6, 7, DONE(0, 1));
	is(1, "a parent ends before its child");
	CALL(1, 1, 9, CANCEL(0, 1, 1));
	CALL(2, 2, 3, ERR(2, BUT));
	CALL(2, 4, 5, ERR(2, 0));
	is(0, "an end that is taken back");
	CALL(1, 1, 9, CANCEL(0, 1, 1));
	CALL(2, 2, 8, CANCEL(0, 2, 1));
	is(0, "both cancels win");
	CALL(1, 1, 9, CANCEL(0, 1, 1));
	CALL(2, 2, 3, CANCEL(0, 2, 0));
	CALL(2, 4, 5, DONE(2, 0));
	is(0, "who lost returned before a grandchild ended");
	CALL(1, 1, 9, CANCEL(0, 1, 0));
	is(0, "a cancel that lost against nobody");
}

static void causes(void)
{
	CALL(1, 1, 9, CANCEL(0, 1, 1));
	CALL(2, 1, 9, CANCEL(1, 2, 1));
	CALL(3, 2, 3, CAUSE(2, 1));
	is(0, "a cause of a grandparent, though the parent had its own");
	CALL(1, 1, 9, CANCEL(0, 1, 1));
	CALL(2, 1, 9, CANCEL(1, 2, 1));
	CALL(3, 2, 3, CAUSE(2, 2));
	CALL(3, 4, 5, CAUSE(0, 0));
	is(1, "a cause of a parent");
	CALL(1, 1, 9, CANCEL(0, 1, 1));
	CALL(3, 2, 3, CAUSE(2, 1));
	CALL(3, 4, 5, CAUSE(2, 2));
	is(0, "a cause that changes");
	FIRST(ROOT(3));
	FIRST(ANY(4, 2, 3));
	CALL(1, 1, 2, CANCEL(0, 1, 1));
	CALL(1, 3, 4, CANCEL(3, 2, 1));
	CALL(1, 5, 6, CAUSE(4, 2));
	is(0, "of two parents, the cause of the second");
	FIRST(ROOT(3));
	FIRST(ANY(4, 2, 3));
	CALL(1, 1, 4, CANCEL(0, 1, 1));
	CALL(2, 2, 5, CANCEL(3, 2, 1));
	CALL(1, 5, 6, CAUSE(4, 2));
	CALL(1, 7, 8, CAUSE(2, 1));
	is(1, "of two parents at once, either");
	FIRST(SHIELD(3, 2));
	CALL(1, 1, 2, CANCEL(0, 1, 1));
	CALL(1, 3, 4, ERR(3, 0));
	is(1, "a shield holds");
}

static void births(void)
{
	CALL(1, 1, 2, CANCEL(0, 1, 1));
	CALL(1, 3, 4, CHILD(3, 2));
	CALL(1, 5, 6, DONE(3, 0));
	is(0, "a child of one that is done is born live");
	CALL(1, 1, 9, CANCEL(0, 1, 1));
	CALL(2, 2, 3, CHILD(3, 2));
	CALL(2, 4, 5, DONE(3, 0));
	CALL(2, 6, 7, DONE(3, 1));
	is(1, "a child that is born during a cancel");
	CALL(1, 1, 3, CANCEL(0, 1, 1));
	CALL(2, 2, 4, CHILD(3, 2));
	CALL(2, 5, 6, DONE(3, 0));
	is(0, "a child that both calls left live");
}

/*
 * 4 is made from 2, and from 3, which had ended with 2; meanwhile 0 ends with 1, and
 * its callback keeps that cancel from returning until the child is there.
 */
static void birth_of_two(void)
{
	int a;

	FIRST(ROOT(3));
	FIRST(AFTER(0, 0));
	CALL(1, 1, 2, CANCEL(3, 2, 1));
	a = CALL(2, 3, 30, CANCEL(0, 1, 1));
	h.call[CALL(2, 3, 4, CLAIM(0))].outer = (uint8_t)a;
	h.call[CALL(2, 20, -1, OVER(0))].outer = (uint8_t)a;
	CALL(1, 5, 6, ANY(4, 2, 3));
}

static void births_of_two(void)
{
	birth_of_two();
	CALL(1, 7, 8, CAUSE(4, 1));
	CALL(1, 9, 10, DONE(2, 1));
	is(1, "of two parents, the cause of the one that ended during the birth");
	birth_of_two();
	CALL(1, 7, 8, CAUSE(4, 2));
	CALL(1, 9, 10, ERR(2, 0));
	is(1, "of two parents, the cause of the one that was done");
	birth_of_two();
	CALL(1, 7, 8, ERR(2, 0));
	CALL(1, 9, 10, CAUSE(4, 1));
	is(0, "of two parents, the cause of the one that ended after the birth");
	birth_of_two();
	CALL(1, 7, 8, DONE(4, 0));
	is(0, "of two parents one was done, and the child is born live");
	birth_of_two();
	CALL(3, 3, 30, CANCEL(1, 3, 1));
	CALL(1, 7, 8, CAUSE(4, 1));
	is(0, "of two parents, the cause of a grandparent whose child had its own");
	birth_of_two();
	CALL(1, 7, 8, CAUSE(4, 1));
	CALL(1, 9, 10, CAUSE(2, 0));
	is(0, "of two parents, the cause of one that is live");
	FIRST(ROOT(3));
	CALL(1, 1, 2, CANCEL(3, 2, 1));
	CALL(1, 3, 4, ANY(4, 2, 3));
	CALL(1, 5, 6, CANCEL(0, 1, 1));
	CALL(1, 7, 8, CAUSE(4, 1));
	is(0, "of two parents, the cause of a cancel that came after the birth");
	FIRST(UNTIL(3, 0, 100));
	CALL(1, 1, 2, CANCEL(3, 2, 1));
	CALL(1, 3, 4, TIME(100));
	CALL(1, 5, 6, ANY(4, 2, 3));
	CALL(1, 7, 8, CAUSE(4, 9));
	is(0, "of two parents, the deadline of the one that was cancelled before it");
}

static void deadlines(void)
{
	FIRST(UNTIL(3, 0, 100));
	CALL(1, 1, 2, ERR(3, -ETIME));
	is(0, "an expiry that is early");
	FIRST(UNTIL(3, 0, 100));
	CALL(1, 1, 2, TIME(100));
	CALL(1, 3, 4, ERR(3, 0));
	is(0, "an expiry that is late");
	FIRST(UNTIL(3, 0, 100));
	CALL(1, 1, 2, TIME(100));
	CALL(1, 3, 4, CANCEL(3, 1, 1));
	is(0, "a cancel that comes after the deadline");
	FIRST(UNTIL(3, 0, 100));
	CALL(1, 1, 2, TIME(100));
	CALL(1, 3, 4, DONE(3, 0));
	CALL(1, 5, 6, CAUSE(3, 9));
	CALL(1, 7, 8, ERR(0, 0));
	is(1, "a poll that lags");
}

static void callbacks(void)
{
	int a;

	FIRST(AFTER(2, 0));
	a = CALL(1, 1, 4, CANCEL(0, 1, 1));
	h.call[CALL(1, 1, 2, CLAIM(0))].outer = (uint8_t)a;
	h.call[CALL(1, 3, -1, OVER(0))].outer = (uint8_t)a;
	CALL(2, 5, 6, STOP(0, 0));
	is(1, "a callback runs");
	FIRST(AFTER(2, 0));
	CALL(1, 1, 4, CANCEL(0, 1, 1));
	CALL(2, 5, 6, TRY(0, 1));
	is(0, "a callback was forgotten");
	FIRST(AFTER(2, 0));
	a = CALL(1, 1, 9, CANCEL(0, 1, 1));
	h.call[CALL(1, 1, 4, CLAIM(0))].outer = (uint8_t)a;
	h.call[CALL(1, 7, -1, OVER(0))].outer = (uint8_t)a;
	CALL(2, 2, 3, TRY(0, 1));
	is(0, "stopped, and runs all the same");
	FIRST(AFTER(2, 0));
	a = CALL(1, 1, 9, CANCEL(0, 1, 1));
	h.call[CALL(1, 1, 4, CLAIM(0))].outer = (uint8_t)a;
	h.call[CALL(1, 7, -1, OVER(0))].outer = (uint8_t)a;
	CALL(2, 5, 6, STOP(0, 0));
	is(0, "a stop that does not wait");
	FIRST(AFTER(2, 0));
	a = CALL(1, 1, 9, CANCEL(0, 1, 1));
	h.call[CALL(1, 1, 4, CLAIM(0))].outer = (uint8_t)a;
	h.call[CALL(1, 7, -1, OVER(0))].outer = (uint8_t)a;
	CALL(2, 5, 6, TRY(0, 0));
	CALL(3, 5, 8, STOP(0, 0));
	is(1, "a try_stop that does not, a stop that does");
	CALL(1, 1, 2, CANCEL(0, 1, 1));
	CALL(1, 3, 4, AFTER(2, 0));
	is(0, "armed on one that is done, and not run");
	FIRST(AFTER(2, 0));
	a = CALL(1, 1, 4, AFTER(1, 1));
	h.call[CALL(1, 1, 2, CLAIM(0))].outer = (uint8_t)a;
	h.call[CALL(1, 3, -1, OVER(0))].outer = (uint8_t)a;
	is(0, "run, though nothing ended");
	FIRST(ROOT(3));
	FIRST(AFTER(3, 0));
	FIRST(AFTER(2, 1));
	a = CALL(1, 1, 9, CANCEL(3, 1, 1));
	h.call[CALL(1, 1, 2, CLAIM(0))].outer = (uint8_t)a;
	h.call[CALL(1, 3, 4, CANCEL(2, 1, 1))].outer = (uint8_t)a;
	h.call[h.nr - 1].what.nested = true;
	h.call[CALL(1, 5, -1, OVER(0))].outer = (uint8_t)a;
	is(0, "a nested cancel's callback is forgotten by the outermost");
}

int main(void)
{
	FIRST(ROOT(0));
	FIRST(CHILD(1, 0));
	FIRST(CHILD(2, 1));
	ends();
	causes();
	births();
	births_of_two();
	deadlines();
	callbacks();
	printf("%d passed, %d failed\n", passed, failed);
	return failed ? 1 : 0;
}
