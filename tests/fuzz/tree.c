/* SPDX-License-Identifier: MIT */
/*
 * tree.c - calls of <urctx.h> in any order, against model.c
 *
 * One thread, and a clock that is held: whatever is asked has one answer, or a few
 * where two ends fall into one nanosecond.  Behind each call no callback may be
 * left that should have run; at the end everything is put, and every value released.
 */
#include "tree.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

const char fuzz_name[] = "tree";
struct tree tree;

static const struct urctx_cause causes[M_CAUSES - 2] = {
	{ "a", NULL, NULL, 0, -EIO },	   { "b", __FILE__, "b", 1, 7 },
	{ "c", NULL, NULL, 0, -ETIME },	   { "d", NULL, NULL, 0, -ECANCELED },
	{ "\"", NULL, NULL, 0, INT32_MAX }, { "f", NULL, NULL, 0, INT32_MIN },
};

const struct urctx_cause *const t_cause[M_CAUSES] = {
	&urctx_canceled, &urctx_deadline_exceeded, &causes[0], &causes[1],
	&causes[2], &causes[3], &causes[4], &causes[5],
};

struct m_node *t_node(unsigned byte)
{
	struct m_node *n = &tree.m.node[byte % M_NODES];

	/* in a callback of the clock's nobody knows how far it has come with these */
	return byte % M_NODES < tree.m.nr && n->refs && !n->loose ? n : NULL;
}

struct urctx *t_ctx(const struct m_node *n)
{
	return n ? tree.ctx[n - tree.m.node] : NULL;
}

struct urctx **t_place(const struct m_node *n)
{
	return &tree.ctx[n - tree.m.node];
}

struct m_node *t_new(const unsigned *parent, unsigned nr, enum m_kind kind,
		     int64_t grace)
{
	return m_derive(&tree.m, parent, nr, kind, grace);
}

static unsigned number_of(const struct urctx_cause *cause)
{
	unsigned i = 0;

	while (i < M_CAUSES && t_cause[i] != cause)
		i++;
	expect(i < M_CAUSES, "a cause that nobody gave");
	return i;
}

void t_look(struct m_node *n)
{
	struct urctx *ctx = t_ctx(n);
	int64_t when = 4711, left = urctx_remaining(ctx);
	const struct urctx_cause *cause = urctx_cause(ctx);
	int err = urctx_err(ctx), i = n ? (int)(n - tree.m.node) : -1;
	bool over = n && n->over, limited = n && n->deadline != M_NEVER;

	expect(!!err == over && !!cause == over, "%d: err %d", i, err);
	expect(urctx_done(ctx) == over, "%d", i);
	if (over) {
		expect(err == -ETIME || err == -ECANCELED, "%d: err %d", i, err);
		expect(m_seen(n, number_of(cause), err == -ETIME),
		       "%d: err %d, cause %s", i, err, cause->reason);
	}
	expect(urctx_deadline(ctx, &when) == limited, "%d", i);
	expect(when == (limited ? n->deadline : 4711), "%d: deadline", i);
	expect(left == (over ? 0 : limited ? n->deadline - tree.m.now : M_NEVER),
	       "%d: %lld left", i, (long long)left);
	if (n)
		t_values(n);
}

void t_cancel(struct m_node *n, unsigned cause)
{
	bool live = n && m_cancel(&tree.m, n, cause);
	bool ended = cause ? urctx_cancel_cause(t_ctx(n), t_cause[cause]) :
			     (urctx_cancel)(t_ctx(n));

	expect(ended == live, "%d", n ? (int)(n - tree.m.node) : -1);
}

void t_put(struct m_node *n)
{
	if (n)
		n->refs--;
	urctx_put(t_ctx(n));
}

static void advance(unsigned by)
{
	static const int64_t BY[] = { 0, 1, 1, 2, 3, 5, 8, 50, 999, 1000000 };
	int64_t to = tree.m.now + BY[by % 10];
	int ret;

	tree.advancing = true;
	ret = urctx_clock_advance(BY[by % 10]);
	tree.advancing = false;
	expect(!ret, "%d", ret);
	m_time(&tree.m, to);
	m_settle(&tree.m);
	expect(urctx_now() == to, "now");
}

static void wait(struct m_node *n, bool idle)
{
	int64_t past = tree.m.now - 1;
	int ret;

	if (idle && n) {
		ret = urctx_wait_idle(t_ctx(n), past);
		expect(ret == 0 || ret == -ETIME, "%d", ret);
		expect(ret == -ETIME || m_idle(&tree.m, n), "not idle");
		return;
	}
	ret = urctx_wait(t_ctx(n), past);
	expect(ret == (n && n->over ? 0 : -ETIME), "%d", ret);
}

