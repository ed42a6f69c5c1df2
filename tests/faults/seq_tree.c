/* SPDX-License-Identifier: MIT */
/*
 * seq_tree.c - contexts of every kind, callbacks, values, descriptors, a dump
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <urctx.h>

#include "faults.h"

#define HOUR	(3600 * 1000000000LL)
#define KIDS	70
#define NONE	((struct urctx *)1)

struct counted {
	struct urctx_callback cb;
	uint32_t ran;
};

static void count(struct urctx_callback *cb)
{
	__atomic_add_fetch(&((struct counted *)cb)->ran, 1, __ATOMIC_SEQ_CST);
}

static uint32_t ran(const struct counted *c)
{
	return __atomic_load_n(&c->ran, __ATOMIC_SEQ_CST);
}

/* On failure the out-parameter is untouched. */
#define DERIVE(out, call, ...)                                                 \
	do {                                                                   \
		out = NONE;                                                    \
		EXPECT(0, ({                                                   \
			int r_ = (call);                                       \
			CHECK(!r_ || out == NONE);                             \
			r_;                                                    \
		}), __VA_ARGS__);                                              \
		CHECK(out != NONE && out);                                     \
	} while (0)

void seq_tree(void)
{
	struct urctx *root, *kid[KIDS], *below[KIDS];
	struct counted c[KIDS] = { 0 }, stopped = { 0 };
	int i;

	DERIVE(root, urctx_with_cancel(NULL, &root), -ENOMEM);
	for (i = 0; i < KIDS; i++) {
		DERIVE(kid[i], urctx_with_cancel(root, &kid[i]), -ENOMEM);
		DERIVE(below[i], urctx_with_cancel(kid[i], &below[i]), -ENOMEM);
		EXPECT(0, urctx_after(kid[i], &c[i].cb, count), -ENOMEM);
		if (i % 3 == 0)
			urctx_put(kid[i]);
	}
	EXPECT(0, urctx_after(root, &stopped.cb, count), -ENOMEM);
	EXPECT(0, urctx_wait_idle(below[0], 0), -ENOMEM, -EINTR);
	EXPECT(-ETIME, urctx_wait_idle(root, 0), -ENOMEM, -EINTR);
	CHECK(urctx_stop(&stopped.cb));
	CHECK(!urctx_done(root) && !urctx_err(below[1]));
	CHECK(urctx_cancel(root));
	for (i = 0; i < KIDS; i++) {
		CHECK(urctx_done(below[i]) && urctx_err(below[i]) == -ECANCELED);
		CHECK(ran(&c[i]) == 1);
		EXPECT(0, urctx_wait(below[i], URCTX_NEVER), -EINTR);
		urctx_put(below[i]);
		if (i % 3)
			urctx_put(kid[i]);
	}
	CHECK(!stopped.ran);
	EXPECT(0, urctx_wait_idle(root, urctx_now() + HOUR), -ENOMEM, -EINTR);
	urctx_put(root);
}

static int released;

static void release(void *value)
{
	(void)value;
	released++;
}

static void dump(struct urctx *root)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	CHECK(out);
	CHECK(RESULT(urctx_dump(root, out), -EIO) > 10);
	fclose(out);
	CHECK(size > 200);
	free(text);
}

static void readable(int fd, int want)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	CHECK(poll(&p, 1, 0) == want);
}

