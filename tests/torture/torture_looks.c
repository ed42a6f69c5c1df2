/* SPDX-License-Identifier: MIT */
/*
 * torture_looks.c - what is asked of a context, and families that end at once
 */
#include <poll.h>

#include "torture.h"

/* G5: never early, and never 0 from the deadline on. */
static void look_at_deadline(struct urctx *ctx)
{
	int64_t deadline, before, after;
	int err;

	did(LOOK);
	if (!urctx_deadline(ctx, &deadline))
		return;
	before = urctx_now();
	err = t_err(ctx);
	after = urctx_now();
	must(err != -ETIME || after >= deadline);
	must(before < deadline || err);
	did(LOOK);
	must(before < deadline || urctx_remaining(ctx) == 0);
}

void op_look(void)
{
	struct urctx *ctx = look(somewhere());
	const struct urctx_cause *cause;
	bool done = t_done(ctx);
	int err = t_err(ctx);

	must(!done || err);
	if (err) {
		must(err == -ECANCELED || err == -ETIME);
		cause = t_cause(ctx);
		must(known_cause(cause));
		must((err == -ETIME) == (cause == &urctx_deadline_exceeded));
		must(t_done(ctx) && t_err(ctx) == err && t_cause(ctx) == cause);
	}
	if (ctx)
		look_at_deadline(ctx);
	t_put(ctx);
}

void op_wait(void)
{
	struct urctx *ctx = look(somewhere());
	int64_t until = urctx_now() + (one_of(8) ? 0 : one_of(50000));
	int ret;

	did(WAIT);
	ret = urctx_wait(ctx, until);
	must(ret == 0 || (ret == -ETIME && urctx_now() >= until));
	must(ret || t_err(ctx));
	t_put(ctx);
}

void op_dump(void)
{
	static FILE *nowhere;
	struct urctx *ctx = look(somewhere());
	FILE *out;

	if (ctx) {
		out = __atomic_load_n(&nowhere, __ATOMIC_ACQUIRE);
		if (!out) {
			out = fopen("/dev/null", "w");
			must(out);
			__atomic_store_n(&nowhere, out, __ATOMIC_RELEASE);
		}
		did(DUMP);
		must(urctx_dump(ctx, out) >= 1);
	}
	t_put(ctx);
}

/* A few contexts below one, with a callback each. */
#define FAMILY	24

struct relative {
	struct urctx_callback cb;	/* first */
	struct urctx *ctx;
	unsigned ran;
};

static void relative_ended(struct urctx_callback *cb)
{
	struct relative *r = (struct relative *)cb;

	must(__atomic_add_fetch(&r->ran, 1, __ATOMIC_RELAXED) == 1);
}

/* Its timer fires in an interrupt, and that may be a moment later. */
static bool will_be_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 10000) == 1;
}

static void family_ended(struct relative *r, unsigned nr, struct urctx *head,
			 const struct urctx_cause *own)
{
	unsigned i;

	must(t_err(head) && (!own || t_cause(head) == own));
	for (i = 0; i < nr; i++) {
		must(t_done(r[i].ctx));
		must(same_end(r[i].ctx, head));
		/* it has run, or is running, and then stop waits for it */
		did(STOP);
		must(!urctx_stop(&r[i].cb));
		must(r[i].ran == 1);
	}
}

/* Out of order, parents before children and the other way round. */
static void family_leaves(struct relative *r, unsigned nr)
{
	unsigned at = one_of(nr), step = nr % 2 ? 2 : 1, i;

	for (i = 0; i < nr; i++) {
		t_put(r[at].ctx);
		at = (at + step) % nr;
	}
}

/*
 * Below the root, or below somebody who may end at any time.  G2, G4, G6 of all of
 * it; and nothing is left when all have been put (G9).
 */
void op_family(void)
{
	struct urctx *above = one_of(2) ? look(somewhere()) : NULL;
	struct urctx *head = t_derive(above);
	unsigned nr = 1 + one_of(FAMILY), i;
	struct relative r[FAMILY] = { 0 };
	const struct urctx_cause *cause = some_cause();
	bool won, alone = one_of(4);
	int fd = -1;

	if (one_of(16) == 0) {
		did(FD);
		fd = urctx_fd(head);
		must(fd >= 0);
	}
	for (i = 0; i < nr; i++) {
		r[i].ctx = t_derive(i && one_of(4) ? r[one_of(i)].ctx : head);
		did(AFTER);
		must(urctx_after(r[i].ctx, &r[i].cb, relative_ended) == 0);
	}
	won = t_cancel(head, cause);
	must(won || above);
	family_ended(r, nr, head, won ? cause : NULL);
	must(fd < 0 || will_be_readable(fd));
	family_leaves(r, nr);
	if (alone) {
		did(IDLE);
		must(urctx_wait_idle(head, urctx_now() + torture.stall) == 0);
	}
	t_put(head);
	t_put(above);
	more(&me()->families, 1);
}
