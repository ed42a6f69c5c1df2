/* SPDX-License-Identifier: MIT */
/*
 * dump_text.c - a row as a line
 *
 * Causes, keys and callbacks are the user's, and may be gone: they are copied, and
 * then the slot is read once more.  What has left it by then is not printed, but
 * for who has children, whose lines are behind it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE		/* dladdr() */
#endif
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "call.h"
#include "dump.h"
#include "sys_peek.h"
#include "trace.h"
#include "value.h"

#define INDENT	32U		/* levels; deeper ones say their number */
#define STRING	96U		/* bytes of a user's string */
#define PAGE	4096U

struct text {
	size_t nr;
	char s[896];
};

static void __attribute__((format(printf, 2, 3)))
add(struct text *t, const char *format, ...)
{
	size_t room = sizeof(t->s) - 1 - t->nr;	/* a newline fits behind it */
	va_list args;
	int nr;

	va_start(args, format);
	nr = vsnprintf(t->s + t->nr, room, format, args);
	va_end(args);
	if (nr > 0)
		t->nr += (size_t)nr < room ? (size_t)nr : room - 1;
}

/* The string at @from, or as much of it as is there and fits.  False: nothing. */
static bool peek_string(char to[STRING], const char *from)
{
	size_t nr = 0, step;

	if (!from)
		return false;
	while (nr < STRING - 1) {
		step = PAGE - ((uintptr_t)from + nr) % PAGE;
		if (step > STRING - 1 - nr)
			step = STRING - 1 - nr;
		if (!sys_peek(to + nr, from + nr, step))
			return false;
		if (memchr(to + nr, 0, step))
			return true;
		nr += step;
	}
	memcpy(&to[STRING - 4], "...", 4);
	return true;
}

/* Quotes and what does not print are escaped; UTF-8 is left alone. */
static void add_quoted(struct text *t, const char *s)
{
	add(t, "\"");
	for (; *s; s++)
		if (*s == '"' || *s == '\\')
			add(t, "\\%c", *s);
		else if ((unsigned char)*s < ' ' || *s == 127)
			add(t, "\\x%02x", (unsigned)*s);
		else
			add(t, "%c", *s);
	add(t, "\"");
}

/* As backtrace_symbols(3): module(function+0x12), or module(+0x1234). */
static void add_place(struct text *t, const char *what, const void *p)
{
	const char *module;
	Dl_info info;

	if (!dladdr(p, &info) || !info.dli_fname) {	/* uncovered: glibc has a name */
		add(t, " %s=%p", what, p);
		return;
	}
	module = strrchr(info.dli_fname, '/');
	module = module ? module + 1 : info.dli_fname;
	if (info.dli_sname)
		add(t, " %s=%s(%s+0x%lx)", what, module, info.dli_sname,
		    (unsigned long)((uintptr_t)p - (uintptr_t)info.dli_saddr));
	else
		add(t, " %s=%s(+0x%lx)", what, module,
		    (unsigned long)((uintptr_t)p - (uintptr_t)info.dli_fbase));
}

static void add_seconds(struct text *t, const char *what, int64_t ns)
{
	long long ms = ns > 0 ? ns / 1000000 : 0;

	add(t, " %s=%lld.%03llds", what, ms / 1000, ms % 1000);
}

static void add_cause(struct text *t, uintptr_t word)
{
	const struct urctx_cause *at = (const struct urctx_cause *)(word & ~STATE_BITS);
	bool late = word & ETIME_KIND;
	struct urctx_cause c;
	char s[STRING];

	add(t, late ? " -ETIME" : " -ECANCELED");
	if (!sys_peek(&c, at, sizeof(c))) {
		add(t, " cause=%p", (const void *)at);
		return;
	}
	if (peek_string(s, c.reason)) {
		add(t, " ");
		add_quoted(t, s);
	}
	if (c.code != (late ? -ETIME : -ECANCELED))
		add(t, " code=%d", c.code);
	if (peek_string(s, c.file))
		add(t, " at=%s:%d", s, c.line);
	if (c.file && peek_string(s, c.func))
		add(t, ":%s", s);
}

