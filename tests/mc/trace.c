/* SPDX-License-Identifier: MIT */
/*
 * trace.c - print a failing execution: a column for each thread
 *
 * Recorded while the failing path is executed once more.  File and line come
 * from addr2line, names from the symbol table of the program.
 */
#include <elf.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model.h"

#define ENTRIES	20000
#define SITES	4096
#define NAMES	64

static struct entry {
	int t;
	uintptr_t pc;
	char text[96];
} *entries;
static int nentries;

static struct site {
	uintptr_t cell, pc;
	int t, kind;
} sites[SITES];
static int nsites;

static struct name {
	uintptr_t p;
	size_t size;
	const char *name;
} names[NAMES];
static int nnames;

static char schedule[1 << 16];
static size_t schedule_len;
static int seg_t, seg_alt, seg_ops, counted[NT];

void mc_name(const void *p, size_t size, const char *name)
{
	if (nnames < NAMES)
		names[nnames++] = (struct name){ (uintptr_t)p, size, name };
}

/* ---- names of addresses ---- */

static const Elf64_Sym *symbols;
static size_t nsymbols;
static const char *strings;

static void read_symbols(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct stat st;
	const Elf64_Ehdr *e;
	const Elf64_Shdr *sh;
	int i;

	if (fd < 0 || fstat(fd, &st))
		return;
	e = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (e == MAP_FAILED)
		return;
	sh = (const Elf64_Shdr *)((const char *)e + e->e_shoff);
	for (i = 0; i < e->e_shnum; i++)
		if (sh[i].sh_type == SHT_SYMTAB) {
			symbols = (const Elf64_Sym *)((const char *)e + sh[i].sh_offset);
			nsymbols = sh[i].sh_size / sizeof(*symbols);
			strings = (const char *)e + sh[sh[i].sh_link].sh_offset;
		}
}

static const char *offset_name(const char *base, size_t off)
{
	static char buf[4][80];
	static int k;

	k = (k + 1) % 4;
	if (off)
		snprintf(buf[k], sizeof(buf[k]), "%.48s+%zu", base, off);
	else
		snprintf(buf[k], sizeof(buf[k]), "%.60s", base);
	return buf[k];
}

const char *addr_name(uintptr_t a)
{
	char buf[40];
	size_t i;

	for (i = (size_t)nnames; i-- > 0;)
		if (a - names[i].p < names[i].size)
			return offset_name(names[i].name, a - names[i].p);
	if (!symbols)
		read_symbols();
	for (i = 0; i < nsymbols; i++)
		if (ELF64_ST_TYPE(symbols[i].st_info) == STT_OBJECT &&
		    a - symbols[i].st_value < symbols[i].st_size)
			return offset_name(strings + symbols[i].st_name,
					   a - symbols[i].st_value);
	for (i = 0; i < G.nblocks; i++)
		if (a - (uintptr_t)B[i].p < B[i].size) {
			snprintf(buf, sizeof(buf), "block%zu", i);
			return offset_name(buf, a - (uintptr_t)B[i].p);
		}
	for (i = 0; i < NT; i++)
		if (a - (uintptr_t)stacks - i * STACK < STACK) {
			snprintf(buf, sizeof(buf), "stack of %zu", i);
			return offset_name(buf, 0);
		}
	for (i = 0; i < NT; i++)
		if (T[i].tls && a - (uintptr_t)T[i].tls < 4096) {
			snprintf(buf, sizeof(buf), "tls%zu", i);
			return offset_name(buf, a - (uintptr_t)T[i].tls);
		}
	snprintf(buf, sizeof(buf), "%#lx", (unsigned long)a);
	return offset_name(buf, 0);
}

