/* SPDX-License-Identifier: MIT */
/*
 * run.c - a process for each fault; the table
 *
 *   faults [--quick] [--first] [--jobs N] [SEQUENCE...]	all faults of these, or of
 *						all; until one is wrong
 *   faults --run SEQUENCE [ERRNO CALL]	one run; another makes CALL fail so, as strace
 *   faults --one SEQUENCE SITE ERRNO N FROM	one fault, as a failure names it
 *   faults --names				the sequences
 *   faults --calls				the calls, and which errnos are not injected
 *
 * A run without a fault tells which sites there are and how often each is called.
 * Then each is failed with each errno, at its 1st .. 20th call; for ever, where that
 * is not waited out; and each allocation, once and from then on.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "faults.h"

#define CALLS	20
#define LIMIT	5		/* seconds a run */
#define PLANS	60000

int assumed;
bool is_seen;

struct planned {
	const struct sequence *seq;
	struct plan plan;
	struct balance left;
};

static struct planned plans[PLANS];
static size_t nr_plans;
static bool quick, first;

static struct totals {
	uint32_t failed, next;
	uint32_t runs[PLANS];		/* 1: it came to that */
} *totals;

static void *map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}

void wrong(const char *file, int line, const char *what, long ret)
{
	snprintf(shared->said, sizeof(shared->said), "%s:%d: %s: %ld", file, line, what, ret);
	_exit(1);
}

static void *run_it(void *arg)
{
	((const struct sequence *)arg)->fn();
	return NULL;
}

/* What thread-local caches hold is not given back where no destructor can be had. */
static bool caches_go(void)
{
	const char *name = calls[shared->plan.site >> 48].name;

	return strcmp(name, "pthread_key_create") && strcmp(name, "pthread_setspecific");
}

static void child(const struct sequence *seq)
{
	struct ends ends = { .left = shared->left };
	const char *text;
	sigset_t set;
	pthread_t id;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_BLOCK, &set, NULL);
	alarm(LIMIT);
	if (seq->env)
		setenv(seq->env, "1", 1);
	without = seq->without ? call_number(seq->without) : 0;
	ends.fds = descriptors();
	if (pthread_create(&id, NULL, run_it, (void *)(uintptr_t)seq))
		_exit(2);
	pthread_join(id, NULL);
	shared->over = 1;
	text = leaks(&ends, caches_go());
	shared->left = left_over();
	if (text)
		wrong(seq->name, 0, text, 0);
	_exit(0);
}

/* NULL: it went well. */
static const char *run(const struct planned *p)
{
	static char text[200];
	int status;
	pid_t pid;

	shared->plan = p->plan;
	shared->left = p->left;
	shared->over = shared->hits = shared->allocations = shared->forked = 0;
	shared->said[0] = '\0';
	memset(shared->site, 0, sizeof(shared->site));
	fflush(stdout);
	pid = fork();
	if (!pid)
		child(p->seq);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return "no process";
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return NULL;
	if (shared->said[0])
		return shared->said;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		return "it hangs";
	snprintf(text, sizeof(text), "status %#x", status);
	return text;
}

static void add(const struct sequence *seq, struct plan plan, struct balance left)
{
	if (nr_plans == PLANS)
		abort();
	plans[nr_plans++] = (struct planned){ seq, plan, left };
}

/* For ever it would be waited out: it comes by itself, or is the op's to end. */
static bool passes(int err)
{
	static const int errs[] = { EINTR, EAGAIN, EBUSY, ETIMEDOUT, EIO, ENOENT, EALREADY,
				    ETIME, EBADR };
	unsigned i;

	for (i = 0; i < sizeof(errs) / sizeof(*errs); i++)
		if (err == errs[i])
			return true;
	return false;
}

/* What cannot be there, or is said in urctx(7) not to work there. */
static bool never(const struct sequence *seq, const struct call *call, int err)
{
	/* a CQ that overflows: that of a thread's own ring has room */
	if (err == EBADR)
		return strncmp(seq->name, "ring", 4);
	if (err == EAGAIN && !strcmp(seq->name, "io_nothing"))
		return true;
	/* an eventfd that is full is readable */
	if (err == EAGAIN && !strcmp(call->name, "write"))
		return strcmp(seq->name, "io_null");
	/* with a stack of libc's own size there is nothing that could be wrong */
	if (err == EINVAL && !strcmp(call->name, "pthread_create"))
		return !strcmp(seq->name, "group");
	return false;
}

static void plan_site(const struct sequence *seq, const struct site *s, struct balance left)
{
	const struct call *call = &calls[s->key >> 48];
	unsigned most = s->count < CALLS ? s->count : CALLS, n, e;

	for (e = 0; call->errnos[e]; e++) {
		struct plan plan = { .site = s->key, .err = call->errnos[e] };

		if (never(seq, call, plan.err))
			continue;
		for (n = 1; n <= most; n++) {
			plan.n = n;
			if (!quick || n == 1 + e % most)
				add(seq, plan, left);
		}
		plan.n = 1;
		plan.from = true;
		if (!passes(plan.err) || !strcmp(call->name, "pthread_create"))
			add(seq, plan, left);
	}
}

static unsigned plan_sequence(const struct sequence *seq)
{
	struct planned nothing = { .seq = seq, .left = { LONG_MAX, LONG_MAX } };
	struct plan plan = { .err = ENOMEM };
	const char *text;
	unsigned i, all;

	text = run(&nothing);
	if (text) {
		printf("FAIL %s without a fault: %s\n", seq->name, text);
		totals->failed++;
		return 0;
	}
	all = shared->allocations;
	for (i = 0; i < SITES_MAX && shared->site[i].key; i++)
		plan_site(seq, &shared->site[i], shared->left);
	for (i = 1; i <= all + 1; i++) {
		if (quick && i > 4 && i <= all && i % (all / 4 + 1))
			continue;
		plan.n = i;
		plan.from = false;
		add(seq, plan, shared->left);
		plan.from = true;
		add(seq, plan, shared->left);
	}
	return all;
}