void seq_kinds(void)
{
	static const struct urctx_key key = { "key", release }, plain = { "plain", NULL };
	struct urctx *root, *dead, *shield, *grace, *value, *other, *any, *many[20], *all;
	struct counted c = { 0 }, late = { 0 };
	int64_t when, now;
	int fd, i;

	released = 0;
	DERIVE(root, urctx_with_value(NULL, &plain, "root", &root), -ENOMEM);
	DERIVE(dead, urctx_with_deadline(root, urctx_now() + HOUR, &dead), -ENOMEM);
	DERIVE(value, urctx_with_value(dead, &key, "x", &value), -ENOMEM);
	DERIVE(shield, urctx_without_cancel(value, &shield), -ENOMEM);
	DERIVE(grace, urctx_with_grace(value, HOUR, &grace), -ENOMEM, -EAGAIN);
	DERIVE(other, urctx_with_timeout_cause(NULL, HOUR, &urctx_canceled, &other), -ENOMEM);
	for (i = 0; i < 20; i++)
		DERIVE(many[i], urctx_with_timeout(i % 2 ? root : other, HOUR + i, &many[i]),
		       -ENOMEM);
	DERIVE(any, urctx_with_any((struct urctx *[]){ value, other }, 2, &any), -ENOMEM);
	DERIVE(all, urctx_with_any(many, 20, &all), -ENOMEM);
	CHECK(urctx_value(shield, &key) && urctx_value(any, &key));
	CHECK(!strcmp(urctx_value(grace, &plain), "root"));
	CHECK(urctx_deadline(any, &when) && !urctx_deadline(shield, &when));

	EXPECT(0, urctx_after(any, &c.cb, count), -ENOMEM, -EAGAIN);
	EXPECT(0, urctx_after(shield, &late.cb, count), -ENOMEM);
	for (i = 0; i < 30; i++)
		CHECK(!urctx_done(other));
	fd = (int)RESULT(urctx_fd(any), -ENOMEM, -EMFILE, -ENFILE, MACHINE);
	CHECK(fd == urctx_fd(any));
	readable(fd, 0);
	dump(root);

	now = urctx_now();
	CHECK(urctx_remaining(any) > 0 && urctx_remaining(any) <= HOUR);
	CHECK(urctx_cancel_cause(other, URCTX_CAUSE(-EIO, "disk")));
	CHECK(urctx_err(any) == -ECANCELED && urctx_cause(any)->code == -EIO);
	CHECK(ran(&c) == 1 && urctx_done(all));
	readable(fd, 1);
	CHECK(urctx_cancel(root) && urctx_done(value) && !urctx_done(shield));
	CHECK(!urctx_err(grace) && urctx_now() >= now);
	dump(root);
	CHECK(urctx_try_stop(&late.cb) && !late.ran);

	for (i = 0; i < 20; i++)
		urctx_put(many[i]);
	urctx_put(all);
	urctx_put(any);
	urctx_end(grace);
	urctx_end(shield);
	urctx_put(value);
	urctx_put(dead);
	urctx_put(other);
	EXPECT(0, urctx_wait_idle(root, URCTX_NEVER), -ENOMEM, -EINTR);
	urctx_put(root);
}

static void interior(struct urctx *top, int nr)
{
	struct urctx *a, *b;
	int i;

	for (i = 0; i < nr; i++) {
		DERIVE(a, urctx_with_cancel(top, &a), -ENOMEM);
		DERIVE(b, urctx_with_cancel(a, &b), -ENOMEM);
		urctx_put(i % 2 ? a : b);
		urctx_put(i % 2 ? b : a);
	}
}

static void interiors(void *top)
{
	interior((struct urctx *)top, 100);
}

/* Of second parents that have no slots yet: memory may end at theirs. */
static void joins(struct urctx *top)
{
	enum { NR = 8 };
	struct urctx *second[NR], *join[NR];
	int i;

	for (i = 0; i < NR; i++) {
		DERIVE(second[i], urctx_with_cancel(NULL, &second[i]), -ENOMEM);
		DERIVE(join[i], urctx_with_any((struct urctx *[]){ top, second[i] }, 2,
					       &join[i]), -ENOMEM);
	}
	for (i = 0; i < NR; i++) {
		CHECK(!urctx_done(join[i]));
		CHECK(urctx_cancel(second[i]));
		CHECK(urctx_done(join[i]));
		urctx_put(join[i]);
		urctx_put(second[i]);
	}
}

/* Batches of contexts that have had children, on two threads, one of which ends. */
void seq_many(void)
{
	struct helper *h;
	struct urctx *top;

	DERIVE(top, urctx_with_cancel(NULL, &top), -ENOMEM);
	joins(top);
	interior(top, 150);
	h = later(interiors, top);
	interior(top, 50);
	helper_join(h);
	interior(top, 20);
	CHECK(urctx_cancel(top));
	EXPECT(0, urctx_wait_idle(top, URCTX_NEVER), -ENOMEM, -EINTR);
	urctx_put(top);
}

/* More than TRIM_BYTES at once, all put: memory goes back, and is used again. */
void seq_burst(void)
{
	enum { NR = 20000 };
	static struct urctx *all[NR];
	const struct timespec ms = { 0, 1000000 };
	struct urctx *top;
	int round, i;

	DERIVE(top, urctx_with_cancel(NULL, &top), -ENOMEM);
	for (round = 0; round < 2; round++) {
		for (i = 0; i < NR; i++)
			DERIVE(all[i], urctx_with_cancel(top, &all[i]), -ENOMEM);
		for (i = 0; i < NR; i++)
			urctx_put(all[i]);
		/* the housekeeper trims what lies still; nobody can wait for that */
		for (i = 0; i < 40; i++)
			nanosleep(&ms, NULL);
	}
	urctx_end(top);
}
