/* SPDX-License-Identifier: MIT */
/*
 * dump.c - urctx_dump() of trees whose strings are anything
 *
 * A line for each context, callback and second parent; each of the form that the
 * manual gives, with nothing in it that does not print, and with the reason and the
 * key's name as they were, once the escapes are taken out again.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include <urctx.h>

#include "fuzz.h"

#define NODES	20
#define SEEN	92		/* bytes of a long string, before the dots */
#define LONGEST	140

const char fuzz_name[] = "dump";

static struct node {
	struct urctx *ctx;
	struct urctx_cause cause;
	struct urctx_key key;
	struct urctx_callback cb;
	char reason[LONGEST + 1], name[LONGEST + 1];
	bool valued, ended, armed;
	unsigned elsewhere;
} node[NODES];
static unsigned nr;

static void string(struct bytes *b, char *to)
{
	unsigned how = take(b), size = how % LONGEST, i;

	for (i = 0; i < size; i++) {
		unsigned c = how & 1 ? take(b) : ' ' + (how + i) % 95;

		to[i] = c ? (char)c : '\\';
	}
	to[size] = 0;
}

static void nothing(struct urctx_callback *cb)
{
	(void)cb;
}

static struct node *pick(struct bytes *b)
{
	return &node[take(b) % nr];
}

static void derive(struct bytes *b, unsigned how)
{
	struct node *p = pick(b), *n = &node[nr], *q = pick(b);
	struct urctx *both[2] = { p->ctx, q->ctx };
	int ret;

	if (nr == NODES)
		return;
	switch (how % 4) {
	case 0:
		string(b, n->name);
		n->key.name = n->name;
		n->valued = true;
		ret = urctx_with_value(p->ctx, &n->key, n, &n->ctx);
		break;
	case 1:
		ret = urctx_with_any(both, 2, &n->ctx);
		n->elsewhere = p != q;
		break;
	case 2:
		ret = urctx_without_cancel(p->ctx, &n->ctx);
		break;
	default:
		ret = urctx_with_timeout(p->ctx, how & 4 ? 1000000 * INT64_C(100000) : 0,
					 &n->ctx);
		break;
	}
	expect(!ret, "%d", ret);
	nr++;
}

static void step(struct bytes *b)
{
	unsigned op = take(b);
	struct node *n;

	if (op % 4 < 2) {
		derive(b, op / 4);
		return;
	}
	n = pick(b);
	if (op % 4 == 2 && !n->armed && !urctx_err(n->ctx)) {
		n->armed = true;
		expect(!urctx_after(n->ctx, &n->cb, nothing), "no memory");
	} else if (op % 4 == 3 && n != node && !n->ended) {
		string(b, n->reason);
		n->cause = (struct urctx_cause){ .reason = n->reason, .code = 1 + (op >> 3) };
		n->ended = urctx_cancel_cause(n->ctx, &n->cause);
	}
}

/* What stands in quotes behind @before, as it was; false: there is none. */
static bool quoted(const char *line, const char *before, char *to)
{
	const char *at = strstr(line, before);

	if (!at)
		return false;
	for (at += strlen(before); *at && *at != '"'; at++) {
		unsigned c;

		if (*at != '\\') {
			*to++ = *at;
		} else if (*++at != 'x') {
			*to++ = *at;
		} else {
			expect(sscanf(at + 1, "%2x", &c) == 1, "escape: %s", line);
			*to++ = (char)c;
			at += 2;
		}
	}
	*to = 0;
	expect(*at == '"', "not closed: %s", line);
	return true;
}

static void same(const char *line, const char *said, const char *was)
{
	size_t size = strlen(was);

	if (size < SEEN + 3)
		expect(!strcmp(said, was), "%s", line);
	else
		expect(!strncmp(said, was, SEEN) && !strcmp(said + SEEN, "..."), "%s",
		       line);
}

static const struct node *node_at(const char *line)
{
	void *ctx;
	unsigned i;

	if (sscanf(line, "%p", &ctx) != 1)
		return NULL;
	for (i = 0; i < nr; i++)
		if (node[i].ctx == ctx)
			return &node[i];
	return NULL;
}

/* True: of a context. */
static bool look(char *line)
{
	char said[1024];
	const struct node *n;
	char *c = line;

	for (; *c; c++)
		expect((unsigned char)*c >= ' ' && *c != 127, "does not print: %s", line);
	expect(c - line < 896, "%d bytes", (int)(c - line));
	line += strspn(line, " ");
	expect(!strncmp(line, "0x", 2), "%s", line);
	c = strchr(line, ' ');
	expect(c, "%s", line);
	if (!strncmp(c, " elsewhere parent=0x", 20) || !strncmp(c, " callback armed fn=", 19))
		return false;
	n = node_at(line);
	expect(n, "whose is it: %s", line);
	if (!strncmp(c, " done -ECANCELED", 16) && n->ended) {
		expect(quoted(c, " -ECANCELED \"", said), "no reason: %s", line);
		same(line, said, n->reason);
	}
	/* a reason may read as anything: a name is looked for in lines without one */
	if (n->valued && strncmp(c, " done", 5)) {
		expect(quoted(c, " value=\"", said), "no value: %s", line);
		same(line, said, n->name);
	}
	return true;
}

static void check(char *text, int printed)
{
	unsigned contexts = 0, lines = 0, i;
	char *line, *rest = text;

	while ((line = strsep(&rest, "\n")) && (rest || *line)) {
		contexts += look(line);
		lines++;
	}
	expect((unsigned)printed == contexts && contexts == nr, "%d, %u, %u", printed,
	       contexts, nr);
	for (i = 0; i < nr; i++)
		lines -= 1 + node[i].elsewhere + (node[i].armed && !urctx_err(node[i].ctx));
	expect(!lines, "%u lines too many", lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes b = { data, data + size };
	static char text[NODES * 3 * 1024];
	FILE *out;
	unsigned i;
	int ret;

	memset(node, 0, sizeof(node));
	nr = 1;
	expect(!urctx_with_cancel(NULL, &node[0].ctx), "no memory");
	while (more(&b))
		step(&b);
	for (i = 0; i < nr; i++)
		(void)urctx_err(node[i].ctx);	/* what has expired is done then */
	memset(text, 0, sizeof(text));
	out = fmemopen(text, sizeof(text), "w");
	expect(out, "fmemopen");
	ret = urctx_dump(node[0].ctx, out);
	expect(!fclose(out), "fclose");
	check(text, ret);
	for (i = 0; i < nr; i++)
		(void)urctx_stop(&node[i].cb);
	for (i = nr; i--;)
		urctx_put(node[i].ctx);
	return 0;
}