static void add_value(struct text *t, const void *value)
{
	const struct urctx_key *at;
	struct urctx_key key;
	char s[STRING];

	/* it may be gone since, and its memory be anything */
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): the pointer is what is read */
	if (!sys_peek(&at, value_key_place(value), sizeof(at)) ||
	    !at)	/* seldom: it has been freed a moment ago */
		return;
	if (sys_peek(&key, at, sizeof(key)) && peek_string(s, key.name)) {
		add(t, " value=");
		add_quoted(t, s);
	} else {
		add(t, " value=%p", (const void *)at);
	}
}

/* What kind of context it is, where that is not a plain one. */
static void add_kind(struct text *t, const struct dump_row *r, int64_t now)
{
	bool graced = (r->v & TAG_BITS) == TAG_GRACE;

	if (graced)
		add_seconds(t, "grace", r->grace);
	if (graced && r->when && r->when != URCTX_NEVER && !(r->word & DONE))
		add_seconds(t, "left", r->when - now);
	else if (!graced && r->v && (r->word & ~STATE_BITS) == (uintptr_t)&no_slot)
		add(t, " shield");
	if (r->links)
		add(t, " any=%u", r->links + 1);
	if (r->watch & OWNS)
		add_value(t, r->value);
	if (r->fd)
		add(t, " fd=%u", r->fd - 1);
}

static void add_trace(struct text *t, const struct urctx *n, int64_t now)
{
	struct trace trace = { 0 };

	if (!trace_of(n, &trace))
		return;
	if (trace.site)
		add_place(t, "made", trace.site);
	add_seconds(t, "age", now - trace.birth);
}

static void print_context(struct text *t, const struct dump_row *r)
{
	int64_t now = sys_now();
	bool held = r->ref, limited = held && r->deadline != URCTX_NEVER;

	if (r->word & DONE) {
		add(t, " done");
		add_cause(t, r->word);
	} else {
		add(t, limited && r->deadline <= now ? " expired" : " live");
	}
	if (held)
		add(t, " refs=%u", r->ref);
	else
		add(t, " put");
	if (limited && !(r->word & DONE))
		add_seconds(t, "left", r->deadline - now);
	add_kind(t, r, now);
	add_trace(t, (const struct urctx *)r->what, now);
}

static void print_callback(struct text *t, const struct dump_row *r)
{
	struct call c;
	bool known = sys_peek(&c, r->what, sizeof(c)) &&	/* seldom: reused */
		     c.slot == r->slot && c.ctx == r->parent;
	bool armed = (r->v & TAG_BITS) == TAG_ARMED;

	if (known && c.kind == CALL_RING) {
		add(t, " ring %s ops=%lu", armed ? "armed" : "running", c.ops);
		return;
	}
	add(t, " callback %s", armed ? "armed" : "running");
	if (known) {
		void *fn;

		memcpy(&fn, &c.fn, sizeof(fn));
		add_place(t, "fn", fn);
	}
}

static bool is_context(const struct dump_row *r)
{
	return (r->v & TAG_BITS) == TAG_CHILD || (r->v & TAG_BITS) == TAG_GRACE;
}

int dump_print(const struct dump_row *r, FILE *out)
{
	unsigned indent = 2 * (r->level < INDENT ? r->level : INDENT);
	struct text t = { .nr = 0 };

	add(&t, "%*s", (int)indent, "");
	if (r->level > INDENT)
		add(&t, "[%u] ", r->level);
	add(&t, "%p", r->what);
	if (is_context(r))
		print_context(&t, r);
	else if ((r->v & TAG_BITS) == TAG_ANY)
		add(&t, " elsewhere parent=%p", (const void *)r->parent);
	else
		print_callback(&t, r);
	if (r->slot && load_relaxed(&r->slot->v) != r->v && !(r->word & HASCH))
		return 0;
	t.s[t.nr++] = '\n';
	if (fwrite(t.s, 1, t.nr, out) != t.nr)
		return -EIO;
	return is_context(r);
}