static void watch(struct m_node *n)
{
	struct pollfd p = { .fd = urctx_fd(t_ctx(n)), .events = POLLIN };

	if (!n) {
		expect(p.fd == -EINVAL, "%d", p.fd);
		return;
	}
	expect(p.fd >= 0, "%d", p.fd);
	expect(poll(&p, 1, 0) == n->over, "readable");
}

static void dump(struct m_node *n)
{
	char text[16384];
	FILE *out = fmemopen(text, sizeof(text), "w");
	unsigned i, shown = 0;
	int ret;

	expect(out, "fmemopen");
	ret = urctx_dump(t_ctx(n), out);
	fclose(out);
	if (!n) {
		expect(ret == -EINVAL, "%d", ret);
		return;
	}
	/* itself at least; and no more than there may be */
	for (i = 0; i < tree.m.nr; i++)
		shown += m_held(&tree.m, &tree.m.node[i]);
	expect(ret >= 1 && (unsigned)ret <= shown, "%d of %u", ret, shown);
}

/* Tokens: those that would have to be waited for are asked for with who is over. */
static void sem(struct m_node *n, unsigned how)
{
	int64_t nr = (how >> 3) % 6;
	int ret, err = n && n->over ? urctx_err(t_ctx(n)) : 0;

	switch (how % 4) {
	case 0:
		expect(urctx_sem_try_acquire(&tree.sem, nr) == (nr <= tree.tokens), "%d",
		       (int)tree.tokens);
		tree.tokens -= nr <= tree.tokens ? nr : 0;
		break;
	case 1:
		if (!err && nr > tree.tokens)
			break;
		ret = urctx_sem_acquire(&tree.sem, t_ctx(n), nr);
		expect(ret == err, "%d", ret);
		tree.tokens -= ret ? 0 : nr;
		break;
	case 2:
		if (nr > tree.size - tree.tokens)
			break;
		urctx_sem_release(&tree.sem, nr);
		tree.tokens += nr;
		break;
	case 3:
		ret = urctx_sem_acquire(&tree.sem, t_ctx(n), -1 - nr);
		expect(ret == -EINVAL, "%d", ret);
		break;
	}
}

static void step(struct bytes *b)
{
	unsigned op = take(b) % 24, i;
	struct m_node *n;

	if (op < 8) {
		t_derive(op, b);
		return;
	}
	n = t_node(take(b));
	switch (op) {
	case 8:
		if (n)
			n->refs++;
		expect(urctx_get(t_ctx(n)) == t_ctx(n), "get");
		break;
	case 9:
	case 10:
		t_put(n);
		break;
	case 11:
		if (n)
			(void)m_cancel(&tree.m, n, 0);
		if (n)
			n->refs--;
		urctx_end(t_ctx(n));
		break;
	case 12:
		t_cancel(n, 0);
		break;
	case 13:
		t_cancel(n, take(b) % M_CAUSES);
		break;
	case 14:
	case 15:
		i = take(b) % T_CALLS;
		if (tree.call[i].armed)
			break;
		tree.call[i].action = take(b);
		tree.call[i].target = take(b);
		tree.call[i].ran = 0;
		t_arm(&tree.call[i], n);
		break;
	case 16:
	case 17:
		t_stop(&tree.call[take(b) % T_CALLS], op & 1);
		break;
	case 18:
		t_look(n);
		break;
	case 19:
		advance(take(b));
		break;
	case 20:
		wait(n, take(b) & 1);
		break;
	case 21:
		i = take(b);
		if (i < 16)
			dump(n);
		else if (i < 64)
			watch(n);
		break;
	case 22:
	case 23:
		sem(n, take(b));
		break;
	}
}

static void begin(void)
{
	static bool held;
	unsigned i;

	if (!held)
		expect(!urctx_clock_hold(0), "clock");
	held = true;
	m_init(&tree.m, urctx_now());
	for (i = 0; i < T_CALLS; i++)
		tree.call[i] = (struct t_call){ .on = -1 };
	tree.size = tree.tokens = 4;
	urctx_sem_init(&tree.sem, tree.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes b = { data, data + size };
	unsigned i;

	begin();
	while (more(&b)) {
		step(&b);
		t_all_told();
	}
	for (i = 0; i < tree.m.nr; i++)
		if (tree.m.node[i].refs)
			t_look(&tree.m.node[i]);
	t_calls_end();
	for (i = tree.m.nr; i--;)
		while (tree.m.node[i].refs)
			t_put(&tree.m.node[i]);
	t_released();
	return 0;
}