static void report(const struct planned *p, const char *text)
{
	const struct plan *f = &p->plan;

	printf("FAIL %s: %s %s call %u%s: %s\n     --one %s %#jx %d %u %d\n", p->seq->name,
	       f->site ? calls[f->site >> 48].name : "allocation", strerrorname_np(f->err),
	       f->n, f->from ? " and all that follow" : "", text, p->seq->name,
	       (uintmax_t)f->site, f->err, f->n, f->from);
	fflush(stdout);
}

static void worker(void)
{
	struct shared *mine = map(sizeof(*mine));
	size_t i;

	shared = mine;
	while ((i = __atomic_fetch_add(&totals->next, 1, __ATOMIC_SEQ_CST)) < nr_plans) {
		const char *text = run(&plans[i]);

		totals->runs[i] = shared->hits > 0;
		if (text) {
			report(&plans[i], text);
			__atomic_add_fetch(&totals->failed, 1, __ATOMIC_SEQ_CST);
			if (first)
				__atomic_store_n(&totals->next, nr_plans, __ATOMIC_SEQ_CST);
		}
	}
	_exit(0);
}

static int by_site(const void *a, const void *b)
{
	uint64_t x = plans[*(const uint32_t *)a].plan.site;
	uint64_t y = plans[*(const uint32_t *)b].plan.site;

	return x < y ? -1 : x > y;
}

static void list_calls(void)
{
	const struct call *c;
	int e;

	for (c = calls + 1; c->name; c++) {
		printf("%s:", c->name);
		for (e = 0; c->errnos[e]; e++)
			printf(" %s", strerrorname_np(c->errnos[e]));
		printf("%s%s\n", *c->never ? "; not " : "", c->never);
	}
}

/* A line a site: for `sites`, which knows where that is. */
static void table(unsigned allocations)
{
	static uint32_t order[PLANS];
	unsigned sites = 0, runs = 0, mallocs = 0;
	size_t i, j;

	for (i = 0; i < nr_plans; i++)
		order[i] = (uint32_t)i;
	qsort(order, nr_plans, sizeof(*order), by_site);
	for (i = 0; i < nr_plans; i = j) {
		uint64_t site = plans[order[i]].plan.site;
		unsigned came = 0;
		int e;

		for (j = i; j < nr_plans && plans[order[j]].plan.site == site; j++)
			came += totals->runs[order[j]];
		if (!site) {
			mallocs = came;
			continue;
		}
		sites++;
		runs += came;
		printf("site %#jx %u %s", (uintmax_t)(site & 0xffffffffffff), came,
		       calls[site >> 48].name);
		for (e = 0; calls[site >> 48].errnos[e]; e++)
			printf(" %s", strerrorname_np(calls[site >> 48].errnos[e]));
		printf("\n");
	}
	printf("%zu planned; %u runs of %u sites came to their fault, and %u of %u allocations\n",
	       nr_plans, runs, sites, mallocs, allocations);
	printf("runs: %u\n", runs + mallocs);
}

static const struct sequence *named(const char *name)
{
	const struct sequence *s;

	for (s = sequences; s->name; s++)
		if (!strcmp(s->name, name))
			return s;
	fprintf(stderr, "faults: no sequence %s\n", name);
	exit(2);
}

static int one(char **arg, int nr)
{
	struct planned p = { .seq = named(arg[0]), .left = { LONG_MAX, LONG_MAX } };
	const char *text;

	if (nr == 5) {
		text = run(&p);
		p.left = shared->left;
		p.plan.site = strtoull(arg[1], NULL, 0);
		p.plan.err = atoi(arg[2]);
		p.plan.n = (unsigned)atoi(arg[3]);
		p.plan.from = atoi(arg[4]);
	} else if (nr == 3) {
		assumed = atoi(arg[1]);
		is_seen = !strcmp(arg[2], "io_uring_enter");
	}
	text = run(&p);
	printf("%s: %s, %u failed calls\n", p.seq->name, text ? text : "as it should be",
	       shared->hits);
	return text != NULL;
}

int main(int argc, char **argv)
{
	unsigned jobs = 2, allocations = 0, i;
	const struct sequence *s;

	shared = map(sizeof(*shared));
	totals = map(sizeof(*totals));
	for (argv++, argc--; argc && argv[0][0] == '-'; argv++, argc--) {
		if (!strcmp(argv[0], "--quick"))
			quick = true;
		else if (!strcmp(argv[0], "--first"))
			first = true;
		else if (!strcmp(argv[0], "--jobs") && argc-- > 1)
			jobs = (unsigned)atoi(*++argv);
		else if ((!strcmp(argv[0], "--run") || !strcmp(argv[0], "--one")) && argc > 1)
			return one(argv + 1, argc - 1);
		else if (!strcmp(argv[0], "--calls")) {
			list_calls();
			return 0;
		} else if (!strcmp(argv[0], "--names")) {
			for (s = sequences; s->name; s++)
				puts(s->name);
			return 0;
		}
		else
			return 2;
	}
	for (i = 0; (int)i < argc; i++)
		allocations += plan_sequence(named(argv[i]));
	for (s = sequences; !argc && s->name; s++)
		allocations += plan_sequence(s);
	fflush(stdout);
	for (i = 0; i < jobs; i++)
		if (!fork())
			worker();
	while (wait(NULL) > 0)
		;
	table(allocations);
	return totals->failed != 0;
}