static const char *value_name(uint64_t v, unsigned size)
{
	static char buf[4][96];
	static int k;
	const char *n;

	k = (k + 1) % 4;
	if (size == 8 && tracked(v & ~(uint64_t)7)) {
		n = addr_name(v & ~(uint64_t)7);
		if (v & 7)
			snprintf(buf[k], sizeof(buf[k]), "&%s|%lu", n, (unsigned long)(v & 7));
		else
			snprintf(buf[k], sizeof(buf[k]), "&%s", n);
	} else if (v < 4096) {
		snprintf(buf[k], sizeof(buf[k]), "%lu", (unsigned long)v);
	} else {
		snprintf(buf[k], sizeof(buf[k]), "%#lx", (unsigned long)v);
	}
	return buf[k];
}

/* ---- recording ---- */

void trace_site(uintptr_t cell, int t, int kind, uintptr_t pc)
{
	int i;

	for (i = 0; i < nsites; i++)
		if (sites[i].cell == cell && sites[i].t == t && sites[i].kind == kind)
			break;
	if (i == SITES)
		return;
	if (i == nsites)
		nsites++;
	sites[i] = (struct site){ cell, pc, t, kind };
}

uintptr_t trace_site_of(uintptr_t cell, int t, int kind)
{
	int i;

	for (i = 0; i < nsites; i++)
		if (sites[i].cell == cell && sites[i].t == t && sites[i].kind == kind)
			return sites[i].pc;
	return 0;
}

static struct entry *new_entry(int t, uintptr_t pc)
{
	if (!entries)
		entries = calloc(ENTRIES, sizeof(*entries));
	if (!entries || nentries == ENTRIES)
		return NULL;
	entries[nentries].t = t;
	entries[nentries].pc = pc;
	return &entries[nentries++];
}

static void last_site(uintptr_t pc, const char *text)
{
	struct entry *e = new_entry(-1, pc);

	if (e)
		snprintf(e->text, sizeof(e->text), "%s", text);
}

void trace_note(const char *fmt, ...)
{
	va_list ap;
	struct entry *e = tracing ? new_entry(me, 0) : NULL;

	if (!e)
		return;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
}

void trace_race(uintptr_t pc)
{
	if (tracing)
		last_site(pc, "the other access");
}

static const char *const mo_name[] = { "rlx", "con", "acq", "rel", "a/r", "sc", "?", "?" };

void trace_op(int t, const struct op *o, uint64_t ret, int alt, int nalt)
{
	static const char *const rmw[] = { [OP_XCHG] = "xchg", [OP_ADD] = "add",
					   [OP_SUB] = "sub", [OP_AND] = "and",
					   [OP_OR] = "or", [OP_XOR] = "xor",
					   [OP_NAND] = "nand" };
	struct entry *e = new_entry(t, o->pc);
	const char *mo = mo_name[o->mo & 7], *at;
	char stale[32] = "";

	if (!e)
		return;
	at = o->kind <= OP_CAS || o->kind >= OP_FUTEX_QUEUE ? addr_name(o->addr) : "";
	if (alt)
		snprintf(stale, sizeof(stale), " (%d of %d)", alt + 1, nalt);
#define SAY(...) snprintf(e->text, sizeof(e->text), __VA_ARGS__)
	switch (o->kind) {
	case OP_LOAD:
		SAY("%s -> %s %s%s", at, value_name(ret, o->size), mo, stale);
		break;
	case OP_STORE:
		SAY("%s = %s %s%s", at, value_name(o->arg, o->size), mo, stale);
		break;
	case OP_CAS:
		if (T[t].ok)
			SAY("%s: %s => %s cas %s%s", at, value_name(ret, o->size),
			    value_name(o->arg, o->size), mo, stale);
		else
			SAY("%s -> %s cas failed%s", at, value_name(ret, o->size), stale);
		break;
	case OP_FENCE:
		SAY("fence %s", mo);
		break;
	case OP_MEMBARRIER:
		SAY("membarrier");
		break;
	case OP_BARRIER_IN:
		SAY("membarrier reaches thread %d", (int)o->arg);
		break;
	case OP_LOCK:
		SAY("rcu lock");
		break;
	case OP_UNLOCK:
		SAY("rcu unlock");
		break;
	case OP_SYNC:
		SAY("grace period begins");
		break;
	case OP_SYNC_WAIT:
		SAY("grace period ends");
		break;
	case OP_FUTEX_QUEUE:
		SAY("futex queue %s for not %s -> %d", at, value_name(o->expect, 4), (int)ret);
		break;
	case OP_FUTEX_WAIT:
		SAY("futex wait %s for not %s -> %d", at, value_name(o->expect, 4), (int)ret);
		break;
	case OP_FUTEX_SLEEP:
		SAY("woken -> %d", (int)ret);
		break;
	case OP_FUTEX_WAKE:
		SAY("futex wake %s -> %d", at, (int)ret);
		break;
	case OP_CHOOSE:
		SAY("choose %d", (int)ret);
		break;
	case OP_PAUSE:
		SAY("pause");
		break;
	default:
		SAY("%s: %s %s %s %s%s", at, value_name(ret, o->size), rmw[o->kind],
		    value_name(o->arg, o->size), mo, stale);
	}
#undef SAY
}

static void flush_segment(void)
{
	char *p = schedule + schedule_len;
	size_t room = sizeof(schedule) - schedule_len;

	if (!seg_ops)
		return;
	if (seg_alt)
		schedule_len += (size_t)snprintf(p, room, "%c%d:%d", 'a' + seg_t - 1,
						 seg_alt, seg_ops);
	else
		schedule_len += (size_t)snprintf(p, room, "%c%d", 'a' + seg_t - 1, seg_ops);
	seg_ops = 0;
}

/* Thread @t has done @ops operations by now, the first new one in the @alt-th way. */
void trace_step(int t, int alt, int ops)
{
	int more = ops - counted[t];

	counted[t] = ops;
	if (t != seg_t || alt) {
		flush_segment();
		seg_alt = alt;
	}
	seg_t = t;
	seg_ops += more;
}

const char *trace_replay(void)
{
	flush_segment();
	return schedule;
}

/* ---- printing ---- */

static char (*lines)[48];

static void find_lines(void)
{
	char *cmd = malloc((size_t)nentries * 20 + 200), buf[512];
	size_t n;
	FILE *f;
	int i;

	lines = calloc((size_t)nentries + 1, sizeof(*lines));
	if (!cmd || !lines)
		return;
	n = (size_t)sprintf(cmd, "addr2line -s -e /proc/%d/exe", (int)getpid());
	for (i = 0; i < nentries; i++)
		n += (size_t)sprintf(cmd + n, " %lx",
				     (unsigned long)(entries[i].pc ? entries[i].pc - 1 : 0));
	strcpy(cmd + n, " 2>/dev/null");
	f = popen(cmd, "r");
	for (i = 0; f && i < nentries && fgets(buf, sizeof(buf), f); i++) {
		buf[strcspn(buf, " \n")] = 0;
		if (buf[0] != '?')
			snprintf(lines[i], sizeof(lines[i]), "%.46s", buf);
	}
	if (f)
		pclose(f);
	free(cmd);
}

/* NULL: begin anew. */
void trace_print(const char *why)
{
	int i, t, width = nthr > 3 ? 34 : nthr > 2 ? 40 : 48;

	if (!why) {
		nentries = nsites = 0;
		schedule_len = 0;
		schedule[0] = 0;
		seg_t = seg_ops = 0;
		memset(counted, 0, sizeof(counted));
		return;
	}
	find_lines();
	printf("\n%s: %s\n", S->name, why);
	printf("%-22s", "");
	for (t = 1; t <= nthr; t++) {
		char head[24];

		snprintf(head, sizeof(head), "thread %d (%c)", t, 'a' + t - 1);
		printf(" %-*s", width, head);
	}
	printf("\n");
	for (i = 0; i < nentries; i++) {
		printf("%-22s", lines ? lines[i] : "");
		for (t = 1; t < entries[i].t; t++)
			printf(" %-*s", width, "");
		printf(" %s\n", entries[i].text);
	}
	printf("replay: %s\n\n", trace_replay());
	fflush(stdout);
}
